"""Outages, in simulated time: no document is lost to one, or held up by another one's fault."""

from __future__ import annotations

import pathlib
import random
import threading
from collections.abc import Callable, Iterator

import pytest

from conversion_bench import Bench, Louder, bench_in
from docferry.convert.base import ConversionError, ConverterDownError, Document
from docferry.job import BreakerState, Failure, JobState
from processes import wait_for

HOUR_S = 3600.0


@pytest.fixture
def bench(tmp_path: pathlib.Path) -> Iterator[Bench]:
    with bench_in(tmp_path) as bench:
        yield bench


def down(*, is_in_doubt: bool = False) -> ConverterDownError:
    return ConverterDownError("connection refused", is_in_doubt=is_in_doubt)


def add(bench: Bench, count: int) -> None:
    for number in range(count):
        bench.add(number, f"{number}.txt", f"words {number}".encode())


def at(bench: Bench, from_s: float, to_s: float) -> Callable[[Document, int], Exception | None]:
    """Be down from one time to another."""
    began = bench.time.now

    def fails(document: Document, call: int) -> Exception | None:
        passed_s = (bench.time.now - began).total_seconds()
        return down(is_in_doubt=True) if from_s <= passed_s < to_s else None

    return fails


def test_a_converter_that_fails_half_of_the_time_does_everything_in_the_end(
    bench: Bench,
) -> None:
    source = random.Random(1)

    def fails(document: Document, call: int) -> Exception | None:
        return down(is_in_doubt=source.random() < 0.5) if source.random() < 0.5 else None

    bench.rule(Louder(fails=fails), attempts=8)
    add(bench, 60)

    bench.work_off(bench.worker(is_simulated=True), for_s=2 * HOUR_S, step_s=20)

    assert bench.count(JobState.DONE) == 60
    assert len(bench.files()) == 60


def test_documents_that_fail_half_of_the_time_are_done_or_dead(bench: Bench) -> None:
    source = random.Random(2)

    def fails(document: Document, call: int) -> Exception | None:
        is_bad = source.random() < 0.5
        return ConversionError("it took too long", failure=Failure.TIMEOUT) if is_bad else None

    bench.rule(Louder(fails=fails), attempts=12)
    add(bench, 60)

    bench.work_off(bench.worker(is_simulated=True), for_s=2 * HOUR_S, step_s=20)

    assert bench.count(JobState.DONE) == 60


def test_an_outage_of_an_hour_costs_no_attempt_and_few_calls(bench: Bench) -> None:
    louder = Louder(slots=4)
    louder.fails = at(bench, 0, HOUR_S)
    bench.rule(louder, attempts=1)
    add(bench, 40)
    worker = bench.worker(is_simulated=True)

    worker.work_off()
    first = len(louder.given)
    [opened] = bench.ledger.converters.all()
    bench.work_off(worker, for_s=HOUR_S - 1)
    in_the_outage = len(louder.given)
    dead = bench.count(JobState.DEAD)
    bench.work_off(worker, for_s=HOUR_S)
    [closed] = bench.ledger.converters.all()

    assert opened.state is BreakerState.OPEN
    assert first <= 10
    assert in_the_outage < 40
    assert dead == 0
    assert closed.state is BreakerState.CLOSED
    assert bench.count(JobState.DONE) == 40
    assert {job.attempts for job in bench.ledger.jobs.all()} == {1}


def test_what_the_service_asks_for_is_waited(bench: Bench) -> None:
    calls: list[float] = []
    began = bench.time.now

    def fails(document: Document, call: int) -> Exception | None:
        calls.append((bench.time.now - began).total_seconds())
        return ConverterDownError("busy", retry_after_s=900) if call == 5 else down()

    louder = Louder(slots=1, fails=fails)
    bench.rule(louder)
    add(bench, 10)

    bench.work_off(bench.worker(is_simulated=True), for_s=1000)

    assert calls[:5] == [0, 0, 0, 0, 0]
    assert calls[5] >= 900


def test_a_poison_document_ends_as_a_dead_letter_and_holds_up_nobody(bench: Bench) -> None:
    def fails(document: Document, call: int) -> Exception | None:
        bench.time.pass_(0.1)  # each takes its time
        return down(is_in_doubt=True) if document.name == "3.txt" else None

    bench.rule(Louder(fails=fails), attempts=2)
    add(bench, 20)
    worker = bench.worker(is_simulated=True)

    worker.work_off()
    at_once = bench.count(JobState.DONE)
    bench.work_off(worker, for_s=HOUR_S, step_s=20)

    jobs = bench.jobs()
    poison = jobs.pop(("text", "3.txt"))
    assert at_once == 19
    assert (poison.state, poison.failure) == (JobState.DEAD, Failure.CRASHED)
    assert {job.state for job in jobs.values()} == {JobState.DONE}


def test_a_poison_document_alone_in_its_queue_is_not_blamed_without_a_witness(
    bench: Bench,
) -> None:
    bench.rule(Louder(fails=lambda document, call: down(is_in_doubt=True)), attempts=1)
    bench.add(1, "a.txt", b"words")

    bench.work_off(bench.worker(is_simulated=True), for_s=HOUR_S, step_s=20)

    assert bench.job().state is JobState.QUEUED
    assert bench.job().attempts == 0


def test_a_poison_document_is_found_though_docferry_is_started_again_each_time(
    bench: Bench,
) -> None:
    """As where it goes down with its service, and comes back with it."""

    def fails(document: Document, call: int) -> Exception | None:
        bench.time.pass_(0.1)
        return down(is_in_doubt=True) if document.name == "poison.txt" else None

    bench.rule(Louder(fails=fails), attempts=2)
    bench.add(0, "poison.txt", b"poison")
    for number in range(1, 6):
        worker = bench.worker(is_simulated=True)
        worker.prepare()
        bench.add(number, f"{number}.txt", f"words {number}".encode())
        worker.work_off()
        bench.time.pass_(120)

    jobs = bench.jobs()
    poison = jobs.pop(("text", "poison.txt"))
    assert (poison.state, poison.failure) == (JobState.DEAD, Failure.CRASHED)
    assert {job.state for job in jobs.values()} == {JobState.DONE}


def test_those_beside_a_poison_document_are_not_blamed_for_it(bench: Bench) -> None:
    falls = [0]

    def fails(document: Document, call: int) -> Exception | None:
        """Fall over it, with all that is in hands: whoever asks then is answered again."""
        before = falls[0]
        threading.Event().wait(0.01)  # the work
        if document.name == "3.txt":
            falls[0] += 1
        return down(is_in_doubt=True) if falls[0] != before else None

    bench.rule(Louder(slots=4, fails=fails), attempts=2)
    add(bench, 30)
    worker = bench.worker(is_simulated=True)
    worker.start()

    def are_over() -> bool:
        bench.time.pass_(1)
        return bench.count(JobState.DONE) + bench.count(JobState.DEAD) == 30

    wait_for(are_over, 60)
    worker.stop(20)

    assert [job.path for job in bench.ledger.jobs.all(JobState.DEAD)] == ["3.txt"]


@pytest.mark.parametrize("is_started_again", [False, True])
def test_dead_letters_of_an_outage_come_back_when_it_is_over(
    bench: Bench, *, is_started_again: bool
) -> None:
    """Where somebody was blamed for what was an outage in truth."""
    louder = Louder(slots=1)
    bench.rule(louder, attempts=1)
    worker = bench.worker(is_simulated=True)
    add(bench, 1)
    bad = at(bench, 0, 600)

    def fails(document: Document, call: int) -> Exception | None:
        return bad(document, call) if document.name == "0.txt" else None

    louder.fails = fails
    worker.work_off()
    bench.time.pass_(1)
    bench.add(8, "witness.txt", b"witness")
    worker.work_off()
    bench.time.pass_(60)
    worker.work_off()
    dead = bench.count(JobState.DEAD)

    louder.fails = bad
    bench.add(9, "later.txt", b"later")
    bench.work_off(worker, for_s=500)
    if is_started_again:
        worker = bench.worker(is_simulated=True)
    bench.work_off(worker, for_s=HOUR_S)

    assert dead == 1
    assert bench.count(JobState.DONE) == 3


def test_one_converter_that_is_down_pauses_its_rules_alone(bench: Bench) -> None:
    bad = Louder("bad", fails=lambda document, call: down())
    bench.rule(bad, name="bad")
    bench.rule(Louder("good"), name="good")
    add(bench, 20)
    worker = bench.worker(is_simulated=True)

    worker.work_off()

    states = {(job.rule, job.state) for job in bench.ledger.jobs.all()}
    assert states == {("bad", JobState.QUEUED), ("good", JobState.DONE)}
    assert worker.runnable() == ["good"]
    assert len(bad.given) <= 10
