"""Deletions that wait: parked by a plan, held by a guard, decided by a person."""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Iterator

import pytest

from docferry.errors import UserError
from docferry.ledger import Ledger
from docferry.ledger.holds import PAGE_ROWS
from docferry.model import DeleteLocal, DeleteRemote, Deletion, HoldState, Path, Sha256
from ledger_rows import MINUTE, NOW, fresh_ledger, sha_of, uploaded


@pytest.fixture
def ledger(tmp_path: pathlib.Path) -> Iterator[Ledger]:
    with fresh_ledger(tmp_path / "ledger.sqlite3") as ledger:
        yield ledger


def planned(path: Path, content: str = "") -> tuple[Deletion, Sha256]:
    return DeleteRemote(path, expect_remote=f"etag-{path}"), sha_of(content or path)


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
    hold = ledger.holds.hold("docs", "too many", NOW)
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

    assert ledger.holds.parked_lost("docs") == lost


def test_a_hold_takes_everything_parked_and_waits_for_a_decision(ledger: Ledger) -> None:
    ledger.holds.park("docs", [planned("b"), planned("a")])

    hold = ledger.holds.hold("docs", "2 deletions, 1 is the limit", NOW)

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
    first = ledger.holds.hold("docs", "2 deletions", NOW)
    newer = DeleteRemote("b", expect_remote="newer")
    ledger.holds.park("docs", [(newer, sha_of("b")), planned("c")])

    second = ledger.holds.hold("docs", "more deletions", NOW + MINUTE, replace=replace)

    assert (second.id, second.created_at) == (first.id, NOW)
    assert (second.count, second.reason) == (len(paths), "more deletions")
    items = ledger.holds.items(first.id)
    assert [item.path for item in items] == paths
    assert newer in items
    assert ledger.holds.all() == [second]


def test_a_decided_hold_is_never_renewed(ledger: Ledger) -> None:
    ledger.holds.park("docs", [planned("a")])
    first = ledger.holds.hold("docs", "many", NOW)
    ledger.holds.decide(first.id, HoldState.APPROVED, NOW)
    ledger.holds.park("docs", [planned("b")])

    second = ledger.holds.hold("docs", "many", NOW)

    assert second.id != first.id
    assert ledger.holds.items(first.id) == [planned("a")[0]]


@pytest.mark.parametrize("decision", [HoldState.APPROVED, HoldState.DISCARDED])
def test_a_hold_is_decided_carried_out_and_done(ledger: Ledger, decision: HoldState) -> None:
    ledger.holds.park("docs", [planned(path) for path in "abc"])
    hold = ledger.holds.hold("docs", "many", NOW)

    ledger.holds.decide(hold.id, decision, NOW + MINUTE)
    [decided] = ledger.holds.all("docs", (decision,))
    taken = [*ledger.holds.take_items(hold.id, 2), *ledger.holds.take_items(hold.id, 2)]
    ledger.holds.finish(hold.id, NOW + 2 * MINUTE)

    assert (decided.state, decided.decided_at, decided.count) == (decision, NOW + MINUTE, 3)
    assert [item.path for item in taken] == ["a", "b", "c"]
    assert ledger.holds.all() == []
    [done] = ledger.holds.all("docs", (HoldState.DONE,))
    assert (done.count, done.decided_at) == (3, NOW + MINUTE)
    assert ledger.holds.items(hold.id) == []


def test_a_hold_is_decided_only_once(ledger: Ledger) -> None:
    ledger.holds.park("docs", [planned("a")])
    hold = ledger.holds.hold("docs", "many", NOW)
    ledger.holds.decide(hold.id, HoldState.DISCARDED, NOW)

    with pytest.raises(UserError, match="not open any more: it is discarded"):
        ledger.holds.decide(hold.id, HoldState.APPROVED, NOW)
    with pytest.raises(UserError, match="no hold 99"):
        ledger.holds.decide(99, HoldState.APPROVED, NOW)

    assert ledger.holds.all("docs", (HoldState.DISCARDED,))[0].decided_at == NOW


def test_a_mirror_has_one_open_hold_of_identity(ledger: Ledger) -> None:
    ledger.holds.park("docs", [planned("a")])
    deletions = ledger.holds.hold("docs", "many", NOW)

    opened = [ledger.holds.hold_identity("docs", reason, NOW) for reason in ("one", "two")]

    assert opened == [True, False]
    [identity] = ledger.holds.all("docs", kind="identity")
    assert (identity.kind, identity.reason, identity.count) == ("identity", "two", 0)
    assert ledger.holds.all("docs", kind="deletions") == [deletions]
    assert ledger.holds.items(deletions.id) == [planned("a")[0]]


def test_held_are_the_paths_of_open_holds_of_the_mirror(ledger: Ledger) -> None:
    ledger.holds.park("docs", [planned("a"), planned("c")])
    ledger.holds.park("other", [planned("b")])
    assert not ledger.holds.is_held("docs", "a")

    hold = ledger.holds.hold("docs", "many", NOW)
    held = ledger.holds.held_paths("docs")

    assert [path for path in ("c", "b", "a", "d", "c") if path in held] == ["c", "a", "c"]
    assert not ledger.holds.is_held("other", "a")
    ledger.holds.decide(hold.id, HoldState.APPROVED, NOW)
    assert not ledger.holds.is_held("docs", "a")


def test_held_paths_are_told_right_across_pages(ledger: Ledger) -> None:
    paths = [f"{number:06}" for number in range(PAGE_ROWS + 2)]
    ledger.holds.park("docs", [planned(path) for path in paths])
    ledger.holds.hold("docs", "many", NOW)
    held = ledger.holds.held_paths("docs")

    assert all(path in held for path in paths)
    assert not any(path + "x" in held for path in paths[PAGE_ROWS - 3 :])
    assert paths[0] in held
