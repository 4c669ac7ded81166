"""The listing of one prefix, asked for again and again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress

from docferry.errors import DocferryError
from docferry.storage.listing import (
    LISTED,
    Listed,
    Page,
    in_order,
    is_same_listing,
    list_objects,
)
from docferry.storage.listing_apart import (
    FEWEST_PAGES,
    NotCutError,
    Order,
    SeenPage,
    can_be_cut,
    in_order_of_folders,
    in_order_of_keys,
    is_ordered,
    is_same_apart,
    list_apart,
    seen,
)

#: So often a store is asked whether it can list from a key on; others may write meanwhile.
_TRIALS = 5


class PrefixListing:
    """
    Lists what is below a prefix; remembers the pages. For one thread at a time.

    Args:
        fetch_page: Fetches a page: what follows a token, or begins after a key.
    """

    def __init__(self, fetch_page: Callable[[str | None, str | None], Page], prefix: str) -> None:
        self._fetch_page = fetch_page
        self._prefix = prefix
        self._pages: list[SeenPage] = []  # of the last listing that came to its end
        self._is_apart = False  # they were listed in parts
        self._is_cut = False  # the store has listed from a key on as it had in one go
        self._trials = 0

    def objects(self, *, is_in_order: bool) -> Iterator[list[Listed]]:
        """
        Give all objects, some at a time, in the order of UTF-8.

        Args:
            is_in_order: The store lists in that order.

        Raises:
            TemporaryError, OutOfOrderError: As `list_objects` does.
        """
        pages: list[SeenPage] = []
        is_apart = self._is_cut and len(self._pages) >= FEWEST_PAGES
        if is_apart:
            yield from self._apart(pages, is_in_order=is_in_order)
        else:
            yield from self._in_one_go(pages, is_in_order=is_in_order)
        self._pages, self._is_apart = pages, is_apart

    def is_as_before(self) -> bool:
        """
        Say whether all is listed exactly as it was the last time: cheap to ask.

        Raises:
            TemporaryError: A page is not a store's.
        """
        if self._is_apart or (self._is_cut and len(self._pages) >= FEWEST_PAGES):
            return is_same_apart(self._fetch_from, self._pages)
        return is_same_listing(self._fetch_next, [page.digest for page in self._pages])

    def _in_one_go(self, pages: list[SeenPage], *, is_in_order: bool) -> Iterator[list[Listed]]:
        order = _order(is_in_order=is_in_order)
        is_orderly = True

        def fetch_page(after: str | None) -> Page:
            nonlocal is_orderly
            page, start = self._fetch_next(after), pages[-1].last if pages else None
            pages.append(seen(page, start))
            is_orderly = is_orderly and is_ordered(page[LISTED], start, order)
            return page

        yield from list_objects(fetch_page, self._prefix, is_in_order=is_in_order)
        if is_orderly and len(pages) >= FEWEST_PAGES and self._trials < _TRIALS:
            self._trials += 1
            with suppress(DocferryError):
                self._is_cut = can_be_cut(self._fetch_from, pages)

    def _apart(self, pages: list[SeenPage], *, is_in_order: bool) -> Iterator[list[Listed]]:
        def batches() -> Iterator[list[Listed]]:
            order = _order(is_in_order=is_in_order)
            for page, objects in list_apart(self._fetch_from, self._prefix, self._pages, order):
                pages.append(page)
                yield objects

        try:
            yield from in_order(batches(), is_in_order=is_in_order)
        except NotCutError:
            self._is_cut, self._trials = False, _TRIALS
            raise

    def _fetch_next(self, after: str | None) -> Page:
        return self._fetch_page(after, None)

    def _fetch_from(self, start: str | None) -> Page:
        return self._fetch_page(None, start)


def _order(*, is_in_order: bool) -> Order:
    return in_order_of_keys if is_in_order else in_order_of_folders
