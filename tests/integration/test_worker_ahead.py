"""Quick converters' documents are claimed ahead; slots are for converting alone."""

from __future__ import annotations

import pathlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from conversion_bench import Bench, Louder, bench_in
from docferry.convert.base import Document
from docferry.engine.worker_converters import MOST_AHEAD
from docferry.errors import UserError
from docferry.job import JobState
from docferry.model import Origin, Path
from processes import wait_for

QUICK = 3  #: documents until it is known that they are quickly done


@pytest.fixture
def bench(tmp_path: pathlib.Path) -> Iterator[Bench]:
    with bench_in(tmp_path) as bench:
        yield bench


@dataclass
class Gate:
    """Lets the first documents pass, and keeps the next one until it is opened."""

    passes: int
    error: Exception | None = None  #: then raised for whoever was kept
    seen: int = 0
    holds: threading.Event = field(default_factory=threading.Event)
    opens: threading.Event = field(default_factory=threading.Event)

    def __call__(self, document: Document) -> None:
        self.seen += 1
        if self.seen <= self.passes:
            return
        self.holds.set()
        assert self.opens.wait(30)
        if self.error is not None:
            raise self.error


def add(bench: Bench, count: int) -> None:
    bench.add_all({f"{number}.txt": f"words {number}".encode() for number in range(count)})


def staged(bench: Bench) -> list[pathlib.Path]:
    """Give the documents that are fetched and not done with."""
    return [*(bench.folder / "work").glob("*/document/document*")]


def test_documents_of_a_quick_converter_are_claimed_before_it_has_a_slot(bench: Bench) -> None:
    gate = Gate(QUICK)
    louder = Louder(slots=1, meanwhile=gate)
    bench.rule(louder)
    add(bench, 20)

    with bench.working():
        assert gate.holds.wait(30)
        wait_for(lambda: bench.count(JobState.RUNNING) > 1)
        running, given = bench.count(JobState.RUNNING), len(louder.given)
        gate.opens.set()
        wait_for(lambda: bench.count(JobState.DONE) == 20)

    assert 1 < running <= 1 + MOST_AHEAD + 1  # one may be about to store what it has
    assert given == QUICK + 1


def test_nothing_is_claimed_ahead_for_a_converter_that_takes_its_time(bench: Bench) -> None:
    """A person's document would have to wait for all of it."""
    gate = Gate(0)
    bench.rule(Louder(slots=1, meanwhile=gate))
    add(bench, 5)

    with bench.working() as worker:
        assert gate.holds.wait(30)
        worker.wake()
        running = bench.count(JobState.RUNNING)
        gate.opens.set()
        wait_for(lambda: bench.count(JobState.DONE) == 5)

    assert running == 1


def test_what_is_ahead_goes_back_uncounted_when_its_converter_goes_down(bench: Bench) -> None:
    down = UserError("it is not installed any more")
    gate = Gate(QUICK, down)
    louder = Louder(slots=1, meanwhile=gate)
    bench.rule(louder)
    add(bench, 20)

    with bench.working():
        assert gate.holds.wait(30)
        wait_for(lambda: bench.count(JobState.RUNNING) > 1)
        gate.opens.set()
        wait_for(lambda: bench.count(JobState.RUNNING) == 0)
        waiting = bench.ledger.jobs.all(JobState.QUEUED)

    assert len(louder.given) == QUICK + 1
    assert len(waiting) == 20 - QUICK
    assert {job.attempts for job in waiting} == {0}


def test_a_worker_that_stops_lets_nobody_wait_for_a_slot(bench: Bench) -> None:
    gate = Gate(QUICK)
    louder = Louder(slots=1, meanwhile=gate)
    bench.rule(louder)
    add(bench, 20)
    worker = bench.worker()
    worker.start()
    assert gate.holds.wait(30)
    wait_for(lambda: 1 < bench.count(JobState.RUNNING) == len(staged(bench)))

    worker.stop(0.0)
    wait_for(lambda: bench.count(JobState.RUNNING) == 1)  # that which the converter has
    gate.opens.set()
    worker.stop(30.0)

    assert len(louder.given) == QUICK + 1
    assert {job.attempts for job in bench.ledger.jobs.all(JobState.QUEUED)} == {0}


@dataclass
class SlowTarget(Bench):
    """The first result waits for its place."""

    waits: threading.Event = field(default_factory=threading.Event)
    goes_on: threading.Event = field(default_factory=threading.Event)

    def mark(self, path: Path, origin: Origin | None = None) -> None:
        if not self.waits.is_set():
            self.waits.set()
            assert self.goes_on.wait(30)
        super().mark(path, origin)


def test_a_slot_is_free_while_the_result_waits_for_its_place(bench: Bench) -> None:
    slow = SlowTarget(bench.folder, bench.ledger, bench.target)
    louder = Louder(slots=1)
    slow.rule(louder)
    add(slow, 2)

    with slow.working():
        assert slow.waits.wait(30)
        wait_for(lambda: len(louder.given) == 2)
        slow.goes_on.set()
        wait_for(lambda: slow.count(JobState.DONE) == 2)

    assert sorted(slow.files().values()) == ["WORDS 0", "WORDS 1"]
