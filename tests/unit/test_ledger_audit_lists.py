"""The audit, listed: rows by who, what, where and when."""

from __future__ import annotations

import pathlib
from collections.abc import Iterator
from datetime import timedelta

import pytest

from docferry.core.audit import Action
from docferry.ledger import Ledger
from docferry.ledger.audit import Which
from ledger_rows import NOW, fresh_ledger

MINUTE = timedelta(minutes=1)
#: (who, what, where, when): the clock was set back once.
ROWS = (
    ("anna", Action.HOLD_OPENED, "docs", 0),
    ("bert", Action.HOLD_APPROVED, "docs", 5),
    ("anna", Action.KEY_CREATED, None, 2),
    ("anna", Action.HOLD_APPROVED, "other", 6),
)


@pytest.fixture
def ledger(tmp_path: pathlib.Path) -> Iterator[Ledger]:
    with fresh_ledger(tmp_path / "ledger.sqlite3") as ledger:
        yield ledger


@pytest.mark.parametrize(
    ("which", "seqs"),
    [
        (Which(), [4, 3, 2, 1]),
        (Which(actor="anna"), [4, 3, 1]),
        (Which(action=Action.HOLD_APPROVED), [4, 2]),
        (Which(mirror="docs"), [2, 1]),
        (Which("anna", Action.HOLD_APPROVED, "other"), [4]),
        (Which("bert", Action.KEY_CREATED), []),
        (Which(since=NOW + 5 * MINUTE), [4, 2]),
        (Which(until=NOW + 5 * MINUTE), [3, 1]),
        (Which(since=NOW + 2 * MINUTE, until=NOW + 6 * MINUTE), [3, 2]),
        (Which("anna", since=NOW + MINUTE), [4, 3]),
        (Which(since=NOW + 7 * MINUTE), []),
        (Which(until=NOW), []),
    ],
)
def test_rows_are_found_by_who_what_where_and_when(
    ledger: Ledger, which: Which, seqs: list[int]
) -> None:
    for actor, action, mirror, minutes in ROWS:
        ledger.acting_as(actor).audit.note(action, NOW + minutes * MINUTE, mirror, n=1)

    assert [row.seq for row in ledger.audit.newest(10, which)] == seqs
    assert [row.seq for row in ledger.audit.newest(10, which, before=3)] == [
        seq for seq in seqs if seq < 3
    ]
    assert [row.seq for row in ledger.audit.rows(1, which)] == sorted(set(seqs) - {1})
