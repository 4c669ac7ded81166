"""From every released schema to this one, with all that was in it; and never back."""

from __future__ import annotations

import pathlib
import shutil
import sqlite3
from contextlib import closing

import pytest

from commands import Desk
from docferry.ledger import Ledger, upgrade
from docferry.ledger.backups import revision_of
from docferry.ledger.lock import StateLock
from docferry.model import Side
from samples import ledgers

#: One that another one follows is in some user's ledger; the newest may still change.
RELEASED = [one for one in ledgers.revisions() if one != upgrade.HEAD]
READING = [
    ["status", "--json"],
    ["ls", "docs", "--json"],
    ["log", "folder/name 1.docx", "--json"],
    ["versions", "folder/name 1.docx", "--json"],
    ["why", "folder/name 1.docx", "--json"],
    ["jobs", "--json"],
    ["dead", "list", "--json"],
    ["holds", "list", "--json"],
    ["conflicts", "list", "--json"],
    ["requests", "list", "--json"],
    ["retention", "--json"],
    ["keys", "list", "--json"],
]


@pytest.fixture
def desk(
    tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Desk:
    desk = Desk(tmp_path, capsys, monkeypatch)
    desk.state.mkdir()
    return desk


def ledger_of(desk: Desk) -> pathlib.Path:
    return desk.state / "ledger.sqlite3"


def counts(path: pathlib.Path) -> dict[str, int]:
    with closing(sqlite3.connect(path)) as raw:
        names = raw.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        return {
            name: raw.execute(f"SELECT count(*) FROM {name}").fetchone()[0] for (name,) in names
        }


def test_of_every_released_schema_there_is_a_ledger_to_try() -> None:
    """`python -m samples.ledgers REVISION` writes one, before a release."""
    assert [one for one in RELEASED if not ledgers.dump_of(one).exists()] == []


@pytest.mark.parametrize("revision", RELEASED)
def test_a_ledger_of_a_released_schema_keeps_every_row_of_every_table(
    tmp_path: pathlib.Path, revision: str
) -> None:
    path = tmp_path / "ledger.sqlite3"
    ledgers.load(revision, path)
    before = counts(path)

    Ledger.open(path).close()

    after = counts(path)
    assert all(before.values())
    assert {name: after[name] for name in before} == before
    assert revision_of(path) == upgrade.HEAD
    with closing(sqlite3.connect(path)) as raw:
        assert raw.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert raw.execute("PRAGMA foreign_key_check").fetchall() == []


@pytest.mark.parametrize("revision", RELEASED)
def test_every_question_is_answered_from_a_ledger_of_before(desk: Desk, revision: str) -> None:
    ledgers.load(revision, ledger_of(desk))
    Ledger.open(ledger_of(desk)).close()

    answers = {command[0]: desk.asks(*command) for command in READING}

    assert {name: said.errors for name, said in answers.items() if said.errors} == {}
    assert all(said.json is not None for said in answers.values())
    with Ledger.open(ledger_of(desk)) as ledger:  # and what the daemon asks at its start
        assert ledger.instance == "0123456789abcdef"
        assert ledger.versions.last() is not None
        assert ledger.jobs.requeue_running(ledger.versions.last()[1]) is not None  # type: ignore[index]
        assert ledger.uploads.unfinished("docs", "documents") is not None
        assert ledger.holds.gone_from("docs", Side.LOCAL, 10) is not None
        assert ledger.mirrors.get("docs") is not None


@pytest.mark.parametrize("command", [*READING, ["run", "--once"], ["backup", "file"]])
def test_a_ledger_of_a_newer_docferry_is_refused_by_every_command(
    desk: Desk, command: list[str]
) -> None:
    Ledger.open(ledger_of(desk)).close()
    with closing(sqlite3.connect(ledger_of(desk))) as raw, raw:
        raw.execute("UPDATE alembic_version SET version_num = '0999'")
    before = ledger_of(desk).read_bytes()

    said = desk.asks(*command)

    assert said.code == 2
    assert "newer docferry (schema 0999" in said.errors
    assert ledger_of(desk).read_bytes() == before
    assert not pathlib.Path("file").exists()


# The way back.


def test_a_daemon_keeps_the_ledger_as_it_was_before_it_migrates(desk: Desk) -> None:
    path = ledger_of(desk)
    ledgers.load("0005", path)
    before = counts(path)

    with StateLock(desk.state):
        Ledger.open(path).close()

    copy = upgrade.copy_before(path)
    assert (revision_of(copy), counts(copy)) == ("0005", before)
    assert copy.stat().st_mode & 0o077 == 0
    shutil.copy(copy, path)  # as who goes back would
    assert counts(path) == before


def test_a_ledger_that_needs_no_migration_is_not_copied(desk: Desk) -> None:
    with StateLock(desk.state):
        Ledger.open(ledger_of(desk)).close()
        Ledger.open(ledger_of(desk)).close()

    assert not upgrade.copy_before(ledger_of(desk)).exists()


def test_a_copy_that_cannot_be_kept_keeps_nobody_from_migrating(desk: Desk) -> None:
    path = ledger_of(desk)
    ledgers.load("0005", path)
    upgrade.copy_before(path).mkdir()  # something is in its place
    (upgrade.copy_before(path) / "else").touch()

    with StateLock(desk.state):
        Ledger.open(path).close()

    assert revision_of(path) == upgrade.HEAD
    left = {one.name for one in desk.state.iterdir()}
    assert left == {"ledger.sqlite3", "ledger.sqlite3.before-0008", "lock"}
