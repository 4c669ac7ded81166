"""
Turn what was seen into operations under way, for one mirror.

The decision itself is `core.plan.decide`; here it meets the rest of the world: the
filter, the mode, files that are still being written, paths that failed lately,
and deletions that wait for a guard.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor as Pool
from dataclasses import dataclass
from datetime import datetime

from docferry.config import MirrorConfig
from docferry.core.filters import Filter
from docferry.core.merge import Difference, Seen, Unseen
from docferry.core.paths import is_reserved
from docferry.core.plan import allows, decide
from docferry.core.strangers import tells_of_others
from docferry.engine.aliased import Aliasing
from docferry.engine.asked import AskedFor, Hands
from docferry.engine.carry import Carrier
from docferry.engine.deletions import Deletions
from docferry.engine.dirty import DirtyPaths
from docferry.engine.execute import Executor
from docferry.engine.gate import Gate
from docferry.engine.identity import Places
from docferry.engine.left import Left
from docferry.engine.look import Looks, look_here
from docferry.engine.patience import Patience
from docferry.engine.problems import STALE_AGAIN_S, Problems
from docferry.engine.settling import Settling
from docferry.engine.sides import LocalSide
from docferry.engine.task import Learned, Task
from docferry.engine.tell import kind_of, tell
from docferry.engine.timing import MACHINE, Timing
from docferry.engine.together import Together
from docferry.errors import (
    BlockedPathError,
    DocferryError,
    HeldError,
    StaleError,
    ThrottledError,
    UnreachableError,
)
from docferry.job import NewJob
from docferry.ledger import Ledger
from docferry.logs import at_once, get_logger
from docferry.model import (
    Asked,
    DeleteLocal,
    DeleteRemote,
    Download,
    FileState,
    KeepBoth,
    Key,
    Mode,
    Operation,
    Origin,
    Outcome,
    Path,
    ReadLocal,
    ReadRemote,
    RequestKind,
    Ulid,
    Upload,
    VersionRow,
)

log = get_logger(__name__)

#: While other contents are put back, one that has been goes up so much later.
RESTORING_AGAIN_S = 0.2
#: What was at rest before it was put to its path.
_PUT_BY_US = (Origin.DROP, Origin.CONVERSION, Origin.RESTORE)
#: A result is told of once it is in its place; should that fail to come, it is looked for then.
PUT_WITHIN_S = 1.0


@dataclass(frozen=True, slots=True)
class Tools:
    """What the loop and the planner of one mirror share."""

    options: MirrorConfig
    ledger: Ledger
    local: LocalSide
    pool: Pool  #: carries operations
    looks: Looks
    gate: Gate  #: how many operations the store bears at a time
    aliases: dict[Key, Path]  #: shared with the remote side
    jobs_for: Callable[[VersionRow], Sequence[NewJob]]
    new_ulid: Callable[[], Ulid]
    prepare: Callable[[], None]  #: claims the folder and probes the store, if that is still to do
    on_jobs: Callable[[], None]
    #: Told of requests that are not about a path.
    on_asked: Callable[[RequestKind], None] = lambda kind: None
    #: Told when something was displaced and written down.
    on_displaced: Callable[[], None] = lambda: None
    #: Told of paths at which others did something in the bucket, once it is written down.
    on_remote_change: Callable[[Sequence[Path]], None] = lambda paths: None
    #: Corrects where new versions come from, by what the ledger knows.
    with_origins: Callable[[Sequence[Outcome]], Sequence[Outcome]] = lambda outcomes: outcomes
    #: Never goes back: what is written down has one order.
    now: Callable[[], datetime] = MACHINE.now
    timing: Timing = MACHINE  #: of the loop
    patience: Patience | None = None  #: None: the usual
    #: Names the limits that docferry itself keeps to, for a person; "": there are none.
    named_limits: Callable[[], str] = lambda: ""
    #: Called when all is known but what a rehearsal has not read yet.
    before_judging: Callable[[], None] = lambda: None


class Planner:
    """Decides about what is seen and sees the operations through, mostly in the loop's thread."""

    def __init__(
        self,
        tools: Tools,
        executor: Executor,
        dirty: DirtyPaths,
        deletions: Deletions,
        wake: Callable[[], None],
        on_wait: Callable[[], None],
        asked: AskedFor,
    ) -> None:
        self._tools = tools
        self._asked, asked.freed = asked, dirty.mark
        self._mirror, self._timing = tools.options.name, tools.timing
        self._filter = Filter(tools.options.include, tools.options.exclude)
        self._dirty = dirty
        self._deletions = deletions
        self._let_through: dict[Path, Operation | None] = {}  #: deletions past the guard
        self.origins: dict[Path, Origin] = {}  #: where a path came from, when it is known
        self._stories: dict[Path, tuple[Ulid, int]] = {}  #: begun: their ids, and tries so far
        self.patience = tools.patience or Patience.usual(tools.options.settle_s)
        self._settling = Settling(tools.timing, self.patience.absence_s)
        blocked_s = self.patience.blocked_s
        self.problems = Problems(
            self._mirror, tools.ledger, dirty, blocked_retry_s=blocked_s, timing=tools.timing
        )
        self._left = Left(self._mirror, tools.options.mode, tools.ledger, dirty, tools.now)
        self._aliasing = Aliasing(
            self._mirror,
            tools.ledger,
            tools.aliases,
            tools.local,
            dirty,
            self._is_on_its_way_out,
        )
        self.brake = executor.brake
        self._wake = wake
        self._results = Together(tools.timing.monotonic)
        self.carrier = Carrier(
            executor,
            tools.pool,
            tools.gate,
            self,
            intend=self._intend,
            record=self._record,
            wake=self._on_finished,
            on_wait=on_wait,
            timing=tools.timing,
        )
        self.side_is_down: UnreachableError | None = None  #: set by an operation that found out
        self._moving: set[Path] | None = None  # while a full run goes on
        self._placed: list[Path] = []  # by what was recorded last: had back, and to go up

    # For any thread.

    def hint(self, path: Path, origin: Origin | None) -> Ulid | None:
        """
        Have *path* looked at: something changed there, and *origin* is where it comes from.

        Of what was dropped, give the id by which the log will tell of it.

        Results are told of before they are put, and again when they are: a stream of them
        is looked at some at a time.
        """
        if origin is not None:
            self.origins[path] = origin
        after_s = 0.0
        if self.origins.get(path) is Origin.CONVERSION:
            after_s = PUT_WITHIN_S if origin is not None else self._results.wait_s()
        story = None
        if origin is Origin.DROP:
            story, _ = self._stories.setdefault(path, (self._tools.new_ulid(), 0))
        self._dirty.mark(path, after_s=after_s)
        return story

    def _on_finished(self, tasks: Sequence[Task]) -> None:
        if all(task.origin is Origin.CONVERSION for task in tasks):
            self._dirty.call(after_s=self._results.wait_s())
        else:
            self._wake()

    # For the loop's thread.

    def run_begins(self) -> None:
        """Note what moves already: a full run may read one tree before and another after."""
        self._moving = self.carrier.busy_paths()
        self.brake.run_begins()

    def is_outdated(self, seen: Seen) -> bool:
        """
        Say whether a full run may have seen *seen* in part before, in part after an operation.

        Such a path is looked at by itself; one that was deleted meanwhile would be held.
        """
        if isinstance(seen, Unseen) or seen.path not in (self._moving or ()):
            return False
        self._dirty.mark(seen.path)
        return True

    def run_ended(self) -> None:
        self._moving = None

    def full_run_ended(self) -> None:
        """Note that everything was looked at: what was not met again is not so any more."""
        self.problems.full_run_ended()
        self._left.full_run_ended()
        self.brake.run_ended(lambda: self.carrier.busy_paths() | {*self._dirty.paths()})

    def consider(self, seen: Seen, *, is_snapshot: bool, since_s: float | None = None) -> None:
        """
        Decide about one path and set the operation on its way.

        Args:
            is_snapshot: Both sides were walked as a whole; a path that is absent is
                gone, and not just between two steps of an editor's save.
            since_s: When the change was noticed (monotonic), for the metrics.
        """
        if isinstance(seen, Unseen):
            self.problems.unseen(seen)
            return
        path = seen.path
        if not self.takes(path):
            return
        if not is_snapshot and self._moving is not None:
            self._moving.add(path)
        self.problems.considered(path)
        if self.carrier.is_busy(path):
            self._dirty.mark(path, after_s=STALE_AGAIN_S)
            return
        self._left.looked(seen)
        operation = decide(path, seen.local, seen.remote, seen.synced)
        if not isinstance(operation, DeleteLocal | DeleteRemote | ReadLocal | ReadRemote):
            self._deletions.spare(path)
        mode = self._tools.options.mode
        is_allowed = operation is not None and allows(mode, operation)
        is_held = self.brake.keeps(seen, operation if is_allowed else None)
        if operation is None or is_held:
            self._rests(path)
        elif not is_allowed:
            self.problems.left_alone(path, mode, operation)
        elif wait_s := self.problems.wait_s(seen):
            # The hint that led here took the place of the mark for the next try.
            self._dirty.put_off(path, after_s=wait_s, since_s=since_s)
        elif self._is_ripe(seen, operation, is_snapshot=is_snapshot, since_s=since_s):
            self._begin(seen, operation, since_s)

    def takes(self, path: Path) -> bool:
        """Say whether *path* is one that this mirror mirrors."""
        return not is_reserved(path) and self._filter.takes(path)

    def to_be_looked_at(self, paths: Sequence[Path], since: Mapping[Path, float]) -> list[Path]:
        """
        Give those of *paths* that are of interest now; what waits is looked at later.

        The watcher tells of what docferry itself does, too, and each look asks the store.
        A content that was had back goes up once all the others are in the folder.

        Args:
            since: When their changes were noticed (monotonic), as far as that is known.
        """
        now = []
        for path in filter(self.takes, paths):
            if self.carrier.is_busy(path):
                self._look_when_done(path)
            elif self._asked.is_to_wait(path):
                self._dirty.put_off(path, after_s=RESTORING_AGAIN_S, since_s=since.get(path))
            else:
                now.append(path)
        return now

    def _look_when_done(self, path: Path) -> None:
        if self._moving is not None:
            self._moving.add(path)
        is_result = self.origins.get(path) is Origin.CONVERSION
        wait_s = self._results.wait_s() if is_result else 0.0
        self._dirty.mark(path, after_s=max(wait_s, STALE_AGAIN_S))

    def carry_deletions(self, found: Sequence[Seen], wanted: dict[Path, Operation]) -> None:
        """Carry out those of *wanted* which the three trees still call for; hold no others."""
        others = []
        for seen in found:
            if isinstance(seen, Unseen):
                continue
            if self.carrier.is_busy(seen.path):
                self._dirty.mark(seen.path, after_s=STALE_AGAIN_S)
                continue
            operation = self._called_for(seen)
            if operation is not None and operation == wanted.get(seen.path):
                self.carrier.add(self._task(seen, operation, None))
            elif isinstance(operation, ReadLocal):  # touched: read again whether it was edited
                self._let_through[seen.path] = wanted.get(seen.path)
                self.carrier.add(self._task(seen, operation, None))
            else:
                self._dirty.mark(seen.path)
                others.append(seen.path)
        if others:
            self._tools.ledger.holds.leave_decided(self._mirror, others, self._timing.now())

    def hands(
        self,
        look: Callable[[Sequence[Path]], Iterator[Seen]],
        places: Places,
    ) -> Hands:
        """Give what it takes to carry out requests."""

        def look_locally(paths: Sequence[Path]) -> Iterator[Seen]:
            return look_here(paths, self._mirror, places, self._tools.ledger)

        return Hands(look, look_locally, self.carrier.is_busy, self._carry_asked, self._barred)

    def _barred(self, path: Path) -> str:
        """Say why what is put to *path*, or taken away there, would stay on one side."""
        if not self.takes(path):
            return f"{self._mirror} leaves {path} out: see its `include` and `exclude`"
        if self._tools.options.mode is Mode.PULL:
            return f"{self._mirror} only pulls: what is done in its folder does not go up"
        return ""

    def _carry_asked(self, seen: Difference, operation: Asked) -> None:
        # Whatever the trees call for.
        self._deletions.spare(seen.path)
        self.carrier.add(self._task(seen, operation, None))

    def throttled(self) -> None:
        """Do less at a time: the store asks for it."""
        self._tools.gate.slow_down()
        self._tell_throttled()

    def are_results_coming(self) -> bool:
        """Say whether conversions put something just now that was not looked at yet."""
        return any(
            self.origins.get(path) is Origin.CONVERSION and not self.problems.is_retrying(path)
            for path in self._dirty.paths()
        )

    def is_any_to_be_renamed(self) -> bool:
        """Say whether a newcomer is about to get another name: no deletion will free its own."""
        blockers = map(self.problems.blocker_of, self._dirty.paths())
        return any(one is not None and not self._is_on_its_way_out(one) for one in blockers)

    # Before an operation.

    def _called_for(self, seen: Difference) -> Operation | None:
        """Decide anew: also the filter and the mode may have been changed while it was held."""
        if not self.takes(seen.path):
            return None
        operation = decide(seen.path, seen.local, seen.remote, seen.synced)
        is_allowed = operation is not None and allows(self._tools.options.mode, operation)
        return operation if is_allowed else None

    def _begin(self, seen: Difference, operation: Operation, since_s: float | None) -> None:
        is_let_through = operation == self._let_through.get(seen.path)
        is_let_through |= self._aliasing.is_over(seen.path)  # the object is here by its own name
        if isinstance(operation, DeleteLocal | DeleteRemote) and not is_let_through:
            assert seen.synced is not None  # only what was agreed on is ever deleted
            self._deletions.park(operation, seen.synced.sha256)
        else:
            self.carrier.add(self._task(seen, operation, since_s))

    def _task(self, seen: Difference, operation: Operation, since_s: float | None) -> Task:
        origin = self.origins.get(seen.path, Origin.LOCAL)
        story, tries = self._stories.get(seen.path, (None, 0))
        # Under an id of which nothing came yet but a hint, or a reading, nothing was written.
        version = story if story is not None and tries == 0 else self._tools.new_ulid()
        return Task(operation, seen, version, origin, since_s, story=story, attempts=tries + 1)

    def _is_ripe(
        self, seen: Difference, operation: Operation, *, is_snapshot: bool, since_s: float | None
    ) -> bool:
        """Say whether what the operation takes for settled has settled; else look again later."""
        wait_s: float | None = None
        if isinstance(operation, Upload) and self._asked.is_to_wait(seen.path):
            wait_s = RESTORING_AGAIN_S
        elif isinstance(operation, Upload | ReadLocal | KeepBoth) and seen.local is not None:
            wait_s = self._unrest_s(seen.path, seen.local)
        elif isinstance(operation, DeleteRemote) and not is_snapshot:
            wait_s = self._settling.absence_s(seen.path)
        elif isinstance(operation, DeleteLocal) and self._aliasing.is_own_name_awaited(seen.path):
            wait_s = STALE_AGAIN_S
        elif isinstance(operation, Download) and self.carrier.is_busy_above(seen.path):
            wait_s = STALE_AGAIN_S  # of `a` and `a/b` the first keeps its name, every time
        if wait_s is None:
            return True
        self._dirty.put_off(seen.path, after_s=wait_s, since_s=since_s)
        return False

    def _unrest_s(self, path: Path, state: FileState) -> float | None:
        """Seconds after which to look again at a file that still moves; None: it is at rest."""
        settle_s = self._tools.options.settle_s
        if self.origins.get(path) in _PUT_BY_US:
            settle_s = 0.0  # it was at rest before it was put here
        return self._settling.unrest_s(path, state, settle_s)

    def _rests(self, path: Path) -> None:
        self._settling.forget(path)
        self._stories.pop(path, None)
        self.problems.mended({path})

    # What came of it (carry.Result).

    def on_learned(self, task: Task, learned: Learned) -> None:
        self._stories[task.seen.path] = task.id, task.attempts - 1  # to read is not to try
        self.consider(learned.seen, is_snapshot=True, since_s=task.since_s)
        self._let_through.pop(task.seen.path, None)

    def on_recorded(self, done: Sequence[tuple[Task, Outcome]]) -> None:
        with at_once():
            for task, outcome in done:
                tell(self._mirror, task, outcome, self._timing.monotonic())
        for task, outcome in done:
            if outcome.conflict_copy is not None:
                self._dirty.mark(outcome.conflict_copy)
            self._aliasing.recorded(outcome)
            if outcome.synced is not None and outcome.synced.is_to_look_at:
                self._dirty.mark(task.seen.path)  # as it was adopted, or gave way
            self.origins.pop(task.seen.path, None)
            self._stories.pop(task.seen.path, None)
            self._settling.forget(task.seen.path)
        for path in self._placed:
            self.origins[path] = Origin.RESTORE
            self._dirty.mark(path)
        self.problems.mended({task.seen.path for task, _ in done})

    def on_stale(self, task: Task, error: StaleError) -> None:
        self._let_through.pop(task.seen.path, None)
        self._stories[task.seen.path] = task.id, task.attempts
        if isinstance(task.operation, Asked):
            self._asked.stale(task.operation)
        self.problems.stale(task.seen.path, error)

    def on_failed(self, task: Task, error: DocferryError) -> None:
        if isinstance(error, HeldError):
            self._rests(task.seen.path)
            return
        path = task.seen.path
        self._stories[path] = task.id, task.attempts
        self._let_through.pop(path, None)
        if isinstance(error, ThrottledError):
            self._tell_throttled()  # the carrier does fewer at a time already
        if isinstance(task.operation, Asked):
            self._asked.failed(task.operation, error)
        if isinstance(error, UnreachableError):
            self.side_is_down = error
        if isinstance(error, UnreachableError) or isinstance(task.operation, Asked):
            self._dirty.mark(path)
            return
        kind = kind_of(task.operation)
        attempts = self.problems.failed(task.seen, error, kind=kind)
        if isinstance(error, BlockedPathError):
            self._aliasing.blocked(task.seen, error, attempts)

    def _is_on_its_way_out(self, path: Path) -> bool:
        """Say whether a file at *path*, or below, is going to be deleted, or may be."""
        return self._deletions.is_parked(path) or self.carrier.is_busy_below(path)

    def _tell_throttled(self) -> None:
        self._tools.looks.gate.slow_down()
        store, limit = self._tools.options.store, self._tools.gate.limit
        log.warning("store.throttled", mirror=self._mirror, store=store, at_a_time=limit)

    # The ledger.

    def _intend(self, uploads: Sequence[tuple[Path, Ulid]]) -> None:
        self._tools.ledger.intents.add(self._mirror, uploads)

    def _record(self, done: Sequence[tuple[Task, Outcome]]) -> None:
        outcomes = self._tools.with_origins(self._asked.noted(done))
        jobs: list[NewJob] = []
        for outcome in outcomes:
            if outcome.version is not None:
                jobs.extend(self._tools.jobs_for(outcome.version))
        self._tools.ledger.record(self._mirror, outcomes, jobs, at=self._tools.now())
        noticed = map(self._asked.recorded, outcomes)
        self._placed = [path for path in noticed if path is not None]
        if jobs:
            self._tools.on_jobs()
        by_others = [one.operation.path for one in outcomes if tells_of_others(one.operation)]
        if by_others:  # first: a version that seems lost may be found where they put it
            self._tools.on_remote_change(by_others)
        if any(outcome.archived for outcome in outcomes):
            self._tools.on_displaced()
