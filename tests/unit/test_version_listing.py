"""A listing of what a bucket keeps: complete and from a store, or an error."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given as for_any
from hypothesis import strategies as st

from docferry.errors import PermanentError, TemporaryError
from docferry.storage.version_listing import (
    ListedVersion,
    Marker,
    VersionPage,
    list_versions,
    list_versions_of,
)

AT = "2026-11-26T10:00:00.500Z"
KEYS = ["a/b/c", "a/b-c", "a/b.d", "a/b", "a/c/d/e", "a/z"]


def version(key: str, version_id: str = "1", **other: object) -> dict[str, object]:
    said = {"Key": key, "VersionId": version_id, "ETag": '"etag"', "Size": 7, "IsLatest": True}
    return {**said, "LastModified": AT, **other}


def page(*versions: dict[str, object], after: Marker | None = None, **other: object) -> VersionPage:
    said: dict[str, Any] = {"Name": "b", "IsTruncated": after is not None, "Versions": versions}
    if after is not None:
        said |= {"NextKeyMarker": after[0], "NextVersionIdMarker": after[1]}
    return {**said, **other}


class Pages:
    """Gives pages one after the other, whatever is asked for."""

    def __init__(self, *pages: VersionPage) -> None:
        self._pages = list(pages)
        self.asked: list[Marker | None] = []

    def __call__(self, prefix: str, after: Marker | None, *, folders: bool) -> VersionPage:
        self.asked.append(after)
        return self._pages.pop(0)


class Walker:
    """Lists as SeaweedFS does: walks, sorts what it came by, and skips what sorts before."""

    def __init__(self, page_keys: int, keys: Iterable[str] = KEYS) -> None:
        self._page_keys = page_keys
        self._keys = sorted(keys, key=lambda key: f"{key}.versions".split("/"))

    def __call__(self, prefix: str, after: Marker | None, *, folders: bool) -> VersionPage:
        found: list[str] = []
        for key in self._keys:
            head, slash, _ = key.removeprefix(prefix).partition("/")
            name = prefix + head + slash if folders and slash else key
            if key.startswith(prefix) and (after is None or name > after[0]) and name not in found:
                found.append(name)
        listed = sorted(found[: self._page_keys])
        return page(
            *(version(name) for name in listed if not name.endswith("/")),
            after=(listed[-1], "1") if len(found) > self._page_keys else None,
            CommonPrefixes=[{"Prefix": name} for name in listed if name.endswith("/")],
        )


def listed(pages: Pages | Walker, prefix: str = "a/", *, is_in_order: bool = True) -> list[str]:
    batches = list_versions(pages, prefix, is_in_order=is_in_order)
    return [found.key for batch in batches for found in batch]


def test_a_version_has_all_that_the_store_says_of_it() -> None:
    marker = {"Key": "a/b", "VersionId": "2", "IsLatest": False, "LastModified": AT}
    given = page(version("a/b"), DeleteMarkers=[marker])

    [found] = list_versions(Pages(given), "a/", is_in_order=True)

    at = datetime(2026, 11, 26, 10, 0, 0, 500_000, tzinfo=UTC)
    assert found == [
        ListedVersion("a/b", "1", "etag", 7, at, is_latest=True, is_delete_marker=False),
        ListedVersion("a/b", "2", "", 0, at, is_latest=False, is_delete_marker=True),
    ]


@pytest.mark.parametrize(
    "text", ["2026-11-26T10:00:00Z", "2026-11-26T11:00:00+01:00", "2026-11-26T10:00:00"]
)
def test_a_time_is_one_of_utc(text: str) -> None:
    [found] = list_versions_of(Pages(page(version("a", LastModified=text))), "a", is_in_order=True)

    assert found.modified_at == datetime(2026, 11, 26, 10, tzinfo=UTC)
    assert found.modified_at.tzinfo is UTC


def test_all_pages_are_listed() -> None:
    pages = Pages(
        page(version("a/b"), after=("a/b", "1")),
        page(after=("a/c", "")),
        page(version("a/d")),
    )

    assert listed(pages) == ["a/b", "a/d"]
    assert pages.asked == [None, ("a/b", "1"), ("a/c", "")]


def test_of_one_key_no_more_pages_are_asked_for_than_it_needs() -> None:
    pages = Pages(
        page(version("a", "2"), after=("a", "2")),
        page(version("a", "1"), version("a-b"), after=("a-b", "1")),
        page(version("a-c")),
    )

    found = list_versions_of(pages, "a", is_in_order=True)

    assert [each.version_id for each in found] == ["2", "1"]
    assert len(pages.asked) == 2


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"Name": "", "IsTruncated": False},
        {"Name": "b"},
        {"Name": "b", "IsTruncated": "false"},
        {"Name": "b", "IsTruncated": True},
        page(version("other/a")),
        page(CommonPrefixes=[{"Prefix": "other/"}]),
        page(CommonPrefixes=[{"Prefix": "a/"}]),
        page(version("a/b", VersionId="")),
        page(version("a/b", ETag="")),
        page(version("a/b", LastModified="yesterday")),
        page({"Key": "a/b"}),
        page(DeleteMarkers=[{"Key": "a/b"}]),
    ],
)
@pytest.mark.parametrize("is_in_order", [True, False])
def test_what_is_not_a_whole_listing_is_none(given: VersionPage, *, is_in_order: bool) -> None:
    with pytest.raises(TemporaryError):
        listed(Pages(given), is_in_order=is_in_order)


def test_a_listing_that_goes_round_in_a_circle_ends() -> None:
    again = page(version("a/b"), after=("a/b", "1"))

    with pytest.raises(TemporaryError, match="circle"):
        listed(Pages(again, again, again))


def test_a_store_that_walks_its_folders_leaves_versions_out() -> None:
    assert sorted(listed(Walker(3))) != sorted(KEYS)


@pytest.mark.parametrize("page_keys", [3, 4, 5, 9])
def test_what_a_walk_leaves_out_is_asked_for(page_keys: int) -> None:
    walker = Walker(page_keys)
    if page_keys == 3:  # "a/b" may be anywhere behind what begins like it
        with pytest.raises(PermanentError, match="folders"):
            listed(walker, is_in_order=False)
        return

    assert sorted(listed(walker, is_in_order=False)) == sorted(KEYS)
    assert [each.key for each in list_versions_of(walker, "a/b", is_in_order=False)] == ["a/b"]


@for_any(
    st.sets(st.from_regex(r"a/([b-c0](/|-|\.)?){1,4}[b-c]", fullmatch=True), min_size=1),
    st.integers(1, 6),
)
def test_a_walk_gives_every_version_or_an_error(keys: set[str], page_keys: int) -> None:
    walker = Walker(page_keys, keys)

    try:
        found = listed(walker, is_in_order=False)
    except PermanentError:
        return

    assert sorted(found) == sorted(keys)


def test_the_versions_of_a_key_are_not_believed_where_some_may_be_left_out() -> None:
    with pytest.raises(PermanentError, match="folders"):
        list_versions_of(Walker(2), "a/b", is_in_order=False)


@pytest.mark.parametrize(
    "said",
    [{"Size": -1}, {"Size": 2**63}, {"LastModified": "0001-01-01T00:00:00+23:00"}],
    ids=["a size that nothing has", "a size that no ledger takes", "before all times"],
)
def test_what_no_version_can_be_is_an_error(said: dict[str, Any]) -> None:
    with pytest.raises(TemporaryError, match="damaged"):
        list(list_versions(Pages(page(version("a", **said))), "", is_in_order=True))
