"""
What a run would do, without doing it.

The same trees, the same decision, the same guards as the loop, and what people decided
about holds and a run would carry out first; contents that a decision depends on are
read, nothing is written, neither on a side nor in the ledger.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from docferry.config import MirrorConfig
from docferry.core.filters import Filter
from docferry.core.guards import Refused, counts_since, marker_id, prove, refuse_deletions
from docferry.core.merge import Difference, Seen, Unseen, merge
from docferry.core.paths import is_reserved
from docferry.core.plan import allows, decide
from docferry.core.settle import Taken, rest
from docferry.engine.execute import Executor, Learned, Task
from docferry.engine.identity import Places
from docferry.engine.look import is_empty
from docferry.errors import StaleError
from docferry.ledger import HoldRow, Ledger
from docferry.model import (
    DeleteLocal,
    DeleteRemote,
    Deletion,
    Download,
    HoldState,
    KeepBoth,
    MarkSynced,
    Operation,
    Path,
    ReadLocal,
    ReadRemote,
    Sha256,
    Side,
    SyncedState,
    Upload,
)


@dataclass(frozen=True, slots=True)
class DryRun:
    """
    The plan of one mirror.

    refused: why nothing would travel at all; None: both sides answer, and are themselves.
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
        self._decided = _Decided(self._mirror, ledger)
        self._operations: list[Operation] = []
        self._deletions: list[tuple[Deletion, SyncedState]] = []
        self._settling: list[Upload] = []
        self._waiting: list[tuple[Path, str]] = []

    def plan(self) -> DryRun:
        """
        Raises:
            UnreachableError: A side does not answer: there is no plan.
        """
        refused = self._refused()
        if refused is not None and not self._decided.joins_anew:
            return DryRun(refused=refused)
        for seen in self._all_trees():
            self._consider(seen)
        approved = [one for one, _ in self._deletions if one in self._decided.approved]
        planned = [one for one in self._deletions if one[0] not in self._decided.approved]
        reason = self._hold_reason(planned, len(approved)) if planned else None
        held_back = () if reason is None else tuple(one for one, _ in planned)
        travels = approved if held_back else [one for one, _ in self._deletions]
        operations = sorted([*self._operations, *travels], key=lambda operation: operation.path)
        return DryRun(tuple(operations), None, held_back, reason, tuple(self._waiting))

    def _refused(self) -> str | None:
        row = self._ledger.mirrors.get(self._mirror)
        proof = prove(
            marker_id(self._places.local.read_marker()),
            marker_id(self._places.remote.read_marker()),
            row.marker_id if row is not None else None,
            where=(self._places.local_name, self._places.remote_name),
        )
        return proof.reason if isinstance(proof, Refused) else None

    # The decisions.

    def _all_trees(self) -> Iterator[Seen]:
        local, remote, synced = self._places.local, self._places.remote, self._ledger.synced
        agreed = self._decided.agreed(synced.scan(self._mirror))
        yield from merge(local.scan(), remote.scan(), agreed)
        odd = self._decided.agreed(synced.scan_odd(self._mirror))
        yield from merge(local.scan_odd(), remote.scan_odd(), odd)

    def _consider(self, seen: Seen) -> None:
        if isinstance(seen, Unseen):
            self._waiting.append((seen.what.path, f"{seen.side} side: {seen.what.reason}"))
            return
        if not self._takes(seen.path):
            return
        operation = decide(seen.path, seen.local, seen.remote, seen.synced)
        if operation is None or not allows(self._options.mode, operation):
            return
        if self._moves(seen, operation):
            self._waiting.append((seen.path, "not yet at rest"))
            if isinstance(operation, Upload):
                self._settling.append(operation)
        elif isinstance(operation, ReadLocal | ReadRemote):
            self._read(seen, operation)
        elif isinstance(operation, DeleteLocal | DeleteRemote):
            assert seen.synced is not None
            self._deletions.append((operation, seen.synced))
        else:
            self._operations.append(operation)
            if isinstance(operation, KeepBoth):
                self._carry_up(operation)

    def _takes(self, path: Path) -> bool:
        return not is_reserved(path) and self._filter.takes(path)

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

    # The guard.

    def _hold_reason(
        self, planned: list[tuple[Deletion, SyncedState]], approved: int
    ) -> str | None:
        held = self._decided.held
        since = counts_since(datetime.now(UTC), None if held is None else held.created_at)
        recent = self._ledger.history.deletions_since(self._mirror, since) + approved
        limit = self._options.delete_limit
        is_many = len(planned) + recent > limit
        sides = {Side.LOCAL if isinstance(one, DeleteLocal) else Side.REMOTE for one, _ in planned}
        gone_from = (side for side in Side if sides - {side})
        return refuse_deletions(
            # Where it makes no difference, nothing is read for it.
            lost=self._lost(planned) if is_many else len(planned),
            recent=recent,
            limit=limit,
            is_holding=held is not None,
            emptied=next(filter(self._is_empty, gone_from), None),
        )

    def _is_empty(self, side: Side) -> bool:
        return is_empty(self._places.side(side), self._takes)

    def _lost(self, planned: list[tuple[Deletion, SyncedState]]) -> int:
        """Count the deletions of contents that no other path would hold afterwards."""
        changed = {deletion.path for deletion, _ in self._deletions}
        changed |= {operation.path for operation in self._operations}
        elsewhere: set[Sha256 | None] = {
            state.sha256
            for path, state in self._ledger.synced.scan(self._mirror)
            if path not in changed
        }
        # A run waits for what is settling: it may be the deleted files under new names.
        sizes = {state.size for _, state in planned}
        for operation in (*self._operations, *self._settling):
            elsewhere.add(self._sha256_after(operation, sizes))
        return sum(state.sha256 not in elsewhere for _, state in planned)

    def _sha256_after(self, operation: Operation, sizes: set[int]) -> Sha256 | None:
        """Give the content that both sides will have; None: it has none of these sizes."""
        if isinstance(operation, MarkSynced):
            return operation.sha256
        match operation:
            case Upload():
                side, source = Side.LOCAL, operation.source
            case Download():
                side, source = Side.REMOTE, operation.source
            case KeepBoth():
                side, source = Side.REMOTE, operation.remote
            case _:
                return None
        if source.sha256 is not None or source.size not in sizes:
            return source.sha256
        try:
            with self._places.side(side).read(operation.path, source.token) as content:
                return content.sha256()
        except StaleError:
            return None  # it moves: a run would look again


class _Decided:
    """What people decided about holds, and a run would carry out before all else."""

    def __init__(self, mirror: str, ledger: Ledger) -> None:
        holds = ledger.holds
        self.held: HoldRow | None = None  #: open, of deletions
        self.joins_anew = False
        self.approved: set[Deletion] = set()
        self._discarded: set[Path] = set()
        for hold in holds.all(mirror, (HoldState.OPEN, HoldState.APPROVED, HoldState.DISCARDED)):
            match hold.kind, hold.state:
                case "identity", HoldState.APPROVED:
                    self.joins_anew = True
                case "deletions", HoldState.OPEN:
                    self.held = hold
                case "deletions", HoldState.APPROVED:
                    self.approved |= set(holds.items(hold.id, hold.count))
                case "deletions", HoldState.DISCARDED:
                    self._discarded |= {one.path for one in holds.items(hold.id, hold.count)}
                case _:
                    pass  # of identity and not approved: while a side is not itself it refuses

    def agreed(
        self, synced: Iterable[tuple[Path, SyncedState]]
    ) -> Iterator[tuple[Path, SyncedState]]:
        """Leave out the agreements that are to be forgotten."""
        if self.joins_anew:
            return iter(())
        return (each for each in synced if each[0] not in self._discarded)
