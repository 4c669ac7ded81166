"""A listing: complete, in order and from a store, or an error."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from docferry.errors import TemporaryError
from docferry.storage.listing import (
    LISTED,
    FetchPage,
    Listed,
    OutOfOrderError,
    Page,
    lift_objects,
    list_objects,
)


def page(*keys: str, after: str | None = None, **other: object) -> Page:
    return {
        "Name": "documents",
        "IsTruncated": after is not None,
        "NextContinuationToken": after,
        LISTED: [(key, '"etag"', "7") for key in keys],
        **other,
    }


def pages(*given: Page) -> FetchPage:
    """Fetch the pages one after the other: their continuation tokens are "1", "2"…"""
    return lambda after: given[int(after or 0)]


def keys(fetch_page: FetchPage, *, is_in_order: bool = True, run_objects: int = 50) -> list[str]:
    batches = list_objects(fetch_page, "p/", is_in_order=is_in_order, run_objects=run_objects)
    return [key for batch in batches for key, _, _ in batch]


def test_an_object_has_its_key_its_token_and_its_size() -> None:
    (batch,) = list_objects(pages(page("p/a")), "p/", is_in_order=True)

    assert batch == [("p/a", "etag", 7)]


@pytest.mark.parametrize("is_in_order", [True, False])
def test_nothing_is_listed_where_nothing_is(*, is_in_order: bool) -> None:
    assert keys(pages(page()), is_in_order=is_in_order) == []


@pytest.mark.parametrize("is_in_order", [True, False])
def test_all_pages_are_listed(*, is_in_order: bool) -> None:
    fetch_page = pages(page("p/a", after="1"), page(after="2"), page("p/b", "p/c"))

    assert keys(fetch_page, is_in_order=is_in_order) == ["p/a", "p/b", "p/c"]


def test_a_store_that_walks_folders_is_sorted() -> None:
    fetch_page = pages(page("p/a/b/c", "p/a/b-c", after="1"), page("p/\U0001f980", "p/\uff5e"))

    found = keys(fetch_page, is_in_order=False)

    assert found == ["p/a/b-c", "p/a/b/c", "p/\uff5e", "p/\U0001f980"]
    assert found == sorted(found, key=str.encode)


@pytest.mark.parametrize("run_objects", [1, 7, 1000])
def test_more_than_is_sorted_at_a_time_comes_back_from_the_files(run_objects: int) -> None:
    names = [f"p/{number * 7919 % 2503}" for number in range(2503)]
    given = [names[start : start + 100] for start in range(0, len(names), 100)]
    last = len(given) - 1
    fetch_page = pages(
        *(page(*some, after=str(n + 1) if n < last else None) for n, some in enumerate(given))
    )

    assert keys(fetch_page, is_in_order=False, run_objects=run_objects) == sorted(names)


def test_a_store_that_was_to_list_in_order_and_does_not_is_not_believed() -> None:
    with pytest.raises(OutOfOrderError):
        keys(pages(page("p/a/b/c", "p/a/b-c")))
    with pytest.raises(OutOfOrderError):
        keys(pages(page("p/b", after="1"), page("p/a")))


@pytest.mark.parametrize("is_in_order", [True, False])
def test_a_key_that_comes_twice_is_not_believed(*, is_in_order: bool) -> None:
    with pytest.raises(TemporaryError, match="twice"):
        keys(pages(page("p/a", after="1"), page("p/a")), is_in_order=is_in_order)


NON_ANSWERS: dict[str, Callable[[], dict[str, Any]]] = {
    "an HTML page, as boto3 reads it": lambda: {LISTED: []},
    "without its name": lambda: {**page("p/b"), "Name": ""},
    "without saying whether it ends": lambda: {**page("p/b"), "IsTruncated": None},
    "without saying where it goes on": lambda: {**page("p/b"), "IsTruncated": True},
    "of another prefix": lambda: {**page("q/b")},
    "without an ETag": lambda: {**page(), LISTED: [("p/b", "", "7")]},
    "without a size": lambda: {**page(), LISTED: [("p/b", '"etag"', "")]},
    "with a size that is none": lambda: {**page(), LISTED: [("p/b", '"etag"', "x")]},
    "with a size that nothing has": lambda: {**page(), LISTED: [("p/b", '"etag"', "-5")]},
    "with a size that no ledger takes": lambda: {**page(), LISTED: [("p/b", '"etag"', "9" * 19)]},
    "without a key": lambda: {**page(), LISTED: [("", '"etag"', "7")]},
}


@pytest.mark.parametrize("is_in_order", [True, False])
@pytest.mark.parametrize("kind", NON_ANSWERS)
def test_a_page_that_no_store_sends_is_an_error(kind: str, *, is_in_order: bool) -> None:
    fetch_page = pages(page("p/a", after="1"), NON_ANSWERS[kind]())

    with pytest.raises(TemporaryError):
        keys(fetch_page, is_in_order=is_in_order)


@pytest.mark.parametrize("is_in_order", [True, False])
def test_a_listing_that_always_goes_on_at_the_same_place_is_an_error(*, is_in_order: bool) -> None:
    fetch_page = pages(page("p/a", after="1"), page(after="1"))

    with pytest.raises(TemporaryError, match="circle"):
        keys(fetch_page, is_in_order=is_in_order)


def test_a_listing_that_must_be_sorted_gives_nothing_before_it_is_complete() -> None:
    given: list[list[Listed]] = []

    with pytest.raises(TemporaryError):
        given.extend(
            list_objects(pages(page("p/a", after="1"), {LISTED: []}), "p/", is_in_order=False)
        )

    assert given == []


def test_a_page_is_fetched_while_the_one_before_is_used() -> None:
    asked: list[str | None] = []

    def fetch_page(after: str | None) -> Page:
        asked.append(after)
        return page("p/b") if after else page("p/a", after="next")

    batches = list_objects(fetch_page, "p/", is_in_order=True)
    next(batches)
    del batches  # waits for what is under way

    assert asked == [None, "next"]


# What boto3 is spared.

XML = b"""<?xml version="1.0" encoding="UTF-8"?>
<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>documents</Name>
<IsTruncated>false</IsTruncated>%s<Contents><Key>a%%2Bb+c&amp;</Key><Owner><ID>1</ID></Owner>
<ETag>&#34;e&#34;</ETag><Size>3</Size></Contents><Contents><Size>0</Size><Key>d</Key></Contents>
</ListBucketResult>"""


def lifted(body: bytes, status: int = 200) -> tuple[dict[str, Any], bytes]:
    found: dict[str, Any] = {}
    answer = {"status_code": status, "body": body}
    lift_objects(answer, found, operation_model=None)
    rest = answer["body"]
    assert isinstance(rest, bytes)
    return found, rest


def test_objects_are_lifted_out_of_a_page() -> None:
    found, rest = lifted(XML % b"<EncodingType>url</EncodingType>")

    assert found[LISTED] == [("a+b c&", '"e"', "3"), ("d", "", "0")]
    assert b"Contents" not in rest
    assert b"documents" in rest


def test_keys_that_the_store_did_not_encode_stay_as_they_are() -> None:
    found, _ = lifted(XML % b"")

    assert found[LISTED][0][0] == "a%2Bb+c&"


def test_a_page_without_namespace_is_a_page() -> None:
    found, _ = lifted(XML.replace(b' xmlns="http://s3.amazonaws.com/doc/2006-03-01/"', b"") % b"")

    assert len(found[LISTED]) == 2


@pytest.mark.parametrize("body", [b"", b"<a/>", b"<html><br></html>", XML[:200]])
def test_what_is_no_page_is_left_for_boto3_to_judge(body: bytes) -> None:
    found, rest = lifted(body)

    assert not found[LISTED]
    assert rest in (body, b"<a />")


def test_an_error_is_left_for_boto3_to_judge() -> None:
    found, rest = lifted(XML % b"", status=503)

    assert not found[LISTED]
    assert rest == XML % b""


@pytest.mark.parametrize("status", [204, 206])
def test_the_answer_to_another_request_is_no_page(status: int) -> None:
    """One that a proxy gives twice is read as that to the next request."""
    found, rest = lifted(XML % b"", status=status)

    assert rest == b""  # which is no page of a store, for whoever reads it
    with pytest.raises(TemporaryError, match="not one of an S3 store"):
        keys(lambda _: found)
