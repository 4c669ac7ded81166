"""
Keep a snapshot of one mirror's part of the ledger in its own prefix, never older than it must be.

A chore: it looks every few seconds whether there is anything new, which costs next to nothing.
"""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Protocol

from docferry.core.guards import marker_id
from docferry.core.snapshots import Changes, Stored, is_due, is_history_missed, superseded
from docferry.core.ulids import time_of
from docferry.errors import DocferryError, TemporaryError
from docferry.ledger import Ledger
from docferry.ledger.snapshot_log import SnapshotRow
from docferry.ledger.snapshots import Made, StoppedError, make
from docferry.ledger.upgrade import HEAD
from docferry.logs import get_logger
from docferry.metrics import LEDGER_SNAPSHOT, release
from docferry.model import Ulid
from docferry.storage.snapshots import SnapshotFacts, SnapshotStore

log = get_logger(__name__)

#: How often to call `Snapshots.run`.
EVERY_S = 5.0
#: A snapshot that failed is not tried again sooner: to make one is work.
AGAIN_AFTER = timedelta(minutes=1)
#: What stands among the problems where the bucket holds a history that the ledger lacks.
MISSED_PATH, MISSED_KIND = ".docferry/ledger", "history"
MISSED = (
    "the bucket holds a history of this mirror that the ledger knows nothing of: stop docferry, "
    "move the ledger away, and docferry rebuild takes it over"
)


class Bucket(Protocol):
    """The remote side, as far as it is asked."""

    @property
    def snapshots(self) -> SnapshotStore: ...
    def read_marker(self) -> bytes | None: ...


class Snapshots:
    """
    The snapshots of one mirror.

    Args:
        every_s: The latest time after a change, where the mirror never rests.
    """

    def __init__(
        self,
        mirror: str,
        ledger: Ledger,
        bucket: Bucket,
        *,
        every_s: float,
        new_ulid: Callable[[], Ulid],
        now: Callable[[], datetime],
    ) -> None:
        self.name = "snapshots"
        self._mirror = mirror
        self._ledger = ledger
        self._bucket = bucket
        # On the ledger's own disk, which has room for it; /tmp may be memory.
        self._folder = ledger.path.parent / f"snapshot-{mirror}"
        self._every = timedelta(seconds=every_s)
        self._new_ulid = new_ulid
        self._now = now
        self._one_at_a_time = threading.Lock()
        self._changes: Changes | None = None
        self._looked_to: int | None = None  # row of the history; None: not begun
        self._has_looked_back = False
        self._not_before: datetime | None = None

    def run(self, is_stopping: Callable[[], bool]) -> None:
        """
        Take a snapshot, if it is time.

        Raises:
            DocferryError: It could not be made, or the store does not take it.
        """
        self._look_back()
        self._look_for_changes()
        now, last = self._now(), self._ledger.snapshots.last(self._mirror)
        if self._not_before is not None and now < self._not_before:
            return
        took = None if last is None else (last.taken_at, timedelta(seconds=last.took_s))
        if not is_due(self._changes, took, now, self._every):
            return
        try:
            self.take(is_stopping)
        except StoppedError:
            return
        except DocferryError:
            self._not_before = now + AGAIN_AFTER
            raise

    def take_if_changed(self, is_stopping: Callable[[], bool]) -> None:
        """Take a snapshot now, if there is anything new: for a daemon that does not stay."""
        self._look_for_changes()
        if self._changes is not None:
            with suppress(StoppedError):
                self.take(is_stopping)

    def are_missed(self) -> bool:
        """
        Say whether the bucket holds a history that the ledger began without. For any thread.

        Raises:
            UnreachableError, TemporaryError: The store does not answer.
        """
        return is_missed(self._mirror, self._ledger, self._bucket.snapshots, self._now())

    def renew(self) -> None:
        """
        Take a snapshot now and remove all older ones, whoever took them. For any thread.

        What was erased from the ledger must not be in one either. Not while `are_missed`:
        they are all that is left of that history.

        Raises:
            TemporaryError: The bucket is not the mirror's at the moment; nothing changed.
        """
        snapshot = self.take()
        if snapshot is None:
            raise TemporaryError(f"the bucket of {self._mirror} does not carry its marker")
        for old in self._bucket.snapshots.all():
            if old < snapshot:
                self._bucket.snapshots.remove(old)

    def take(self, is_stopping: Callable[[], bool] = lambda: False) -> Ulid | None:
        """
        Take a snapshot now, and name it. None: the bucket is not the mirror's. For any thread.

        Raises:
            StoppedError: *is_stopping* said so.
        """
        with self._one_at_a_time:
            # The loop says so; whose history would this be, in another's prefix?
            return self._take(is_stopping) if self._is_our_bucket() else None

    def _take(self, is_stopping: Callable[[], bool]) -> Ulid:
        began_s, taken_at, snapshot = time.monotonic(), self._now(), self._new_ulid()
        shutil.rmtree(self._folder, ignore_errors=True)
        try:
            self._folder.mkdir()
            packed, made = make(self._ledger, self._mirror, self._folder, is_stopping=is_stopping)
            facts = SnapshotFacts(self._ledger.instance, made.sha256, HEAD, release())
            self._bucket.snapshots.write(snapshot, packed, facts)
        except OSError as error:
            raise TemporaryError(
                f"cannot make a snapshot in {self._folder}: {error.strerror}"
            ) from error
        finally:
            shutil.rmtree(self._folder, ignore_errors=True)
        self._note(snapshot, taken_at, made, time.monotonic() - began_s)
        self._remove_superseded()
        return snapshot

    def _note(self, snapshot: Ulid, taken_at: datetime, made: Made, took_s: float) -> None:
        self._ledger.snapshots.note(
            SnapshotRow(self._mirror, snapshot, taken_at, made.last_history, made.size, took_s)
        )
        self._changes = None
        self._looked_to = made.last_history
        self._not_before = None
        LEDGER_SNAPSHOT.labels(self._mirror).set(taken_at.timestamp())
        log.info(
            "snapshot.done",
            mirror=self._mirror,
            snapshot=snapshot,
            size_bytes=made.size,
            took_s=round(took_s, 3),
        )

    def _look_for_changes(self) -> None:
        if self._looked_to is None:
            last = self._ledger.snapshots.last(self._mirror)
            self._looked_to = 0 if last is None else last.last_history
            if last is not None:
                LEDGER_SNAPSHOT.labels(self._mirror).set(last.taken_at.timestamp())
        later, self._looked_to = self._ledger.snapshots.changes(self._mirror, self._looked_to)
        self._changes = later if self._changes is None else self._changes.followed_by(later)

    def _is_our_bucket(self) -> bool:
        row = self._ledger.mirrors.get(self._mirror)
        found = marker_id(self._bucket.read_marker())
        return row is not None and row.marker_id is not None and found == row.marker_id

    def _remove_superseded(self) -> None:
        for old in superseded(stored_in(self._bucket.snapshots), self._ledger.instance):
            self._bucket.snapshots.remove(old)

    def _look_back(self) -> None:
        """Say so once, if the bucket knows of a past that the ledger does not."""
        if self._has_looked_back or not self._is_our_bucket():
            return
        self._has_looked_back = True
        if not is_missed(self._mirror, self._ledger, self._bucket.snapshots, self._now()):
            self._ledger.problems.clear(self._mirror, [MISSED_PATH])
            return
        log.warning("snapshot.missed", mirror=self._mirror, meaning=MISSED)
        self._ledger.problems.put(
            self._mirror,
            MISSED_PATH,
            kind=MISSED_KIND,
            message=MISSED,
            at=self._now(),
            retry_at=None,
        )


def is_missed(mirror: str, ledger: Ledger, snapshots: SnapshotStore, now: datetime) -> bool:
    """Say whether the bucket holds a history of *mirror* that *ledger* began without."""
    if ledger.snapshots.is_rebuilt():
        return False
    began_at = ledger.snapshots.began_at(mirror) or now
    return is_history_missed(stored_in(snapshots), ledger.instance, began_at)


def stored_in(snapshots: SnapshotStore) -> list[Stored]:
    """Give the snapshots that there are, the newest first."""
    found = []
    for snapshot in snapshots.all():
        facts, taken_at = snapshots.describe(snapshot), time_of(snapshot)
        if facts is not None and taken_at is not None:
            found.append(Stored(snapshot, facts.instance, taken_at))
    return found
