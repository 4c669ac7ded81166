"""The worker with a real service over HTTP, and a long queue: all is done in the end."""

from __future__ import annotations

import os
import pathlib
import subprocess
import sys
from collections.abc import Iterator

import pytest

from conversion_bench import Bench, Louder, bench_in
from conversion_servers import FailingServer, Said
from docferry.convert.service import ServiceConverter
from docferry.job import BreakerState, JobState
from processes import wait_for

HOUR_S = 3600.0
#: 1000 for the figures that are written down.
QUEUE = int(os.environ.get("QUEUE", "200"))


@pytest.fixture
def bench(tmp_path: pathlib.Path) -> Iterator[Bench]:
    with bench_in(tmp_path) as bench:
        yield bench


@pytest.fixture
def server() -> Iterator[FailingServer]:
    with FailingServer() as server:
        yield server


def service(server: FailingServer, *, slots: int = 4) -> ServiceConverter:
    return ServiceConverter("service", server.url, "multipart", ".md", slots=slots)


def add(bench: Bench, count: int) -> None:
    bench.add_all({f"{number}.txt": f"words {number}".encode() for number in range(count)})


def test_a_service_that_fails_half_of_the_time_does_everything_in_the_end(
    bench: Bench, server: FailingServer
) -> None:
    server.fail_rate = 0.5
    bench.rule(service(server), attempts=8)
    add(bench, 40)

    bench.work_off(bench.worker(is_simulated=True), for_s=2 * HOUR_S, step_s=20)

    assert bench.count(JobState.DONE) == 40
    assert len(bench.files()) == 40


def test_a_service_that_is_busy_for_an_hour_costs_no_attempt_and_few_calls(
    bench: Bench, server: FailingServer
) -> None:
    server.failure = Said(status=503, headers={"Retry-After": "30"}, body=b"busy")
    server.fail_rate = 1.0
    bench.rule(service(server), attempts=1)
    add(bench, 40)
    worker = bench.worker(is_simulated=True)

    worker.work_off()
    first = server.calls
    bench.work_off(worker, for_s=HOUR_S)
    in_the_outage = server.calls
    server.fail_rate = 0.0
    bench.work_off(worker, for_s=HOUR_S)

    assert first <= 10
    assert in_the_outage < 40
    assert bench.count(JobState.DONE) == 40
    assert {job.attempts for job in bench.ledger.jobs.all()} == {1}


def test_a_service_that_refuses_connections_is_tried_until_it_is_back(
    bench: Bench, server: FailingServer
) -> None:
    server.go_down()
    bench.rule(service(server), attempts=1)
    add(bench, 20)
    worker = bench.worker(is_simulated=True)

    bench.work_off(worker, for_s=HOUR_S, step_s=30)
    [row] = bench.ledger.converters.all()
    server.come_back()
    bench.work_off(worker, for_s=600)

    assert row.state is not BreakerState.CLOSED
    assert bench.count(JobState.DONE) == 20
    assert server.calls == 20


def test_a_long_queue_is_worked_off_in_its_order(bench: Bench) -> None:
    louder = Louder(slots=4)
    bench.rule(louder)
    add(bench, QUEUE)

    with bench.working():
        wait_for(lambda: bench.count(JobState.DONE) == QUEUE, 300, every_s=0.1)

    jobs = [job for job in bench.ledger.jobs.all(limit=QUEUE) if job.claimed_at is not None]
    first = min(job.claimed_at for job in jobs if job.claimed_at)
    waits = sorted((job.claimed_at - first).total_seconds() for job in jobs if job.claimed_at)
    sys.stdout.write(
        f"{QUEUE} documents: waited {waits[QUEUE // 2]:.2f} s (median), "
        f"{waits[QUEUE * 99 // 100]:.2f} s (p99), {waits[-1]:.2f} s (most)\n"
    )
    assert len(louder.given) == QUEUE
    assert len(bench.files()) == QUEUE
    assert {job.attempts for job in jobs} == {1}


def test_a_large_document_goes_through_in_little_memory() -> None:
    program = pathlib.Path(__file__).parents[1] / "large_conversion.py"

    grown_mib = subprocess.run(
        [sys.executable, str(program), "200"],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=True,
        timeout=100,
    ).stdout

    assert float(grown_mib) < 64  # two parts of 16 MiB, at most
