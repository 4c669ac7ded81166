"""A full disk: what would be made for nothing waits, and one document looks for room."""

from __future__ import annotations

import pathlib
import threading
from collections.abc import Iterator, Sequence

import pytest

from conversion_bench import Bench, Louder, bench_in
from docferry.convert.base import Document
from docferry.errors import DocferryError, FullError, ReadOnlyError
from docferry.job import Failure, JobState
from docferry.model import Written
from docferry.storage.base import Arrival
from docferry.storage.local import LocalStorage

MANY = 20
FULL = FullError("the disk of processed is full: make room there")
READ_ONLY = ReadOnlyError("processed is mounted read-only: mount it read-write")


class Crowded(LocalStorage):
    """A folder on a disk that takes no writes."""

    refusal: DocferryError | None = FULL

    def write_all(self, arrivals: Sequence[Arrival]) -> list[Written | DocferryError]:
        if self.refusal is not None:
            return [self.refusal for _ in arrivals]
        return super().write_all(arrivals)


@pytest.fixture
def bench(tmp_path: pathlib.Path) -> Iterator[Bench]:
    with bench_in(tmp_path) as bench:
        yield bench


def crowd(bench: Bench) -> Crowded:
    bench.target = target = Crowded(bench.target.root, needs_marker=True)
    return target


def add_many(bench: Bench) -> None:
    bench.add_all({f"{number}.txt": f"words {number}".encode() for number in range(MANY)})


@pytest.mark.parametrize("refusal", [FULL, READ_ONLY], ids=["full", "read-only"])
def test_where_a_disk_is_full_only_one_document_at_a_time_is_converted_for_nothing(
    bench: Bench, refusal: DocferryError
) -> None:
    louder = Louder()
    bench.rule(louder)
    crowd(bench).refusal = refusal
    add_many(bench)

    bench.work_off(bench.worker(is_simulated=True), for_s=300)

    assert 9 <= len(louder.given) <= 11  # every half a minute, not each document each time
    assert bench.count(JobState.QUEUED) == MANY
    assert {job.attempts for job in bench.jobs().values()} == {0}


def test_nothing_is_given_up_on_while_a_disk_is_read_only(bench: Bench) -> None:
    bench.rule(Louder(), attempts=2)
    target = crowd(bench)
    target.refusal = READ_ONLY
    bench.add(1, "a.txt", b"words")
    worker = bench.worker(is_simulated=True)
    bench.work_off(worker, for_s=3600, step_s=60)

    target.refusal = None
    bench.work_off(worker, for_s=120)

    assert (bench.job().state, bench.job().attempts) == (JobState.DONE, 1)


def test_once_there_is_room_all_is_converted(bench: Bench) -> None:
    bench.rule(Louder())
    target = crowd(bench)
    add_many(bench)
    worker = bench.worker(is_simulated=True)
    bench.work_off(worker, for_s=120)

    target.refusal = None
    bench.work_off(worker, for_s=60)

    assert bench.count(JobState.DONE) == MANY
    assert len(bench.files()) == MANY


def test_it_is_one_that_looks_for_room_though_others_could_be_converted_beside_it(
    bench: Bench,
) -> None:
    both, has_looked = threading.Barrier(2), threading.Event()
    met = []

    def meet(_document: Document) -> None:
        try:
            both.wait(0.5)
        except threading.BrokenBarrierError:
            has_looked.set()
        else:
            met.append(True)
            has_looked.set()

    louder = Louder()
    bench.rule(louder)
    crowd(bench)
    add_many(bench)
    worker = bench.worker(is_simulated=True)
    worker.work_off()
    bench.time.pass_(60)

    louder.meanwhile = meet
    worker.start()
    assert has_looked.wait(20)
    worker.stop(20)

    assert met == []


def test_only_what_goes_to_the_full_disk_waits(bench: Bench) -> None:
    elsewhere = Louder("elsewhere")
    bench.rule(Louder(), name="here")
    bench.rule(elsewhere, name="there", to_mirror="roomy")
    crowd(bench)
    add_many(bench)
    worker = bench.worker(is_simulated=True, roomy=bench.other_target("roomy"))

    worker.work_off()

    done = {rule for (rule, _), job in bench.jobs().items() if job.state is JobState.DONE}
    assert done == {"there"}
    assert len(elsewhere.given) == MANY


def test_without_room_for_documents_one_at_a_time_is_staged(bench: Bench) -> None:
    louder = Louder()
    bench.rule(louder)
    add_many(bench)
    bench.faults += [FullError("the disk of work is full")] * 3
    worker = bench.worker(is_simulated=True)

    bench.work_off(worker, for_s=50)
    while_full = (len(louder.given), len(bench.faults))
    bench.work_off(worker, for_s=120)

    assert while_full == (0, 1)
    assert bench.count(JobState.DONE) == MANY
    assert {job.attempts for job in bench.jobs().values()} == {1}


def test_a_person_is_told_which_disk_is_full(bench: Bench) -> None:
    bench.rule(Louder())
    crowd(bench)
    bench.add(1, "a.txt", b"words")

    bench.worker(is_simulated=True).work_off()

    assert (bench.job().failure, bench.job().last_error) == (Failure.STORING, str(FULL))
