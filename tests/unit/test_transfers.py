"""How far large contents have come is told truly, and only while they are on their way."""

from __future__ import annotations

import pathlib
from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta

import pytest

from docferry.engine.transfers import TransferNotes
from docferry.errors import UnreachableError
from docferry.ledger import Ledger
from docferry.model import Transfer, Way
from docferry.storage.base import PART_BYTES
from docferry.storage.under_way import UnderWay
from ledger_rows import NOW, fresh_ledger

LARGE = 3 * PART_BYTES


@pytest.fixture
def ledger(tmp_path: pathlib.Path) -> Iterator[Ledger]:
    with fresh_ledger(tmp_path / "ledger.sqlite3") as ledger:
        yield ledger


def test_what_has_arrived_counts_while_it_is_on_its_way() -> None:
    under_way = UnderWay(lambda: NOW)

    with under_way.carries("a", Way.UP, LARGE) as moved, under_way.carries("b", Way.DOWN, LARGE):
        moved(5)
        moved(7)
        seen = under_way.transfers()

    assert seen == (
        Transfer("a", Way.UP, 12, LARGE, NOW),
        Transfer("b", Way.DOWN, 0, LARGE, NOW),
    )
    assert under_way.transfers() == ()


def test_what_fails_is_not_on_its_way_any_more() -> None:
    under_way = UnderWay()

    with suppress(UnreachableError), under_way.carries("a", Way.UP, LARGE):
        raise UnreachableError("the line is down")

    assert under_way.transfers() == ()


def test_small_contents_are_not_told_of() -> None:
    under_way = UnderWay()

    with under_way.carries("a", Way.UP, PART_BYTES) as moved:
        moved(PART_BYTES)
        assert under_way.transfers() == ()


def test_it_is_written_down_for_others_and_taken_back(ledger: Ledger) -> None:
    now = [Transfer("a", Way.UP, 1, LARGE, NOW), Transfer("b", Way.DOWN, 2, LARGE, NOW)]
    notes = TransferNotes("docs", lambda: tuple(now), ledger)

    notes()
    first = ledger.transfers.of("docs")
    now.pop(0)
    notes()

    assert [one.path for one in first] == ["a", "b"]
    assert ledger.transfers.of("docs") == now
    assert ledger.transfers.of("other") == []


def test_what_a_killed_daemon_said_is_taken_back_at_the_next_start(ledger: Ledger) -> None:
    ledger.transfers.put("docs", [Transfer("a", Way.UP, 1, LARGE, NOW)])

    TransferNotes("docs", tuple, ledger)()

    assert ledger.transfers.of("docs") == []


def test_where_nothing_has_changed_the_ledger_is_not_written_to(ledger: Ledger) -> None:
    notes = TransferNotes("docs", tuple, ledger)
    notes()
    ledger.transfers.put("docs", [Transfer("a", Way.UP, 1, LARGE, NOW)])

    notes()

    assert len(ledger.transfers.of("docs")) == 1


def test_an_erasure_takes_the_path_out(ledger: Ledger) -> None:
    ledger.transfers.put("docs", [Transfer("a", Way.UP, 1, LARGE, NOW)])

    ledger.erasures.forget("docs", "a", {}, NOW + timedelta(1), request_id=1, is_all=True)

    assert ledger.transfers.of("docs") == []
