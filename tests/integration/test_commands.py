"""What the commands say to whoever is on night duty, and that it is so."""

from __future__ import annotations

import pathlib
from collections.abc import Iterator

import pytest

from commands import Desk
from docferry.ledger import Ledger
from docferry.model import HoldState
from ledger_rows import NOW


@pytest.fixture
def desk(
    tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Desk:
    return Desk(tmp_path, capsys, monkeypatch)


@pytest.fixture
def ledger(desk: Desk) -> Iterator[Ledger]:
    with desk.ledger() as ledger:
        yield ledger


# holds


def test_a_side_that_is_not_itself_cannot_be_discarded_away(desk: Desk, ledger: Ledger) -> None:
    hold = ledger.holds.hold_identity("docs", "the folder is not itself", NOW)

    said = desk.asks("holds", "discard", str(hold))

    assert said.code == 2
    assert f"docferry holds approve {hold}" in said.errors
    assert "the folder is not itself" in said.errors
    assert ledger.holds.get(hold or 0).state is HoldState.OPEN


def test_a_hold_of_identity_is_shown_with_its_reason(desk: Desk, ledger: Ledger) -> None:
    hold = ledger.holds.hold_identity("docs", "the folder is not itself", NOW)

    said = desk.asks("holds", "show", str(hold))
    facts = desk.asks("holds", "show", str(hold), "--json").json

    assert "docs: the folder is not itself" in said.words
    assert "nothing is to be deleted" in said.words
    assert (facts["kind"], facts["reason"]) == ("identity", "the folder is not itself")
    assert facts["deletions"] == []


def test_a_hold_that_is_not_there_is_no_empty_one(desk: Desk, ledger: Ledger) -> None:
    for command in ("show", "approve", "discard"):
        said = desk.asks("holds", command, "99")

        assert (said.code, said.errors) == (2, "docferry: there is no hold 99\n")
