"""The worker, over a real ledger, a real folder and real child processes."""

from __future__ import annotations

import hashlib
import pathlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest

from docferry.convert import Limits
from docferry.convert.markdown import MarkdownConverter
from docferry.engine.worker import Conversion, Worker, put_file
from docferry.errors import PermanentError, StaleError, UnreachableError
from docferry.ledger import Ledger
from docferry.model import (
    FileState,
    JobRow,
    JobState,
    NewJob,
    Origin,
    Outcome,
    Path,
    SyncedState,
    Ulid,
    Upload,
    VersionRow,
)
from docferry.storage.base import Content
from docferry.storage.local import LocalStorage
from docferry.storage.local_content import token_of
from docferry.storage.memory import BytesContent
from processes import converting, wait_for
from samples import make

LIMITS = Limits(timeout_s=60)
NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def ulid(number: int) -> Ulid:
    return f"01KAT{number:021}"


@dataclass
class Bench:
    """A ledger, a target folder, and the contents of versions, as the app wires them."""

    ledger: Ledger
    target: LocalStorage
    work: pathlib.Path
    contents: dict[Ulid, bytes] = field(default_factory=dict)
    faults: list[Exception] = field(default_factory=list)

    def open_version(self, mirror: str, path: Path, version: Ulid) -> Content:
        if self.faults:
            raise self.faults.pop()
        if version not in self.contents:
            raise StaleError(f"nobody has version {version}")
        return BytesContent(self.contents[version])

    def put_result(self, job: JobRow, result: bytes) -> Path:
        path = f"{job.version}.md"
        put_file(self.target, path, result)
        return path

    def add(self, number: int, path: str, content: bytes, rule: str = "text") -> None:
        """Record a version of *content* and the job that it calls for."""
        version, digest = ulid(number), sha256(content)
        self.contents.setdefault(version, content)
        state = FileState("t", digest, len(content))
        row = VersionRow(
            id=version,
            mirror="inbox",
            path=path,
            sha256=digest,
            size=len(content),
            mtime_ns=None,
            origin=Origin.LOCAL,
            parent=None,
            etag="e",
            created_at=NOW,
        )
        synced = SyncedState(digest, "t", "e", version, len(content))
        job = NewJob(
            rule=rule,
            converter="markdown",
            mirror="inbox",
            path=path,
            version=version,
            sha256=digest,
            recipe="r1",
            target_mirror="processed",
            place="processed/{ulid}.md",
            created_at=NOW,
        )
        self.ledger.record(
            "inbox", [Outcome(Upload(path, state, None), synced, version=row)], [job], at=NOW
        )

    @contextmanager
    def working(
        self, converter: MarkdownConverter | None = None, *, attempts: int = 2, threads: int = 2
    ) -> Iterator[Worker]:
        conversion = Conversion(converter or MarkdownConverter(), LIMITS, attempts)
        worker = Worker(
            self.ledger,
            {"text": conversion},
            open_version=self.open_version,
            put_result=self.put_result,
            folder=self.work,
            threads=threads,
            idle_s=0.05,
        )
        worker.start()
        try:
            yield worker
        finally:
            worker.stop(20)

    def job(self) -> JobRow:
        (job,) = self.ledger.jobs.all()
        return job

    def result(self, number: int) -> str:
        return (self.target.root / f"{ulid(number)}.md").read_text()


@pytest.fixture
def bench(tmp_path: pathlib.Path) -> Iterator[Bench]:
    (tmp_path / "processed").mkdir()
    target = LocalStorage(tmp_path / "processed")
    target.write_marker(b"{}")
    with Ledger.open(tmp_path / "ledger.sqlite") as ledger:
        yield Bench(ledger, target, tmp_path / "work")


def test_a_job_becomes_a_file_in_the_target_mirrors_folder(bench: Bench) -> None:
    bench.add(1, "offers/timetable.docx", make.docx())

    with bench.working():
        wait_for(lambda: bench.job().state is JobState.DONE)

    assert make.SENTENCE in bench.result(1)
    assert bench.job().result_path == f"{ulid(1)}.md"
    assert bench.job().attempts == 1
    assert list(bench.work.iterdir()) == []


def test_a_new_job_is_done_as_soon_as_the_worker_is_woken(bench: Bench) -> None:
    with bench.working() as worker:
        bench.add(1, "a.txt", b"words")
        worker.wake()
        wait_for(lambda: bench.job().state is JobState.DONE)

    assert bench.result(1) == "words\n"


def test_many_jobs_are_each_done_once(bench: Bench) -> None:
    for number in range(12):
        bench.add(number, f"{number}.txt", f"words {number}".encode())

    with bench.working(threads=3):
        wait_for(lambda: bench.ledger.jobs.counts()[JobState.DONE] == 12)

    assert [bench.result(number) for number in range(12)] == [
        f"words {number}\n" for number in range(12)
    ]
    assert {job.attempts for job in bench.ledger.jobs.all()} == {1}


def test_a_damaged_document_is_tried_a_few_times_then_dead_with_its_reason(bench: Bench) -> None:
    bench.add(1, "broken.docx", make.docx()[:500])

    with bench.working(attempts=2):
        wait_for(lambda: bench.job().state is JobState.DEAD)

    assert bench.job().attempts == 2
    assert "cannot convert broken.docx: " in (bench.job().last_error or "")
    assert list(bench.target.root.glob("*.md")) == []


def test_a_dead_job_holds_up_nobody(bench: Bench) -> None:
    bench.add(1, "broken.docx", make.docx()[:500])
    bench.add(2, "a.txt", b"words")

    with bench.working(attempts=1, threads=1):
        wait_for(lambda: bench.ledger.jobs.counts()[JobState.DONE] == 1)
        wait_for(lambda: bench.ledger.jobs.counts()[JobState.DEAD] == 1)

    assert bench.result(2) == "words\n"


def test_a_store_that_does_not_answer_for_a_while_kills_no_job(bench: Bench) -> None:
    bench.faults = [UnreachableError("refused")] * 2
    bench.add(1, "a.txt", b"words")

    with bench.working(attempts=1):
        wait_for(lambda: bench.job().state is JobState.DONE)

    assert bench.job().attempts == 3


def test_a_bug_with_one_document_is_a_failure_of_its_job_only(bench: Bench) -> None:
    bench.faults = [ZeroDivisionError("a bug")]
    bench.add(1, "a.txt", b"words")

    with bench.working(attempts=1):
        wait_for(lambda: bench.job().state is JobState.DEAD)
        bench.add(2, "b.txt", b"other words")
        wait_for(lambda: bench.ledger.jobs.counts()[JobState.DONE] == 1)

    assert bench.result(2) == "other words\n"


def test_another_content_than_the_versions_is_never_converted(bench: Bench) -> None:
    bench.contents[ulid(1)] = b"something else"
    bench.add(1, "a.txt", b"words")

    with bench.working(attempts=1):
        wait_for(lambda: bench.job().state is JobState.DEAD)

    assert "is not to be had" in (bench.job().last_error or "")
    assert list(bench.target.root.glob("*.md")) == []


def test_a_job_whose_rule_is_gone_is_dead_with_that_reason(bench: Bench) -> None:
    bench.add(1, "a.txt", b"words", rule="former")

    with bench.working():
        wait_for(lambda: bench.job().state is JobState.DEAD)

    assert "'former' is not in the configuration" in (bench.job().last_error or "")


def test_stopping_ends_the_conversion_and_the_next_start_does_it_again(bench: Bench) -> None:
    rows = [("row", str(number), "x") for number in range(60_000)]
    bench.add(1, "large.xlsx", make.xlsx(rows))

    with bench.working():
        wait_for(lambda: bool(converting()))
    stopped, children = bench.job(), converting()
    with bench.working():
        wait_for(lambda: bench.job().state is JobState.DONE)

    assert (stopped.state, children) == (JobState.QUEUED, [])
    assert "| row | 59999 | x |" in bench.result(1)


def test_what_a_killed_daemon_left_running_is_done_after_the_next_start(bench: Bench) -> None:
    bench.add(1, "a.txt", b"words")
    now = datetime.now(UTC)
    assert bench.ledger.jobs.claim(now, now + timedelta(minutes=11)) is not None

    with bench.working():
        wait_for(lambda: bench.job().state is JobState.DONE)

    assert bench.result(1) == "words\n"


def test_a_lease_that_ran_out_is_noticed_by_the_timer(bench: Bench) -> None:
    with bench.working() as worker:
        bench.add(1, "a.txt", b"words")
        past = datetime.now(UTC) - timedelta(seconds=1)
        bench.ledger.jobs.claim(past, past)
        worker.requeue_expired()
        wait_for(lambda: bench.job().state is JobState.DONE)

    assert bench.result(1) == "words\n"


def test_a_result_that_is_there_already_is_left_as_it_is(bench: Bench) -> None:
    put_file(bench.target, "x.md", b"words\n")
    before = token_of((bench.target.root / "x.md").stat())

    put_file(bench.target, "x.md", b"words\n")

    assert token_of((bench.target.root / "x.md").stat()) == before


def test_a_result_never_takes_the_place_of_another_file(bench: Bench) -> None:
    (bench.target.root / "x.md").write_text("mine")

    with pytest.raises(PermanentError, match=r"x\.md: another file is there"):
        put_file(bench.target, "x.md", b"words\n")

    assert (bench.target.root / "x.md").read_text() == "mine"


def test_a_worker_without_rules_does_nothing_and_stops(bench: Bench) -> None:
    worker = Worker(
        bench.ledger,
        {},
        open_version=bench.open_version,
        put_result=bench.put_result,
        folder=bench.work,
    )
    worker.start()

    worker.stop(20)

    assert not [thread for thread in threading.enumerate() if thread.name.startswith("worker-")]
