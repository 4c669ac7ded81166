"""Second local names: when they end, and what becomes of a file that is left at one."""

from __future__ import annotations

import threading

import pytest

from docferry.core.merge import Difference
from docferry.engine.aliased import Aliasing
from docferry.engine.dirty import DirtyPaths
from docferry.errors import NameTakenError
from docferry.model import Key, Path
from unit.desk import Desk

ALIAS = "%_~/a"
TAKEN = NameTakenError("a is kept here as %_~/a", blocked_by=ALIAS)


class Aliased:
    """The object `a`, which both sides agreed on as `%_~/a`, and a file that is called `a`."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.local = desk.mirror.local
        self.aliases: dict[Key, Path] = {"a": ALIAS}
        self.dirty = DirtyPaths(threading.Event())
        self.on_their_way: set[Path] = set()
        desk.agree(ALIAS)
        desk.ledger.aliases.add("docs", "a", ALIAS)
        self.aliasing = Aliasing(
            "docs",
            desk.ledger,
            self.aliases,
            self.local,
            self.dirty,
            self.on_their_way.__contains__,
        )

    def claim(self) -> None:
        seen = Difference("a", self.local.stat("a"), None, None)
        self.aliasing.blocked(seen, TAKEN, attempts=1)
        assert self.desk.ledger.aliases.all("docs") == self.aliases


@pytest.fixture
def aliased(desk: Desk) -> Aliased:
    return Aliased(desk)


def test_a_second_name_ends_as_a_file_claims_the_first(aliased: Aliased) -> None:
    aliased.local.user_write("a", b"another file")

    aliased.claim()

    assert aliased.aliases == {}
    assert sorted(aliased.dirty.paths()) == [ALIAS, "a"]


def test_a_second_name_stays_while_what_was_edited_there_has_not_gone_up(aliased: Aliased) -> None:
    aliased.local.user_write("a", b"another file")
    aliased.local.user_write(ALIAS, b"edited")

    aliased.claim()

    assert aliased.aliases == {"a": ALIAS}


def test_a_second_name_ends_where_its_file_is_gone(aliased: Aliased) -> None:
    aliased.local.user_write("a", b"another file")
    aliased.local.user_delete(ALIAS)

    aliased.claim()

    assert aliased.aliases == {}


def test_a_second_name_stays_while_a_deletion_there_is_under_way(aliased: Aliased) -> None:
    aliased.local.user_write("a", b"another file")
    aliased.local.user_delete(ALIAS)
    aliased.on_their_way.add(ALIAS)

    aliased.claim()

    assert aliased.aliases == {"a": ALIAS}


def test_a_file_that_was_given_the_first_name_is_not_deleted_under_the_second(
    aliased: Aliased,
) -> None:
    aliased.local.files["a"] = aliased.local.files.pop(ALIAS)
    aliased.on_their_way.add(ALIAS)

    aliased.claim()

    assert aliased.aliases == {}


def test_a_file_at_a_second_name_that_is_over_is_no_deletion_that_counts(desk: Desk) -> None:
    desk.agree(ALIAS, "a")
    desk.mirror.remote.user_delete(ALIAS)

    desk.consider(ALIAS)

    assert desk.judge() == []
    assert desk.planner.carrier.under_way == 1


def test_a_file_at_a_second_name_stays_until_the_object_is_here_by_its_own(desk: Desk) -> None:
    desk.agree(ALIAS)
    desk.mirror.remote.user_delete(ALIAS)
    desk.dirty.mark("a")

    desk.consider(ALIAS)

    assert ALIAS in desk.dirty
    assert desk.judge() == []
    assert desk.planner.carrier.under_way == 0


def test_where_the_object_is_gone_the_file_at_its_second_name_counts_as_deleted(
    desk: Desk,
) -> None:
    desk.agree(ALIAS, "other")
    desk.mirror.remote.user_delete(ALIAS)

    desk.consider(ALIAS)

    assert [deletion.path for deletion in desk.judge()] == [ALIAS]
