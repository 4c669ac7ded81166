"""
List the versions that a bucket itself keeps, and believe only what a store has said.

As in `storage.listing`: a page that breaks off, or that a proxy's log-in page stands in
for, must never look like a bucket in which nothing is kept.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeAlias

from docferry.errors import TemporaryError
from docferry.model import Token
from docferry.storage.s3_metadata import token_of

#: One page as boto3 gives it (ListObjectVersions), its timestamps unparsed.
VersionPage: TypeAlias = Mapping[str, Any]
#: Where a page ended: its last key, and the last version id of that ("": the store gave none).
Marker: TypeAlias = tuple[str, str]
FetchVersions: TypeAlias = Callable[[Marker | None], VersionPage]


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


def list_versions(fetch_page: FetchVersions, prefix: str) -> Iterator[list[ListedVersion]]:
    """
    Give everything whose key starts with *prefix*, page by page; of one key the newest first.

    Args:
        fetch_page: Fetches the first page (None), or the one after a marker.

    Raises:
        TemporaryError: A page is not a store's, or is damaged. What was not listed is
            then unknown, not absent.
    """
    after: Marker | None = None
    while True:
        page = fetch_page(after)
        coming = _next_marker(page)
        yield _versions_of(page, prefix)
        if coming is None:
            return
        if coming == after:
            raise TemporaryError("the listing of versions goes round in a circle")
        after = coming


def newest_first(version: ListedVersion) -> tuple[bool, float, bool]:
    """Give the order of one key's versions. Of a version and a marker in the same moment
    the marker is the later one: else the version would be the latest."""
    return (
        not version.is_latest,
        -version.modified_at.timestamp(),
        not version.is_delete_marker,
    )


def _next_marker(page: VersionPage) -> Marker | None:
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


def _versions_of(page: VersionPage, prefix: str) -> list[ListedVersion]:
    # Each of the two is in order; which comes first of both is lost.
    versions = [_version(each) for each in page.get("Versions", ())]
    markers = [_marker(each) for each in page.get("DeleteMarkers", ())]
    for each in (*versions, *markers):
        if not each.key.startswith(prefix):
            raise TemporaryError(
                f"the listing is of something else: {each.key!r} is not in {prefix!r}"
            )
    return [*heapq.merge(versions, markers, key=lambda each: (each.key, *newest_first(each)))]


def _version(said: Mapping[str, Any]) -> ListedVersion:
    try:
        token, size = token_of(said["ETag"]), int(said["Size"])
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
    except (KeyError, ValueError) as error:
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
