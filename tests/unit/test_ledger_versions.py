"""Versions in the ledger: what was where when, where its bytes are, what may go."""

from __future__ import annotations

import pathlib
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime

import pytest

from docferry.errors import UserError
from docferry.ledger import Ledger
from docferry.model import MarkSynced, Outcome, Side
from ledger_rows import (
    MINUTE,
    NOW,
    agreed,
    deleted,
    forgotten,
    fresh_ledger,
    ulid_of,
    uploaded,
    version,
)


@pytest.fixture
def ledger(tmp_path: pathlib.Path) -> Iterator[Ledger]:
    with fresh_ledger(tmp_path / "ledger.sqlite3") as ledger:
        yield ledger


def at(minute: int) -> datetime:
    return NOW + minute * MINUTE


def put(ledger: Ledger, path: str, content: str, minute: int) -> None:
    """Write down that *path* came to hold *content*."""
    outcome = uploaded(path, content)
    assert outcome.version is not None
    row = replace(outcome.version, created_at=at(minute))
    ledger.record("docs", [replace(outcome, version=row)], at=at(minute))


def tree(ledger: Ledger, when: datetime, below: str = "") -> dict[str, str]:
    return {row.path: row.id for row in ledger.versions.tree_at("docs", when, below)}


def test_a_tree_is_what_each_path_held_at_that_instant(ledger: Ledger) -> None:
    put(ledger, "a", "1", 1)
    put(ledger, "b", "1", 2)
    put(ledger, "a", "2", 3)
    ledger.record("docs", [deleted("b")], at=at(4))
    put(ledger, "b", "3", 5)

    trees = [tree(ledger, at(minute)) for minute in range(6)]

    a1, a2, b1, b3 = ulid_of("a1"), ulid_of("a2"), ulid_of("b1"), ulid_of("b3")
    assert trees == [
        {},
        {"a": a1},
        {"a": a1, "b": b1},
        {"a": a2, "b": b1},
        {"a": a2},
        {"a": a2, "b": b3},
    ]


def test_what_one_side_alone_held_is_no_part_of_the_tree(ledger: Ledger) -> None:
    put(ledger, "a", "1", 1)
    seen = replace(version("b"), created_at=at(1), left_at=at(3), agreed=False)
    ledger.versions.add([seen])

    assert [*tree(ledger, at(2))] == ["a"]


def test_a_subtree_holds_what_is_at_or_below_its_folder_alone(ledger: Ledger) -> None:
    for path in ("a", "a/b", "a/c/d", "a.txt", "a0", "b"):
        put(ledger, path, "1", 1)

    assert [*tree(ledger, at(1), "a")] == ["a", "a/b", "a/c/d"]
    assert [*tree(ledger, at(1), "a/")] == ["a/b", "a/c/d"]
    assert [*tree(ledger, at(1), "a.txt")] == ["a.txt"]


def test_a_large_tree_comes_whole_and_in_order(ledger: Ledger) -> None:
    paths = [f"{number:05}" for number in range(4100)]
    outcomes = [uploaded(path) for path in paths]
    ledger.record("docs", outcomes, at=NOW)

    assert [*tree(ledger, NOW)] == paths


def test_a_touch_changes_no_version(ledger: Ledger) -> None:
    put(ledger, "a", "1", 1)
    state = agreed("a", "1")
    touch = MarkSynced("a", state.sha256, 10, "l2", "r2", is_new_content=False)
    ledger.record("docs", [Outcome(touch, state)], at=at(2))

    [row] = ledger.versions.of("docs", "a")

    assert row.is_current


def test_a_forgotten_agreement_ends_the_time_of_its_version(ledger: Ledger) -> None:
    put(ledger, "a", "1", 1)
    ledger.record("docs", [forgotten("a")], at=at(2))

    [row] = ledger.versions.of("docs", "a")

    assert row.left_at == at(2)


def test_of_a_path_that_was_joined_anew_one_version_is_current(ledger: Ledger) -> None:
    put(ledger, "a", "1", 1)
    ledger.synced.forget_all("docs")
    put(ledger, "a", "2", 2)

    current = [row.id for row in ledger.versions.of("docs", "a") if row.is_current]

    assert current == [ulid_of("a2")]


def test_the_last_version_and_the_latest_time_are_those_of_any_mirror(ledger: Ledger) -> None:
    assert ledger.versions.last() is None
    put(ledger, "a", "1", 1)
    put(ledger, "b", "1", 5)
    ledger.record("docs", [deleted("b")], at=at(7))

    last = ledger.versions.last()

    assert last == (max(ulid_of("a1"), ulid_of("b1")), at(7))


def test_an_upload_that_was_begun_counts_as_the_last_version(ledger: Ledger) -> None:
    put(ledger, "a", "1", 1)
    ledger.intents.add("docs", [("b", "7" + "0" * 25), ("c", "0" * 26)])

    assert ledger.versions.last() == ("7" + "0" * 25, at(1))


def test_what_is_gone_from_a_folder_is_its_paths_with_their_last_versions(ledger: Ledger) -> None:
    for path in ("f/a", "f/b", "g"):
        put(ledger, path, "1", 1)
    ledger.record("docs", [deleted("f/a"), deleted("g")], at=at(2))

    assert [row.path for row in ledger.versions.left_paths("docs", "f")] == ["f/a"]
    assert [row.path for row in ledger.versions.left_paths("docs", "")] == ["f/a", "g"]


def test_versions_go_by_their_time_where_one_was_found_only_later(ledger: Ledger) -> None:
    first, later = sorted([ulid_of("f/a1"), ulid_of("f/a2")])
    found_later = replace(version("f/a"), id=later, created_at=at(1), left_at=at(2))
    last = replace(version("f/a"), id=first, created_at=at(2), left_at=at(3))

    ledger.versions.add([found_later, last])

    assert ledger.versions.of("docs", "f/a") == [last, found_later]
    assert ledger.versions.of_each("docs", ["f/a", "b"]) == {"f/a": [last, found_later]}
    assert ledger.versions.left_paths("docs", "f") == [last]


def test_of_some_paths_the_versions_are_given_together(ledger: Ledger) -> None:
    put(ledger, "a", "1", 1)
    put(ledger, "a", "2", 2)
    put(ledger, "b", "1", 1)
    put(ledger, "c", "1", 1)

    found = ledger.versions.of_each("docs", ["a", "b", "d"])

    ids = {path: [row.id for row in rows] for path, rows in found.items()}
    assert ids == {"a": [ulid_of("a2"), ulid_of("a1")], "b": [ulid_of("b1")]}


def test_versions_get_the_names_that_the_bucket_has_for_them(ledger: Ledger) -> None:
    put(ledger, "a", "1", 1)
    put(ledger, "b", "1", 1)

    ledger.versions.note_store_versions([(ulid_of("a1"), "bucket-1")])

    rows = [ledger.versions.get(ulid_of(name)) for name in ("a1", "b1")]
    assert [row and row.store_version for row in rows] == ["bucket-1", None]


@pytest.mark.parametrize("state", ["held", "current", "gone already"])
def test_no_held_no_current_and_no_gone_version_is_let_go(ledger: Ledger, state: str) -> None:
    put(ledger, "a", "1", 1)
    one = ulid_of("a1")
    if state != "current":
        ledger.record("docs", [deleted("a")], at=at(2))
    if state == "held":
        ledger.versions.keep(one, NOW, is_held=True)
    if state == "gone already":
        assert ledger.versions.let_go([one], at(3)) == {one}

    assert ledger.versions.let_go([one], at(4)) == set()


def test_a_version_that_is_gone_or_unknown_cannot_be_held(ledger: Ledger) -> None:
    put(ledger, "a", "1", 1)
    ledger.record("docs", [deleted("a")], at=at(2))
    ledger.versions.let_go([ulid_of("a1")], at(3))

    with pytest.raises(UserError, match="were let go"):
        ledger.versions.keep(ulid_of("a1"), NOW, is_held=True)
    with pytest.raises(UserError, match="there is no version"):
        ledger.versions.keep("01KXXXXXXXXXXXXXXXXXXXXXXX", NOW, is_held=True)


def test_what_the_bucket_lacks_is_what_was_displaced_and_not_archived_there(
    ledger: Ledger,
) -> None:
    put(ledger, "a", "1", 1)
    put(ledger, "a", "2", 2)
    put(ledger, "b", "1", 1)
    ledger.record("docs", [deleted("b")], at=at(2))
    ledger.versions.note_archived([ulid_of("b1")], Side.REMOTE)

    assert [row.id for row in ledger.versions.to_bring_up("docs", 10)] == [ulid_of("a1")]


def test_a_mirror_has_what_ever_was_in_it(ledger: Ledger) -> None:
    put(ledger, "a", "1", 1)
    ledger.record("docs", [deleted("a")], at=at(2))

    assert ledger.versions.has("docs", "a")
    assert not ledger.versions.has("docs", "b")
    assert not ledger.versions.has("other", "a")
