"""Deletions that wait: parked by a plan, held by a guard, decided by a person."""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Iterator
from datetime import datetime

import pytest

from docferry.errors import UserError
from docferry.ledger import HoldRow, Ledger
from docferry.ledger.holds import Planned
from docferry.model import DeleteLocal, DeleteRemote, Deletion, HoldState, Path, Sha256, Side
from ledger_rows import MINUTE, NOW, fresh_ledger, sha_of, uploaded


@pytest.fixture
def ledger(tmp_path: pathlib.Path) -> Iterator[Ledger]:
    with fresh_ledger(tmp_path / "ledger.sqlite3") as ledger:
        yield ledger


def planned(path: Path, content: str = "") -> tuple[Deletion, Sha256]:
    return DeleteRemote(path, expect_remote=f"etag-{path}"), sha_of(content or path)


def hold_parked(
    ledger: Ledger, mirror: str, reason: str, at: datetime, *, replace: bool = True
) -> HoldRow:
    held = ledger.holds.hold(mirror, reason, at, replace=replace)
    assert held is not None
    return held


def agree(ledger: Ledger, *files: tuple[Path, str]) -> None:
    """Let both sides have these paths, each with that content."""
    outcomes = [uploaded(path) for path, _ in files]
    states = [dataclasses.replace(uploaded(p).synced, sha256=sha_of(c)) for p, c in files]  # type: ignore[type-var]
    ledger.record(
        "docs",
        [
            dataclasses.replace(o, synced=s, version=None)
            for o, s in zip(outcomes, states, strict=True)
        ],
        at=NOW,
    )


def test_parked_deletions_come_back_by_path_and_only_once(ledger: Ledger) -> None:
    local = DeleteLocal("a", expect_local="1-1-1")
    ledger.holds.park("docs", [planned("c"), planned("b"), (local, sha_of("a"))])
    ledger.holds.park("other", [planned("a")])

    first, second = ledger.holds.take_parked("docs", 2), ledger.holds.take_parked("docs", 2)

    assert first == [local, planned("b")[0]]
    assert second == [planned("c")[0]]
    assert ledger.holds.take_parked("docs", 2) == []
    assert ledger.holds.parked("other") == 1


def test_a_path_is_parked_once_with_what_was_planned_last(ledger: Ledger) -> None:
    again = DeleteRemote("a", expect_remote="newer")
    ledger.holds.park("docs", [planned("a")])
    ledger.holds.park("docs", [(again, sha_of("a"))])

    assert ledger.holds.parked("docs") == 1
    assert ledger.holds.take_parked("docs", 10) == [again]


def test_dropping_what_is_parked_leaves_holds_and_other_mirrors(ledger: Ledger) -> None:
    ledger.holds.park("docs", [planned("held")])
    hold = hold_parked(ledger, "docs", "too many", NOW)
    ledger.holds.park("docs", [planned("a")])
    ledger.holds.park("other", [planned("a")])

    ledger.holds.drop_parked("docs")

    assert ledger.holds.parked("docs") == 0
    assert ledger.holds.parked("other") == 1
    assert ledger.holds.items(hold.id) == [planned("held")[0]]


@pytest.mark.parametrize(
    ("synced", "parked", "lost"),
    [
        ([("a", "1")], [("a", "1")], 1),
        ([("a", "1"), ("new", "1")], [("a", "1")], 0),  # a rename
        ([("a", "1"), ("b", "1")], [("a", "1"), ("b", "1")], 2),  # all copies go
        ([("a", "1"), ("b", "1"), ("c", "1")], [("a", "1"), ("b", "1")], 0),
        ([("a", "1"), ("b", "2")], [("a", "1"), ("b", "2")], 2),
        ([("a", "1"), ("b", "2"), ("new", "2")], [("a", "1"), ("b", "2")], 1),
        ([], [("a", "1")], 1),
        ([("a", "1")], [], 0),
    ],
)
def test_lost_is_what_no_other_path_keeps(
    ledger: Ledger, synced: list[tuple[str, str]], parked: list[tuple[str, str]], lost: int
) -> None:
    agree(ledger, *synced)
    ledger.record("other", [uploaded("a")], at=NOW)

    ledger.holds.park("docs", [planned(path, content) for path, content in parked])

    assert ledger.holds.planned("docs", None).lost == lost


def test_a_hold_takes_everything_parked_and_waits_for_a_decision(ledger: Ledger) -> None:
    ledger.holds.park("docs", [planned("b"), planned("a")])

    hold = hold_parked(ledger, "docs", "2 deletions, 1 is the limit", NOW)

    assert (hold.mirror, hold.kind, hold.state, hold.count) == (
        "docs",
        "deletions",
        HoldState.OPEN,
        2,
    )
    assert (hold.reason, hold.created_at, hold.decided_at) == (
        "2 deletions, 1 is the limit",
        NOW,
        None,
    )
    assert ledger.holds.all() == [hold]
    assert ledger.holds.all("other") == []
    assert ledger.holds.parked("docs") == 0
    assert ledger.holds.items(hold.id) == [planned("a")[0], planned("b")[0]]
    assert ledger.holds.items(hold.id, limit=1) == [planned("a")[0]]


@pytest.mark.parametrize(("replace", "paths"), [(True, ["b", "c"]), (False, ["a", "b", "c"])])
def test_an_open_hold_is_renewed_and_keeps_its_age(
    ledger: Ledger, *, replace: bool, paths: list[str]
) -> None:
    ledger.holds.park("docs", [planned("a"), planned("b")])
    first = hold_parked(ledger, "docs", "2 deletions", NOW)
    newer = DeleteRemote("b", expect_remote="newer")
    ledger.holds.park("docs", [(newer, sha_of("b")), planned("c")])

    second = hold_parked(ledger, "docs", "more deletions", NOW + MINUTE, replace=replace)

    assert (second.id, second.created_at) == (first.id, NOW)
    assert (second.count, second.reason) == (len(paths), "more deletions")
    items = ledger.holds.items(first.id)
    assert [item.path for item in items] == paths
    assert newer in items
    assert ledger.holds.all() == [second]


def test_a_decided_hold_is_never_renewed(ledger: Ledger) -> None:
    ledger.holds.park("docs", [planned("a")])
    first = hold_parked(ledger, "docs", "many", NOW)
    ledger.holds.decide(first.id, HoldState.APPROVED, NOW)
    ledger.holds.park("docs", [planned("b")])

    second = hold_parked(ledger, "docs", "many", NOW)

    assert second.id != first.id
    assert ledger.holds.items(first.id) == [planned("a")[0]]


@pytest.mark.parametrize("decision", [HoldState.APPROVED, HoldState.DISCARDED])
def test_a_hold_is_decided_carried_out_and_done(ledger: Ledger, decision: HoldState) -> None:
    ledger.holds.park("docs", [planned(path) for path in "abc"])
    hold = hold_parked(ledger, "docs", "many", NOW)

    ledger.holds.decide(hold.id, decision, NOW + MINUTE)
    [decided] = ledger.holds.all("docs", (decision,))
    first = ledger.holds.items(hold.id, 2)
    second = ledger.holds.items(hold.id, 2, after=first[-1].path)
    ledger.holds.leave_decided("docs", ["a", "b", "not held"], NOW + 2 * MINUTE)
    left = ledger.holds.items(hold.id)
    ledger.holds.leave_decided("docs", ["c"], NOW + 2 * MINUTE)

    assert (decided.state, decided.decided_at, decided.count) == (decision, NOW + MINUTE, 3)
    assert [item.path for item in (*first, *second)] == ["a", "b", "c"]
    assert left == [planned("c")[0]]
    assert ledger.holds.all() == []
    [done] = ledger.holds.all("docs", (HoldState.DONE,))
    assert (done.count, done.decided_at, done.decision) == (3, NOW + MINUTE, decision)
    assert ledger.holds.items(hold.id) == []


@pytest.mark.parametrize("state", [HoldState.OPEN, HoldState.APPROVED, HoldState.DISCARDED])
def test_what_is_written_down_about_a_path_takes_it_out_of_the_holds_that_were_decided(
    ledger: Ledger, state: HoldState
) -> None:
    ledger.holds.park("docs", [planned(path) for path in "ab"])
    hold = hold_parked(ledger, "docs", "many", NOW)
    if state is not HoldState.OPEN:
        ledger.holds.decide(hold.id, state, NOW)

    ledger.record("docs", [uploaded("a")], at=NOW)
    ledger.record("other", [uploaded("b")], at=NOW)

    left = "ab" if state is HoldState.OPEN else "b"
    assert [item.path for item in ledger.holds.items(hold.id)] == [*left]
    assert ledger.holds.get(hold.id).state is state


def test_an_approved_deletion_that_failed_is_taken_out_of_what_is_parked_but_not_of_its_hold(
    ledger: Ledger,
) -> None:
    ledger.holds.park("docs", [planned(path) for path in "abc"])
    hold = hold_parked(ledger, "docs", "many", NOW)
    ledger.holds.decide(hold.id, HoldState.APPROVED, NOW)
    touched = DeleteRemote("b", expect_remote="newer")
    ledger.holds.park("docs", [planned("a"), (touched, sha_of("b")), planned("new")])

    again = ledger.holds.take_approved("docs", 10, NOW)

    assert again == [planned("a")[0]]
    assert [item.path for item in ledger.holds.items(hold.id)] == ["a", "c"]
    assert ledger.holds.take_parked("docs", 10) == [touched, planned("new")[0]]


def test_a_hold_is_decided_only_once(ledger: Ledger) -> None:
    ledger.holds.park("docs", [planned("a")])
    hold = hold_parked(ledger, "docs", "many", NOW)
    ledger.holds.decide(hold.id, HoldState.DISCARDED, NOW)

    with pytest.raises(UserError, match="not open any more: it is discarded"):
        ledger.holds.decide(hold.id, HoldState.APPROVED, NOW)
    with pytest.raises(UserError, match="no hold 99"):
        ledger.holds.decide(99, HoldState.APPROVED, NOW)

    assert ledger.holds.all("docs", (HoldState.DISCARDED,))[0].decided_at == NOW


def test_a_mirror_has_one_open_hold_of_identity(ledger: Ledger) -> None:
    ledger.holds.park("docs", [planned("a")])
    deletions = hold_parked(ledger, "docs", "many", NOW)

    opened = [ledger.holds.hold_identity("docs", reason, NOW) for reason in ("one", "two")]

    assert opened == [deletions.id + 1, None]
    [identity] = ledger.holds.all("docs", kind="identity")
    assert (identity.kind, identity.reason, identity.count) == ("identity", "two", 0)
    assert ledger.holds.all("docs", kind="deletions") == [deletions]
    assert ledger.holds.items(deletions.id) == [planned("a")[0]]


def test_a_hold_weighs_with_what_comes_on_top_of_it(ledger: Ledger) -> None:
    agree(ledger, ("a", "1"), ("b", "2"), ("c", "3"), ("copy of c", "3"))
    ledger.holds.park("docs", [planned("a", "1"), planned("c", "3")])
    hold = hold_parked(ledger, "docs", "many", NOW)
    ledger.holds.park("docs", [planned("a", "1"), planned("copy of c", "3")])
    gone_there = DeleteLocal("b", expect_local="1-1-1")
    ledger.holds.park("docs", [(gone_there, sha_of("2"))])

    alone, together = ledger.holds.planned("docs", None), ledger.holds.planned("docs", hold.id)

    assert alone == Planned(count=3, lost=2, gone_from=(Side.LOCAL, Side.REMOTE))
    assert together == Planned(count=4, lost=4, gone_from=(Side.LOCAL, Side.REMOTE))


def test_nothing_that_waits_weighs_nothing(ledger: Ledger) -> None:
    assert ledger.holds.planned("docs", None) == Planned(count=0, lost=0, gone_from=())


def test_what_is_not_to_be_deleted_any_more_is_neither_held_nor_parked(ledger: Ledger) -> None:
    ledger.holds.park("docs", [planned(path) for path in "abc"])
    hold = hold_parked(ledger, "docs", "many", NOW)
    ledger.holds.park("docs", [planned("a"), planned("d")])

    ledger.holds.release("docs", ["a", "c", "not held"])

    assert ledger.holds.items(hold.id) == [planned("b")[0]]
    assert ledger.holds.all("docs")[0].count == 1
    assert ledger.holds.parked("docs") == 1
    ledger.holds.decide(hold.id, HoldState.APPROVED, NOW)
    ledger.holds.release("docs", ["b"])
    assert ledger.holds.items(hold.id) == [planned("b")[0]]


def test_what_a_person_decided_about_is_neither_held_again_nor_free_to_travel(
    ledger: Ledger,
) -> None:
    ledger.holds.park("docs", [planned("a"), planned("b")])
    first = hold_parked(ledger, "docs", "many", NOW)
    ledger.holds.park("docs", [planned("a"), planned("b")])
    ledger.holds.decide(first.id, HoldState.DISCARDED, NOW)

    nothing = ledger.holds.hold("docs", "many", NOW)
    ledger.holds.park("docs", [planned("b"), planned("new")])
    still_open = ledger.holds.to_judge("docs")

    assert (nothing, still_open) == (None, None)
    assert ledger.holds.take_parked("docs", 10) == [planned("new")[0]]
    assert ledger.holds.all("docs", (HoldState.OPEN,)) == []
    assert [one.path for one in ledger.holds.items(first.id)] == ["a", "b"]


def test_a_side_is_asked_only_for_what_it_did_not_have(ledger: Ledger) -> None:
    ledger.holds.park("docs", [planned("a"), planned("b")])
    ledger.holds.park("docs", [(DeleteLocal("c", expect_local="1-1-1"), sha_of("c"))])
    hold_parked(ledger, "docs", "many", NOW)
    ledger.holds.park("docs", [planned("parked")])

    assert sorted(ledger.holds.gone_from("docs", Side.LOCAL, 10)) == ["a", "b", "parked"]
    assert ledger.holds.gone_from("docs", Side.REMOTE, 10) == ["c"]
    assert len(ledger.holds.gone_from("docs", Side.LOCAL, 1)) == 1
    assert ledger.holds.gone_from("other", Side.LOCAL, 10) == []

    [hold] = ledger.holds.all("docs")
    ledger.holds.decide(hold.id, HoldState.DISCARDED, NOW)
    assert ledger.holds.gone_from("docs", Side.LOCAL, 10) == ["parked"]
