"""Results on the way to their places: nobody waits for another mirror, or for another's fault."""

from __future__ import annotations

import pathlib
import sqlite3
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from conversion_bench import NOW, Bench, Louder, bench_in
from docferry.convert.base import Document
from docferry.engine.put_result import Target
from docferry.engine.worker import MOST_AT_ONCE, Worker
from docferry.job import Failure, JobStage, JobState
from docferry.model import Origin, Path, VersionRow
from docferry.storage.base import Content
from docferry.storage.local import LocalStorage
from processes import wait_for

MANY = 150  #: more than wait for their places at a time
BY_PATH = "{dir}{stem}.{ext}"


@dataclass
class TwoTargets(Bench):
    """Beside the ordinary mirror one whose folder hangs, as one over a network may."""

    is_reached: threading.Event = field(default_factory=threading.Event)
    goes_on: threading.Event = field(default_factory=threading.Event)

    def worker(self, *, is_simulated: bool = True, **others: Target) -> Worker:
        hanging = Target(LocalStorage(self.folder / "hanging"), self.hang)
        return super().worker(is_simulated=is_simulated, hanging=hanging, **others)

    def open(self, version: VersionRow) -> Content:
        if version.mirror == "away":
            assert self.goes_on.wait(60)
        return super().open(version)

    def hang(self, path: Path, origin: Origin | None) -> None:
        self.is_reached.set()
        assert self.goes_on.wait(60)

    def done_for(self, rule: str) -> int:
        done = self.ledger.jobs.all(JobState.DONE, rule=rule, limit=1000)
        return len(done)


@pytest.fixture
def bench(tmp_path: pathlib.Path) -> Iterator[Bench]:
    with bench_in(tmp_path) as bench:
        yield bench


@pytest.fixture
def two(bench: Bench) -> Iterator[TwoTargets]:
    (bench.folder / "hanging").mkdir()
    LocalStorage(bench.folder / "hanging").write_marker(b"{}")
    two = TwoTargets(bench.folder, bench.ledger, bench.target)
    yield two
    two.goes_on.set()


@pytest.mark.parametrize("size", [100, 1_100_000])
def test_a_mirror_that_hangs_does_not_hold_up_the_results_of_another(
    two: TwoTargets, size: int
) -> None:
    louder = Louder()
    count = MANY if size < 1000 else 80
    two.rule(Louder("large", mark=" " * size), name="a", to_mirror="hanging")
    two.rule(louder, name="b")
    two.add_all({f"{number}.txt": f"words {number}".encode() for number in range(count)})

    with two.working():
        assert two.is_reached.wait(30)
        wait_for(lambda: two.done_for("b") == count)
        waiting = two.done_for("a")
        two.goes_on.set()
        wait_for(lambda: two.done_for("a") == count)

    assert waiting == 0


def test_a_mirror_that_hangs_does_not_hold_up_the_documents_of_another(two: TwoTargets) -> None:
    louder = Louder()
    two.rule(louder, name="a", from_mirror="away")
    two.rule(louder, name="b", template=BY_PATH)
    for number in range(MANY):
        two.add(number, f"{number}.txt", f"far {number}".encode(), mirror="away")
    for number in range(MANY, MANY + 20):
        two.add(number, f"{number}.txt", f"words {number}".encode())

    with two.working():
        wait_for(lambda: done_as_time_passes(two, "b") == 20)
        hanging = two.count(JobState.RUNNING)
        two.goes_on.set()
        wait_for(lambda: two.done_for("a") == MANY)

    assert hanging <= MOST_AT_ONCE // 2


def done_as_time_passes(two: TwoTargets, rule: str) -> int:
    two.time.pass_(1)
    return two.done_for(rule)


def test_no_more_is_converted_for_a_mirror_than_it_may_take(two: TwoTargets) -> None:
    large, louder = Louder("large", slots=1), Louder()
    two.rule(large, name="a", to_mirror="hanging")
    two.rule(louder, name="b")
    two.add_all({f"{number}.txt": f"words {number}".encode() for number in range(MANY)})

    with two.working() as worker:
        wait_for(lambda: two.done_for("b") == MANY)
        wait_for(lambda: len(large.given) >= MOST_AT_ONCE)
        wait_for(lambda: is_at_rest(two, worker))
        before = len(large.given)
        two.add(1000, "one more.txt", b"one more")
        worker.wake()
        wait_for(lambda: two.done_for("b") == MANY + 1)
        wait_for(lambda: is_at_rest(two, worker))
        after = len(large.given)
        two.goes_on.set()
        wait_for(lambda: two.done_for("a") == MANY + 1)

    assert before == after < MANY


def is_at_rest(two: TwoTargets, worker: Worker) -> bool:
    """Say whether all that is claimed waits for its place."""
    return told(two, worker) == {JobStage.STORING}


def test_a_result_that_waits_for_its_place_is_not_told_to_be_converted(two: TwoTargets) -> None:
    """Were docferry ended now, and again, the document would pass for one that ends it."""
    louder = Louder(slots=1, fails=lambda document, call: two.time.pass_(2))
    two.rule(louder, to_mirror="hanging")
    two.add_all({"a.txt": b"words", "b.txt": b"other words"})

    with two.working() as worker:
        assert two.is_reached.wait(30)
        wait_for(lambda: len(louder.given) == 2)
        wait_for(lambda: told(two, worker) == {JobStage.STORING})
        two.ledger.jobs.requeue_running(two.time.now)
        attempts = [job.attempts for job in two.ledger.jobs.all()]
        two.goes_on.set()
        wait_for(lambda: two.done_for("text") == 2)

    assert attempts == [0, 0]


def test_results_that_wait_are_put_to_their_places_before_docferry_ends(two: TwoTargets) -> None:
    louder = Louder(slots=1)
    two.rule(louder, to_mirror="hanging")
    two.add_all({"a.txt": b"words", "b.txt": b"other words"})

    def go_on_once_it_ends() -> None:
        assert louder.stopped.wait(30)
        two.goes_on.set()

    with two.working() as worker:
        assert two.is_reached.wait(30)
        wait_for(lambda: len(louder.given) == 2 and told(two, worker) == {JobStage.STORING})
        before = two.done_for("text")
        threading.Thread(target=go_on_once_it_ends, daemon=True).start()

    assert (before, two.done_for("text")) == (0, 2)


def told(two: TwoTargets, worker: Worker) -> set[JobStage | None]:
    two.time.pass_(2)
    worker.renew()
    return {job.stage for job in two.ledger.jobs.all(JobState.RUNNING)}


def test_a_job_is_not_done_twice_while_somebody_still_has_it(bench: Bench) -> None:
    """Queued again at once, it would have the folder and the slot that the first gives back."""
    begun, goes_on = threading.Event(), threading.Event()

    def wait(document: Document) -> None:
        if document.path.read_bytes() == b"words":
            begun.set()
            assert goes_on.wait(30)

    louder = Louder(slots=3, meanwhile=wait)
    bench.rule(louder)
    bench.add(1, "a.txt", b"words")
    with bench.working() as worker:
        assert begun.wait(30)
        bench.ledger.jobs.release(bench.job().id, NOW)
        bench.add(2, "b.txt", b"other words")
        worker.wake()
        wait_for(lambda: bench.count(JobState.DONE) == 1)
        goes_on.set()
        wait_for(lambda: bench.count(JobState.DONE) == 2)

    assert louder.given == [b"words", b"other words"]


def test_what_the_ledger_refuses_is_no_fault_of_the_document(bench: Bench) -> None:
    bench.rule(Louder(), template=BY_PATH)
    bench.add(1, "a.txt", b"words")
    worker = bench.worker(is_simulated=True)
    worker.work_off()
    bench.carry_up("a.md", 11)
    bench.add(2, "a.txt", b"other words")
    with sqlite3.connect(bench.folder / "ledger.sqlite") as ledger:
        ledger.execute(
            "CREATE TRIGGER refuse BEFORE UPDATE OF archived_local ON version "
            "BEGIN SELECT RAISE(ABORT, 'refused'); END"
        )

    worker.work_off()
    [failed] = bench.ledger.jobs.all(JobState.QUEUED)
    bench.work_off(worker, for_s=120)

    assert failed.failure is Failure.STORING
    assert bench.count(JobState.DONE) == 2
    assert bench.files() == {"a.md": "OTHER WORDS"}


def test_many_of_one_content_are_converted_once(bench: Bench) -> None:
    louder = Louder(slots=1)
    bench.rule(louder, template=BY_PATH)
    bench.add_all({f"{number}.txt": b"words" for number in range(40)})

    with bench.working():
        wait_for(lambda: bench.count(JobState.DONE) == 40)

    assert louder.given == [b"words"]
    assert set(bench.files().values()) == {"WORDS"}


def test_what_shares_a_result_waits_for_its_place_without_a_slot(two: TwoTargets) -> None:
    louder = Louder(slots=1)
    two.rule(louder, name="a")
    two.add(99, "first.txt", b"words")

    with two.working() as worker:
        wait_for(lambda: two.done_for("a") == 1)
        two.rule(louder, name="b", to_mirror="hanging", template=BY_PATH)
        two.add_all({f"{number}.txt": b"words" for number in range(20)})
        worker.wake()
        wait_for(lambda: two.count(JobState.RUNNING) == 20)
        two.goes_on.set()
        wait_for(lambda: two.done_for("b") == 20)

    assert louder.given == [b"words"]
