"""Before archived bytes are removed: are these the mirror's sides, and does nobody need them?"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from functools import cache, partial
from typing import Protocol

from docferry.core.guards import Proven, marker_id, prove
from docferry.core.patrol import is_sound
from docferry.core.verify import Held, Sight, Unreadable
from docferry.engine.identity import Places
from docferry.engine.sight import see_archived
from docferry.errors import PermanentError, StaleError, TemporaryError, UnreachableError
from docferry.ledger import Ledger
from docferry.model import Attributes, Path, Side, Token, Ulid, Unknown, VersionRow
from docferry.storage.base import Archive, Storage


class Kept(Protocol):
    """A version that a bucket itself keeps."""

    @property
    def version_id(self) -> str: ...
    @property
    def token(self) -> Token: ...
    @property
    def is_latest(self) -> bool: ...
    @property
    def is_delete_marker(self) -> bool: ...


class BucketVersions(Protocol):
    """What a bucket keeps of its own."""

    def of(self, path: Path) -> Sequence[Kept]: ...
    def remove(self, path: Path, version_id: str) -> None: ...


def require_proven(mirror: str, places: Places, ledger: Ledger) -> None:
    """
    Make sure that both sides are those of the mirror before bytes are removed there.

    A store refuses to answer where the clocks differ by more than 15 minutes: so this
    proves the clock as well, by which versions are let go.

    Raises:
        UnreachableError: A side does not answer, or is not itself.
    """
    row = ledger.mirrors.get(mirror)
    known = None if row is None else row.marker_id
    found = prove(
        marker_id(places.local.read_marker()),
        marker_id(places.remote.read_marker()),
        known,
        where=(places.local_name, places.remote_name),
    )
    if known is None or not isinstance(found, Proven):
        reason = getattr(found, "reason", "it has never run")
        raise UnreachableError(f"nothing of {mirror} is removed: {reason}")


def on_bytes_of(
    version: VersionRow, places: Places, ledger: Ledger, but_for: Collection[Ulid] = ()
) -> list[VersionRow]:
    """
    Give the versions that would lose their last bytes with those of *version*.

    The archives are asked, not the ledger alone: a crash may have come between a
    reference and its note.

    Args:
        but_for: Versions that are to go as well.
    """
    known = {row.id: row for row in ledger.versions.on_bytes_of(version.id)}
    # Of a thousand empty files all but one refer to the same bytes: these are looked for once.
    are_there = cache(partial(_are_bytes_at, places))
    for row in ledger.versions.with_content(version.mirror, version.sha256):
        is_displaced = row.left_at is not None and row.gone_at is None
        homes = [home for home in (row.bytes_of, row.id) if home not in (None, version.id)]
        if is_displaced and row.id != version.id and not any(map(are_there, homes)):
            known[row.id] = row
    return [row for row in known.values() if row.id not in but_for]


def rehome(
    version: VersionRow, others: Sequence[VersionRow], places: Places, ledger: Ledger
) -> None:
    """
    Bring the archived bytes of *version* to those who need them: to one, for all of them.

    A crash in the middle is made good by doing it again, while *version* is still there.
    A side whose bytes are rotten brings none: the patrol mends it from the other one.

    Raises:
        TemporaryError: No side has sound bytes, and one cannot be read: it may have.
    """
    first, *rest = others
    # Before anything goes: no try can put rotten bytes in the place of a reference.
    seen = {side: _see_bytes(places.side(side), version, first) for side in Side}
    brought = [side for side in Side if is_sound(seen[side], version.sha256)]
    unreadable = [f"{side}: {one.why}" for side, one in seen.items() if isinstance(one, Unreadable)]
    if unreadable and not brought:
        raise TemporaryError(
            f"others share the bytes of version {version.id}, which cannot be read: "
            + ", ".join(unreadable)
        )
    if not brought:
        return  # sound ones are nowhere: nobody loses anything
    for side in brought:
        _bring(places.side(side), version, first)
    for side in brought:  # retention may have let it go, and be done with it, meanwhile
        ledger.versions.note_archived([first.id], side)
    ledger.versions.note_bytes_of(first.id, None)
    for row in rest:
        for side in Side:
            _refer(places.side(side).archive, row, first)
        ledger.versions.note_bytes_of(row.id, first.id)


def _are_bytes_at(places: Places, version: Ulid) -> bool:
    """Say whether an archive has bytes under a version, and no reference."""
    for side in Side:
        found = places.side(side).archive.describe(version)
        if found is not None and found.bytes_of is None:
            return True
    return False


def _see_bytes(storage: Storage, version: VersionRow, to: VersionRow) -> Sight:
    """
    Read what a side has of the bytes that *to* is to have.

    Raises:
        PermanentError: They are there, and docferry may not read them.
    """
    if _has_brought(storage, to):
        return Held("", to.size, to.sha256)
    seen = see_archived(storage, version.id, version.sha256)
    if isinstance(seen, Unreadable) and not seen.is_rot:
        raise PermanentError(seen.why)
    return seen


def _has_brought(storage: Storage, to: VersionRow) -> bool:
    """Say whether an earlier try has brought sound bytes."""
    found = storage.archive.describe(to.id)
    has_its_own = found is not None and found.bytes_of is None
    return has_its_own and is_sound(see_archived(storage, to.id, to.sha256), to.sha256)


def _bring(storage: Storage, version: VersionRow, to: VersionRow) -> None:
    if _has_brought(storage, to):
        return
    archive = storage.archive
    with archive.read(version.id) as content:
        if archive.describe(to.id) is not None:
            archive.remove(to.id)  # a reference is not replaced while what it refers to is there
        archive.put(to.id, content, about(to))


def _refer(archive: Archive, version: VersionRow, to: VersionRow) -> None:
    try:
        archive.refer(version.id, to.id, about(version))
    except StaleError:
        return  # this side has not got the bytes


def about(version: VersionRow) -> Attributes:
    """Say what an archived version says about itself."""
    return Attributes(
        version=version.id,
        sha256=version.sha256,
        mtime_ns=version.mtime_ns,
        parent=version.parent,
        path=version.path,
        size=version.size,
    )


def look(storage: Storage, path: Path) -> Token | None:
    """
    Say what a side holds at *path*; None: nothing.

    Raises:
        TemporaryError: It cannot be told.
    """
    found = storage.stat(path)
    if isinstance(found, Unknown):
        raise TemporaryError(f"nobody can tell what is at {path}: it is {found.reason}")
    return None if found is None else found.token
