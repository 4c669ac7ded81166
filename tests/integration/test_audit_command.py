"""`docferry audit`: what people did is listed with their names, and checked."""

from __future__ import annotations

import pathlib
import sqlite3
from contextlib import closing

import pytest

from commands import Desk, held
from docferry.ledger.audit_file import AuditFile


@pytest.fixture
def desk(
    tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Desk:
    return Desk(tmp_path, capsys, monkeypatch)


def write_file(desk: Desk) -> None:
    """What the daemon does every two seconds."""
    with desk.ledger() as ledger:
        AuditFile(desk.state / "audit.jsonl").catch_up(ledger.audit)


def test_a_decision_is_listed_with_the_name_of_who_decided(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    with desk.ledger() as ledger:
        hold = held(ledger, "a", "b")
    monkeypatch.setattr("os.getuid", lambda: 0)
    monkeypatch.setenv("SUDO_USER", "anna")

    desk.asks("holds", "approve", str(hold))

    rows = desk.asks("audit", "list", "--json").json
    assert [(row["action"], row["actor"]) for row in rows] == [
        ("hold.approved", "anna (sudo as root)"),
        ("hold.opened", "daemon"),
    ]
    words = desk.asks("audit", "list").words
    assert f"count 2, hold {hold}, kind deletions" in words


def test_verify_says_how_many_rows_are_sound_and_the_hash_to_be_noted(desk: Desk) -> None:
    with desk.ledger() as ledger:
        held(ledger, "a")
        head = ledger.audit.last()[1]
    write_file(desk)

    said = desk.asks("audit", "verify")
    noted = desk.asks("audit", "verify", "--head", head)
    strange = desk.asks("audit", "verify", "--head", "0" * 64)

    assert (said.code, noted.code, strange.code) == (0, 0, 1)
    assert "ok 1 row, as they were written" in said.words
    assert f"head {head}" in said.words
    assert "no row has the hash" in strange.words


def test_verify_ends_with_code_1_and_names_the_first_row_that_is_not_as_it_was(desk: Desk) -> None:
    with desk.ledger() as ledger:
        held(ledger, "a")
    write_file(desk)
    with closing(sqlite3.connect(desk.state / "ledger.sqlite3")) as raw:
        raw.execute("DROP TRIGGER audit_no_update")
        raw.execute("UPDATE audit SET actor = 'eve'")
        raw.commit()

    said = desk.asks("audit", "verify")

    assert said.code == 1
    assert "row 1: it was changed" in said.words
    assert desk.asks("audit", "verify", "--json").json["faults"][0]["seq"] == 1


def test_rows_that_wait_for_the_daemon_to_write_the_file_are_no_fault(desk: Desk) -> None:
    with desk.ledger() as ledger:
        held(ledger, "a")
    write_file(desk)
    with desk.ledger() as ledger:
        hold = ledger.holds.all("docs")[0].id
    desk.asks("holds", "approve", str(hold))

    said = desk.asks("audit", "verify")

    assert said.code == 0
    assert "1 more are not in it" in said.words


def test_rows_are_listed_by_who_what_where_and_when(desk: Desk) -> None:
    with desk.ledger() as ledger:
        held(ledger, "a")

    def listed(*options: str) -> int:
        said = desk.asks("audit", "list", "--json", *options)
        assert said.code == 0, said
        return len(said.json)

    assert listed("--actor", "daemon", "--action", "hold.opened", "--mirror", "docs") == 1
    assert listed("--actor", "nobody") == listed("--mirror", "other") == 0
    assert listed("--since", "2020-01-01") == 1
    assert listed("--until", "2020-01-01") == 0
    assert "nothing of the kind was done" in desk.asks("audit", "list", "--actor", "no").words
    assert desk.asks("audit", "list", "--since", "soon").code == 2
    assert desk.asks("audit", "list", "--action", "hold.opend").code == 2
