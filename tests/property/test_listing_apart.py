"""However a bucket is cut to be listed in parts, what comes is what is there."""

from __future__ import annotations

import hashlib
import itertools
from dataclasses import dataclass, field

from hypothesis import given
from hypothesis import strategies as st

from docferry.storage.listing import DIGEST, LISTED, Page
from docferry.storage.listing_apart import Order, in_order_of_folders, in_order_of_keys
from docferry.storage.prefix_listing import PrefixListing

PAGE_KEYS = 2
NAMES = ["".join(each) for size in (1, 2, 3, 4) for each in itertools.product("a/-", repeat=size)]
KEYS = st.integers(2**30, 2 ** len(NAMES) - 1).map(
    lambda chosen: {name for number, name in enumerate(NAMES) if chosen >> number & 1}
)


@dataclass
class Shelf:
    """A bucket that lists in an order of its own, two keys a page."""

    keys: set[str]
    order: Order = in_order_of_keys
    starts: list[str | None] = field(default_factory=list)  #: of pages asked for by a key

    def fetch_page(self, after: str | None, start: str | None) -> Page:
        keys = sorted(self.keys, key=self.order)
        begin = int(after or 0)
        if start is not None:
            self.starts.append(start)
            begin = sum(self.order(key) <= self.order(start) for key in keys)
        found = keys[begin : begin + PAGE_KEYS]
        is_truncated = begin + PAGE_KEYS < len(keys)
        return {
            "Name": "documents",
            "IsTruncated": is_truncated,
            "NextContinuationToken": str(begin + PAGE_KEYS) if is_truncated else None,
            LISTED: [(key, "etag", "7") for key in found],
            DIGEST: hashlib.sha256("\n".join(found).encode()).digest(),
        }


def listed(listing: PrefixListing, *, is_in_order: bool) -> list[str]:
    return [key for batch in listing.objects(is_in_order=is_in_order) for key, *_ in batch]


@given(first=KEYS, changes=st.lists(KEYS, min_size=1, max_size=3), is_in_order=st.booleans())
def test_what_is_listed_in_parts_is_what_is_there(
    first: set[str], changes: list[set[str]], *, is_in_order: bool
) -> None:
    order = in_order_of_keys if is_in_order else in_order_of_folders
    shelf = Shelf(first, order)
    listing = PrefixListing(shelf.fetch_page, "")
    listed(listing, is_in_order=is_in_order)

    for change in changes:
        shelf.keys = shelf.keys ^ change

        assert listed(listing, is_in_order=is_in_order) == sorted(shelf.keys)
        assert listing.is_as_before()


@given(first=KEYS, change=KEYS, is_in_order=st.booleans())
def test_any_change_of_a_listing_in_parts_is_noticed(
    first: set[str], change: set[str], *, is_in_order: bool
) -> None:
    shelf = Shelf(first, in_order_of_keys if is_in_order else in_order_of_folders)
    listing = PrefixListing(shelf.fetch_page, "")
    listed(listing, is_in_order=is_in_order)
    listed(listing, is_in_order=is_in_order)

    shelf.keys = shelf.keys ^ {min(change)}

    assert not listing.is_as_before()
