"""
List what is in a bucket below a prefix, and believe only what a store has said.

A listing that breaks off, or that a proxy's log-in page stands in for, must never
look like a bucket in which documents are missing.
"""

from __future__ import annotations

import hashlib
import heapq
import marshal
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from itertools import islice
from typing import IO, Any, TypeAlias
from urllib.parse import unquote_plus
from xml.etree import ElementTree

from docferry.errors import TemporaryError
from docferry.model import Token
from docferry.storage.s3_metadata import size_of, token_of

#: One page as a store sends it: boto3's ListObjectsV2 answer after `lift_objects`.
Page: TypeAlias = Mapping[str, Any]
FetchPage: TypeAlias = Callable[[str | None], Page]
#: One object: its key, its ETag without quotes, its size in bytes.
Listed: TypeAlias = tuple[str, Token, int]

#: So many objects are sorted in memory, about 15 MB; of more, the rest waits in files.
RUN_OBJECTS = 50_000
_BATCH_OBJECTS = 1000
_FIRST, _LAST = b"<Contents>", b"</Contents>"

#: Where a page holds what was lifted out of it: (key, ETag, size), as they were sent.
LISTED = "docferry.Listed"
#: The hash of a page's objects as they were sent: the same again is the same listing.
DIGEST = "docferry.Digest"
_URL = "url"

_this_thread = threading.local()


class OutOfOrderError(TemporaryError):
    """The store does not list in the order of UTF-8, as S3 promises. List again, and sort."""


def list_objects(
    fetch_page: FetchPage, prefix: str, *, is_in_order: bool, run_objects: int = RUN_OBJECTS
) -> Iterator[list[Listed]]:
    """
    Give all objects whose key starts with *prefix*, some at a time, in the order of UTF-8.

    The next page is fetched while one is used.

    Args:
        fetch_page: Fetches the first page (None), or the one after a continuation token.
        is_in_order: The store lists in order. SeaweedFS does not: it walks its
            folders, and gives "a/b/c" before "a/b-c". Then nothing is given before
            the listing is complete and sorted.

    Raises:
        TemporaryError: A page is not a store's, or is damaged. What was not listed is
            then unknown, not absent.
        OutOfOrderError: Not in order, though *is_in_order*.
    """
    yield from in_order(
        _pages(fetch_page, prefix), is_in_order=is_in_order, run_objects=run_objects
    )


def in_order(
    batches: Iterator[list[Listed]], *, is_in_order: bool, run_objects: int = RUN_OBJECTS
) -> Iterator[list[Listed]]:
    """Give what was listed in the order of UTF-8: see `list_objects`."""
    if not is_in_order:
        batches = _sorted(batches, run_objects)
    last = ""
    for batch in batches:
        for key, _, _ in batch:
            # Python compares code points; UTF-8 keeps their order.
            if key <= last:
                _fail(key, last)
            last = key
        yield batch


def lift_objects(
    response_dict: dict[str, Any], customized_response_dict: dict[str, Any], **_: object
) -> None:
    """
    Take the objects out of a page before boto3 reads it: that takes 16 us for each, this 5.

    For botocore's event `before-parse.s3.ListObjectsV2`.
    """
    customized_response_dict[DIGEST], customized_response_dict[LISTED] = b"", ()
    if response_dict["status_code"] != 200:
        if response_dict["status_code"] < 300:  # the answer to another request, given twice
            response_dict["body"] = b""  # nor is what boto3 would read in it a page
        return
    body = response_dict["body"]
    start, end = body.find(_FIRST), body.rfind(_LAST)
    customized_response_dict[DIGEST] = hashlib.blake2b(body[start:end], digest_size=16).digest()
    if getattr(_this_thread, "only_glances", False):
        if 0 <= start < end:
            response_dict["body"] = body[:start] + body[end + len(_LAST) :]
        return
    try:
        page = ElementTree.fromstring(body)
    except ElementTree.ParseError:
        return  # boto3 says the same, in its own way
    namespace = page.tag.removesuffix("ListBucketResult")
    contents, key, etag, size = (namespace + tag for tag in ("Contents", "Key", "ETag", "Size"))
    found = page.findall(contents)
    is_encoded = page.findtext(namespace + "EncodingType") == _URL
    customized_response_dict[LISTED] = [
        (
            unquote_plus(each.findtext(key, "")) if is_encoded else each.findtext(key, ""),
            each.findtext(etag, ""),
            each.findtext(size, ""),
        )
        for each in found
    ]
    rest = ElementTree.Element(page.tag)
    rest.extend(element for element in page if element.tag != contents)
    response_dict["body"] = ElementTree.tostring(rest)


@contextmanager
def only_glances() -> Iterator[None]:
    """Let this thread's pages have a DIGEST and nothing LISTED: such a page costs 1 ms."""
    _this_thread.only_glances = True
    try:
        yield
    finally:
        _this_thread.only_glances = False


def is_same_listing(fetch_page: FetchPage, digests: Sequence[bytes]) -> bool:
    """
    Say whether the pages are, byte for byte, those with *digests*.

    Raises:
        TemporaryError: A page is not a store's.
    """
    after: str | None = None
    with only_glances():
        for number, digest in enumerate(digests, start=1):
            page = fetch_page(after)
            after = token_of_next(page)
            if page[DIGEST] != digest or (after is None) != (number == len(digests)):
                return False
    return bool(digests)


def _pages(fetch_page: FetchPage, prefix: str) -> Iterator[list[Listed]]:
    with ThreadPoolExecutor(1, thread_name_prefix="list") as pool:
        coming: Future[Page] | None = pool.submit(fetch_page, None)
        after: str | None = None
        while coming is not None:
            page = coming.result()
            before, after = after, token_of_next(page)
            if after is not None and after == before:
                raise TemporaryError("the listing goes round in a circle")
            coming = pool.submit(fetch_page, after) if after is not None else None
            yield objects_of(page, prefix)


def token_of_next(page: Page) -> str | None:
    """Give the token of the page after *page*; None: it is the last one."""
    # boto3 takes a 200 with an HTML page, or with nothing, for an empty listing.
    if not page.get("Name") or not isinstance(page.get("IsTruncated"), bool):
        raise TemporaryError(
            "the listing is not one of an S3 store: is a proxy or a log-in page in between?"
        )
    if not page["IsTruncated"]:
        return None
    after = page.get("NextContinuationToken")
    if not after:
        raise TemporaryError("the listing breaks off: it says that there is more, but not where")
    return str(after)


def objects_of(page: Page, prefix: str) -> list[Listed]:
    """
    Give the objects of a page, in its order.

    Raises:
        TemporaryError: It is damaged, or of another prefix.
    """
    try:
        listed = [(key, token_of(etag), size_of(size)) for key, etag, size in page[LISTED]]
    except ValueError as error:
        raise TemporaryError(
            "the listing is damaged: an object without a size that can be"
        ) from error
    for key, token, _ in listed:
        if not token:
            raise TemporaryError(f"the listing is damaged: {key!r} is without an ETag")
        if not key.startswith(prefix):
            raise TemporaryError(f"the listing is of something else: {key!r} is not in {prefix!r}")
    return listed


def _sorted(batches: Iterator[list[Listed]], run_objects: int) -> Iterator[list[Listed]]:
    """Sort in bounded memory."""
    runs: list[Iterator[Listed]] = []
    run: list[Listed] = []
    with ExitStack() as files:
        for batch in batches:
            run += batch
            if len(run) >= run_objects:
                file = files.enter_context(tempfile.TemporaryFile())
                _spill(sorted(run), file)
                runs.append(_spilled(file))
                run = []
        in_order = heapq.merge(*runs, sorted(run))
        while batch := list(islice(in_order, _BATCH_OBJECTS)):
            yield batch


def _spill(run: list[Listed], file: IO[bytes]) -> None:
    for start in range(0, len(run), _BATCH_OBJECTS):
        marshal.dump(run[start : start + _BATCH_OBJECTS], file)
    marshal.dump([], file)
    file.seek(0)


def _spilled(file: IO[bytes]) -> Iterator[Listed]:
    while batch := marshal.load(file):
        yield from batch


def _fail(key: str, last: str) -> None:
    if key == last:
        raise TemporaryError(f"the listing names {key!r} twice")
    raise OutOfOrderError(f"the store does not list in order: {key!r} after {last!r}")
