"""What a person decided about a hold outlasts whatever interrupts its being carried out."""

from __future__ import annotations

import pathlib
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing

import pytest

from docferry.engine.holds import DecidedHolds
from docferry.errors import DocferryError, UnreachableError
from docferry.ledger import HoldRow, Ledger
from docferry.model import DeleteRemote, Deletion, HoldState, Path, Side
from ledger_rows import MINUTE, NOW, deleted, fresh_ledger, sha_of, uploaded


class KilledError(BaseException):
    """The process ends here."""


@pytest.fixture
def ledger(tmp_path: pathlib.Path) -> Iterator[Ledger]:
    with fresh_ledger(tmp_path / "ledger.sqlite3") as ledger:
        yield ledger


def decided(ledger: Ledger, state: HoldState, paths: str) -> HoldRow:
    """Let the deletions of *paths*, which both sides agreed on, be held and decided about."""
    ledger.record("docs", [uploaded(path) for path in paths], at=NOW)
    held = [(DeleteRemote(path, expect_remote=f"etag-{path}"), sha_of(path)) for path in paths]
    ledger.holds.park("docs", held)
    hold = ledger.holds.hold("docs", "many", NOW)
    assert hold is not None
    return ledger.holds.decide(hold.id, state, NOW)


def carry_out(ledger: Ledger, carry: Callable[[list[Deletion]], None] | None = None) -> list[Path]:
    """Carry out what was decided, as after a start; give what became dirty."""
    marked: list[Path] = []

    def carried(group: list[Deletion]) -> None:
        ledger.record("docs", [deleted(each.path) for each in group], at=NOW + MINUTE)

    DecidedHolds("docs", ledger).carry_out(marked.append, carry or carried, gone_from)
    return marked


def gone_from(side: Side) -> Iterator[Path]:
    """Of deletions alone nobody asks what else is gone."""
    raise AssertionError(side)


def test_approved_deletions_are_done_with_when_they_are_written_down(ledger: Ledger) -> None:
    hold = decided(ledger, HoldState.APPROVED, "abc")
    begun: list[Path] = []

    carry_out(ledger, lambda group: begun.extend(each.path for each in group))

    assert begun == ["a", "b", "c"]
    assert ledger.holds.get(hold.id).state is HoldState.APPROVED
    ledger.record("docs", [deleted("a"), deleted("b")], at=NOW)
    assert [each.path for each in ledger.holds.items(hold.id)] == ["c"]
    ledger.record("docs", [deleted("c")], at=NOW)
    assert ledger.holds.get(hold.id).state is HoldState.DONE


@pytest.mark.parametrize("error", [KilledError(), UnreachableError("the store does not answer")])
def test_approved_deletions_that_were_interrupted_are_carried_out_after_the_next_start(
    ledger: Ledger, error: BaseException
) -> None:
    hold = decided(ledger, HoldState.APPROVED, "abc")

    def interrupted(group: list[Deletion]) -> None:
        ledger.record("docs", [deleted(group[0].path)], at=NOW)
        raise error

    with pytest.raises(type(error)):
        carry_out(ledger, interrupted)
    assert [each.path for each in ledger.holds.items(hold.id)] == ["b", "c"]

    carry_out(ledger)

    assert ledger.holds.get(hold.id).state is HoldState.DONE
    assert ledger.synced.count("docs") == (0, 0)


def test_a_refused_deletion_is_refused_until_its_agreement_is_forgotten(ledger: Ledger) -> None:
    """Else it would be found anew, and carried out, once it is not held any more."""
    hold = decided(ledger, HoldState.DISCARDED, "abc")
    with closing(sqlite3.connect(ledger.path)) as raw:
        raw.execute(
            "CREATE TRIGGER broken BEFORE DELETE ON synced BEGIN SELECT RAISE(ABORT, 'no'); END"
        )
        with pytest.raises(DocferryError):
            carry_out(ledger)
        raw.execute("DROP TRIGGER broken")
    assert [each.path for each in ledger.holds.items(hold.id)] == ["a", "b", "c"]

    marked = carry_out(ledger)

    assert marked == ["a", "b", "c"]
    assert ledger.synced.count("docs") == (0, 0)
    assert ledger.holds.get(hold.id).state is HoldState.DONE


def test_a_hold_is_carried_out_once_and_what_is_left_of_it_after_a_restart(ledger: Ledger) -> None:
    hold = decided(ledger, HoldState.APPROVED, "abc")
    holds = DecidedHolds("docs", ledger)
    times: list[int] = []

    for _ in range(2):
        holds.carry_out(lambda path: None, lambda group: times.append(len(group)), gone_from)

    assert times == [3]
    assert holds.waiting() == []
    assert [each.id for each in DecidedHolds("docs", ledger).waiting()] == [hold.id]


def test_a_hold_of_which_nothing_is_left_is_done(ledger: Ledger) -> None:
    hold = decided(ledger, HoldState.APPROVED, "a")
    ledger.holds.leave_decided("docs", ["a"], NOW)

    carry_out(ledger)

    assert ledger.holds.get(hold.id).state is HoldState.DONE
