"""What people order of mirrors, in the ledger: once, with a row of the audit, and answered once."""

from __future__ import annotations

import json
import pathlib
from collections.abc import Iterator
from datetime import timedelta

import pytest

from docferry.core.orders import answers, why_paused
from docferry.ledger import Ledger
from docferry.ledger.orders import ANSWERS_STAY
from docferry.model import OrderedRun, Pause
from ledger_rows import MINUTE, NOW, fresh_ledger

POLL, RESCAN, FULL = OrderedRun.POLL, OrderedRun.RESCAN, OrderedRun.FULL


@pytest.fixture
def ledger(tmp_path: pathlib.Path) -> Iterator[Ledger]:
    with fresh_ledger(tmp_path / "ledger.sqlite3") as ledger:
        yield ledger


def audited(ledger: Ledger) -> list[tuple[str, str | None, object]]:
    return [(row.action, row.mirror, json.loads(row.facts)) for row in ledger.audit.rows()]


def test_a_mirror_is_paused_by_whoever_was_first_until_it_is_resumed(ledger: Ledger) -> None:
    first = ledger.orders.pause("docs", "new disks", NOW)
    second = ledger.orders.pause("docs", "something else", NOW + MINUTE)
    others = ledger.orders.pause_of("notes")
    over = ledger.orders.resume("docs", NOW + MINUTE)

    assert first == (Pause("docs", NOW, "daemon", "new disks"), True)
    assert second == (first[0], False)
    assert others is None
    assert over == first[0]
    assert ledger.orders.pause_of("docs") is None


def test_what_changes_leaves_one_row_in_the_audit_and_what_does_not_none(ledger: Ledger) -> None:
    ledger.orders.pause("docs", "for Jane's contract.docx", NOW)
    ledger.orders.pause("docs", None, NOW)
    ledger.orders.resume("docs", NOW)
    ledger.orders.resume("docs", NOW)
    [order, _] = [ledger.orders.ask("docs", POLL, NOW)[0] for _ in range(2)]

    assert audited(ledger) == [
        ("mirror.paused", "docs", {}),  # never the reason: it may name a document
        ("mirror.resumed", "docs", {}),
        ("mirror.asked", "docs", {"order": order.id, "run": "poll"}),
    ]


def test_who_orders_what_is_ordered_gets_the_same_order(ledger: Ledger) -> None:
    first, is_new = ledger.orders.ask("docs", POLL, NOW)
    joined = ledger.orders.ask("docs", POLL, NOW + MINUTE)
    others = [ledger.orders.ask("docs", RESCAN, NOW), ledger.orders.ask("notes", POLL, NOW)]

    assert is_new
    assert joined == (first, False)
    assert [is_new for _, is_new in others] == [True, True]


def test_what_is_ordered_while_a_run_is_under_way_is_not_answered_by_it(ledger: Ledger) -> None:
    first, _ = ledger.orders.ask("docs", POLL, NOW)
    begun = ledger.orders.begin("docs", answers(POLL), NOW)

    second, is_new = ledger.orders.ask("docs", POLL, NOW)
    ledger.orders.answer(begun, POLL, NOW + MINUTE)

    _, waiting = ledger.orders.of("docs")
    assert is_new
    assert begun == [first.id]
    assert [order.id for order in waiting] == [second.id]


@pytest.mark.parametrize(
    ("run", "answered"), [(POLL, [POLL]), (RESCAN, [RESCAN]), (FULL, [POLL, RESCAN])]
)
def test_a_run_answers_what_it_has_looked_at(
    ledger: Ledger, run: OrderedRun, answered: list[OrderedRun]
) -> None:
    orders = [ledger.orders.ask("docs", each, NOW)[0].id for each in (POLL, RESCAN)]
    ledger.orders.ask("notes", POLL, NOW)

    ledger.orders.answer(ledger.orders.begin("docs", answers(run), NOW), run, NOW + MINUTE)

    found = [ledger.orders.get(order) for order in orders]
    assert [one.run for one in found if one and one.answered_by is run] == answered
    assert len(ledger.orders.of("notes")[1]) == 1


def test_an_answer_stays_for_a_day_and_what_is_open_for_ever(ledger: Ledger) -> None:
    done, _ = ledger.orders.ask("docs", POLL, NOW)
    ledger.orders.answer([done.id], POLL, NOW)
    waiting, _ = ledger.orders.ask("docs", RESCAN, NOW)
    ledger.orders.ask("docs", FULL, NOW + ANSWERS_STAY)
    before = ledger.orders.get(done.id)

    ledger.orders.ask("docs", POLL, NOW + ANSWERS_STAY + timedelta(seconds=1))

    assert before is not None
    assert ledger.orders.get(done.id) is None
    assert ledger.orders.get(waiting.id) == waiting


@pytest.mark.parametrize(("reason", "end"), [(None, "UTC"), ("new disks", "UTC: new disks")])
def test_a_pause_says_who_since_when_and_what_for(reason: str | None, end: str) -> None:
    said = why_paused(Pause("docs", NOW, "anna", reason))

    assert said == f"paused by anna since {NOW:%Y-%m-%d %H:%M} {end}"
