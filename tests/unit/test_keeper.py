"""Chores are done one after the other, when they are due, and fail by themselves."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator

import pytest

from docferry.engine.keeper import Keeper
from docferry.engine.rounds import all_going
from docferry.errors import TemporaryError
from processes import wait_for


class Noted:
    """A chore that notes that it was done, and then fails if it is told to."""

    def __init__(
        self, name: str, done: queue.SimpleQueue[str], error: Exception | None = None
    ) -> None:
        self.name = name
        self._done = done
        self._error = error

    def run(self, is_stopping: Callable[[], bool]) -> None:
        self._done.put(self.name)
        if self._error is not None:
            raise self._error


class Long:
    """A chore that goes on until it is to stop."""

    name = "long"

    def __init__(self) -> None:
        self.began = threading.Event()
        self.ended = threading.Event()

    def run(self, is_stopping: Callable[[], bool]) -> None:
        self.began.set()
        wait_for(is_stopping)
        self.ended.set()


@pytest.fixture
def done() -> queue.SimpleQueue[str]:
    return queue.SimpleQueue()


@pytest.fixture
def started() -> Iterator[Callable[[Keeper], Keeper]]:
    keepers: list[Keeper] = []

    def start(keeper: Keeper) -> Keeper:
        keeper.start()
        keepers.append(keeper)
        return keeper

    yield start
    for keeper in keepers:
        keeper.stop(10)


def test_a_chore_is_done_when_it_is_asked_for(
    done: queue.SimpleQueue[str], started: Callable[[Keeper], Keeper]
) -> None:
    keeper = started(Keeper("docs", [Noted("a", done), Noted("b", done)], lambda: True))

    keeper.poke("b")
    keeper.poke("a")

    assert [done.get(timeout=10), done.get(timeout=10)] == ["b", "a"]


@pytest.mark.parametrize("error", [TemporaryError("a proxy hiccups"), ZeroDivisionError()])
def test_a_chore_that_fails_keeps_no_other_from_being_done(
    done: queue.SimpleQueue[str], started: Callable[[Keeper], Keeper], error: Exception
) -> None:
    keeper = started(Keeper("docs", [Noted("a", done, error), Noted("b", done)], lambda: True))

    keeper.poke("a")
    keeper.poke("b")
    assert [done.get(timeout=10), done.get(timeout=10)] == ["a", "b"]
    keeper.poke("a")

    assert done.get(timeout=10) == "a"


def test_nothing_is_done_in_front_of_a_side_that_has_not_proven_itself(
    done: queue.SimpleQueue[str],
) -> None:
    keeper = Keeper("docs", [Noted("a", done)], lambda: False)

    keeper.run_now(["a"])

    assert done.empty()


def test_what_is_due_waits_until_both_sides_are_ready(
    done: queue.SimpleQueue[str], started: Callable[[Keeper], Keeper]
) -> None:
    asked, answers = queue.SimpleQueue[bool](), [False, False, True]

    def is_ready() -> bool:
        asked.put(answers[0])
        return answers.pop(0) if len(answers) > 1 else answers[0]

    keeper = started(Keeper("docs", [Noted("a", done)], is_ready))
    keeper.poke("a")

    assert done.get(timeout=10) == "a"
    assert [asked.get(timeout=10) for _ in range(3)] == [False, False, True]


def test_a_long_chore_ends_when_the_daemon_does() -> None:
    chore = Long()
    keeper = Keeper("docs", [chore], lambda: True)
    keeper.start()
    keeper.poke("long")
    assert chore.began.wait(10)
    under_way = {one.name for one in all_going()}

    keeper.stop(10)

    assert chore.ended.is_set()
    assert "chore long of mirror docs" in under_way  # the watchdog is to know of it


def test_a_long_chore_leaves_off_in_a_pause_and_is_begun_anew_after_it(
    started: Callable[[Keeper], Keeper],
) -> None:
    chore, is_paused = Long(), threading.Event()
    keeper = started(
        Keeper("docs", [chore], lambda: not is_paused.is_set(), is_paused=is_paused.is_set)
    )
    keeper.poke("long")
    assert chore.began.wait(10)

    is_paused.set()
    assert chore.ended.wait(10)
    chore.began.clear()
    is_paused.clear()

    assert chore.began.wait(10)
