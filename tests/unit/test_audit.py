"""The audit's chain: whatever is done to its rows afterwards is found."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest

from docferry.core.audit import FIRST, AuditRow, Entry, Fault, chained, checked, facts_text

AT = "2026-11-23T12:00:00.000000Z"


def rows(count: int, chain: str = "ours") -> list[AuditRow]:
    entries = [
        Entry(AT, "anna", "hold.approved", "docs", facts_text({"hold": number}))
        for number in range(count)
    ]
    return chained(chain, entries)


def fault_in(found: Sequence[AuditRow], chain: str = "ours") -> Fault | None:
    return next((one for one in checked(chain, found) if isinstance(one, Fault)), None)


def test_what_was_written_is_sound_however_many_rows_were_written_together() -> None:
    first = rows(2)
    more = chained("ours", [Entry(AT, "bob", "config.changed", None, "{}")], (2, first[-1].hash))

    assert fault_in([]) is None
    assert fault_in([*first, *more]) is None
    assert first[0].previous == FIRST


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("at", "2026-11-23T12:00:01.000000Z"),
        ("actor", "bob"),
        ("action", "hold.discarded"),
        ("mirror", None),
        ("facts", '{"hold": 1}'),
        ("previous", "0" * 64),
        ("hash", "0" * 64),
        ("facts", b"strange"),
    ],
)
def test_a_row_of_which_anything_was_changed_is_found(column: str, value: object) -> None:
    found = rows(4)
    found[1] = replace(found[1], **{column: value})  # type: ignore[arg-type]

    fault = fault_in(found)

    assert fault is not None
    assert (fault.seq, "changed" in fault.what) == (2, True)


def without(found: list[AuditRow]) -> list[AuditRow]:
    return [*found[:1], *found[2:]]


def without_and_numbered_anew(found: list[AuditRow]) -> list[AuditRow]:
    return [found[0], *(replace(row, seq=row.seq - 1) for row in found[2:])]


def with_another(found: list[AuditRow]) -> list[AuditRow]:
    [strange] = chained("ours", [Entry(AT, "eve", "x", None, "{}")], (1, found[0].hash))
    later = [replace(row, seq=row.seq + 1) for row in found[1:]]
    return [found[0], strange, *later]


def with_one_written_anew(found: list[AuditRow]) -> list[AuditRow]:
    [strange] = chained("ours", [Entry(AT, "eve", "x", None, "{}")], (1, found[0].hash))
    return [found[0], strange, *found[2:]]


def with_two_exchanged(found: list[AuditRow]) -> list[AuditRow]:
    return [found[0], found[2], found[1], found[3]]


def without_the_first(found: list[AuditRow]) -> list[AuditRow]:
    return found[1:]


@pytest.mark.parametrize(
    ("harm", "seq"),
    [
        (without, 3),
        (without_and_numbered_anew, 2),
        (with_another, 3),
        (with_one_written_anew, 3),
        (with_two_exchanged, 3),
        (without_the_first, 2),
    ],
)
def test_rows_that_were_dropped_put_in_or_moved_are_found(
    harm: Callable[[list[AuditRow]], list[AuditRow]], seq: int
) -> None:
    fault = fault_in(harm(rows(4)))

    assert fault is not None
    assert fault.seq == seq


def test_of_a_row_that_was_taken_out_it_is_said_which_one_it_was() -> None:
    assert fault_in(without(rows(4))) == Fault(3, "the row before it is missing: 2 should be here")


def test_rows_of_another_ledger_do_not_fit() -> None:
    assert fault_in(rows(2, chain="theirs")) is not None
