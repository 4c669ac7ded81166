"""
List the versions that a bucket itself keeps, and believe only what a store has said.

As in `storage.listing`: a page that breaks off, or that a proxy's log-in page stands in
for, must never look like a bucket in which nothing is kept.

SeaweedFS (4.48) walks its folders, sorts what it has come by for a page, and leaves out of
the next page whatever sorts before the last key of this one: of 2,104 versions in three
folders two pages gave 1,002, and no error. So a store that does not list in order is asked
folder by folder, and at each end of a page for what may have been left out there.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol, TypeAlias

from docferry.errors import PermanentError, TemporaryError
from docferry.model import Token
from docferry.storage.s3_metadata import size_of, token_of

#: One page as boto3 gives it (ListObjectVersions), its timestamps unparsed.
VersionPage: TypeAlias = Mapping[str, Any]
#: Where a page ended: its last key, and the last version id of that ("": the store gave none).
Marker: TypeAlias = tuple[str, str]


class FetchVersions(Protocol):
    """
    Fetches a page of what begins with *prefix*: the first one (None), or that *after* a marker.

    With *folders*, what has a "/" behind the prefix is only told by its folder's name.
    """

    def __call__(self, prefix: str, after: Marker | None, *, folders: bool) -> VersionPage: ...


@dataclass(frozen=True, slots=True)
class ListedVersion:
    """One version of an object, or a delete marker: that it was deleted."""

    key: str
    version_id: str
    token: Token  #: "" for a delete marker
    size: int  #: bytes; 0 for a delete marker
    modified_at: datetime
    is_latest: bool
    is_delete_marker: bool


@dataclass(frozen=True, slots=True)
class _Page:
    versions: list[ListedVersion]
    folders: list[str]
    ends_at: Marker | None  # None: it is the last one


def list_versions(
    fetch: FetchVersions, prefix: str, *, is_in_order: bool
) -> Iterator[list[ListedVersion]]:
    """
    Give everything whose key starts with *prefix*, some at a time; of one key the newest first.

    Raises:
        TemporaryError: A page is not a store's, or is damaged. What was not listed is
            then unknown, not absent.
        PermanentError: The store is not in order, and too many keys begin alike for it.
    """
    if is_in_order:
        for page in _pages(fetch, prefix, folders=False):
            yield page.versions
        return
    folders = [prefix]
    while folders:
        versions, below = _folder(fetch, folders.pop())
        folders += sorted(below, reverse=True)
        yield versions


def list_versions_of(fetch: FetchVersions, key: str, *, is_in_order: bool) -> list[ListedVersion]:
    """
    Give everything that is kept of exactly *key*, the newest first.

    Raises:
        TemporaryError, PermanentError: As for `list_versions`.
    """
    found: list[ListedVersion] = []
    if is_in_order:
        for page in _pages(fetch, key, folders=False):
            found += page.versions
            if any(each.key != key for each in page.versions):
                break  # of all keys that begin like it, it is the first one
    else:
        found, _ = _folder(fetch, key)
    return sorted((each for each in found if each.key == key), key=newest_first)


def newest_first(version: ListedVersion) -> tuple[bool, float, bool]:
    """
    Give the order of one key's versions.

    Of a version and a marker of the same moment the marker is the later one: else the
    version would be the latest.
    """
    return (
        not version.is_latest,
        -version.modified_at.timestamp(),
        not version.is_delete_marker,
    )


def _folder(fetch: FetchVersions, prefix: str) -> tuple[list[ListedVersion], set[str]]:
    """List what has no "/" behind *prefix*, and the folders behind it, on any store."""
    found: dict[tuple[str, str], ListedVersion] = {}
    below: set[str] = set()

    def take(page: _Page) -> None:
        found.update({(each.key, each.version_id): each for each in page.versions})
        below.update(page.folders)

    for page in _pages(fetch, prefix, folders=True):
        take(page)
        if page.ends_at is not None:
            for name in _may_be_left_out(prefix, page.ends_at[0]):
                take(_only_page(fetch, name))
    return sorted(found.values(), key=_in_order), below


def _may_be_left_out(prefix: str, ends_at: str) -> Iterator[str]:
    """
    Give the keys and folders that sort before the end of a page, and may not be walked yet.

    SeaweedFS keeps the versions of "a" in a folder "a.versions": it comes by that after
    "a-b", "a.b" and the folder "a", in which what is in "a/" is.
    """
    shortest = len(prefix) + (1 if not prefix or prefix.endswith("/") else 0)
    for end in range(shortest, len(ends_at)):
        if ends_at[end] <= "/":
            yield ends_at[:end]


def _only_page(fetch: FetchVersions, prefix: str) -> _Page:
    page = next(_pages(fetch, prefix, folders=True))
    if page.ends_at is not None:
        raise PermanentError(
            f"the store does not list all the versions that it keeps: too many keys begin like "
            f"{prefix!r}. Put some of them into folders"
        )
    return page


def _pages(fetch: FetchVersions, prefix: str, *, folders: bool) -> Iterator[_Page]:
    after: Marker | None = None
    while True:
        said = fetch(prefix, after, folders=folders)
        page = _Page(_versions_of(said, prefix), _folders_of(said, prefix), _end_of(said))
        yield page
        if page.ends_at is None:
            return
        if page.ends_at == after:
            raise TemporaryError("the listing of versions goes round in a circle")
        after = page.ends_at


def _end_of(page: VersionPage) -> Marker | None:
    if not page.get("Name") or not isinstance(page.get("IsTruncated"), bool):
        raise TemporaryError(
            "the listing of versions is not one of an S3 store: is a proxy or a log-in page "
            "in between?"
        )
    if not page["IsTruncated"]:
        return None
    key = page.get("NextKeyMarker")
    if not key:
        raise TemporaryError("the listing of versions breaks off: there is more, but not where")
    return str(key), str(page.get("NextVersionIdMarker") or "")


def _folders_of(page: VersionPage, prefix: str) -> list[str]:
    folders = [str(each.get("Prefix")) for each in page.get("CommonPrefixes", ())]
    for folder in folders:
        _refuse_others(folder, prefix)
        if len(folder) <= len(prefix):
            raise TemporaryError("the listing of versions goes round in a circle")
    return folders


def _refuse_others(key: str, prefix: str) -> None:
    if not key.startswith(prefix):
        raise TemporaryError(f"the listing is of something else: {key!r} is not in {prefix!r}")


def _in_order(version: ListedVersion) -> tuple[str, bool, float, bool]:
    return (version.key, *newest_first(version))


def _versions_of(page: VersionPage, prefix: str) -> list[ListedVersion]:
    # Each of the two is in order; which comes first of both is lost.
    versions = [_version(each) for each in page.get("Versions", ())]
    markers = [_marker(each) for each in page.get("DeleteMarkers", ())]
    for each in (*versions, *markers):
        _refuse_others(each.key, prefix)
    return [*heapq.merge(versions, markers, key=_in_order)]


def _version(said: Mapping[str, Any]) -> ListedVersion:
    try:
        token, size = token_of(said["ETag"]), size_of(said["Size"])
    except (KeyError, ValueError) as error:
        raise _damaged(said) from error
    if not token:
        raise _damaged(said)
    return _listed(said, token, size, is_delete_marker=False)


def _marker(said: Mapping[str, Any]) -> ListedVersion:
    return _listed(said, "", 0, is_delete_marker=True)


def _listed(
    said: Mapping[str, Any], token: Token, size: int, *, is_delete_marker: bool
) -> ListedVersion:
    try:
        key, version_id, modified_at = said["Key"], said["VersionId"], _time(said["LastModified"])
    except (KeyError, ValueError, OverflowError) as error:
        raise _damaged(said) from error
    if not key or not version_id:  # without its id, a request would be about what is there now
        raise _damaged(said)
    is_latest = bool(said.get("IsLatest"))
    return ListedVersion(key, version_id, token, size, modified_at, is_latest, is_delete_marker)


def _time(text: object) -> datetime:
    said = datetime.fromisoformat(str(text))
    return said.replace(tzinfo=said.tzinfo or UTC).astimezone(UTC)


def _damaged(said: Mapping[str, Any]) -> TemporaryError:
    return TemporaryError(f"the listing of versions is damaged: at {said.get('Key')!r}")
