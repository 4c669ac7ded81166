"""The worker: jobs become files, failures are told apart, nothing is done twice for nothing."""

from __future__ import annotations

import hashlib
import pathlib
import threading
from collections.abc import Iterator

import pytest

from conversion_bench import Bench, Louder, bench_in, raises, ulid
from docferry.convert.base import (
    ConversionError,
    Converted,
    ConverterDownError,
    Document,
    Limits,
)
from docferry.errors import TemporaryError, UnreachableError, UserError
from docferry.job import BreakerState, Failure, JobState, Priority
from docferry.ledger import Ledger
from processes import wait_for


class Silent(Louder):
    """A converter that makes empty results."""

    def convert(self, document: Document, folder: pathlib.Path, *, limits: Limits) -> Converted:
        made = super().convert(document, folder, limits=limits)
        made.path.write_bytes(b"")
        return made


@pytest.fixture
def bench(tmp_path: pathlib.Path) -> Iterator[Bench]:
    with bench_in(tmp_path) as bench:
        yield bench


def test_a_job_becomes_a_file_in_the_target_mirrors_folder(bench: Bench) -> None:
    bench.rule(Louder())
    bench.add(1, "offers/timetable.txt", b"words")

    with bench.working():
        wait_for(lambda: bench.job().state is JobState.DONE)

    job = bench.job()
    assert bench.files() == {f"{ulid(1)}.md": "WORDS"}
    assert (job.result_path, job.attempts) == (f"{ulid(1)}.md", 1)
    assert job.result_sha256 == hashlib.sha256(b"WORDS").hexdigest()
    assert list((bench.folder / "work").iterdir()) == []


def test_a_new_job_is_done_as_soon_as_the_worker_is_woken(bench: Bench) -> None:
    bench.rule(Louder())

    with bench.working() as worker:
        bench.add(1, "a.txt", b"words")
        worker.wake()
        wait_for(lambda: bench.job().state is JobState.DONE)

    assert bench.files() == {f"{ulid(1)}.md": "WORDS"}


def test_many_jobs_are_each_done_once_and_no_more_at_a_time_than_there_are_slots(
    bench: Bench,
) -> None:
    inside, most, lock = [0], [0], threading.Lock()
    three = threading.Barrier(3, timeout=20)

    def count(document: Document) -> None:
        with lock:
            inside[0] += 1
            most[0] = max(most[0], inside[0])
        three.wait()
        with lock:
            inside[0] -= 1

    louder = Louder(slots=3, meanwhile=count)
    bench.rule(louder)
    for number in range(24):
        bench.add(number, f"{number}.txt", f"words {number}".encode())

    with bench.working():
        wait_for(lambda: bench.count(JobState.DONE) == 24)

    assert sorted(bench.files().values()) == sorted(f"WORDS {number}" for number in range(24))
    assert len(louder.given) == 24
    assert most == [3]


def test_a_chain_hands_on_what_each_has_made(bench: Bench) -> None:
    first, second = Louder("first", ".html", mark="<"), Louder("second", mark="(")
    bench.rule(first, second)
    bench.add(1, "a.txt", b"words")

    bench.worker(is_simulated=True).work_off()

    assert bench.files() == {f"{ulid(1)}.md": "(<WORDS"}
    assert second.given == [b"<WORDS"]


def test_the_same_content_under_two_paths_is_converted_once(bench: Bench) -> None:
    louder = Louder()
    bench.rule(louder, template="{dir}{stem}.{ext}")
    bench.add(1, "a.txt", b"words")
    bench.add(2, "b/c.txt", b"words")

    bench.worker(is_simulated=True).work_off()

    jobs = bench.jobs()
    assert bench.files() == {"a.md": "WORDS", "b/c.md": "WORDS"}
    assert louder.given == [b"words"]
    assert jobs["text", "b/c.txt"].shared_with == jobs["text", "a.txt"].id


def test_a_result_that_was_deleted_is_shared_from_the_archive(bench: Bench) -> None:
    louder = Louder()
    bench.rule(louder, template="{dir}{stem}.{ext}")
    bench.add(1, "a.txt", b"words")
    worker = bench.worker(is_simulated=True)
    worker.work_off()
    bench.carry_up("a.md", 5)
    bench.archive("a.md", 5)

    bench.add(2, "b.txt", b"words")
    worker.work_off()

    assert bench.files() == {"b.md": "WORDS"}
    assert len(louder.given) == 1


def test_a_result_that_is_not_to_be_had_any_more_is_made_anew(bench: Bench) -> None:
    louder = Louder()
    bench.rule(louder, template="{dir}{stem}.{ext}")
    bench.add(1, "a.txt", b"words")
    worker = bench.worker(is_simulated=True)
    worker.work_off()
    (bench.target.root / "a.md").write_text("MY WORDS")

    bench.add(2, "b.txt", b"words")
    worker.work_off()

    assert bench.files() == {"a.md": "MY WORDS", "b.md": "WORDS"}
    assert bench.jobs()["text", "b.txt"].shared_with is None


def test_what_is_asked_for_again_on_purpose_is_converted_and_not_shared(bench: Bench) -> None:
    louder = Louder()
    rule = bench.rule(louder, template="{dir}{stem}.{ext}")
    for number, path in enumerate(["a.txt", "b.txt"]):
        bench.add(number, path, b"words")
    worker = bench.worker(is_simulated=True)
    worker.work_off()

    bench.ask(rule, "a.txt")
    worker.work_off()

    assert len(louder.given) == 2
    assert bench.jobs()["text", "a.txt"].priority is Priority.ASKED


def test_a_rule_that_takes_other_types_skips_the_document_and_says_so(bench: Bench) -> None:
    louder = Louder()
    bench.rule(louder, types=("application/pdf", "image/*"))
    bench.add(1, "a.txt", b"words")
    bench.add(2, "b.pdf", b"%PDF-1.7 words")

    bench.worker(is_simulated=True).work_off()

    skipped = bench.jobs()["text", "a.txt"]
    assert (skipped.state, skipped.failure) == (JobState.SKIPPED, Failure.REFUSED)
    assert "application/pdf, image/*" in (skipped.last_error or "")
    assert louder.given == [b"%PDF-1.7 words"]


def test_a_document_that_is_not_what_its_name_says_is_converted_as_what_it_is(
    bench: Bench,
) -> None:
    seen: list[Document] = []
    bench.rule(Louder(meanwhile=seen.append))
    bench.add(1, "a.docx", b"%PDF-1.7 words")

    bench.worker(is_simulated=True).work_off()

    assert [one.path.name for one in seen] == ["document.pdf"]
    assert "it is a PDF" in (bench.job().note or "")


def test_a_damaged_document_is_tried_twice_then_dead_with_its_reason(bench: Bench) -> None:
    refusal = ConversionError("cannot convert a.txt: no", output="line 7: no")
    bench.rule(Louder(fails=lambda document, call: refusal), attempts=4)
    bench.add(1, "a.txt", b"words")

    bench.work_off(bench.worker(is_simulated=True), for_s=60)

    job = bench.job()
    assert (job.state, job.failure, job.attempts) == (JobState.DEAD, Failure.REFUSED, 2)
    assert (job.last_error, job.output) == ("cannot convert a.txt: no", "line 7: no")
    assert bench.files() == {}


def test_of_a_chain_that_makes_nothing_a_person_is_told_which_converter_it_was(
    bench: Bench,
) -> None:
    bench.rule(Louder("first"), Silent("silent"), attempts=1)
    bench.add(1, "a.txt", b"words")

    bench.worker(is_simulated=True).work_off()

    job = bench.job()
    assert (job.state, job.failure) == (JobState.DEAD, Failure.EMPTY)
    assert job.last_error == "cannot convert a.txt by silent: its result is empty, or blank"


def test_a_dead_job_holds_up_nobody(bench: Bench) -> None:
    def fails(document: Document, call: int) -> Exception | None:
        return ConversionError("no") if document.name == "bad.txt" else None

    bench.rule(Louder(slots=1, fails=fails), attempts=1)
    bench.add(1, "bad.txt", b"bad")
    bench.add(2, "good.txt", b"good")

    bench.worker(is_simulated=True).work_off()

    assert bench.files() == {f"{ulid(2)}.md": "GOOD"}
    assert bench.count(JobState.DEAD) == 1


def test_a_store_that_does_not_answer_for_a_while_costs_no_attempt(bench: Bench) -> None:
    bench.faults = [UnreachableError("refused")] * 5
    bench.rule(Louder(), attempts=1)
    bench.add(1, "a.txt", b"words")

    bench.work_off(bench.worker(is_simulated=True), for_s=300)

    assert (bench.job().state, bench.job().attempts) == (JobState.DONE, 1)


def test_a_bug_with_one_document_is_a_failure_of_its_job_only(bench: Bench) -> None:
    bench.faults = [ZeroDivisionError("a bug")]
    bench.rule(Louder(slots=1))
    bench.add(1, "a.txt", b"words")
    bench.add(2, "b.txt", b"other words")
    worker = bench.worker(is_simulated=True)

    worker.work_off()

    jobs = bench.jobs()
    assert jobs["text", "b.txt"].state is JobState.DONE
    assert "ZeroDivisionError" in (jobs["text", "a.txt"].last_error or "")
    assert jobs["text", "a.txt"].failure is Failure.OTHER


def test_another_content_than_the_versions_is_never_converted(bench: Bench) -> None:
    louder = Louder()
    bench.rule(louder)
    bench.add(1, "a.txt", b"words")
    bench.contents[ulid(1)] = b"wordz"

    bench.work_off(bench.worker(is_simulated=True), for_s=60)

    assert bench.job().state is JobState.DEAD
    assert "damaged" in (bench.job().last_error or "")
    assert (louder.given, bench.files()) == ([], {})


def test_a_version_that_is_gone_everywhere_is_skipped(bench: Bench) -> None:
    bench.rule(Louder())
    bench.add(1, "a.txt", b"words")
    bench.contents.clear()

    bench.worker(is_simulated=True).work_off()

    assert (bench.job().state, bench.job().failure) == (JobState.SKIPPED, Failure.CHANGED)


def test_a_job_of_a_rule_that_converts_in_another_way_now_is_skipped(bench: Bench) -> None:
    bench.rule(Louder())
    bench.add(1, "a.txt", b"words")
    louder = Louder(revision=2)
    bench.rule(louder)

    bench.worker(is_simulated=True).work_off()

    assert (bench.job().state, louder.given) == (JobState.SKIPPED, [])


@pytest.mark.parametrize("before", ["{ulid}.{ext}", "{dir}{stem}.{ext}"])
def test_a_job_whose_result_belongs_elsewhere_by_now_is_skipped(bench: Bench, before: str) -> None:
    """The backlog queues the conversion that its rule calls for now."""
    bench.rule(Louder(), template=before)
    bench.add(1, "a.txt", b"words")
    louder = Louder()
    bench.rule(louder, template="{path}.{ext}")

    bench.worker(is_simulated=True).work_off()

    job = bench.job()
    assert (job.state, job.failure) == (JobState.SKIPPED, Failure.CONFIGURATION)
    assert job.last_error == "by its rule 'text' its result belongs elsewhere now"
    assert (louder.given, bench.files()) == ([], {})


def test_those_that_share_a_place_are_done_whatever_their_paths(bench: Bench) -> None:
    louder = Louder()
    bench.rule(louder, template="{stem}.{ext}")
    bench.add(1, "x/a.txt", b"words")
    bench.add(2, "y/a.txt", b"words")

    bench.worker(is_simulated=True).work_off()

    assert bench.job().state is JobState.DONE
    assert bench.files() == {"a.md": "WORDS"}


def test_a_job_whose_rule_is_unknown_is_left_alone(bench: Bench) -> None:
    bench.rule(Louder(), name="former")
    bench.add(1, "a.txt", b"words")
    bench.conversions.clear()
    bench.rule(Louder())

    bench.worker(is_simulated=True).work_off()

    assert bench.job().state is JobState.QUEUED


def test_a_converter_that_is_not_installed_any_more_costs_no_attempt(bench: Bench) -> None:
    louder = Louder(fails=raises(UserError("soffice is not there")))
    bench.rule(louder, attempts=1)
    bench.add(1, "a.txt", b"words")
    worker = bench.worker(is_simulated=True)

    worker.work_off()
    [down] = bench.ledger.converters.all()
    bench.work_off(worker, for_s=60)
    [up] = bench.ledger.converters.all()

    assert (down.state, down.reason) == (BreakerState.OPEN, "soffice is not there")
    assert up.state is BreakerState.CLOSED
    assert (bench.job().state, bench.job().attempts) == (JobState.DONE, 1)


def test_a_full_disk_costs_no_attempt(bench: Bench) -> None:
    louder = Louder(fails=raises(TemporaryError("no space left on device")))
    bench.rule(louder, attempts=1)
    bench.add(1, "a.txt", b"words")

    bench.work_off(bench.worker(is_simulated=True), for_s=120)

    assert (bench.job().state, bench.job().attempts) == (JobState.DONE, 1)


def test_a_chains_second_converter_alone_is_paused_by_its_outage(bench: Bench) -> None:
    down = UserError("it refuses us")
    first, second = Louder("first"), Louder("second", fails=lambda document, call: down)
    bench.rule(first, second)
    bench.rule(first, name="alone")
    bench.add(1, "a.txt", b"words")

    bench.worker(is_simulated=True).work_off()

    assert [row.name for row in bench.ledger.converters.all()] == ["second"]
    assert bench.jobs()["alone", "a.txt"].state is JobState.DONE


def test_an_outage_is_told_to_other_processes(bench: Bench, tmp_path: pathlib.Path) -> None:
    down = ConverterDownError("connection refused")
    bench.rule(Louder(slots=1, fails=lambda document, call: down))
    for number in range(9):
        bench.add(number, f"{number}.txt", f"words {number}".encode())

    bench.worker(is_simulated=True).work_off()

    with Ledger.open(bench.ledger.path, read_only=True) as other:
        [row] = other.converters.all()
    assert (row.name, row.state, row.reason) == ("louder", BreakerState.OPEN, "connection refused")
    assert row.retry_at is not None
    assert row.retry_at > bench.time.now


def test_a_result_that_is_a_link_is_none(bench: Bench) -> None:
    class Linking(Louder):
        def convert(self, document: Document, folder: pathlib.Path, *, limits: Limits) -> Converted:
            (folder / "result.md").symlink_to("/etc/passwd")
            return Converted(folder / "result.md")

    bench.rule(Linking(), attempts=1)
    bench.add(1, "a.txt", b"words")

    bench.worker(is_simulated=True).work_off()

    assert (bench.job().state, bench.job().failure) == (JobState.DEAD, Failure.WRONG_TYPE)
    assert bench.files() == {}


def test_a_probe_that_never_came_to_the_converter_lets_the_next_document_try(
    bench: Bench,
) -> None:
    louder = Louder(slots=1, fails=raises(UserError("not allowed")))
    bench.rule(louder)
    bench.add(1, "a.txt", b"words")
    worker = bench.worker(is_simulated=True)
    worker.work_off()
    bench.contents.clear()

    bench.time.pass_(600)  # the first is due first, and nowhere to be had
    bench.add(2, "b.txt", b"other words")
    worker.work_off()

    assert bench.files() == {f"{ulid(2)}.md": "OTHER WORDS"}
