"""Carrying operations: what is durable first, what stays busy how long, who is told."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from docferry.engine.carry import (
    BATCH,
    GROUP,
    MANY,
    SMALL_BYTES,
    TELL_EVERY_S,
    WINDOW,
    Carrier,
)
from docferry.engine.gate import Gate
from docferry.engine.on_request import OnRequest
from docferry.engine.task import Learned, Task
from docferry.errors import (
    DocferryError,
    PermanentError,
    StaleError,
    TemporaryError,
    ThrottledError,
)
from docferry.model import FileState, Outcome, Path, ReadLocal, Restore, Ulid, Upload
from ledger_rows import version
from unit.memory_mirror import HeldPool, MemoryMirror


class Bench:
    """A carrier whose pool runs on demand; it is told, and notes, everything in order."""

    def __init__(self, tell_every_s: float = TELL_EVERY_S) -> None:
        self.mirror = MemoryMirror()
        self.pool = HeldPool()
        self.gate = Gate(8)
        self.events: list[str] = []
        self.wakes = 0
        self.errors: list[DocferryError] = []
        self.busy_while_noted: set[Path] = set()
        self.ledger_error: TemporaryError | None = None
        self.follow_up: Callable[[Learned], Task] | None = None
        self.waits: Callable[[], None] = self.pool.run
        self.tell_every_s = tell_every_s
        self.carrier = self.carrier_of(None)
        self.mirror.remote.step = self.events.append

    def carrier_of(self, on_request: OnRequest | None) -> Carrier:
        return Carrier(
            self.mirror.new_executor(on_request),
            self.pool,
            self.gate,
            self,
            intend=self.intend,
            record=self.record,
            wake=self.wake,
            on_wait=lambda: self.waits(),
            tell_every_s=self.tell_every_s,
        )

    def add(self, path: Path, content: bytes = b"content") -> Task:
        """Put a new file there and give the carrier its upload."""
        self.mirror.local.user_write(path, content)
        task = self.mirror.task(path)
        self.carrier.add(task)
        return task

    def wake(self, tasks: Sequence[Task]) -> None:
        self.wakes += 1

    def intend(self, uploads: Sequence[tuple[Path, Ulid]]) -> None:
        if self.ledger_error is not None:
            raise self.ledger_error
        self.events += [f"intend {path}" for path, _ in uploads]
        self.mirror.intents.update(uploads)

    def record(self, done: Sequence[tuple[Task, Outcome]]) -> None:
        if self.ledger_error is not None:
            raise self.ledger_error
        self.busy_while_noted |= self.carrier.busy_paths()
        self.events.append("record " + " ".join(task.operation.path for task, _ in done))

    # carry.Result

    def on_learned(self, task: Task, learned: Learned) -> None:
        self.events.append(f"learned {task.operation.path}")
        if self.follow_up is not None:
            self.carrier.add(self.follow_up(learned))

    def on_recorded(self, done: Sequence[tuple[Task, Outcome]]) -> None:
        self.events += [f"recorded {task.operation.path}" for task, _ in done]

    def on_stale(self, task: Task, error: StaleError) -> None:
        self.events.append(f"stale {task.operation.path}")

    def on_failed(self, task: Task, error: DocferryError) -> None:
        self.events.append(f"failed {task.operation.path}")
        self.errors.append(error)


@pytest.fixture
def bench() -> Bench:
    return Bench()


def fail_with(error: BaseException) -> Callable[[str], None]:
    def fail(name: str) -> None:
        raise error

    return fail


def test_the_intent_comes_first_the_change_next_the_note_last(bench: Bench) -> None:
    bench.add("p")

    bench.carrier.collect()
    bench.pool.run()
    bench.carrier.collect()

    expected = ["intend p", "before write", "after write", "record p", "recorded p"]
    assert bench.events == expected
    assert bench.carrier.done == 1


def test_a_path_is_busy_until_it_is_written_down(bench: Bench) -> None:
    bench.add("p")
    busy = [bench.carrier.is_busy("p")]
    bench.carrier.collect()
    busy.append(bench.carrier.is_busy("p"))
    bench.pool.run()
    busy.append(bench.carrier.is_busy("p"))

    bench.carrier.collect()

    assert busy == [True, True, True]
    assert bench.busy_while_noted == {"p"}
    assert not bench.carrier.is_busy("p")
    assert bench.carrier.under_way == 0


def test_what_is_done_is_busy_as_long_as_it_is_not_written_down(bench: Bench) -> None:
    """Looked at meanwhile, it would differ from what the ledger says."""
    bench.add("done")
    token = bench.mirror.local.user_write("read", b"content")
    bench.carrier.add(bench.mirror.task_of(ReadLocal("read", token)))
    busy: list[bool] = []

    def look(learned: Learned) -> Task:
        busy.append(bench.carrier.is_busy("done"))
        return bench.mirror.task("read")

    bench.follow_up = look
    bench.carrier.collect()
    bench.pool.run()
    bench.carrier.collect()

    assert busy == [True]


def test_what_has_finished_is_written_down_together_while_the_rest_runs(bench: Bench) -> None:
    for path in ("a", "b", "c"):
        bench.add(path)
    bench.carrier.collect()

    bench.pool.run(2)
    bench.carrier.collect()

    assert "record a b" in bench.events
    assert bench.carrier.is_busy("c")
    assert bench.carrier.under_way == 1


def test_an_intent_that_cannot_be_noted_sends_nothing_and_is_tried_again(bench: Bench) -> None:
    bench.add("p")
    bench.ledger_error = TemporaryError("the ledger is locked")

    for _ in range(2):
        with pytest.raises(TemporaryError, match="locked"):
            bench.carrier.collect()
    assert bench.pool.submitted == []
    assert bench.carrier.is_busy("p")

    bench.ledger_error = None
    bench.carrier.collect()
    bench.pool.run()
    bench.carrier.collect()

    assert bench.mirror.remote.contents == {"p": b"content"}
    assert not bench.carrier.is_busy("p")


def test_a_note_that_cannot_be_written_is_reported_and_the_path_is_free_again(
    bench: Bench,
) -> None:
    bench.add("p")
    bench.carrier.collect()
    bench.pool.run()

    bench.ledger_error = TemporaryError("the disk is full")
    bench.carrier.collect()

    assert bench.errors == [bench.ledger_error]
    assert bench.events[-1] == "failed p"
    assert not bench.carrier.is_busy("p")
    assert bench.carrier.done == 0


@pytest.mark.parametrize(
    ("error", "event"),
    [
        (StaleError("moved"), "stale p"),
        (TemporaryError("again"), "failed p"),
        (PermanentError("never"), "failed p"),
    ],
)
def test_what_went_wrong_is_told_and_the_path_is_free_again(
    bench: Bench, error: DocferryError, event: str
) -> None:
    bench.mirror.remote.step = fail_with(error)
    bench.add("p")

    bench.carrier.collect()
    bench.pool.run()
    bench.carrier.collect()

    assert bench.events == ["intend p", event]
    assert not bench.carrier.is_busy("p")


@pytest.mark.parametrize(
    ("error", "limit"), [(ThrottledError("slow down"), 4), (TemporaryError("again"), 8)]
)
def test_a_store_that_asks_for_less_gets_less_at_a_time(
    bench: Bench, error: DocferryError, limit: int
) -> None:
    bench.mirror.remote.step = fail_with(error)
    bench.add("p")

    bench.carrier.collect()
    bench.pool.run()
    bench.carrier.collect()

    assert bench.gate.limit == limit


def test_many_that_go_up_together_are_brought_to_the_disk_at_once_and_first(
    bench: Bench,
) -> None:
    lasting: list[int] = []
    bench.mirror.remote.step = lambda name: lasting.append(len(bench.mirror.local.made_to_last))
    for number in range(MANY):
        bench.add(f"{number:03}")

    bench.carrier.collect()
    bench.pool.run()

    assert set(lasting) == {MANY}


def test_many_that_both_sides_have_are_brought_to_the_disk_at_once(bench: Bench) -> None:
    """A folder, say, that a lost ledger is joined to: what it has is agreed on anew."""
    for number in range(MANY):
        bench.mirror.remote.user_write(f"{number:03}", b"content")
        bench.add(f"{number:03}")

    bench.carrier.collect()
    bench.pool.run(1)

    assert len(bench.mirror.local.made_to_last) == MANY


def test_a_bug_in_an_operation_reaches_the_loop(bench: Bench) -> None:
    bench.mirror.remote.step = fail_with(ZeroDivisionError("a bug"))
    bench.add("p")
    bench.carrier.collect()
    bench.pool.run()

    with pytest.raises(ZeroDivisionError):
        bench.carrier.collect()

    assert not bench.carrier.is_busy("p")


def test_at_the_end_what_was_done_is_written_down_and_nothing_is_begun(bench: Bench) -> None:
    bench.add("done")
    bench.carrier.collect()
    bench.pool.run()
    bench.add("waiting")

    bench.carrier.finish()

    assert bench.mirror.remote.contents == {"done": b"content"}
    assert "record done" in bench.events
    assert bench.carrier.under_way == 0
    assert bench.pool.submitted == []


def test_what_the_pool_had_not_begun_is_not_begun_at_the_end(bench: Bench) -> None:
    bench.add("first")
    bench.add("second")
    bench.carrier.collect()
    bench.pool.run(1)

    bench.carrier.finish()

    assert bench.mirror.remote.contents == {"first": b"content"}
    assert "stale second" in bench.events


def test_a_full_window_waits_and_writes_down_meanwhile(bench: Bench) -> None:
    waited: list[int] = []

    def run_some() -> None:
        waited.append(bench.carrier.under_way)
        bench.pool.run(WINDOW // 2)

    bench.waits = run_some
    for number in range(WINDOW + BATCH):
        bench.add(f"{number:04}")

    assert waited[0] == WINDOW
    assert bench.carrier.under_way <= WINDOW + BATCH
    assert bench.carrier.done >= BATCH


def test_contents_that_were_read_lead_to_the_next_step_however_many_they_are(
    bench: Bench,
) -> None:
    """
    Each follow-up once waited for the one after it, deeper and deeper, until Python gave up.

    For that the window had to be full but for one, and a whole batch to come on top.
    """
    release = iter([1])
    bench.waits = lambda: bench.pool.run(next(release, None))
    bench.follow_up = lambda learned: bench.mirror.task_of(
        Upload(learned.seen.path, _known(learned), None), learned.seen
    )
    for number in range(2 * WINDOW):
        path = f"{number:04}"
        token = bench.mirror.local.user_write(path, b"content")
        bench.carrier.add(bench.mirror.task_of(ReadLocal(path, token)))

    while bench.carrier.under_way:
        bench.carrier.collect()
        bench.pool.run()

    assert len(bench.mirror.remote.files) == bench.carrier.done == 2 * WINDOW


def _known(learned: Learned) -> FileState:
    assert learned.seen.local is not None
    return learned.seen.local


def test_many_new_files_come_in_groups_and_each_is_told_of_by_itself(bench: Bench) -> None:
    paths = [f"{number:03}.txt" for number in range(MANY)]
    for path in paths:
        bench.mirror.remote.user_write(path, path.encode())
    tasks = [bench.mirror.task(path) for path in paths]
    del bench.mirror.remote.files["007.txt"]
    bench.events.clear()

    for task in tasks:
        bench.carrier.add(task)
    bench.carrier.collect()
    groups = len(bench.pool.submitted)
    bench.pool.run()
    bench.carrier.collect()

    assert groups == MANY // GROUP
    assert "stale 007.txt" in bench.events
    assert [event for event in bench.events if event.startswith("recorded")] == [
        f"recorded {path}" for path in paths if path != "007.txt"
    ]
    assert bench.mirror.local.contents.keys() == {*paths} - {"007.txt"}
    assert bench.carrier.under_way == 0


def test_many_small_versions_are_had_back_in_groups_and_a_large_one_by_itself(
    bench: Bench,
) -> None:
    sizes = {"large.txt": SMALL_BYTES + 1}
    sizes |= {f"{number:03}.txt": SMALL_BYTES for number in range(MANY)}
    groups = Groups()
    carrier = bench.carrier_of(groups)

    for path, size in sizes.items():
        row = replace(version(path, path), size=size)
        carrier.add(bench.mirror.task_of(Restore(path, 1, row, expect_local=None)))
    carrier.collect()
    bench.pool.run()
    carrier.collect()

    assert ["large.txt"] in groups.restored
    assert sorted(map(len, groups.restored)) == [1] + [GROUP] * (MANY // GROUP)
    assert [path for group in groups.restored for path in group] == [*sizes]


class Groups(OnRequest):
    """Notes what it is to put back at once."""

    def __init__(self) -> None:
        self.restored: list[list[Path]] = []

    def restore(self, tasks: Sequence[Task]) -> list[Outcome | DocferryError]:
        self.restored.append([task.operation.path for task in tasks])
        return [StaleError("only noted") for _ in tasks]


def test_what_is_under_way_below_a_folder_is_known_before_the_ledger_knows_it(
    bench: Bench,
) -> None:
    """Else a folder that goes while an upload from it is under way leaves the object for good."""
    for path in ("folder/a.txt", "folder/b/c.txt", "folderish.txt"):
        bench.add(path)

    found = bench.carrier.busy_below(["folder/", "folderish", "other/"])

    assert sorted(found) == ["folder/a.txt", "folder/b/c.txt"]


@pytest.mark.parametrize(
    ("tell_every_s", "wakes"),
    [(3600.0, MANY // GROUP), (-1.0, MANY)],
    ids=["a group at a time", "a slow group, as they come"],
)
def test_nothing_that_came_of_a_group_is_lost_however_it_is_told(
    tell_every_s: float, wakes: int
) -> None:
    bench = Bench(tell_every_s)
    paths = [f"{number:03}.txt" for number in range(MANY)]
    for path in paths:
        bench.add(path)
    bench.carrier.collect()

    bench.pool.run()
    bench.carrier.collect()

    assert bench.wakes == wakes
    assert sorted(event for event in bench.events if event.startswith("recorded")) == [
        f"recorded {path}" for path in paths
    ]
    assert bench.carrier.under_way == 0


@pytest.mark.parametrize("size", [SMALL_BYTES, SMALL_BYTES + 1])
def test_who_carries_many_small_files_shares_a_processor_with_who_writes_them_down(
    size: int,
) -> None:
    bench, anywhere = Located(), os.sched_getaffinity(0)
    for number in range(MANY):
        bench.add(f"{number:03}", bytes(size))

    with ThreadPoolExecutor(1) as loop, ThreadPoolExecutor(1) as carry:
        loop.submit(bench.carrier.collect).result()
        carry.submit(bench.pool.run).result()
        loop.submit(bench.carrier.drain).result()
        afterwards = loop.submit(os.sched_getaffinity, 0).result()

    chosen = 1 if size <= SMALL_BYTES else len(anywhere)
    assert set(map(len, bench.carried_on)) == {chosen}
    assert set(map(len, bench.written_on)) == {1}
    assert afterwards == anywhere


def test_who_carries_a_file_by_itself_after_many_small_ones_may_run_anywhere() -> None:
    bench, anywhere = Located(), os.sched_getaffinity(0)
    for number in range(MANY):
        bench.add(f"{number:03}", b"small")
    with ThreadPoolExecutor(1) as loop, ThreadPoolExecutor(1) as carry:
        loop.submit(bench.carrier.collect).result()
        carry.submit(bench.pool.run).result()
        loop.submit(bench.carrier.drain).result()
        bench.add("alone")
        loop.submit(bench.carrier.collect).result()

        carry.submit(bench.pool.run).result()

    assert bench.carried_on[-1] == anywhere


class Located(Bench):
    """Notes on which processors its threads may run."""

    def __init__(self) -> None:
        super().__init__()
        self.carried_on: list[set[int]] = []
        self.written_on: list[set[int]] = []
        self.mirror.remote.step = lambda name: self.carried_on.append(os.sched_getaffinity(0))

    def record(self, done: Sequence[tuple[Task, Outcome]]) -> None:
        self.written_on.append(os.sched_getaffinity(0))
        super().record(done)
