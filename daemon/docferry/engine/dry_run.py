"""
What a run would do, without doing it.

The same trees, the same decision, the same guards as the loop; contents that a
decision depends on are read, nothing is written, neither on a side nor in the ledger.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from docferry.config import MirrorConfig
from docferry.core.filters import Filter
from docferry.core.guards import (
    DELETION_WINDOW,
    Refused,
    marker_id,
    prove,
    refuse_deletions,
)
from docferry.core.merge import Difference, Seen, Unseen, merge
from docferry.core.paths import is_reserved
from docferry.core.plan import allows, decide
from docferry.core.settle import Taken, rest
from docferry.engine.execute import Executor, Learned, Task
from docferry.engine.identity import Places
from docferry.errors import StaleError
from docferry.ledger import Ledger
from docferry.model import (
    DeleteLocal,
    DeleteRemote,
    Deletion,
    HoldState,
    KeepBoth,
    Operation,
    Path,
    ReadLocal,
    ReadRemote,
    Sha256,
    Side,
    Upload,
)


@dataclass(frozen=True, slots=True)
class DryRun:
    """
    The plan of one mirror.

    refused: why nothing would travel at all; None: the sides are themselves.
    held_back: deletions that a guard would turn into a hold, for *hold_reason*.
    waiting: paths that are not at rest, or that could not be looked at, and why.
    """

    operations: tuple[Operation, ...] = ()
    refused: str | None = None
    held_back: tuple[Deletion, ...] = ()
    hold_reason: str | None = None
    waiting: tuple[tuple[Path, str], ...] = ()


class Rehearsal:
    """Makes the plan of one mirror. *executor* is only asked to read."""

    def __init__(
        self, options: MirrorConfig, places: Places, ledger: Ledger, executor: Executor
    ) -> None:
        self._options = options
        self._mirror = options.name
        self._places = places
        self._local = places.local
        self._ledger = ledger
        self._executor = executor
        self._filter = Filter(options.include, options.exclude)
        self._operations: list[Operation] = []
        self._deletions: list[tuple[Deletion, Sha256]] = []
        self._waiting: list[tuple[Path, str]] = []

    def plan(self) -> DryRun:
        """
        Raises:
            UnreachableError: A side does not answer: there is no plan.
        """
        refused = self._refused()
        if refused is not None:
            return DryRun(refused=refused)
        for seen in self._all_trees():
            self._consider(seen)
        reason = self._hold_reason()
        deletions = tuple(deletion for deletion, _ in self._deletions)
        if reason is None:
            self._operations.extend(deletions)
            deletions = ()
        operations = sorted(self._operations, key=lambda operation: operation.path)
        return DryRun(tuple(operations), None, deletions, reason, tuple(self._waiting))

    def _refused(self) -> str | None:
        row = self._ledger.mirrors.get(self._mirror)
        proof = prove(
            marker_id(self._places.local.read_marker()),
            marker_id(self._places.remote.read_marker()),
            row.marker_id if row is not None else None,
            where=(self._places.local_name, self._places.remote_name),
        )
        return proof.reason if isinstance(proof, Refused) else None

    def _all_trees(self) -> Iterator[Seen]:
        local, remote, synced = self._places.local, self._places.remote, self._ledger.synced
        yield from merge(local.scan(), remote.scan(), synced.scan(self._mirror))
        yield from merge(local.scan_odd(), remote.scan_odd(), synced.scan_odd(self._mirror))

    def _consider(self, seen: Seen) -> None:
        if isinstance(seen, Unseen):
            self._waiting.append((seen.what.path, f"{seen.side} side: {seen.what.reason}"))
            return
        if is_reserved(seen.path) or not self._filter.takes(seen.path):
            return
        operation = decide(seen.path, seen.local, seen.remote, seen.synced)
        if operation is None or not allows(self._options.mode, operation):
            return
        if self._moves(seen, operation):
            self._waiting.append((seen.path, "not yet at rest"))
        elif isinstance(operation, ReadLocal | ReadRemote):
            self._read(seen, operation)
        elif isinstance(operation, DeleteLocal | DeleteRemote):
            assert seen.synced is not None
            self._deletions.append((operation, seen.synced.sha256))
        else:
            self._operations.append(operation)
            if isinstance(operation, KeepBoth):
                self._carry_up(operation)

    def _carry_up(self, conflict: KeepBoth) -> None:
        """The local content's second name is a new file, which a run uploads as well."""
        copy = Upload(conflict.copy_path, conflict.local, expect_remote=None)
        # A copy that is there already has differences, or none, of its own.
        is_new = self._local.stat(copy.path) is None
        if is_new and self._filter.takes(copy.path) and allows(self._options.mode, copy):
            self._operations.append(copy)

    def _moves(self, seen: Difference, operation: Operation) -> bool:
        if seen.local is None or not isinstance(operation, Upload | ReadLocal):
            return False
        found = rest(
            seen.local,
            None,
            now_ns=time.time_ns(),
            now_s=time.monotonic(),
            settle_s=self._options.settle_s,
        )
        return not isinstance(found, Taken) or self._local.is_being_written(seen.path)

    def _read(self, seen: Difference, operation: Operation) -> None:
        try:
            result = self._executor.execute(Task(operation, seen, version="-"))
        except StaleError as error:
            self._waiting.append((seen.path, str(error)))
            return
        if isinstance(result, Learned):
            self._consider(result.seen)
        else:  # an upload of ours whose note was lost: it counts as agreed
            self._consider(replace(seen, synced=result.synced))

    def _hold_reason(self) -> str | None:
        if not self._deletions:
            return None
        held = self._ledger.holds.all(self._mirror, (HoldState.OPEN,), kind="deletions")
        if held:
            return held[0].reason
        files, _ = self._ledger.synced.count(self._mirror)
        gone = Side.REMOTE if isinstance(self._deletions[0][0], DeleteLocal) else Side.LOCAL
        is_gone = len(self._deletions) >= files and self._is_empty(gone)
        since = datetime.now(UTC) - DELETION_WINDOW
        return refuse_deletions(
            lost=self._lost(),
            recent=self._ledger.history.deletions_since(self._mirror, since),
            limit=self._options.delete_limit,
            held=0,
            emptied=gone if is_gone else None,
        )

    def _is_empty(self, side: Side) -> bool:
        storage = self._places.side(side)
        return next(storage.scan(), None) is None and not storage.scan_odd()

    def _lost(self) -> int:
        """Count the deletions of contents that no other path would hold afterwards."""
        if len(self._deletions) <= self._options.delete_limit:
            return len(self._deletions)
        gone = {deletion.path for deletion, _ in self._deletions}
        elsewhere = {
            state.sha256
            for path, state in self._ledger.synced.scan(self._mirror)
            if path not in gone
        }
        for operation in self._operations:
            if isinstance(operation, Upload):
                elsewhere.add(self._sha256_of(operation))
        return sum(sha256 not in elsewhere for _, sha256 in self._deletions)

    def _sha256_of(self, upload: Upload) -> Sha256:
        if upload.source.sha256 is not None:
            return upload.source.sha256
        with self._local.read(upload.path, upload.source.token) as content:
            return content.sha256()
