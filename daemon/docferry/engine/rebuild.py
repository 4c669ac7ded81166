"""
Rebuild one mirror's part of a ledger from what the bucket holds. Writes nothing to it.

The newest sound snapshot first; then every object that is not as it was agreed on there
says, or is read to tell, what it is; then everything archived that nothing knows of yet.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor as Pool
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path as FilePath
from typing import Protocol, TypeVar

from docferry.core import rebuild as core
from docferry.core.merge import changed
from docferry.core.results import claim_of
from docferry.core.ulids import time_of
from docferry.errors import (
    DocferryError,
    PermanentError,
    StaleError,
    UnreachableError,
    UserError,
)
from docferry.ledger.rebuilt import Rebuilt, is_waiting_in, profile_in
from docferry.ledger.snapshots import unpack
from docferry.logs import get_logger
from docferry.model import (
    Attributes,
    Entry,
    FileState,
    Origin,
    Path,
    Provenance,
    Sha256,
    Side,
    SyncedState,
    Token,
    Ulid,
    Unknown,
    VersionRow,
)
from docferry.storage.base import PART_BYTES, Archive, Archived, Content
from docferry.storage.snapshots import SnapshotStore

log = get_logger(__name__)

T = TypeVar("T")

#: Looked at, and written down, so many at a time.
AT_ONCE = 1000
_LOOKS_AGAIN = 3  # at an object that changes while it is read
_MOST_TOLD = 100  # of what could not be had


class TimedArchive(Protocol):
    """A bucket's archive, as far as it is asked."""

    def scan(self) -> Iterator[Archived]: ...

    def look(self, version: Ulid) -> tuple[Attributes, int | None] | None:
        """Give what a version says, and when it came there (ns). None: it is not there."""
        ...


class Bucket(Protocol):
    """The remote side, as far as it is asked."""

    @property
    def archive(self) -> TimedArchive: ...
    @property
    def snapshots(self) -> SnapshotStore: ...
    def scan(self) -> Iterator[Entry]: ...
    def scan_odd(self) -> list[Entry]: ...
    def look(self, path: Path) -> tuple[FileState, Attributes, int | None] | None:
        """Give what is at a path, what it says, and when it was written (ns)."""
        ...

    def read(self, path: Path, expect: Token) -> Content: ...
    def checksum(self, path: Path, expect: Token) -> Sha256 | None:
        """Give the SHA-256 that the store itself keeps of an object. None: it keeps none."""
        ...


@dataclass(slots=True)
class Result:
    """What came of it, for whoever waits."""

    snapshot: Ulid | None = None  #: None: from the objects alone
    refused: list[str] = field(default_factory=list)  #: snapshots that were of no use, and why
    files: int = 0  #: agreed on
    versions: int = 0
    told: int = 0  #: objects that said themselves what they are
    read: int = 0  #: objects that had to be read
    read_bytes: int = 0
    archived: int = 0  #: versions that the archive alone told of
    gone: int = 0  #: files of the snapshot that the bucket does not hold any more
    lost: list[str] = field(default_factory=list)  #: what could not be had, and why
    lost_count: int = 0
    has_waited: bool = False  #: as the snapshot says, nobody has said yet what is held

    @property
    def may_forget_held(self) -> bool:
        """Whether retention has to wait: which versions people had held may not be known."""
        return core.may_forget_held(
            is_from_snapshot=self.snapshot is not None,
            refused=len(self.refused),
            has_waited=self.has_waited,
        )

    def lose(self, what: str) -> None:
        self.lost_count += 1
        if len(self.lost) < _MOST_TOLD:
            self.lost.append(what)


class Rebuild:
    """
    One mirror on its way back into a ledger.

    Args:
        here: The folder's archive; None: the folder is not there, or not this mirror's.
        pool: Looks and reads; so many of its threads, so many requests at a time.
        folder: For a snapshot, packed and unpacked.
        targets: To which mirror each conversion of this one puts its results, by rule.
        believe: Writes down which contents are results, by what their objects say.
        takes: Says whether a path is one that the mirror mirrors.
        size_here: Gives the size of the folder's file at a path; None: there is none.
    """

    def __init__(
        self,
        mirror: str,
        ledger: Rebuilt,
        bucket: Bucket,
        here: Archive | None,
        pool: Pool,
        folder: FilePath,
        *,
        targets: Mapping[str, str],
        believe: Callable[[Sequence[tuple[VersionRow, Provenance]]], object],
        takes: Callable[[Path], bool],
        size_here: Callable[[Path], int | None],
        new_ulid: Callable[[], Ulid],
        now: Callable[[], datetime],
    ) -> None:
        self._mirror = mirror
        self._ledger = ledger
        self._bucket = bucket
        self._here = here
        self._pool = pool
        self._folder = folder
        self._targets = targets
        self._believe = believe
        self._takes = takes
        self._size_here = size_here
        self._new_ulid = new_ulid
        self._now = now
        self.new: list[VersionRow] = []  #: versions of objects that the snapshot did not know
        self.result = Result()
        self._tells_checksums: bool | None = None  # None: it was not asked yet
        self.profile: dict[str, object] = {}  #: what the store keeps to, as once probed

    def take_snapshots(self) -> None:
        """
        Take over the newest sound snapshot, and the past that older ledgers knew.

        Raises:
            UserError: A newer docferry has made it.
            UnreachableError, TemporaryError: The store does not answer, or not as it should.
        """
        taken: set[str] = set()
        for snapshot in self._bucket.snapshots.all():
            facts = self._bucket.snapshots.describe(snapshot)
            if facts is None or facts.instance in taken:
                continue
            try:
                plain = self._fetched(snapshot, facts.sha256)
            except (PermanentError, StaleError) as error:
                # A store that only has trouble now must not cost the past: then it is tried again.
                log.warning(
                    "snapshot.refused", mirror=self._mirror, snapshot=snapshot, reason=str(error)
                )
                self.result.refused.append(f"{snapshot}: {error}")
                continue
            self._take(snapshot, plain)
            taken.add(facts.instance)

    def take_objects(self) -> None:
        """
        Bring the agreements to what the bucket holds now.

        Raises:
            UnreachableError, TemporaryError: The listing did not finish.
        """
        scanned = changed(Side.REMOTE, self._bucket.scan(), self._ledger.synced.scan(self._mirror))
        self._take_paths(scanned)
        odd = self._ledger.synced.scan_odd(self._mirror)
        self._take_paths(changed(Side.REMOTE, self._bucket.scan_odd(), odd))

    def take_archive(self) -> None:
        """
        Write down every archived version that nothing knows of, and what each archive holds.

        Raises:
            UnreachableError, TemporaryError: The listing did not finish.
        """
        untold: list[core.Archived] = []
        for chunk in _chunks(self._bucket.archive.scan()):
            versions = [one.version for one in chunk]
            known = self._ledger.versions.known(versions)
            self._ledger.versions.note_archived(sorted(known), Side.REMOTE)
            missing = [one for one in versions if one not in known]
            looked = self._pool.map(self._bucket.archive.look, missing)
            for version, found in zip(missing, looked, strict=True):
                if found is not None:
                    untold.append(core.Archived(version, found[0], _time(found[1])))
        rows, followed = core.archived_versions(untold, self._mirror, self.new, self._now())
        says = {one.version: one.claims for one in untold}
        self._ledger.versions.add(self._told_apart([(row, says[row.id]) for row in rows]))
        self.result.archived = len(rows)
        told = {row.id for row in rows}
        for one in untold:
            if one.version not in told:
                self.result.lose(f"archived version {one.version}: it does not say what it is")
        self._close(followed)

    def take_folder(self) -> None:
        """Write down what the folder's own archive holds, if it is there."""
        if self._here is None:
            return
        for chunk in _chunks(self._here.scan()):
            known = self._ledger.versions.known([one.version for one in chunk])
            self._ledger.versions.note_archived(sorted(known), Side.LOCAL)
            for one in chunk:
                if one.version not in known:
                    self.result.lose(f"version {one.version} in the folder: nothing tells of it")
        self._ledger.note_references_here(self._mirror)

    def count(self) -> None:
        """Count what there is now."""
        self.result.files, _ = self._ledger.synced.count(self._mirror)
        self.result.versions, _ = self._ledger.versions.totals(self._mirror)

    # Snapshots.

    def _fetched(self, snapshot: Ulid, sha256: Sha256 | None) -> FilePath:
        shutil.rmtree(self._folder, ignore_errors=True)
        self._folder.mkdir()
        packed, plain = self._folder / "snapshot.gz", self._folder / "snapshot.sqlite3"
        try:
            with (
                self._bucket.snapshots.read(snapshot) as content,
                packed.open("wb") as file,
            ):
                content.read_into(file.write)
            unpack(packed, plain, sha256=sha256)
        except OSError as error:
            raise UserError(f"cannot write {packed}: {error.strerror}") from error
        except UserError as error:
            raise UserError(
                f"snapshot {snapshot} of {self._mirror}: {error}, or take none: --from-objects"
            ) from error
        return plain

    def _take(self, snapshot: Ulid, plain: FilePath) -> None:
        if self.result.snapshot is None:
            self._ledger.take_over(plain, self._mirror, self._targets)
            self.profile = profile_in(plain)
            self.result.has_waited = is_waiting_in(plain)
            self.result.snapshot = snapshot
        else:
            taken_at = time_of(snapshot) or self._now()
            self._ledger.take_past(plain, self._mirror, self._targets, taken_at)

    # Objects.

    def _take_paths(self, differing: Iterable[Path | Unknown]) -> None:
        mine = (path for path in differing if isinstance(path, str) and self._takes(path))
        for chunk in _chunks(mine):
            bases = self._ledger.synced.get(self._mirror, chunk)
            looked = list(self._pool.map(self._bucket.look, chunk))
            found = [
                _found(path, look)
                for path, look in zip(chunk, looked, strict=True)
                if look is not None and not _is_as_agreed(look[0], bases.get(path))
            ]
            gone = [path for path, look in zip(chunk, looked, strict=True) if look is None]
            self._ledger.forget(self._mirror, gone)
            self.result.gone += sum(path in bases for path in gone)
            self._agree(found, bases)

    def _agree(self, found: Sequence[core.Found], bases: dict[Path, SyncedState]) -> None:
        told: list[tuple[VersionRow, core.Found]] = []
        unsure: list[core.Found] = []
        found = self._with_checksums(found)
        known = self._ledger.known([one.claims.version for one in found if one.claims.version])
        for one in found:
            if self._is_believed(one, known, bases.get(one.path)):
                row = core.version_told(one, self._mirror)
                known[row.id] = (self._mirror, row.path, row.sha256)
                told.append((row, one))
            else:
                unsure.append(one)
        self.result.told += len(told)
        for read in self._pool.map(self._read, unsure):
            if isinstance(read, str):
                self.result.lose(read)
            if read is None or isinstance(read, str):
                continue
            one, sha256 = read
            row = self._row_of(one, sha256, known, bases.get(one.path))
            known[row.id] = (self._mirror, row.path, row.sha256)
            told.append((row, one))
        rows = self._told_apart([(row, one.claims) for row, one in told])
        self.new += rows
        agreed = [
            (one.path, core.agreement_on(row, one), row)
            for row, (_, one) in zip(rows, told, strict=True)
        ]
        self._ledger.agree(self._mirror, agreed)

    def _told_apart(self, found: Sequence[tuple[VersionRow, Attributes]]) -> list[VersionRow]:
        """Tell results apart from what people have put there."""
        claimed = [
            (row, said) for row, says in found if (said := claim_of(says, row.sha256)) is not None
        ]
        self._believe(claimed)
        contents = [(row.path, row.sha256) for row, _ in found]
        results = self._ledger.jobs.results_among(self._mirror, contents)
        return [
            replace(row, origin=Origin.CONVERSION) if (row.path, row.sha256) in results else row
            for row, _ in found
        ]

    def _with_checksums(self, found: Sequence[core.Found]) -> list[core.Found]:
        """Ask the store what it knows of those that claim to be ours: it saves reading them."""
        ours = [one for one in found if one.claims.version and one.claims.sha256]
        if self._tells_checksums is False or not ours:
            return [*found]
        told = self._pool.map(lambda one: self._bucket.checksum(one.path, one.state.token), ours)
        checksums = dict(zip((one.path for one in ours), told, strict=True))
        if self._tells_checksums is None:
            self._tells_checksums = any(checksums.values())
        return [replace(one, checksum=checksums.get(one.path)) for one in found]

    def _is_believed(self, one: core.Found, known: core.Known, base: SyncedState | None) -> bool:
        if not core.tells_of_itself(one, self._mirror, known, self._now()):
            return False
        # Of what went up in parts no store keeps a SHA-256 of the whole.
        is_asked = bool(self._tells_checksums) and one.state.size <= PART_BYTES
        return not core.is_written_since(
            one, base, self._size_here(one.path), lacks_checksum=is_asked and one.checksum is None
        )

    def _row_of(
        self, one: core.Found, sha256: Sha256, known: core.Known, base: SyncedState | None
    ) -> VersionRow:
        """Give the version of a content that was read: what it claims, or was, or a new one."""
        self.result.read += 1
        self.result.read_bytes += one.state.size
        is_what_it_says = sha256 == one.claims.sha256
        if is_what_it_says and core.tells_of_itself(one, self._mirror, known, self._now()):
            return core.version_told(one, self._mirror)
        row = core.version_read(one, self._mirror, sha256, self._new_ulid(), base, self._now())
        if base is not None and base.sha256 == sha256:
            return core.same_version(row, base)
        return row

    def _read(self, one: core.Found) -> tuple[core.Found, Sha256] | str | None:
        """
        Read a content, in the pool. None: it is gone; a text: why it cannot be had.

        The next run looks at it again, as at any object that is new to it.
        """
        try:
            for _ in range(_LOOKS_AGAIN):
                try:
                    with self._bucket.read(one.path, one.state.token) as content:
                        sha256 = content.sha256()
                        content.confirm()
                        return one, sha256
                except StaleError:
                    look = self._bucket.look(one.path)
                    if look is None:
                        return None
                    one = _found(one.path, look)
        except UnreachableError:
            raise
        except DocferryError as error:
            return f"{one.path}: {error}"
        return f"{one.path}: it changes while it is read"

    # The archive.

    def _close(self, followed: dict[Ulid, datetime]) -> None:
        """Say since when versions are not current that the snapshot calls so."""
        left = self._ledger.left(self._mirror)
        archive = self._bucket.archive
        looked = self._pool.map(archive.look, [version for version, _ in left])
        self._ledger.note_left(
            [
                (
                    version,
                    core.left_at(
                        version,
                        created_at,
                        followed,
                        None if look is None else _time(look[1]),
                        self._now(),
                    ),
                )
                for (version, created_at), look in zip(left, looked, strict=True)
            ]
        )


def _found(path: Path, look: tuple[FileState, Attributes, int | None]) -> core.Found:
    state, claims, at_ns = look
    return core.Found(path, state, claims, _time(at_ns))


def _is_as_agreed(state: FileState, base: SyncedState | None) -> bool:
    """Say whether only the listing was out of date."""
    return base is not None and base.remote_token == state.token


def _time(at_ns: int | None) -> datetime | None:
    return None if at_ns is None else datetime.fromtimestamp(at_ns / 1e9, UTC)


def _chunks(items: Iterable[T]) -> Iterator[list[T]]:
    remaining = iter(items)
    while chunk := list(islice(remaining, AT_ONCE)):
        yield chunk
