"""Faults of listing a bucket in parts."""

from __future__ import annotations

from fault import Fault

_TESTS = ("unit/test_listing_apart.py", "property/test_listing_apart.py")

LISTED_APART = (
    Fault(
        "a part leaves out the key at which it ends",
        "storage/listing_apart.py",
        "return objects[: bisect_right(objects,",
        "return objects[: -1 + bisect_right(objects,",
        _TESTS,
    ),
    Fault(
        "what has come since between two keys is not listed to its end",
        "storage/listing_apart.py",
        "if part.rest is not None:",
        "if part.rest is not None and False:",
        _TESTS,
    ),
    Fault(
        "a part may be another one than was asked for",
        "storage/listing_apart.py",
        "if not is_ordered(objects, start, order):",
        "if not is_ordered(objects, None, order):",
        _TESTS,
    ),
    Fault(
        "a part after which nothing is said to follow is believed against the next",
        "storage/listing_apart.py",
        "if is_end and any(",
        "if False and any(",
        _TESTS,
    ),
    Fault(
        "a store is believed to list from a key on without a trial",
        "storage/prefix_listing.py",
        "self._is_cut = can_be_cut(self._fetch_from, pages)",
        "self._is_cut = True",
        _TESTS,
    ),
    Fault(
        "a page that has grown passes for the same",
        "storage/listing_apart.py",
        "== (page.digest, page.is_end)",
        "== (now[DIGEST], page.is_end)",
        _TESTS,
    ),
    Fault(
        "a clock that was set back puts off the listing of all",
        "core/newest.py",
        "if listed_whole_at is None or not listed_whole_at <= now < listed_whole_at + relist:",
        "if listed_whole_at is None or not now < listed_whole_at + relist:",
        ("unit/test_newest.py",),
    ),
    Fault(
        "what comes after a name is compared with all that was agreed on",
        "engine/look.py",
        "ledger.synced.scan(mirror, after)",
        "ledger.synced.scan(mirror)",
        ("integration/test_loop.py",),
    ),
    Fault(
        "the answer to another request passes for an empty page",
        "storage/listing.py",
        '            response_dict["body"] = b""',
        "            pass",
        ("unit/test_listing.py",),
    ),
)
