"""A damaged ledger is set aside, and nothing begins beside it until somebody says so."""

from __future__ import annotations

import pathlib
import sqlite3
from contextlib import closing

import pytest

from docferry.errors import PermanentError, TemporaryError, UserError
from docferry.ledger import Ledger
from docferry.ledger.damage import (
    DAMAGED,
    REPLACED,
    damage_of,
    refuse_damaged,
    refuse_lost,
    refuse_set_aside,
    set_aside,
)
from ledger_rows import MINUTE, NOW, fresh_ledger, uploaded


@pytest.fixture
def path(tmp_path: pathlib.Path) -> pathlib.Path:
    path = tmp_path / "ledger.sqlite3"
    with fresh_ledger(path) as ledger:
        ledger.record("docs", [uploaded(f"{number}") for number in range(300)], at=NOW)
    return path


def spoil(path: pathlib.Path) -> bytes:
    content = bytearray(path.read_bytes())
    for start in range(4096, len(content), 8192):
        content[start : start + 64] = b"\xff" * 64
    path.write_bytes(content)
    return bytes(content)


def test_a_sound_ledger_is_left_alone(path: pathlib.Path) -> None:
    before = path.read_bytes()

    refuse_damaged(path)

    assert damage_of(path) is None
    assert path.read_bytes() == before


def test_where_there_never_was_a_ledger_one_may_begin(tmp_path: pathlib.Path) -> None:
    refuse_damaged(tmp_path / "ledger.sqlite3")


@pytest.mark.parametrize("is_there", [False, True], ids=["gone", "empty"])
def test_a_ledger_that_is_lost_is_not_begun_anew_in_silence(
    tmp_path: pathlib.Path, *, is_there: bool
) -> None:
    path, audit = tmp_path / "ledger.sqlite3", tmp_path / "audit.jsonl"
    audit.touch()
    if is_there:
        path.touch()
    refuse_lost(path, audit)  # no ledger has written to it yet

    audit.write_text("{}\n")

    with pytest.raises(UserError, match=r"is (gone|empty), .*docferry rebuild.*move .* elsewhere"):
        refuse_lost(path, audit)
    audit.rename(tmp_path / "elsewhere")
    refuse_lost(path, audit)


def test_a_damaged_ledger_is_set_aside_with_all_that_is_beside_it(path: pathlib.Path) -> None:
    content = spoil(path)
    for end in ("-wal", "-shm"):
        path.with_name(path.name + end).write_bytes(b"")

    with pytest.raises(UserError, match="docferry rebuild") as refused:
        refuse_damaged(path)

    [aside, *beside] = sorted(path.parent.iterdir())
    assert aside.name.startswith("ledger.sqlite3.damaged-")
    assert aside.read_bytes() == content
    assert str(aside) in str(refused.value)
    assert all(one.name.startswith(aside.name) for one in beside)


def test_what_is_no_database_at_all_is_damaged(path: pathlib.Path) -> None:
    path.write_bytes(b"this is no database, whatever its name may say" * 100)

    with pytest.raises(UserError, match="set aside"):
        refuse_damaged(path)


def test_nothing_begins_beside_one_that_is_set_aside_however_often_it_is_tried(
    path: pathlib.Path,
) -> None:
    set_aside(path)

    for _ in range(2):
        for begin in (refuse_damaged, refuse_set_aside, Ledger.open):
            with pytest.raises(UserError, match="docferry rebuild"):
                begin(path)
    with pytest.raises(UserError, match="docferry rebuild"):
        Ledger.open(path, read_only=True)
    assert not path.exists()


def test_once_there_is_a_new_one_the_old_one_is_nobodys_concern(path: pathlib.Path) -> None:
    set_aside(path)
    fresh_ledger(path).close()

    refuse_damaged(path)


def test_a_ledger_that_another_process_writes_to_is_not_called_damaged(
    path: pathlib.Path,
) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        other.execute("DELETE FROM synced")

        assert damage_of(path) is None


def test_a_file_that_cannot_be_read_is_not_called_damaged(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "ledger.sqlite3"
    path.mkdir()

    with pytest.raises((PermanentError, TemporaryError)):
        damage_of(path)
    assert path.is_dir()


@pytest.mark.parametrize(
    ("first", "last", "said"),
    [
        (REPLACED, DAMAGED, "was found damaged and set aside as"),
        (DAMAGED, REPLACED, "for one that should have taken its place"),
    ],
)
def test_what_was_set_aside_last_says_what_is_to_be_done(
    path: pathlib.Path, first: str, last: str, said: str
) -> None:
    set_aside(path, NOW, mark=first)
    path.touch()
    aside = set_aside(path, NOW + MINUTE, mark=last)

    with pytest.raises(UserError, match=said) as caught:
        refuse_set_aside(path)

    assert str(aside) in str(caught.value)
