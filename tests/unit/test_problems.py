"""Failing paths: when they are tried again, and when nobody is told of them any more."""

from __future__ import annotations

import pathlib
import threading
import time
from collections.abc import Iterator
from dataclasses import replace

import pytest

from docferry.core.merge import Difference, Unseen
from docferry.core.retry import PERMANENT_BASE_S
from docferry.engine.dirty import DirtyPaths
from docferry.engine.problems import TOUCHED_AFTER_S, Problems
from docferry.errors import PermanentError, StaleError
from docferry.ledger import Ledger
from docferry.model import FileState, Path, Side, Unknown
from ledger_rows import NOW, fresh_ledger


class Desk:
    """The problems of one mirror, with a real ledger."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self.dirty = DirtyPaths(threading.Event())
        self.problems = Problems("docs", ledger, self.dirty, blocked_retry_s=3.0)

    @property
    def shown(self) -> set[Path]:
        return {row.path for row in self.ledger.problems.all("docs")}

    def fail(self, path: Path, times: int = 1) -> Difference:
        seen = Difference(path, FileState("1-2-3", None, 1, changed_ns=1), None, None)
        for _ in range(times):
            self.problems.failed(seen, PermanentError("Permission denied"), kind="Upload")
        return seen

    def miss(self, path: Path) -> None:
        self.problems.unseen(Unseen(Side.LOCAL, Unknown(path, "cannot be read", below=True)))


@pytest.fixture
def desk(tmp_path: pathlib.Path) -> Iterator[Desk]:
    with fresh_ledger(tmp_path / "ledger.sqlite3") as ledger:
        yield Desk(ledger)


def touched(seen: Difference) -> Difference:
    """Give what is seen after somebody changed the file's mode or owner, and nothing else."""
    assert seen.local is not None
    return replace(seen, local=replace(seen.local, changed_ns=2))


def test_a_failing_file_is_left_alone_for_a_while(desk: Desk) -> None:
    seen = desk.fail("p")

    assert PERMANENT_BASE_S / 2 - 1 < desk.problems.wait_s(seen) <= PERMANENT_BASE_S


def test_a_failing_file_whose_mode_was_changed_is_tried_soon(desk: Desk) -> None:
    seen = desk.fail("p")

    assert desk.problems.wait_s(touched(seen)) <= TOUCHED_AFTER_S


def test_a_file_that_is_touched_by_each_try_is_not_tried_without_end(desk: Desk) -> None:
    seen = desk.fail("p", times=5)

    assert desk.problems.wait_s(touched(seen)) > 4 * TOUCHED_AFTER_S


@pytest.mark.parametrize(
    ("folder", "again"), [("a/", {"a/p", "a/b/p"}), ("", {"a/p", "a/b/p", "p"})]
)
def test_what_fails_below_a_folder_that_changed_is_tried_at_once(
    desk: Desk, folder: Path, again: set[Path]
) -> None:
    for path in ("a/p", "a/b/p", "p"):
        desk.fail(path)
    assert desk.dirty.take_due(10) == {}

    desk.problems.try_again_below(folder)

    assert desk.dirty.take_due(10).keys() == again


def test_a_walk_tries_what_fails_at_once(desk: Desk) -> None:
    seen = desk.fail("p")

    desk.problems.walk_begins()

    assert desk.problems.wait_s(seen) == 0


def test_what_could_not_be_seen_is_shown_until_a_walk_does_not_meet_it(desk: Desk) -> None:
    desk.miss("closed")
    desk.miss("gone")
    desk.fail("p")

    desk.problems.walk_begins()
    desk.miss("closed")
    desk.problems.walk_ended()

    assert desk.shown == {"closed", "p"}


def test_what_fails_now_is_not_forgotten_as_something_that_could_not_be_seen(desk: Desk) -> None:
    desk.miss("p")
    desk.fail("p")

    desk.problems.walk_begins()
    desk.problems.walk_ended()

    assert desk.shown == {"p"}


def test_a_mark_at_or_above_what_could_not_be_seen_asks_for_a_walk(desk: Desk) -> None:
    desk.miss("closed")
    desk.miss("a/closed")

    marks = ("closed/", "closed/sub/", "a/", "clos/", "b/", "closed", "a")

    assert [mark for mark in marks if desk.problems.changed_above([mark])] == ["closed/", "a/"]


def test_a_full_run_takes_away_no_problem_about_rot(desk: Desk) -> None:
    """A token does not tell of rot: that all is as agreed mends nothing."""
    desk.ledger.problems.put("docs", "p", kind="rot", message="rotten", at=NOW, retry_at=None)

    desk.problems.walk_begins()
    desk.problems.walk_ended()
    desk.problems.full_run_ended()

    assert desk.shown == {"p"}


def grown(desk: Desk, *, times: int, took_s: float, changed_ns: int) -> Difference:
    """Let a file change under a try that took so long, *times* in a row."""
    seen = Difference("log", FileState("9-9-9", None, 9, changed_ns=changed_ns), None, None)
    for _ in range(times):
        error = StaleError("it changed while it was read")
        error.took_s = took_s
        desk.problems.stale("log", error)
    return seen


def test_a_large_file_that_never_rests_is_left_alone_whatever_the_watcher_says(desk: Desk) -> None:
    seen = grown(desk, times=4, took_s=30.0, changed_ns=time.time_ns())
    desk.dirty.mark("log")

    assert 25.0 < desk.problems.wait_s(seen) <= 30.0
    assert desk.shown == set()


def test_one_that_has_come_to_rest_is_tried(desk: Desk) -> None:
    seen = grown(desk, times=4, took_s=30.0, changed_ns=time.time_ns() - 31 * 10**9)

    assert desk.problems.wait_s(seen) == 0.0


def test_a_large_file_that_was_edited_once_does_not_wait(desk: Desk) -> None:
    seen = grown(desk, times=1, took_s=30.0, changed_ns=time.time_ns())

    assert desk.problems.wait_s(seen) == 0.0


def test_what_is_up_is_not_left_alone_any_more(desk: Desk) -> None:
    seen = grown(desk, times=4, took_s=30.0, changed_ns=time.time_ns())

    desk.problems.mended({"log"})

    assert desk.problems.wait_s(seen) == 0.0
