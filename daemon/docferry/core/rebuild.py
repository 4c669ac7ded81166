"""
What a bucket alone tells of its documents: which agreements and versions follow from it.

Objects that docferry wrote say their version, SHA-256, time and parent, archived ones
their path too. Of a stranger's object the content has to be read.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from docferry.core.paths import is_reserved
from docferry.core.ulids import is_credible, time_of
from docferry.model import (
    NEVER_SEEN,
    Attributes,
    FileState,
    Origin,
    Path,
    Sha256,
    SyncedState,
    Ulid,
    VersionRow,
)


@dataclass(frozen=True, slots=True)
class Found:
    """An object as it is now."""

    path: Path
    state: FileState
    claims: Attributes
    at: datetime | None  #: when it was written; None: the store does not say
    checksum: Sha256 | None = None  #: as the store says; None: it does not, or not of this one


@dataclass(frozen=True, slots=True)
class Archived:
    """Something in the archive, and when it came there."""

    version: Ulid
    claims: Attributes
    at: datetime | None  #: None: the store does not say


#: A version is named before its upload begins, and a store takes clocks that differ by as much.
#: An upload that takes longer is read once more than it need be.
_BELIEVED_FOR = timedelta(minutes=15)

#: Of versions that there are: where they are, and what they are.
Known = Mapping[Ulid, tuple[str, Path, Sha256]]


def tells_of_itself(found: Found, mirror: str, known: Known, now: datetime) -> bool:
    """
    Say whether an object may be believed: it says which version it is, of what content.

    What was copied takes its claims along, but there is one version only: whoever has it
    first keeps it. What has a path among its claims was copied out of an archive.
    """
    claims = found.claims
    if claims.version is None or claims.sha256 is None or claims.path is not None:
        return False
    if not is_credible(claims.version, now):
        return False
    mine = (mirror, found.path, claims.sha256)
    return known.get(claims.version, mine) == mine


def is_written_since(
    found: Found,
    base: SyncedState | None,
    size_here: int | None,
    *,
    lacks_checksum: bool = False,
) -> bool:
    """
    Say whether an object may hold other bytes than it claims, and has to be read.

    Who edits an object may leave its metadata as it was (s3fs does): the claims are then
    those of the content before. Taken for true, the edit would pass for rot.

    Args:
        base: What was agreed on, of which the object has not got the token.
        size_here: Of the folder's file of that name, in bytes; None: there is none.
        lacks_checksum: The store keeps the SHA-256 that comes with an upload such as ours,
            and has none of this one.
    """
    assert found.claims.version is not None
    if found.checksum is not None:
        return found.checksum != found.claims.sha256
    if lacks_checksum:
        return True
    named_at = time_of(found.claims.version)
    if found.at is None or named_at is None or found.at > named_at + _BELIEVED_FOR:
        return True
    if base is not None and base.version == found.claims.version:
        return True  # that version was there under another token
    return size_here not in (None, found.state.size)


def version_told(found: Found, mirror: str) -> VersionRow:
    """Give the version that an object says it is (`tells_of_itself`)."""
    claims = found.claims
    assert claims.version is not None
    assert claims.sha256 is not None
    created_at = time_of(claims.version)
    assert created_at is not None
    return VersionRow(
        id=claims.version,
        mirror=mirror,
        path=found.path,
        sha256=claims.sha256,
        size=found.state.size,
        mtime_ns=claims.mtime_ns,
        origin=_origin_of(claims),
        parent=claims.parent,
        etag=found.state.token,
        created_at=created_at,
    )


def version_read(
    found: Found, mirror: str, sha256: Sha256, new: Ulid, base: SyncedState | None, now: datetime
) -> VersionRow:
    """
    Give the new version of a stranger's object, which was read.

    It came when the object did: else a tree of before now would lack it.
    """
    return VersionRow(
        id=new,
        mirror=mirror,
        path=found.path,
        sha256=sha256,
        size=found.state.size,
        mtime_ns=found.claims.mtime_ns,
        origin=Origin.STORE,
        parent=None if base is None else base.version,
        etag=found.state.token,
        created_at=_came_at(found, now),
    )


def _came_at(found: Found, now: datetime) -> datetime:
    return now if found.at is None else min(now, found.at)


def same_version(read: VersionRow, base: SyncedState) -> VersionRow:
    """Give what was read, and is the content agreed on before, as that version."""
    return replace(read, id=base.version, parent=None)


def agreement_on(row: VersionRow, found: Found) -> SyncedState:
    """Give the agreement on what the bucket holds; of the folder nothing is known."""
    return SyncedState(row.sha256, NEVER_SEEN, found.state.token, row.id, row.size)


def archived_versions(
    archived: Iterable[Archived], mirror: str, current: Iterable[VersionRow], now: datetime
) -> tuple[list[VersionRow], dict[Ulid, datetime]]:
    """
    Give the versions that an archive tells of, and when what came after each version came.

    What does not say enough, or nonsense, is left out: its bytes stay where they are.

    Args:
        current: The versions that are new to the ledger and not archived.
    """
    rows = [row for one in archived if (row := _archived(one, mirror, now)) is not None]
    followed = followers((*rows, *current))
    at = {one.version: one.at for one in archived}
    closed = [
        replace(row, left_at=left_at(row.id, row.created_at, followed, at.get(row.id), None))
        for row in rows
    ]
    return closed, followed


def may_forget_held(*, is_from_snapshot: bool, refused: int, has_waited: bool) -> bool:
    """
    Say whether versions may have been held of which nothing tells: snapshots alone do.

    Args:
        refused: Snapshots that were damaged: the last word about what is held may be theirs.
        has_waited: Retention waited for that when the snapshot was taken.
    """
    return not is_from_snapshot or refused > 0 or has_waited


def followers(rows: Iterable[VersionRow]) -> dict[Ulid, datetime]:
    """Say when the first version came that has each as its parent."""
    found: dict[Ulid, datetime] = {}
    for row in rows:
        if row.parent is not None:
            found[row.parent] = min(row.created_at, found.get(row.parent, row.created_at))
    return found


def left_at(
    version: Ulid,
    created_at: datetime,
    followed: Mapping[Ulid, datetime],
    archived_at: datetime | None,
    now: datetime | None,
) -> datetime:
    """
    Say since when a version is not current any more: since another one follows it, or, for
    what was deleted, since it is in the archive, or else since *now*.
    """
    return max(created_at, followed.get(version) or archived_at or now or created_at)


def _archived(one: Archived, mirror: str, now: datetime) -> VersionRow | None:
    claims, created_at = one.claims, time_of(one.version)
    if claims.path is None or claims.sha256 is None or claims.size is None:
        return None
    if created_at is None or is_reserved(claims.path) or not is_credible(one.version, now):
        return None
    return VersionRow(
        id=one.version,
        mirror=mirror,
        path=claims.path,
        sha256=claims.sha256,
        size=claims.size,
        mtime_ns=claims.mtime_ns,
        origin=_origin_of(claims),
        parent=claims.parent,
        etag=None,
        created_at=created_at,
        archived_remote=True,
        bytes_of=claims.bytes_of,
    )


def _origin_of(claims: Attributes) -> Origin:
    """Tell docferry's own objects from strangers': where from a local one came nothing says."""
    return Origin.LOCAL if claims.writer is not None else Origin.STORE
