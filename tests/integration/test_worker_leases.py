"""The worker's jobs outlive it: leases, stops, kills, and targets that are away."""

from __future__ import annotations

import os
import pathlib
import threading
from collections.abc import Iterator
from datetime import timedelta

import pytest

from conversion_bench import NOW, Bench, Louder, bench_in, raises, ulid
from docferry.convert.base import ConversionError, Document
from docferry.engine.rounds import all_going
from docferry.job import Failure, JobStage, JobState
from processes import wait_for


@pytest.fixture
def bench(tmp_path: pathlib.Path) -> Iterator[Bench]:
    with bench_in(tmp_path) as bench:
        yield bench


def test_stopping_gives_the_job_back_and_the_next_start_does_it_again(bench: Bench) -> None:
    begun = threading.Event()
    louder = Louder()

    def wait(document: Document) -> None:
        begun.set()
        louder.stopped.wait(20)

    bench.rule(Louder(meanwhile=wait, stopped=louder.stopped))
    louder.fails = lambda document, call: None
    bench.add(1, "a.txt", b"words")

    with bench.working():
        assert begun.wait(20)
    stopped = bench.job()
    bench.rule(Louder())
    with bench.working():
        wait_for(lambda: bench.job().state is JobState.DONE)

    assert stopped.state in (JobState.QUEUED, JobState.DONE)
    assert bench.files() == {f"{ulid(1)}.md": "WORDS"}


def test_what_a_killed_daemon_left_running_is_done_after_the_next_start(bench: Bench) -> None:
    bench.rule(Louder())
    bench.add(1, "a.txt", b"words")
    assert bench.ledger.jobs.claim(NOW, NOW + timedelta(minutes=11), rules=["text"]) is not None

    with bench.working():
        wait_for(lambda: bench.job().state is JobState.DONE)

    assert bench.files() == {f"{ulid(1)}.md": "WORDS"}


def test_what_a_killed_daemon_left_staged_is_removed_however_deep_it_lies(bench: Bench) -> None:
    bench.rule(Louder())
    at = os.open(bench.folder, os.O_RDONLY)
    for name in ("work", *["deep"] * 3000):
        os.mkdir(name, dir_fd=at)
        below = os.open(name, os.O_RDONLY, dir_fd=at)
        os.close(at)
        at = below
    os.close(at)

    with bench.working():
        assert not any((bench.folder / "work").glob("*"))


def test_a_lease_that_ran_out_is_noticed_by_the_timer(bench: Bench) -> None:
    bench.rule(Louder())
    worker = bench.worker(is_simulated=True)
    bench.add(1, "a.txt", b"words")
    bench.ledger.jobs.claim(NOW, NOW + timedelta(seconds=60), rules=["text"])
    bench.time.pass_(61)

    worker.requeue_expired()
    worker.work_off()

    assert bench.job().state is JobState.DONE


def test_a_job_that_runs_for_long_keeps_its_lease_and_shows_its_stage(bench: Bench) -> None:
    seen: list[tuple[JobState, JobStage | None]] = []

    def long(document: Document) -> None:
        for _ in range(10):
            bench.time.pass_(50)
            worker.renew()
            worker.requeue_expired()
        seen.append((bench.job().state, bench.job().stage))

    bench.rule(Louder(meanwhile=long))
    worker = bench.worker(is_simulated=True)
    bench.add(1, "a.txt", b"words")

    worker.work_off()

    assert seen == [(JobState.RUNNING, JobStage.CONVERTING)]
    assert bench.job().converting_at == NOW
    assert bench.job().attempts == 1


def test_after_a_standstill_of_the_machine_a_running_job_is_not_taken_for_lost(
    bench: Bench,
) -> None:
    def stand_still(document: Document) -> None:
        bench.time.pass_(3600)
        worker.requeue_expired()

    louder = Louder(meanwhile=stand_still)
    bench.rule(louder)
    worker = bench.worker(is_simulated=True)
    bench.add(1, "a.txt", b"words")

    worker.work_off()

    assert (bench.job().state, bench.job().attempts) == (JobState.DONE, 1)


def test_a_document_that_ends_docferry_each_time_is_given_up(bench: Bench) -> None:
    slow = ConversionError("it took too long", failure=Failure.TIMEOUT, output="line 7")
    louder = Louder(fails=raises(slow))
    bench.rule(louder, attempts=2)
    bench.add(1, "a.txt", b"words")
    worker = bench.worker(is_simulated=True)
    worker.work_off()
    bench.time.pass_(5)
    job = bench.ledger.jobs.claim(bench.time.now, bench.time.now, rules=["text"])
    assert job is not None
    bench.ledger.jobs.advance(job.id, JobStage.CONVERTING, NOW, NOW)
    bench.ledger.jobs.requeue_running(bench.time.now)

    worker.work_off()

    letter = bench.job()
    assert (letter.state, letter.failure) == (JobState.DEAD, Failure.CRASHED)
    assert letter.last_error == (
        "it was tried 2 times, at last: the daemon was ended while it ran; before: it took too long"
    )
    assert (letter.output, letter.attempts) == ("line 7", 2)
    assert len(louder.given) == 1


def test_a_target_that_takes_nothing_now_has_its_rules_wait(bench: Bench) -> None:
    louder = Louder()
    bench.rule(louder)
    bench.add(1, "a.txt", b"words")
    worker = bench.worker(is_simulated=True)

    bench.trouble = "its folder is away"
    bench.work_off(worker, for_s=100)
    before = (bench.job().state, len(louder.given), worker.runnable())
    bench.trouble = None
    worker.work_off()

    assert before == (JobState.QUEUED, 0, [])
    assert bench.job().state is JobState.DONE


def test_a_target_that_went_meanwhile_costs_no_attempt(bench: Bench) -> None:
    marker = bench.target.root / ".docferry" / "mirror.json"

    def go(document: Document) -> None:
        if len(louder.given) == 1:
            marker.rename(bench.folder / "marker")

    louder = Louder(meanwhile=go)
    bench.rule(louder, attempts=1)
    bench.add(1, "a.txt", b"words")
    worker = bench.worker(is_simulated=True)

    worker.work_off()
    failed = bench.job()
    (bench.folder / "marker").rename(marker)
    bench.work_off(worker, for_s=120)

    assert (failed.state, failed.failure, failed.attempts) == (
        JobState.QUEUED,
        Failure.STORING,
        0,
    )
    assert bench.files() == {f"{ulid(1)}.md": "WORDS"}


def test_what_has_to_run_now_and_then_of_a_worker_is_known(bench: Bench) -> None:
    bench.rule(Louder())

    with bench.working():
        wait_for(lambda: {"the worker", "the worker's heart"} <= going_names())
    after = going_names()

    assert "the worker" not in after


def going_names() -> set[str]:
    alive = {thread.native_id for thread in threading.enumerate()}
    return {one.name for one in all_going() if one.thread_id in alive}


def test_a_worker_without_rules_does_nothing_and_stops(bench: Bench) -> None:
    worker = bench.worker()
    worker.start()

    worker.stop(20)

    assert not [thread for thread in threading.enumerate() if thread.name.startswith("worker")]


def test_the_stages_of_a_short_job_are_told_when_it_is_done(bench: Bench) -> None:
    bench.rule(Louder(meanwhile=lambda document: bench.time.pass_(0.2)))
    bench.add(1, "a.txt", b"words")

    bench.worker(is_simulated=True).work_off()

    job = bench.job()
    assert (job.claimed_at, job.converting_at) == (NOW, NOW)
    assert job.storing_at == NOW + timedelta(seconds=0.2)
