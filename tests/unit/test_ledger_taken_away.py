"""A ledger whose file is taken away in use: nothing of it is lost, and nobody's is replaced."""

from __future__ import annotations

import pathlib
import shutil

import pytest

from docferry.ledger import Ledger
from docferry.ledger.backups import copy_to
from docferry.model import Mode
from ledger_rows import fresh_ledger


@pytest.fixture
def path(tmp_path: pathlib.Path) -> pathlib.Path:
    return tmp_path / "state" / "ledger.sqlite3"


def note(ledger: Ledger, mirror: str) -> None:
    ledger.mirrors.put(mirror, store="s", bucket="b", prefix="", local="/d", mode=Mode.TWO_WAY)


def mirrors(path: pathlib.Path) -> list[str]:
    with Ledger.open(path, read_only=True) as ledger:
        return [name for name in ("before", "after") if ledger.mirrors.get(name) is not None]


def test_what_is_noted_after_it_was_taken_is_put_back_too(path: pathlib.Path) -> None:
    path.parent.mkdir()
    with fresh_ledger(path) as ledger:
        note(ledger, "before")
        assert ledger.is_in_place
        shutil.rmtree(path.parent)
        assert not ledger.is_in_place
        note(ledger, "after")

        assert "it was put back as it was" in ledger.put_back()

    assert mirrors(path) == ["before", "after"]


def test_another_one_in_its_place_stays_and_this_one_is_kept_beside_it(path: pathlib.Path) -> None:
    path.parent.mkdir()
    with fresh_ledger(path) as ledger:
        note(ledger, "before")
        copy = path.with_name("copy")
        copy_to(path, copy)
        copy.rename(path)
        note(ledger, "after")
        assert not ledger.is_in_place

        said = ledger.put_back()

    assert "another ledger was put to" in said
    assert mirrors(path) == ["before"]
    [kept] = path.parent.glob("ledger.sqlite3.replaced-*")
    assert str(kept) in said
    assert mirrors(kept) == ["before", "after"]
