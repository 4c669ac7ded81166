"""
Make versions of what others have overwritten or deleted between two looks.

Where versioning is turned on the bucket keeps it, under names of its own, until its owner's
rules let it go. It is copied, by the store itself, into docferry's archive.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import groupby
from typing import Protocol, TypeAlias

from docferry.core.strangers import (
    Finding,
    Kept,
    Known,
    Missed,
    is_lent,
    is_lost,
    row_with,
    sort_out,
    unnamed,
)
from docferry.core.words import counted
from docferry.errors import DocferryError, PermanentError, ThrottledError, UnreachableError
from docferry.ledger import Ledger
from docferry.logs import get_logger
from docferry.model import Attributes, Origin, Path, RequestKind, Sha256, Side, Ulid, VersionRow
from docferry.storage.base import Content
from docferry.storage.probe import StoreProfile

log = get_logger(__name__)

#: How often all that the bucket keeps is listed.
SWEEP_EVERY_S = 3600.0
#: Timers and rounds are not exact: what is due within the last tenth is due.
_IS_DUE_AFTER = 0.9
#: More paths than this to look at: one listing of all is cheaper, but not again and again
#: while a first download goes on.
MOST_PATHS = 1000
SWEEP_AGAIN_S = 600.0
#: Of one cause many contents may fail: so many are named in a round, and all are counted.
_MOST_WARNINGS = 10
#: Paths in memory at a time.
_AT_ONCE = 200

_OfPath: TypeAlias = tuple[Path, Sequence[Kept]]  # the newest first


class KeptVersions(Protocol):
    """What is asked of a bucket's own versions (`storage.s3_versions.BucketVersions`)."""

    def of(self, path: Path) -> Sequence[Kept]: ...
    def scan(self) -> Iterator[Kept]: ...
    def read(self, path: Path, version_id: str) -> Content: ...
    def archive(self, path: Path, version_id: str, archive: Attributes) -> None: ...


class VersionedSide(Protocol):
    """A bucket that may keep versions."""

    @property
    def profile(self) -> StoreProfile: ...
    @property
    def bucket_versions(self) -> KeptVersions: ...


class StoreVersions:
    """
    The chore for one mirror. `changed` is for any thread.

    Args:
        takes: Whether a path is one that the mirror mirrors.
        on_found: Called when a content was found whose bytes another version can lend it.
        most_paths: So many are looked at one by one; tests take fewer.
    """

    name = "store-versions"

    def __init__(
        self,
        mirror: str,
        remote: VersionedSide,
        ledger: Ledger,
        *,
        takes: Callable[[Path], bool],
        new_ulid: Callable[[], Ulid],
        now: Callable[[], datetime],
        on_found: Callable[[], None] = lambda: None,
        seconds: Callable[[], float] = time.monotonic,
        most_paths: int = MOST_PATHS,
    ) -> None:
        self._mirror = mirror
        self._remote = remote
        self._ledger = ledger
        self._versions = ledger.versions
        self._takes = takes
        self._new_ulid = new_ulid
        self._now = now
        self._on_found = on_found
        self._seconds = seconds
        self._most_paths = most_paths
        self._began_at = now()
        self._told: dict[Path, None] = {}  # in their order
        self._are_too_many = False
        self._failures = 0  # of this round
        self._lock = threading.Lock()
        self._swept_s: float | None = None  # by `seconds`; None: not since the start

    def changed(self, paths: Iterable[Path]) -> None:
        """Say that others did something at *paths*: there may have been more than is there now."""
        if not self._remote.profile.versioning:
            return
        with self._lock:
            self._told.update(dict.fromkeys(paths))
            if len(self._told) > self._most_paths:
                self._told.clear()
                self._are_too_many = True

    def run(self, is_stopping: Callable[[], bool]) -> None:
        """
        Look at what was told of; at its time, and first of all, at the whole bucket.

        Raises:
            PermanentError: Some contents could not be kept; all others were.
        """
        if not self._remote.profile.versioning:
            return
        with self._lock:
            told, self._told = [*self._told], {}
            is_sweep = self._is_sweep_due()
            if is_sweep:
                self._are_too_many = False
        began_s, self._failures = self._seconds(), 0
        try:
            found = self._all_kept() if is_sweep else ((path, self._of(path)) for path in told)
            self._look_at(found, is_stopping)
        except BaseException:
            self.changed(told)
            with self._lock:
                self._are_too_many = self._are_too_many or is_sweep
            raise
        if is_sweep:
            self._swept_s = began_s
        if self._failures:
            raise PermanentError(f"{counted(self._failures, 'content')} could not be kept")

    def _is_sweep_due(self) -> bool:
        if self._swept_s is None:
            return True
        pause_s = SWEEP_AGAIN_S if self._are_too_many else SWEEP_EVERY_S
        return self._seconds() - self._swept_s >= pause_s * _IS_DUE_AFTER

    def _of(self, path: Path) -> Sequence[Kept]:
        return self._remote.bucket_versions.of(path)

    def _all_kept(self) -> Iterator[_OfPath]:
        for path, kept in groupby(self._remote.bucket_versions.scan(), lambda each: each.path):
            yield path, [*kept]

    def _look_at(self, found: Iterable[_OfPath], is_stopping: Callable[[], bool]) -> None:
        since = self._versions.first_at(self._mirror) or self._began_at
        for batch in _batches((path, kept) for path, kept in found if _is_any_past(kept)):
            rows = self._versions.of_each(self._mirror, [path for path, _ in batch])
            for path, kept in batch:
                if is_stopping():
                    return
                if self._takes(path):
                    now = self._now()
                    known = rows.get(path, [])
                    self._settle(sort_out(kept, known, since=since, now=now), known)

    def _settle(self, found: Sequence[Finding], rows: Sequence[VersionRow]) -> None:
        """See to it that the ledger and the archive have all of one path's contents."""
        self._versions.note_store_versions([*unnamed(found)])
        ours: dict[str | None, Ulid] = {}  # by the bucket's names
        for finding in found:
            try:
                version = self._keep(finding, rows, ours)
            except (UnreachableError, ThrottledError):
                raise
            except DocferryError as error:  # one content: the others must not wait for it
                self._failed(finding.kept, error)
            else:
                if version is not None:
                    ours[finding.kept.version_id] = version

    def _keep(
        self, finding: Finding, rows: Sequence[VersionRow], ours: Mapping[str | None, Ulid]
    ) -> Ulid | None:
        """Give our name for a content; None: it has none yet."""
        match finding:
            case Known(kept=kept, row=row):
                if is_lost(row):
                    self._rescue(kept, row)
                return row.id
            case Missed(follows=follows):
                return self._take_in(finding, rows, ours.get(follows))

    def _rescue(self, kept: Kept, row: VersionRow) -> None:
        """Archive a version whose bytes nobody else has; a crash may have left it so, too."""
        sha256, _ = self._read(kept) or (None, None)
        if sha256 not in (None, row.sha256):
            raise PermanentError(f"the bucket keeps other bytes than version {row.id} had")
        if sha256 is not None:
            self._archive(kept, row)

    def _take_in(
        self, missed: Missed, rows: Sequence[VersionRow], parent: Ulid | None
    ) -> Ulid | None:
        """Make a version of a content."""
        kept = missed.kept
        found = self._read(kept)
        if found is None:
            return None
        sha256, mtime_ns = found
        known = row_with(kept, rows, sha256)
        if known is not None:
            self._versions.note_store_versions([(known.id, kept.version_id)])
            if is_lost(known):
                self._archive(kept, known)
            return known.id
        if self._ledger.requests.is_asked(self._mirror, kept.path, RequestKind.ERASE):
            return None
        row = self._row_of(missed, sha256, mtime_ns, parent)
        is_shared = is_lent(self._versions.with_content(self._mirror, sha256))
        # The row first, as of something not archived: a crash leaves a version that is
        # rescued in the next round, under the same id, and not a second copy.
        self._versions.add([row])
        if is_shared:
            self._on_found()
        else:
            self._archive(kept, row)
        log.info("version.found", **self._facts(kept), version=row.id, size_bytes=row.size)
        return row.id

    def _read(self, kept: Kept) -> tuple[Sha256, int | None] | None:
        """
        Give the hash of a content, and its mtime.

        It is read, whatever it says of itself: tools that edit an object keep its metadata.

        Returns:
            None: an upload of our own that the loop has yet to write down.
        """
        with self._remote.bucket_versions.read(kept.path, kept.version_id) as content:
            claims, intents = content.attributes, self._ledger.intents
            if claims.version and intents.is_intended(self._mirror, kept.path, claims.version):
                return None
            sha256 = content.sha256()
            content.confirm()
        return sha256, claims.mtime_ns

    def _row_of(
        self, missed: Missed, sha256: Sha256, mtime_ns: int | None, parent: Ulid | None
    ) -> VersionRow:
        kept = missed.kept
        return VersionRow(
            id=self._new_ulid(),
            mirror=self._mirror,
            path=kept.path,
            sha256=sha256,
            size=kept.size,
            mtime_ns=mtime_ns,
            origin=Origin.STORE,
            parent=parent,
            etag=kept.token,
            created_at=missed.created_at,
            left_at=missed.left_at,
            store_version=kept.version_id,
            agreed=False,
        )

    def _archive(self, kept: Kept, row: VersionRow) -> None:
        attributes = Attributes(
            version=row.id,
            sha256=row.sha256,
            mtime_ns=row.mtime_ns,
            parent=row.parent,
            path=row.path,
        )
        self._remote.bucket_versions.archive(kept.path, kept.version_id, attributes)
        self._versions.note_archived([row.id], Side.REMOTE)

    def _failed(self, kept: Kept, error: DocferryError) -> None:
        self._failures += 1
        if self._failures <= _MOST_WARNINGS:
            log.warning("version.missed", **self._facts(kept), reason=str(error))

    def _facts(self, kept: Kept) -> dict[str, str]:
        return {"mirror": self._mirror, "path": kept.path, "store_version": kept.version_id}


def _is_any_past(kept: Sequence[Kept]) -> bool:
    return any(not each.is_latest and not each.is_delete_marker for each in kept)


def _batches(found: Iterable[_OfPath]) -> Iterator[list[_OfPath]]:
    batch: list[_OfPath] = []
    for each in found:
        batch.append(each)
        if len(batch) == _AT_ONCE:
            yield batch
            batch = []
    if batch:
        yield batch
