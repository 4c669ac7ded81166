"""A real store lists from a key on as it lists in one go."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from contract.backends import s3_options, s3_storage
from contract.strangers import paths, put
from docferry.storage.listing import Page
from docferry.storage.prefix_listing import PrefixListing
from docferry.storage.s3_client import S3Client
from servers import BUCKET, S3Server

PAGE_KEYS = 5
NAMES = [f"{n % 5}{'-/'[n % 2]}{n:02}ä b+c%.txt" for n in range(80)]


@pytest.mark.parametrize("name", ["seaweedfs", "rclone", "moto"])
def test_a_bucket_is_listed_in_parts(name: str, request: pytest.FixtureRequest) -> None:
    server = request.getfixturevalue(name)
    assert isinstance(server, S3Server)
    storage = s3_storage(server)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda name: put(storage, name), NAMES))
    starts: list[str] = []
    listing = _in_small_pages(server, storage.prefix, starts)
    is_in_order = storage.profile.lists_in_order

    def listed() -> list[str]:
        batches = listing.objects(is_in_order=is_in_order)
        return [key.removeprefix(storage.prefix) for batch in batches for key, *_ in batch]

    first, starts[:] = listed(), []
    again, parts = listed(), len(starts)
    is_as_before = listing.is_as_before()
    put(storage, "3/new")
    is_as_before_a_change = listing.is_as_before()

    assert first == again == sorted(NAMES)
    assert parts == len(NAMES) // PAGE_KEYS - 1
    assert (is_as_before, is_as_before_a_change) == (True, False)
    assert listed() == sorted([*NAMES, "3/new"])


@pytest.mark.parametrize("name", ["seaweedfs", "rclone", "moto"])
def test_what_comes_after_a_name_is_listed_alone(name: str, request: pytest.FixtureRequest) -> None:
    server = request.getfixturevalue(name)
    assert isinstance(server, S3Server)
    storage = s3_storage(server)
    for path in ("01A", "01B", "01B/x", "01B-", "01C/y", "z"):
        if (path == "01B/x") <= (name == "moto"):  # elsewhere a file is no folder
            put(storage, path)

    found = paths(storage.scan_after("01B"))

    assert found == [path for path in paths(storage.scan()) if path > "01B"]
    assert {"01B-", "01C/y", "z"} <= {*found}


def _in_small_pages(server: S3Server, prefix: str, starts: list[str]) -> PrefixListing:
    client = S3Client(s3_options(server), BUCKET, prefix)

    def fetch_page(after: str | None, start: str | None) -> Page:
        following = {} if after is None else {"ContinuationToken": after}
        if start is not None:
            starts.append(start)
            following["StartAfter"] = start
        return client.call(
            "list",
            client.connections.boto.list_objects_v2,
            Prefix=prefix,
            MaxKeys=PAGE_KEYS,
            **following,
        )

    return PrefixListing(fetch_page, prefix)
