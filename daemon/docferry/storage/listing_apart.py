"""
List a large bucket in several parts at a time, cut where pages of the last listing ended.

One listing asks for a page after the other, and a store that is far away answers each in a
tenth of a second: a million objects take minutes. With `StartAfter` a listing begins at any
key, so that what lies between two known keys is listed beside the rest. That a store keeps
to it is tried before it is believed: what it left out would look like deletions.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from typing import TypeAlias

from docferry.errors import TemporaryError
from docferry.storage.listing import (
    DIGEST,
    LISTED,
    Listed,
    Page,
    objects_of,
    only_glances,
    token_of_next,
)

#: Fetches the page that begins after a key; None: the first there is.
FetchFrom: TypeAlias = Callable[[str | None], Page]
#: Says where a key stands in the order in which a store lists.
Order: TypeAlias = Callable[[str], list[str]]
Batch: TypeAlias = tuple["SeenPage", list[Listed]]

#: Fewer pages are listed one after the other.
FEWEST_PAGES = 8
PAGES_A_PART = 4
#: Of what is listed and not used yet, about 20,000 objects are in memory, 6 MB.
PARTS_AT_ONCE = 4
_TRIALS = 4


class NotCutError(TemporaryError):
    """The store did not list from a key on. Listed in one go it may be sound."""


@dataclass(frozen=True, slots=True)
class SeenPage:
    """A page as it was listed: what it takes to know it again."""

    start: str | None  #: it begins after this key; None: with the first there is
    digest: bytes  #: of its objects, as they were sent
    last: str | None  #: its last key; None: it had none
    is_end: bool  #: nothing followed it


@dataclass(frozen=True, slots=True)
class _Part:
    batches: list[Batch]
    rest: str | None  #: what follows this key is still to be listed; None: nothing is
    is_end: bool = False  #: the store says that nothing follows it, in no part


def in_order_of_keys(key: str) -> list[str]:
    """Order as S3 promises: by UTF-8. Python compares code points, which is the same."""
    return [key]


def in_order_of_folders(key: str) -> list[str]:
    """Order as a store does that walks its folders: "a/b/c" before "a/b-c"."""
    return key.split("/")


def seen(page: Page, start: str | None) -> SeenPage:
    """Note *page*, which began after *start*."""
    listed = page[LISTED]
    is_end = token_of_next(page) is None
    return SeenPage(start, page[DIGEST], listed[-1][0] if listed else None, is_end)


def can_be_cut(fetch_from: FetchFrom, pages: Sequence[SeenPage]) -> bool:
    """
    Try whether some of *pages*, which were listed in one go, come again by their start alone.

    Raises:
        TemporaryError: A page is not a store's.
    """
    tried = pages[1 :: max(1, len(pages) // _TRIALS)]
    return len(pages) >= FEWEST_PAGES and all(_comes_again(fetch_from, page) for page in tried)


def is_same_apart(fetch_from: FetchFrom, pages: Sequence[SeenPage]) -> bool:
    """
    Say whether *pages*, all of a listing, come again byte for byte; several are asked for at once.

    Raises:
        TemporaryError: A page is not a store's.
    """
    with ThreadPoolExecutor(PARTS_AT_ONCE, thread_name_prefix="list") as pool:
        coming: deque[Future[bool]] = deque()
        for page in pages:
            coming.append(pool.submit(_comes_again, fetch_from, page))
            if len(coming) > PARTS_AT_ONCE and not coming.popleft().result():
                return False
        return all(future.result() for future in coming)


def list_apart(
    fetch_from: FetchFrom, prefix: str, pages: Sequence[SeenPage], order: Order
) -> Iterator[Batch]:
    """
    Yield each page there is now, with its objects, in the store's order.

    Args:
        pages: Those of the last listing.

    Raises:
        NotCutError: What came is not what was asked for.
        TemporaryError: A page is not a store's, or is damaged.
    """
    cuts = [page.last for page in pages[PAGES_A_PART - 1 : -1 : PAGES_A_PART]]
    ranges = deque(pairwise([None, *filter(None, cuts), None]))
    coming: deque[tuple[Future[_Part], str | None]] = deque()
    is_end = False
    with ThreadPoolExecutor(PARTS_AT_ONCE, thread_name_prefix="list") as pool:

        def begin(start: str | None, end: str | None) -> tuple[Future[_Part], str | None]:
            return pool.submit(_list_part, fetch_from, prefix, start, end, order), end

        while ranges or coming:
            while ranges and len(coming) <= PARTS_AT_ONCE:
                coming.append(begin(*ranges.popleft()))
            future, end = coming.popleft()
            part = future.result()
            if is_end and any(objects for _, objects in part.batches):
                raise NotCutError("the store said that nothing follows, and something does")
            is_end = is_end or part.is_end
            if part.rest is not None:  # much has come since: what follows waits for it
                coming.appendleft(begin(part.rest, end))
            yield from part.batches


def is_ordered(objects: Sequence[Listed], after: str | None, order: Order) -> bool:
    """Say whether *objects* come in this order, and all of them after the key *after*."""
    places = [order(key) for key, *_ in objects]
    if after is not None:
        places.insert(0, order(after))
    return all(place < following for place, following in pairwise(places))


def _list_part(
    fetch_from: FetchFrom, prefix: str, start: str | None, end: str | None, order: Order
) -> _Part:
    """List what comes after *start*, up to *end* or to the end of all."""
    batches: list[Batch] = []
    while len(batches) < 2 * PAGES_A_PART:
        page = fetch_from(start)
        one = seen(page, start)
        objects = objects_of(page, prefix)
        if not is_ordered(objects, start, order):
            raise NotCutError(f"asked for what follows {start!r}, the store gave something else")
        within = objects if end is None else _up_to(end, objects, order)
        batches.append((one, within))
        is_beyond = len(within) < len(objects)
        if one.is_end or is_beyond or (one.last is not None and one.last == end):
            return _Part(batches, None, one.is_end and not is_beyond)
        if one.last is None:
            raise NotCutError("the store says that more follows a page without objects")
        start = one.last
    return _Part(batches, start)


def _up_to(end: str, objects: list[Listed], order: Order) -> list[Listed]:
    last = order(end)
    return objects[: bisect_right(objects, last, key=lambda listed: order(listed[0]))]


def _comes_again(fetch_from: FetchFrom, page: SeenPage) -> bool:
    with only_glances():
        now = fetch_from(page.start)
    return (now[DIGEST], token_of_next(now) is None) == (page.digest, page.is_end)
