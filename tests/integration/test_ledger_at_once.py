"""Threads and processes at the ledger at once, and processes that are killed at it."""

from __future__ import annotations

import pathlib
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import IO

import pytest

from docferry.errors import UserError
from docferry.job import JobRow
from docferry.ledger import Ledger
from docferry.ledger.lock import StateLock, is_held
from ledger_rows import MINUTE, NOW, fresh_ledger, new_job, uploaded
from processes import wait_for

THREADS = 6
RULES = ("to-markdown",)


@pytest.fixture
def path(tmp_path: pathlib.Path) -> pathlib.Path:
    return tmp_path / "ledger.sqlite3"


@pytest.fixture
def ledger(path: pathlib.Path) -> Iterator[Ledger]:
    with fresh_ledger(path) as ledger:
        yield ledger


def in_threads(*tasks: Callable[[], None]) -> list[BaseException]:
    """Run all at once; give what they raised."""
    raised: list[BaseException] = []

    def run(task: Callable[[], None]) -> None:
        try:
            task()
        except BaseException as error:  # noqa: BLE001  a thread's error must reach the test
            raised.append(error)

    threads = [threading.Thread(target=run, args=(task,)) for task in tasks]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return raised


class Script:
    """Another Python process; it says "ready", and ends when its input does."""

    def __init__(self, code: str, *arguments: object) -> None:
        head = (
            "import pathlib, sys\nfrom docferry.ledger import Ledger\nfrom ledger_rows import *\n"
        )
        command = [sys.executable, "-c", head + code, *map(str, arguments)]
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={"PYTHONPATH": ":".join(sys.path)},
        )

    def __enter__(self) -> Script:
        assert self.line() == "ready"
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.process.kill()
        self.process.communicate()

    def line(self) -> str:
        out: IO[str] | None = self.process.stdout
        assert out is not None
        return out.readline().strip()

    def end(self) -> int:
        self.process.communicate()
        return self.process.returncode


def test_no_update_is_lost_and_no_connection_kept(ledger: Ledger, path: pathlib.Path) -> None:
    each = 25
    over = threading.Event()

    def write() -> None:
        for _ in range(each):
            ledger.problems.put("docs", "a", kind="x", message="", at=NOW, retry_at=None)

    def read() -> None:
        seen = 0
        while not over.is_set():
            rows = ledger.problems.all()
            attempts = rows[0].attempts if rows else 0
            assert attempts >= seen
            seen = attempts

    readers = [threading.Thread(target=in_threads, args=(read,)) for _ in range(2)]
    for reader in readers:
        reader.start()
    raised = in_threads(*[write] * THREADS)
    over.set()
    for reader in readers:
        reader.join()

    assert raised == []
    assert ledger.problems.all()[0].attempts == each * THREADS
    # No thread that is gone holds a lock: someone else may write at once.
    with closing(sqlite3.connect(path, timeout=0, isolation_level=None)) as raw:
        raw.execute("BEGIN IMMEDIATE")
        raw.execute("ROLLBACK")


def test_forty_threads_read_at_once(ledger: Ledger) -> None:
    together = threading.Barrier(40)
    ledger.record("docs", [uploaded("a")], at=NOW)

    def read() -> None:
        together.wait()
        assert ledger.synced.count("docs") == (1, 10)

    assert in_threads(*[read] * 40) == []


def test_threads_that_fail_leave_the_ledger_as_it_was(ledger: Ledger) -> None:
    def fail() -> None:
        for _ in range(10):
            with pytest.raises(UserError):
                ledger.holds.decide(99, ledger.jobs.all()[0].state, NOW)  # type: ignore[arg-type]

    def write() -> None:
        for _ in range(10):
            ledger.problems.put("docs", "a", kind="x", message="", at=NOW, retry_at=None)

    ledger.record("docs", [], [new_job("a")], at=NOW)

    assert in_threads(fail, fail, write, write) == []
    assert ledger.problems.all()[0].attempts == 20


def test_every_job_is_claimed_by_one_worker(ledger: Ledger) -> None:
    ledger.record("docs", [], [new_job(f"{number}") for number in range(60)], at=NOW)
    claimed: list[JobRow] = []

    def work() -> None:
        while job := ledger.jobs.claim(NOW, NOW + MINUTE, rules=RULES):
            claimed.append(job)

    assert in_threads(*[work] * THREADS) == []
    assert len(claimed) == len({job.id for job in claimed}) == 60


def test_two_processes_never_get_one_job_twice(ledger: Ledger, path: pathlib.Path) -> None:
    ledger.record("docs", [], [new_job(f"{number}") for number in range(200)], at=NOW)
    code = (
        "ledger = Ledger.open(pathlib.Path(sys.argv[1]))\n"
        "print('ready', flush=True)\n"
        "for _ in range(100):  # the lock is not fair: it could have them all\n"
        "    if job := ledger.jobs.claim(NOW, NOW + MINUTE, rules=['to-markdown']):\n"
        "        print(job.id, flush=True)\n"
        "print('over', flush=True)\n"
        "ledger.close()\n"
    )
    ours = []
    with Script(code, path) as other:
        theirs = [other.line()]
        while job := ledger.jobs.claim(NOW, NOW + MINUTE, rules=RULES):
            ours.append(job.id)
        while (line := other.line()) != "over":
            theirs.append(line)
        assert other.end() == 0

    assert ours
    assert len(ours) + len(theirs) == len({*ours, *theirs}) == 200


def test_another_process_reads_and_writes_meanwhile(ledger: Ledger, path: pathlib.Path) -> None:
    code = (
        "ledger = Ledger.open(pathlib.Path(sys.argv[1]))\n"
        "print('ready', flush=True)\n"
        "for _ in range(100):\n"
        "    ledger.problems.put('docs', 'a', kind='x', message='', at=NOW, retry_at=None)\n"
        "    files, size = ledger.synced.count('docs')\n"
        "    assert size == files * 10\n"
        "ledger.close()\n"
    )
    with Script(code, path) as other:
        for number in range(100):
            ledger.problems.put("docs", "a", kind="x", message="", at=NOW, retry_at=None)
            ledger.record("docs", [uploaded(f"{number}/{n}") for n in range(5)], at=NOW)
        assert other.end() == 0

    assert ledger.problems.all()[0].attempts == 200
    assert ledger.synced.count("docs") == (500, 5000)


def test_what_one_process_wrote_another_reads_at_once(ledger: Ledger, path: pathlib.Path) -> None:
    code = (
        "ledger = Ledger.open(pathlib.Path(sys.argv[1]), read_only=True)\n"
        "print('ready', flush=True)\n"
        "for line in sys.stdin:\n"
        "    print(ledger.synced.count('docs')[0], flush=True)\n"
        "ledger.close()\n"
    )
    with Script(code, path) as other:
        assert other.process.stdin is not None
        for number in range(1, 20):
            ledger.record("docs", [uploaded(f"{number}")], at=NOW)
            other.process.stdin.write("look\n")
            other.process.stdin.flush()
            assert other.line() == f"{number}"


@pytest.mark.parametrize("batches", range(1, 6))
def test_a_record_that_is_killed_is_there_whole_or_not_at_all(
    path: pathlib.Path, batches: int
) -> None:
    """Killed after some of the batches, at a moment that nobody chose."""
    batch = 400
    code = (
        "ledger = Ledger.open(pathlib.Path(sys.argv[1]))\n"
        "print('ready', flush=True)\n"
        "for number in range(100_000):\n"
        f"    batch = [uploaded(f'{{number}}/{{n}}') for n in range({batch})]\n"
        "    jobs = [new_job(f'{number}')]\n"
        "    print(number, flush=True)\n"
        "    ledger.record('docs', batch, jobs, at=NOW)\n"
    )
    with Script(code, path) as other:
        while other.line() != f"{batches}":
            pass
        threading.Event().wait(0.003 * batches)  # into the transaction, or past it
        other.process.send_signal(signal.SIGKILL)
        assert other.end() == -signal.SIGKILL

    with Ledger.open(path) as ledger:
        files, _ = ledger.synced.count("docs")
        versions, _ = ledger.versions.totals("docs")
        jobs = ledger.jobs.all(limit=1000)
    with closing(sqlite3.connect(path)) as raw:
        [[history]] = raw.execute("SELECT count(*) FROM history")
        [[verdict]] = raw.execute("PRAGMA integrity_check")
    assert files == versions == history == len(jobs) * batch
    assert files >= batches * batch  # what was recorded stays recorded
    assert verdict == "ok"


def test_no_schema_is_changed_under_another_running_daemon(path: pathlib.Path) -> None:
    code = (
        "from docferry.ledger.lock import StateLock\n"
        "with StateLock(pathlib.Path(sys.argv[1])):\n"
        "    print('ready', flush=True)\n"
        "    sys.stdin.read()\n"
    )
    with Script(code, path.parent) as daemon:
        pid = daemon.process.pid
        assert is_held(path.parent) == pid
        with pytest.raises(UserError, match=rf"docferry runs on it .pid {pid}."):
            Ledger.open(path)
        with pytest.raises(UserError, match=rf"already runs on this state .*pid {pid}"):
            StateLock(path.parent).acquire()
        assert daemon.end() == 0

    wait_for(lambda: is_held(path.parent) is None)
    Ledger.open(path).close()
