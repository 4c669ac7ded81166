"""Trouble with the ledger and the state directory: locked, damaged, taken away."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from system.daemon import Site, empty
from system.outcomes import ASKS, HEALS, REFUSES, outcome
from system.trouble import heals, problems

LEDGER = "ledger.sqlite3"
FAILED, FOR_A_PERSON, TAKEN = 1, 2, 75
FILES = {f"p/{number:02}.txt": b"%d" % number for number in range(30)}


@pytest.fixture
def filled(site: Site) -> Site:
    """Give a site in step whose ledger knows of more than both sides hold."""
    for path, content in {**FILES, "gone.txt": b"gone"}.items():
        site.docs.write(path, content)
    assert site.work_off()
    (site.docs.folder / "gone.txt").unlink()
    assert site.work_off()
    return site


def versions(site: Site) -> set[tuple[str, str]]:
    with site.ledger() as ledger:
        return set(ledger.execute("select path, sha256 from version"))


# Locked.


@contextmanager
def locked(ledger: Path) -> Iterator[None]:
    """Hold the ledger's write lock, as a program does that looks into it and was left open."""
    with closing(sqlite3.connect(ledger, isolation_level=None)) as connection:
        connection.execute("BEGIN EXCLUSIVE")
        try:
            yield
        finally:
            connection.execute("ROLLBACK")


@outcome("another process locks the ledger", HEALS, sees="it has been waiting")
def test_a_ledger_that_another_process_locks_is_named_and_it_heals(filled: Site) -> None:
    docs = filled.docs
    with filled.running() as daemon:
        with locked(filled.state / LEDGER):
            docs.write("mine.txt", b"mine")
            docs.put("theirs.txt", b"theirs")
            (docs.folder / "p/00.txt").unlink()
            daemon.wait_for(lambda: _is_waiting_for_its_ledger(daemon.readiness()))
            daemon.wait_for(lambda: "is locked by another process" in daemon.log.read_text())
            assert docs.get("p/00.txt") == b"0"

        heals(daemon, filled)
        assert docs.files() == docs.objects()
        assert {"mine.txt", "theirs.txt"} <= docs.files().keys()
        assert "p/00.txt" not in docs.files()


def _is_waiting_for_its_ledger(readiness: dict[str, dict[str, str]]) -> bool:
    reason = readiness["docs"]["reason"] or ""
    return "it has been waiting" in reason and LEDGER in reason


# Taken away.


def delete_the_ledger(state: Path) -> None:
    for file in state.glob(f"{LEDGER}*"):
        file.unlink()


def put_another_one(state: Path) -> None:
    """Put a copy to its place, as a restore does that does not look whether docferry runs."""
    shutil.copy(state / LEDGER, state / "copy")
    (state / "copy").rename(state / LEDGER)


@pytest.mark.parametrize(
    ("harm", "says"),
    [
        pytest.param(
            delete_the_ledger,
            "was taken away; it was put back as it was",
            marks=outcome("the ledger is deleted while docferry runs", HEALS),
        ),
        pytest.param(
            shutil.rmtree,
            "was taken away; it was put back as it was",
            marks=outcome("the state directory is deleted while docferry runs", HEALS),
        ),
        pytest.param(
            put_another_one,
            "another ledger was put to",
            marks=outcome("another ledger is put in the place of one in use", HEALS),
        ),
    ],
)
def test_a_ledger_that_is_taken_away_in_use_is_put_back(
    filled: Site, harm: Callable[[Path], None], says: str
) -> None:
    docs, known = filled.docs, versions(filled)
    with filled.running() as daemon:
        harm(filled.state)
        docs.write("mine.txt", b"mine")
        docs.put("theirs.txt", b"theirs")

        assert daemon.process.wait(30.0) == FAILED
        assert says in daemon.tail()
        assert [event["level"] for event in daemon.events("ledger.taken")] == ["error"]

    (docs.folder / "p/00.txt").unlink()  # only who knows of it knows that it was deleted
    with filled.running() as daemon:
        heals(daemon, filled)
    assert docs.objects().keys() == (FILES.keys() - {"p/00.txt"}) | {"mine.txt", "theirs.txt"}
    assert known < versions(filled)


@outcome("the ledger is deleted, or emptied, while docferry is down", REFUSES)
@pytest.mark.parametrize("how", ["gone", "empty"])
def test_a_ledger_that_is_lost_is_not_begun_anew_in_silence(filled: Site, how: str) -> None:
    docs, ledger = filled.docs, filled.state / LEDGER
    if how == "gone":
        ledger.unlink()
    else:
        os.truncate(ledger, 0)
    (docs.folder / "p/00.txt").unlink()

    refused = filled.ended("run", "--once")

    assert refused.returncode == FOR_A_PERSON
    assert f"the ledger {ledger} is {how}" in refused.stderr
    assert "docferry rebuild" in refused.stderr
    assert (len(docs.files()), len(docs.objects())) == (len(FILES) - 1, len(FILES))
    filled.run("rebuild", "--yes")
    assert filled.work_off()
    assert docs.files() == docs.objects()


# Damaged.


def truncate(ledger: Path) -> None:
    os.truncate(ledger, ledger.stat().st_size // 2)


def overwrite_the_head(ledger: Path) -> None:
    with ledger.open("r+b") as file:
        file.write(b"\0" * 100)


def flip_bytes(ledger: Path) -> None:
    """In each page but the first few: what holds the schema is read before anything else."""
    with ledger.open("r+b") as file:
        for page in range(4096, ledger.stat().st_size, 4096):
            file.seek(page)
            file.write(b"\xff" * 64)


@outcome("the ledger is damaged while docferry is down", REFUSES)
@pytest.mark.parametrize("harm", [truncate, overwrite_the_head, flip_bytes])
def test_a_damaged_ledger_is_set_aside_and_nothing_is_touched(
    filled: Site, harm: Callable[[Path], None]
) -> None:
    docs = filled.docs
    harm(filled.state / LEDGER)
    docs.remove("p/00.txt")

    refused = filled.asked("run", "--once")

    assert refused.returncode == FOR_A_PERSON
    assert "was found damaged and set aside" in refused.stderr
    assert docs.files() == FILES
    [aside] = filled.state.glob(f"{LEDGER}.damaged-*")
    assert str(aside) in refused.stderr


@outcome("the ledger is damaged while docferry runs", ASKS, sees="restart docferry")
def test_a_ledger_that_is_damaged_in_use_stops_the_mirror(filled: Site) -> None:
    docs = filled.docs
    with filled.running() as daemon:
        flip_bytes(filled.state / LEDGER)
        docs.write("mine.txt", b"mine")
        docs.remove("p/00.txt")

        daemon.wait_until("blocked")

        says = "is damaged (database disk image is malformed); restart docferry"
        daemon.wait_for(lambda: says in (daemon.readiness()["docs"]["reason"] or ""))
        assert docs.files() == {**FILES, "mine.txt": b"mine"}
    assert filled.ended("run", "--once").returncode == FOR_A_PERSON
    filled.run("rebuild", "--yes")
    assert filled.work_off()
    assert docs.files() == docs.objects()
    assert docs.files()["mine.txt"] == b"mine"


@outcome("the ledger's journal is damaged, or gone, after a kill", HEALS)
@pytest.mark.parametrize("how", ["damaged", "gone"])
def test_without_what_its_journal_had_the_ledger_is_an_older_one(site: Site, how: str) -> None:
    docs = site.docs
    for path, content in FILES.items():
        docs.write(path, content)
    assert site.work_off()
    daemon = site.start()
    daemon.wait_until("in-step")
    docs.write("mine.txt", b"mine")
    docs.put("theirs.txt", b"theirs")
    docs.write("p/00.txt", b"edited")
    site.settle(daemon)
    daemon.kill()
    journal = site.state / f"{LEDGER}-wal"
    assert journal.stat().st_size > 0
    if how == "gone":
        journal.unlink()
        (site.state / f"{LEDGER}-shm").unlink()
    else:
        with journal.open("r+b") as file:
            file.seek(journal.stat().st_size // 2)
            file.write(b"\xff" * 2000)
    (docs.folder / "mine.txt").unlink()

    with site.running() as daemon:
        heals(daemon, site)

    assert docs.files() == docs.objects()
    assert {*FILES, "theirs.txt"} <= docs.files().keys()
    assert docs.files()["p/00.txt"] == b"edited"


# The lock.


@outcome("the lock file is deleted while docferry runs", HEALS)
def test_whoever_deletes_the_lock_lets_nobody_in(filled: Site) -> None:
    with filled.running() as daemon:
        (filled.state / "lock").unlink()
        (filled.docs.folder / ".docferry/lock").unlink()

        second = filled.ended("run", "--once")

        assert second.returncode == TAKEN
        assert "already runs on this state directory" in second.stderr
        assert filled.asked("rebuild", "--yes").returncode == FOR_A_PERSON
        filled.docs.write("mine.txt", b"mine")
        heals(daemon, filled)


@outcome(
    "the state directory is emptied while docferry is down",
    ASKS,
    sees="a history of this mirror that the ledger knows nothing of",
)
def test_a_daemon_that_knows_nothing_deletes_nothing(filled: Site) -> None:
    docs = filled.docs
    empty(filled.state)
    (docs.folder / "p/00.txt").unlink()
    docs.remove("p/01.txt")
    docs.write("mine.txt", b"mine")

    with filled.running() as daemon:
        filled.settle(daemon)
        says = "a history of this mirror that the ledger knows nothing of"
        daemon.wait_for(lambda: says in str(problems(filled)))

    assert docs.objects() == {**FILES, "mine.txt": b"mine"}
