"""
Carry operations: into the pool, and from there into the ledger.

Used by the loop thread alone. What finished is written down many at a time: one
transaction for a batch of outcomes, one before for a batch of intents.
"""

from __future__ import annotations

import queue
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor as Pool
from contextlib import nullcontext
from dataclasses import replace
from itertools import groupby
from typing import Protocol, TypeAlias

from docferry.engine.execute import Executor
from docferry.engine.gate import Gate
from docferry.engine.one_processor import (
    on_one_processor,
    run_anywhere,
    run_on_one_processor,
)
from docferry.engine.task import Learned, Task
from docferry.engine.timing import MACHINE, Timing
from docferry.errors import DocferryError, StaleError, TemporaryError, ThrottledError
from docferry.logs import about
from docferry.model import Download, MarkSynced, Outcome, Path, Restore, Ulid, Upload

#: Operations begun and not yet written down, at the most. Bounds memory.
WINDOW = 512
#: One transaction for so many outcomes, or for what came within so many seconds.
BATCH = 256
BATCH_S = 0.25
#: While fewer than these run, what has finished need not wait for company.
FEW = 32
#: Of at least so many tasks, those with small files go to the pool in groups.
MANY = 128
GROUP = 16
SMALL_BYTES = 64 * 1024
#: What has come of a group so far is told after so many seconds.
TELL_EVERY_S = 0.1

_Finished: TypeAlias = tuple[Task, Outcome | Learned | BaseException]


class Result(Protocol):
    """Who is told what came of a task. Called in the loop thread."""

    def on_learned(self, task: Task, learned: Learned) -> None: ...
    def on_recorded(self, done: Sequence[tuple[Task, Outcome]]) -> None: ...
    def on_stale(self, task: Task, error: StaleError) -> None: ...
    def on_failed(self, task: Task, error: DocferryError) -> None: ...


class Carrier:
    """Runs the operations of one mirror in a shared pool."""

    def __init__(
        self,
        executor: Executor,
        pool: Pool,
        gate: Gate,
        result: Result,
        *,
        intend: Callable[[Sequence[tuple[Path, Ulid]]], None],
        record: Callable[[Sequence[tuple[Task, Outcome]]], None],
        wake: Callable[[Sequence[Task]], None],
        on_wait: Callable[[], None],
        tell_every_s: float = TELL_EVERY_S,
        timing: Timing = MACHINE,
    ) -> None:
        self._executor = executor
        self._pool = pool
        self._gate = gate
        self._result = result
        self._intend = intend
        self._record = record
        self._wake = wake
        self._on_wait = on_wait
        self._tell_every_s = tell_every_s
        self._timing = timing
        self.done = 0  #: operations written down since the start
        self.is_to_rest: Callable[[], bool] = lambda: False  #: asked before each operation
        self._stopping = False
        self._waiting: list[Task] = []  # not submitted: their intents are not durable yet
        self._running = 0
        self._is_taking = False
        self._finished: queue.SimpleQueue[Sequence[_Finished]] = queue.SimpleQueue()
        self._arrived: deque[_Finished] = deque()  # out of the queue, and not looked at yet
        self._outcomes: list[tuple[Task, Outcome]] = []
        self._oldest_s = 0.0
        self._busy: set[Path] = set()

    def is_busy(self, path: Path) -> bool:
        """Say whether an operation on *path* is under way."""
        return path in self._busy

    def is_busy_above(self, path: Path) -> bool:
        """Say whether an operation on what would have to be a folder of *path* is under way."""
        names = path.split("/")
        return any("/".join(names[:depth]) in self._busy for depth in range(1, len(names)))

    def busy_below(self, marks: Iterable[Path]) -> list[Path]:
        """
        Give the paths under way below the folders among *marks* ("folder/").

        An upload's file may be gone, with its folder, before the ledger knows of it.
        """
        folders = tuple(mark for mark in marks if mark.endswith("/"))
        return [path for path in self._busy if path.startswith(folders)]

    def is_busy_below(self, path: Path) -> bool:
        """Say whether an operation on *path*, or on a file below it, is under way."""
        return any(f"{busy}/".startswith(f"{path}/") for busy in self._busy)

    def busy_paths(self) -> set[Path]:
        """Give the paths with an operation under way."""
        return set(self._busy)

    @property
    def under_way(self) -> int:
        """Operations that are begun or waiting, or done and not written down."""
        return self._running + len(self._waiting) + len(self._outcomes)

    @property
    def progress(self) -> str:
        """How far it has come, for a person."""
        return f"{self.done} operations done, {self.under_way} under way"

    def add(self, task: Task) -> None:
        """Take a task; waits while too many are under way."""
        self._busy.add(task.operation.path)
        self._waiting.append(task)
        if self._is_taking:
            return  # it follows from one that has finished; waits would nest without end
        if len(self._waiting) >= BATCH:
            self._submit()
        while self._running >= WINDOW:
            self._take_finished(wait=True)

    def collect(self) -> None:
        """Submit what waits, take what has finished, write down what is due. Never blocks long."""
        # Else there is enough to do until more have come together.
        if self._running < FEW or len(self._waiting) >= MANY:
            self._submit()
        self._take_finished(wait=False)
        if self._running < FEW or self._timing.monotonic() - self._oldest_s > BATCH_S:
            self._write_down()

    def drain(self) -> None:
        """See through what is begun, with what follows from it, and write it down."""
        while self.under_way:
            self._submit()
            if self._running:
                self._take_finished(wait=True)
            self._write_down()

    def finish(self) -> None:
        """Let what runs come to its end and write it down; begin nothing more."""
        self._waiting.clear()
        self._stopping = True
        while self._running:
            self._take_finished(wait=True)
        self._write_down()

    def _submit(self) -> None:
        intents = [
            (task.operation.path, task.version)
            for task in self._waiting
            if isinstance(task.operation, Upload)
        ]
        if intents:
            self._intend(intents)  # where it fails, they wait on
        resting = sum(isinstance(task.operation, Upload | MarkSynced) for task in self._waiting)
        if resting >= MANY:  # then a file by itself costs a third more than without
            flush = self._executor.flush()
            self._waiting = [replace(task, flush=flush) for task in self._waiting]
        tasks, self._waiting = self._waiting, []
        self._running += len(tasks)
        for group in _grouped(tasks):
            self._pool.submit(self._run_all, group)

    def _run_all(self, tasks: Sequence[Task]) -> None:
        """Runs in the pool."""
        if len(tasks) == 1:
            run_anywhere()
        else:  # until a task comes by itself: to change costs as much as half a group
            run_on_one_processor()
        self._run_each(tasks)

    def _run_each(self, tasks: Sequence[Task]) -> None:
        """The loop is told of several at once: each time wakes its thread."""
        finished: list[_Finished] = []
        told_s = self._timing.monotonic()
        for batch in _together(tasks):
            finished += self._run(batch)
            if self._timing.monotonic() - told_s > self._tell_every_s:
                self._tell(finished)
                finished, told_s = [], self._timing.monotonic()
        self._tell(finished)

    def _tell(self, finished: Sequence[_Finished]) -> None:
        if finished:
            self._finished.put(finished)
            self._wake([task for task, *_ in finished])

    def _run(self, batch: Sequence[Task]) -> Iterable[_Finished]:
        """Whatever happens, there is a result of each."""
        results: Sequence[Outcome | Learned | BaseException]
        results = [StaleError("docferry stops, or rests")] * len(batch)
        try:
            with self._gate:
                if not (self._stopping or self.is_to_rest()):
                    ids = [task.id for task in batch]
                    with about(operation=ids[0] if len(ids) == 1 else ids):
                        results = self._execute(batch)
        except BaseException as error:  # noqa: BLE001  handed to the loop thread, which raises it
            results = [error] * len(batch)
        return zip(batch, results, strict=True)

    def _execute(self, batch: Sequence[Task]) -> Sequence[Outcome | Learned | DocferryError]:
        if len(batch) > 1:
            if isinstance(batch[0].operation, Restore):
                return self._executor.restore(batch)
            return self._executor.download_new(batch)
        began_s = self._timing.monotonic()
        try:
            return [self._executor.execute(batch[0])]
        except StaleError as error:
            error.took_s = self._timing.monotonic() - began_s
            raise

    def _take_finished(self, *, wait: bool) -> None:
        """Take all that has finished; with *wait*, at least one."""
        while self._running:
            if not self._arrived:
                try:
                    self._arrived += self._next_finished(wait=wait)
                except queue.Empty:
                    if not wait:
                        return
                    self._write_down()
                    self._on_wait()
                    continue
            wait = False
            task, result = self._arrived.popleft()
            self._running -= 1
            self._is_taking = True
            try:
                self._sort(task, result)
            finally:
                self._is_taking = False

    def _next_finished(self, *, wait: bool) -> Sequence[_Finished]:
        if wait:
            return self._timing.take(self._finished, BATCH_S)
        return self._finished.get_nowait()

    def _sort(self, task: Task, result: Outcome | Learned | BaseException) -> None:
        if isinstance(result, Outcome):
            # Busy until it is written down: the ledger does not know of it yet.
            if not self._outcomes:
                self._oldest_s = self._timing.monotonic()
            self._outcomes.append((task, result))
            if len(self._outcomes) >= BATCH:
                self._write_down()
            return
        self._busy.discard(task.operation.path)
        with about(operation=task.id):
            self._tell_result(task, result)

    def _tell_result(self, task: Task, result: Learned | BaseException) -> None:
        match result:
            case Learned():
                self._result.on_learned(task, result)
            case StaleError():
                self._result.on_stale(task, result)
            case DocferryError():
                if isinstance(result, ThrottledError):
                    self._gate.slow_down()
                self._result.on_failed(task, result)
            case _:
                raise result

    def _write_down(self) -> None:
        if not self._outcomes:
            return
        outcomes, self._outcomes = self._outcomes, []
        with nullcontext() if len(outcomes) < MANY else on_one_processor():
            self._write_these_down(outcomes)

    def _write_these_down(self, outcomes: Sequence[tuple[Task, Outcome]]) -> None:
        try:
            self._record_busy(outcomes)
        except TemporaryError as error:
            # The change stands, the note is missing: the next look finds equal sides.
            for task, _ in outcomes:
                self._result.on_failed(task, error)
            return
        self.done += len(outcomes)
        self._result.on_recorded(outcomes)

    def _record_busy(self, outcomes: Sequence[tuple[Task, Outcome]]) -> None:
        """Whoever finds that a path is not busy may ask the ledger what came of it."""
        try:
            self._record(outcomes)
        finally:
            self._busy.difference_update(task.operation.path for task, _ in outcomes)


def _grouped(tasks: Sequence[Task]) -> Iterator[Sequence[Task]]:
    """Hand small files over to the pool some at a time: that costs as much as for one."""
    group: list[Task] = []
    for task in tasks:
        if len(tasks) < MANY or _size_of(task) > SMALL_BYTES:
            yield [task]
            continue
        group.append(task)
        if len(group) == GROUP:
            yield group
            group = []
    if group:
        yield group


def _together(tasks: Sequence[Task]) -> Iterator[Sequence[Task]]:
    """Give what is carried out at once: small new files, small restores, else each by itself."""
    for kind, batch in groupby(tasks, _kind_of_batch):
        if kind is not None:
            yield list(batch)
        else:
            yield from ([task] for task in batch)


def _kind_of_batch(task: Task) -> type | None:
    """Say with others of which kind a task can be carried out; None: with none."""
    operation = task.operation
    is_new_here = isinstance(operation, Download) and operation.expect_local is None
    return type(operation) if is_new_here or isinstance(operation, Restore) else None


def _size_of(task: Task) -> int:
    sides = task.seen.local, task.seen.remote
    asked = task.operation.version.size if isinstance(task.operation, Restore) else 0
    return max((asked, *(side.size for side in sides if side)))
