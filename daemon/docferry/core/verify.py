"""
Tell from what was seen of a content whether it is as the ledger says.

Every difference has a kind from a closed list, and says what was expected and found.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from heapq import merge
from itertools import groupby
from operator import itemgetter
from typing import TypeAlias

from docferry.model import Path, Sha256, Side, SyncedState, Token, Ulid, VersionRow


class Kind(StrEnum):
    """How a side and the ledger differ."""

    MISSING = "missing"  # both sides had it, and neither has it
    SIZE = "size"  # its token is as agreed, its size is not
    CONTENT = "content"  # its token is as agreed, its bytes are not: rot
    UNREADABLE = "unreadable"  # it is there, and cannot be read
    NOT_SYNCED = "not-synced"  # new, edited or deleted, and not carried over yet: no damage
    ARCHIVE_MISSING = "archive-missing"  # an archive lacks what it is known to have held
    ARCHIVE_CONTENT = "archive-content"  # archived bytes are not the version's
    NOT_KEPT = "not-kept"  # people replaced it on both sides before any archive had it
    UNKNOWN_ARCHIVED = "unknown-archived"  # archived bytes of which the ledger knows nothing


DAMAGE = frozenset(
    {
        Kind.MISSING,
        Kind.SIZE,
        Kind.CONTENT,
        Kind.UNREADABLE,
        Kind.ARCHIVE_MISSING,
        Kind.ARCHIVE_CONTENT,
    }
)


@dataclass(frozen=True, slots=True)
class Finding:
    """One difference, for a person."""

    kind: Kind
    side: Side | None  #: None: both
    path: Path | None  #: None: it is not known
    version: Ulid | None
    expected: str
    found: str

    @property
    def is_damage(self) -> bool:
        """Whether something is lost or spoilt, and no ordinary run mends it."""
        return self.kind in DAMAGE

    @property
    def is_trouble(self) -> bool:
        """Whether the sides are not both as the ledger says."""
        return self.is_damage or self.kind is Kind.NOT_SYNCED


# What was seen of a content, at a path of a side or in its archive.


@dataclass(frozen=True, slots=True)
class NotAsked:
    """The side is left out."""


@dataclass(frozen=True, slots=True)
class Absent:
    """It is known not to be there."""


@dataclass(frozen=True, slots=True)
class Held:
    """
    Something is there.

    claims_agreed: it says of itself that it is the version that was agreed on.
    """

    token: Token  #: "" in an archive
    size: int  #: bytes
    sha256: Sha256 | None = None  #: None: it was not read
    claims_agreed: bool = False


@dataclass(frozen=True, slots=True)
class Unreadable:
    """
    Something is there that cannot be read.

    is_rot: the side fails at this content, and not for want of a right or a person.
    """

    why: str
    is_rot: bool = False


@dataclass(frozen=True, slots=True)
class Moving:
    """It changed while it was looked at, or somebody has it open for writing."""

    why: str


Sight: TypeAlias = NotAsked | Absent | Held | Unreadable | Moving

NOT_ASKED = NotAsked()
ABSENT = Absent()
_AS_AGREED = "as agreed"


def of_path(path: Path, local: Sight, remote: Sight, synced: SyncedState | None) -> list[Finding]:
    """Give what is wrong with a path; nothing is, where both sides hold what was agreed on."""
    if synced is None:
        sights = ((Side.LOCAL, local), (Side.REMOTE, remote))
        return [_new(path, side, sight) for side, sight in sights if _is_there(sight)]
    if local == remote == ABSENT:
        expected = _content(synced.size, synced.sha256)
        gone = "neither side has it"
        return [Finding(Kind.MISSING, None, path, synced.version, expected, gone)]
    sides = (
        (Side.LOCAL, local, synced.local_token),
        (Side.REMOTE, remote, synced.remote_token),
    )
    found = [_of_side(path, side, sight, token, synced) for side, sight, token in sides]
    return [one for one in found if one is not None]


def of_version(row: VersionRow, local: Sight, remote: Sight) -> list[Finding]:
    """
    Give what is wrong with a displaced version's archived bytes.

    One archive is enough; both must have it where both are known to have had it.
    """
    claims = {Side.LOCAL: row.archived_local, Side.REMOTE: row.archived_remote}
    sights = {Side.LOCAL: local, Side.REMOTE: remote}
    found = [_of_archive(row, side, sights[side], is_claimed=claims[side]) for side in Side]
    if local == remote == ABSENT and not any(claims.values()):
        expected = _content(row.size, row.sha256)
        why = "no archive has it, and none is known to have had it"
        found.append(Finding(Kind.NOT_KEPT, None, row.path, row.id, expected, why))
    return [one for one in found if one is not None]


def of_unknown(side: Side, version: Ulid, size: int) -> Finding:
    """Give the finding about archived bytes that no version in the ledger accounts for."""
    what = f"{size} bytes in the archive"
    return Finding(Kind.UNKNOWN_ARCHIVED, side, None, version, "nothing of this name", what)


def of_unseen(side: Side, path: Path, why: str, *, is_agreed: bool) -> Finding:
    """Give the finding about a path, or a folder, that could not be looked at."""
    kind = Kind.UNREADABLE if is_agreed else Kind.NOT_SYNCED
    return Finding(kind, side, path, None, _AS_AGREED if is_agreed else "no such file", why)


@dataclass(frozen=True, slots=True)
class Archived:
    """What is known of one version, and the size of what each archive lists of it."""

    version: Ulid
    row: VersionRow | None  #: None: no displaced version that is to be had
    local: int | None  #: bytes; None: it is not listed
    remote: int | None


def by_version(
    rows: Iterable[VersionRow],
    local: Iterable[tuple[Ulid, int]],
    remote: Iterable[tuple[Ulid, int]],
) -> Iterator[Archived]:
    """
    Read displaced versions and both archives side by side; all three in the order of ULIDs.

    Args:
        local, remote: What each archive lists: version and size in bytes.
    """
    streams: tuple[Iterable[tuple[Ulid, int, VersionRow | int]], ...] = (
        ((row.id, 0, row) for row in rows),
        ((version, 1, size) for version, size in local),
        ((version, 2, size) for version, size in remote),
    )
    in_order = merge(*streams, key=itemgetter(0, 1))
    for version, group in groupby(in_order, key=itemgetter(0)):
        found = {number: what for _, number, what in group}
        row, here, there = found.get(0), found.get(1), found.get(2)
        yield Archived(
            version,
            row if isinstance(row, VersionRow) else None,
            here if isinstance(here, int) else None,
            there if isinstance(there, int) else None,
        )


def _of_side(
    path: Path, side: Side, sight: Sight, agreed: Token, synced: SyncedState
) -> Finding | None:
    def finding(kind: Kind, found: str) -> Finding:
        expected = _content(synced.size, synced.sha256)
        return Finding(kind, side, path, synced.version, expected, found)

    match sight:
        case NotAsked():
            return None
        case Absent():
            never_had = side is Side.LOCAL and not agreed
            return finding(Kind.NOT_SYNCED, "not brought here yet" if never_had else "deleted")
        case Moving(why):
            return finding(Kind.NOT_SYNCED, why)
        case Unreadable(why):
            return finding(Kind.UNREADABLE, why)
        case Held():
            kind = _kind_of_held(sight, agreed, synced)
            return None if kind is None else finding(kind, _content(sight.size, sight.sha256))


def _kind_of_held(sight: Held, agreed: Token, synced: SyncedState) -> Kind | None:
    if sight.sha256 == synced.sha256:
        return None  # whatever its token: touched, or sent again
    if sight.token != agreed and not (sight.claims_agreed and sight.sha256 is not None):
        return Kind.NOT_SYNCED
    if sight.size != synced.size:
        return Kind.SIZE
    return None if sight.sha256 is None else Kind.CONTENT


def _of_archive(row: VersionRow, side: Side, sight: Sight, *, is_claimed: bool) -> Finding | None:
    def finding(kind: Kind, found: str) -> Finding:
        expected = _content(row.size, row.sha256)
        return Finding(kind, side, row.path, row.id, expected, found)

    match sight:
        case NotAsked():
            return None
        case Absent():
            is_lost = Kind.ARCHIVE_MISSING if is_claimed else None
            return None if is_lost is None else finding(is_lost, "the archive lacks it")
        case Moving(why) | Unreadable(why):
            return finding(Kind.UNREADABLE, why)
        case Held():
            is_right = sight.size == row.size and sight.sha256 in (None, row.sha256)
            found = _content(sight.size, sight.sha256)
            return None if is_right else finding(Kind.ARCHIVE_CONTENT, found)


def _new(path: Path, side: Side, sight: Sight) -> Finding:
    what = _content(sight.size, sight.sha256) if isinstance(sight, Held) else "cannot be told"
    return Finding(Kind.NOT_SYNCED, side, path, None, "nothing: never agreed on", what)


def _is_there(sight: Sight) -> bool:
    return not isinstance(sight, NotAsked | Absent)


def _content(size: int, sha256: Sha256 | None) -> str:
    return f"{size} bytes" if sha256 is None else f"{size} bytes, sha256 {sha256}"
