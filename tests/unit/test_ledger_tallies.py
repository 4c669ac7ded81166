"""Tallies: the database counts its rows itself, and counts right whoever changes them."""

from __future__ import annotations

import pathlib
import sqlite3
from collections.abc import Iterator
from contextlib import closing

import pytest

from docferry.job import JobState
from docferry.ledger import Ledger, upgrade
from docferry.ledger.database import Database
from ledger_rows import NOW, fresh_ledger, uploaded

_COUNTED = {"synced": ("mirror", "size"), "version": ("mirror", "size"), "job": ("state", "0")}


@pytest.fixture
def ledger(tmp_path: pathlib.Path) -> Iterator[Ledger]:
    with fresh_ledger(tmp_path / "ledger.sqlite3") as opened:
        yield opened


def told_and_counted(ledger: Ledger) -> tuple[list[object], list[object]]:
    """Give what the tallies say, and what the rows do."""
    with closing(sqlite3.connect(ledger.path)) as database:
        told = database.execute("SELECT of, key, rows, bytes FROM tally WHERE rows <> 0")
        counted: list[object] = []
        for table, (key, size) in _COUNTED.items():
            counted += database.execute(
                f"SELECT '{table}', {key}, count(*), sum({size}) FROM {table} GROUP BY {key}"
            )
        return sorted(told.fetchall()), sorted(counted, key=repr)


def change(ledger: Ledger, *statements: str) -> None:
    """Do what another process may do, by hand too."""
    with closing(sqlite3.connect(ledger.path)) as database, database:
        for statement in statements:
            database.execute(statement)


def test_what_the_daemon_writes_is_counted(ledger: Ledger) -> None:
    for path in ("a", "b", "a"):  # the second time in the place of the first
        ledger.record("docs", [uploaded(path)], at=NOW)
    ledger.record("other", [uploaded("c")], at=NOW)

    told, counted = told_and_counted(ledger)

    assert told == counted
    assert ledger.synced.count("docs") == (2, 20)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE synced SET size = 7 WHERE path = 'a'",
        "UPDATE synced SET mirror = 'moved'",
        "DELETE FROM synced WHERE path = 'b'",
        "DELETE FROM synced",
        "DELETE FROM version",
        "UPDATE version SET size = 0",
        "INSERT OR IGNORE INTO synced SELECT mirror, 'new', sha256, local_token, remote_token,"
        " version, size, odd FROM synced WHERE path = 'a'",
        "INSERT OR IGNORE INTO synced SELECT * FROM synced",
        "INSERT INTO synced SELECT * FROM synced WHERE path = 'a'"
        " ON CONFLICT (mirror, path) DO UPDATE SET size = 99",
    ],
)
def test_a_change_by_anybody_is_counted(ledger: Ledger, statement: str) -> None:
    ledger.record("docs", [uploaded(path) for path in ("a", "b", "c")], at=NOW)

    change(ledger, statement)

    told, counted = told_and_counted(ledger)
    assert told == counted


def test_a_change_that_is_undone_is_not_counted(ledger: Ledger) -> None:
    ledger.record("docs", [uploaded("a")], at=NOW)
    with closing(sqlite3.connect(ledger.path)) as database:
        database.execute("DELETE FROM synced")
        database.rollback()

    told, counted = told_and_counted(ledger)

    assert told == counted


def test_jobs_are_counted_by_the_state_they_are_in_now(ledger: Ledger) -> None:
    columns = "id, rule, converter, mirror, path, version, sha256, recipe, target_mirror, place"
    fixed = "'r', 'c', 'docs', 'p', 'v', id, 'x', 'docs', 'q', '', 0, state, 0, '', 0"
    change(
        ledger,
        f"INSERT INTO job ({columns}, created_at, priority, state, attempts, run_at, is_forced)"
        f" SELECT id, {fixed} FROM (SELECT 'J1' AS id, 'queued' AS state"
        " UNION SELECT 'J2', 'queued' UNION SELECT 'J3', 'dead')",
        "UPDATE job SET state = 'done' WHERE id = 'J1'",
        "DELETE FROM job WHERE id = 'J3'",
    )

    told, counted = told_and_counted(ledger)

    assert told == counted
    found = ledger.jobs.counts()
    assert found == dict.fromkeys(JobState, 0) | {JobState.QUEUED: 1, JobState.DONE: 1}


def test_what_an_older_ledger_holds_is_counted(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "older.sqlite3"
    database = Database(path)
    with database.writing() as tx:
        upgrade.migrate(tx.connection, "0005")
    database.close()
    with closing(sqlite3.connect(path)) as older, older:
        rows = [("docs", "a", 3), ("docs", "b", 4), ("other", "a", 5)]
        older.executemany("INSERT INTO synced VALUES (?, ?, 's', 'l', 'r', 'v', ?, 0)", rows)

    with Ledger.open(path) as ledger:
        told, counted = told_and_counted(ledger)

        assert told == counted
        assert ledger.synced.count("docs") == (2, 7)
        assert ledger.versions.totals("docs") == (0, 0)
