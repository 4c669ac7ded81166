"""Orders as a loop heeds them: answered by a run that came to its end, and by no other."""

from __future__ import annotations

import pathlib
from collections.abc import Iterator

import pytest

from docferry.engine.ordered import Ordered
from docferry.errors import TemporaryError
from docferry.ledger import Ledger
from docferry.model import OrderedRun
from ledger_rows import NOW, fresh_ledger

POLL, RESCAN = OrderedRun.POLL, OrderedRun.RESCAN


@pytest.fixture
def ledger(tmp_path: pathlib.Path) -> Iterator[Ledger]:
    with fresh_ledger(tmp_path / "ledger.sqlite3") as ledger:
        yield ledger


def is_answered(ledger: Ledger, order: int) -> bool:
    row = ledger.orders.get(order)
    return row is not None and row.answered_at is not None


def test_a_run_that_broke_off_answers_nothing_and_the_next_one_does(ledger: Ledger) -> None:
    ordered = Ordered("docs", ledger, lambda: NOW)
    order = ledger.orders.ask("docs", POLL, NOW)[0].id
    ordered.look()

    def breaks_off() -> bool:
        raise TemporaryError("a proxy hiccups")

    with pytest.raises(TemporaryError):
        ordered.carry_out(POLL, breaks_off)
    ordered.carry_out(POLL, lambda: False)
    before, wanted = is_answered(ledger, order), ordered.look()
    ordered.carry_out(POLL, lambda: True)

    assert (before, wanted) == (False, [POLL])
    assert is_answered(ledger, order)
    assert ordered.look() == []


def test_what_is_under_way_is_not_wanted_again(ledger: Ledger) -> None:
    ordered = Ordered("docs", ledger, lambda: NOW)
    for run in (POLL, RESCAN):
        ledger.orders.ask("docs", run, NOW)
    ordered.look()
    wanted: list[OrderedRun] = []

    def look() -> bool:
        wanted.extend(ordered.look())
        return True

    ordered.carry_out(POLL, look)

    assert wanted == [RESCAN]


def test_a_run_that_nobody_ordered_writes_nothing(ledger: Ledger) -> None:
    order = ledger.orders.ask("docs", POLL, NOW)[0]
    ordered = Ordered("docs", ledger, lambda: NOW)  # that has not looked yet

    ordered.carry_out(POLL, lambda: True)

    assert ledger.orders.get(order.id) == order


def test_a_pause_counts_from_the_first_moment_and_then_from_each_look(ledger: Ledger) -> None:
    pause, _ = ledger.orders.pause("docs", None, NOW)

    ordered = Ordered("docs", ledger, lambda: NOW)
    at_first = ordered.pause
    ledger.orders.resume("docs", NOW)
    before_the_look = ordered.is_paused()
    ordered.look()

    assert at_first == pause
    assert before_the_look
    assert not ordered.is_paused()
