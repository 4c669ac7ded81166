"""Where a bucket is listed in parts, and where that is not to be trusted."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from docferry.errors import TemporaryError
from docferry.storage.listing import DIGEST, LISTED, Page
from docferry.storage.listing_apart import FEWEST_PAGES, NotCutError
from docferry.storage.prefix_listing import PrefixListing
from property.test_listing_apart import PAGE_KEYS, Shelf, listed

Fetch = Callable[[str | None, str | None], Page]
MANY = {f"{number:03}" for number in range(20 * PAGE_KEYS)}


def listing_of(fetch: Fetch) -> PrefixListing:
    """Give a listing that has listed once."""
    listing = PrefixListing(fetch, "")
    listed(listing, is_in_order=True)
    return listing


def test_many_pages_are_listed_from_several_keys_on() -> None:
    shelf = Shelf(set(MANY))
    listing = listing_of(shelf.fetch_page)
    shelf.starts.clear()

    found = listed(listing, is_in_order=True)

    assert found == sorted(MANY)
    assert len(shelf.starts) == 19  # each page once, the first without a key


def test_a_few_pages_are_listed_in_one_go() -> None:
    shelf = Shelf({f"{number}" for number in range((FEWEST_PAGES - 1) * PAGE_KEYS)})
    listing = listing_of(shelf.fetch_page)

    listed(listing, is_in_order=True)

    assert shelf.starts == []


def test_where_a_store_ignores_the_key_all_is_listed_in_one_go() -> None:
    shelf = Shelf(set(MANY))
    asked: list[str | None] = []

    def fetch(after: str | None, start: str | None) -> Page:
        asked.append(start)
        return shelf.fetch_page(after, None)

    listing = listing_of(fetch)
    asked.clear()

    found = listed(listing, is_in_order=True)

    assert found == sorted(MANY)
    assert [start for start in asked if start is not None] == ["001"]  # and tried once more


def test_a_store_that_leaves_out_what_follows_a_key_is_not_believed() -> None:
    shelf = Shelf(set(MANY))

    def fetch(after: str | None, start: str | None) -> Page:
        page = shelf.fetch_page(after, start)
        return page if start is None else {**page, LISTED: page[LISTED][1:], DIGEST: b"other"}

    listing = listing_of(fetch)

    assert listed(listing, is_in_order=True) == sorted(MANY)


def test_a_part_that_is_another_one_is_an_error_and_the_next_listing_is_in_one_go() -> None:
    shelf = Shelf(set(MANY))
    is_broken = False

    def fetch(after: str | None, start: str | None) -> Page:
        return shelf.fetch_page(after, None if is_broken else start)

    listing = listing_of(fetch)
    is_broken = True

    with pytest.raises(NotCutError):
        listed(listing, is_in_order=True)

    assert listed(listing, is_in_order=True) == sorted(MANY)


def test_a_part_that_fails_is_an_error_and_no_shorter_listing() -> None:
    shelf = Shelf(set(MANY))
    is_down = False

    def fetch(after: str | None, start: str | None) -> Page:
        if is_down and start == "031":
            raise TemporaryError("the store does not answer")
        return shelf.fetch_page(after, start)

    listing = listing_of(fetch)
    is_down = True

    with pytest.raises(TemporaryError, match="does not answer"):
        listed(listing, is_in_order=True)


def test_a_store_that_finds_nothing_after_a_key_that_is_gone_is_not_believed() -> None:
    """It may look the key up, and has given nothing but keys that are there at the trial."""
    shelf = Shelf(set(MANY))

    def fetch(after: str | None, start: str | None) -> Page:
        is_lost = start is not None and start not in shelf.keys
        return shelf.fetch_page(after, "999" if is_lost else start)

    listing = listing_of(fetch)
    shelf.keys.remove("015")  # the last one of two parts

    with pytest.raises(NotCutError):
        listed(listing, is_in_order=True)

    assert listed(listing, is_in_order=True) == sorted(shelf.keys)


def test_what_has_come_between_two_keys_in_masses_is_listed_whole() -> None:
    shelf = Shelf(set(MANY))
    listing = listing_of(shelf.fetch_page)
    shelf.keys |= {f"010-{number:03}" for number in range(100)}

    assert listed(listing, is_in_order=True) == sorted(shelf.keys)
