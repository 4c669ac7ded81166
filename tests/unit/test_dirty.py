"""Dirty paths: when each is due, and how long it has been waiting."""

from __future__ import annotations

import threading
import time

import pytest

from docferry.engine.dirty import DirtyPaths

LONG_S = 1000.0


@pytest.fixture
def wake() -> threading.Event:
    return threading.Event()


@pytest.fixture
def dirty(wake: threading.Event) -> DirtyPaths:
    return DirtyPaths(wake)


def due(dirty: DirtyPaths) -> list[str]:
    return sorted(dirty.take_due(100))


def test_nothing_marked_is_nothing_due(dirty: DirtyPaths) -> None:
    assert due(dirty) == []
    assert dirty.next_due_s() is None
    assert dirty.oldest_age_s() == 0.0
    assert len(dirty) == 0


def test_a_mark_is_due_at_once_and_taken_once(dirty: DirtyPaths, wake: threading.Event) -> None:
    dirty.mark("a")

    assert wake.is_set()
    assert dirty.next_due_s() == 0.0
    assert due(dirty) == ["a"]
    assert due(dirty) == []


def test_a_later_mark_waits_for_its_time(dirty: DirtyPaths) -> None:
    dirty.mark("a", after_s=LONG_S)

    assert due(dirty) == []
    assert dirty.next_due_s() == pytest.approx(LONG_S, abs=5)
    assert len(dirty) == 1


def test_of_two_marks_the_sooner_one_counts(dirty: DirtyPaths) -> None:
    dirty.mark("a")
    dirty.mark("a", after_s=LONG_S)
    dirty.mark("b", after_s=LONG_S)
    dirty.mark("b")

    assert due(dirty) == ["a", "b"]


def test_what_is_put_off_waits_though_it_was_due(dirty: DirtyPaths, wake: threading.Event) -> None:
    dirty.mark("a")
    wake.clear()

    dirty.put_off("a", after_s=LONG_S)

    assert wake.is_set()
    assert due(dirty) == []
    assert dirty.next_due_s() == pytest.approx(LONG_S, abs=5)


def test_putting_off_never_brings_forward(dirty: DirtyPaths) -> None:
    dirty.mark("a", after_s=LONG_S)

    dirty.put_off("a", after_s=0.0)

    assert due(dirty) == []


def test_whoever_sleeps_is_woken_only_for_what_is_due_sooner(
    dirty: DirtyPaths, wake: threading.Event
) -> None:
    dirty.mark("a", after_s=LONG_S)
    dirty.next_due_s()
    wake.clear()

    dirty.mark("b", after_s=2 * LONG_S)
    dirty.call(after_s=2 * LONG_S)
    was_woken = wake.is_set()
    dirty.mark("c", after_s=LONG_S / 2)

    assert not was_woken
    assert wake.is_set()
    assert dirty.next_due_s() == pytest.approx(LONG_S / 2, abs=5)


def test_whoever_was_told_of_nothing_is_woken_by_a_mark_for_later(
    dirty: DirtyPaths, wake: threading.Event
) -> None:
    dirty.next_due_s()
    wake.clear()

    dirty.mark("a", after_s=LONG_S)

    assert wake.is_set()


def test_a_call_has_the_loop_go_round_though_nothing_is_marked(
    dirty: DirtyPaths, wake: threading.Event
) -> None:
    dirty.call(after_s=LONG_S)
    later_s = dirty.next_due_s()
    dirty.call(after_s=0.0)

    assert wake.is_set()
    assert later_s == pytest.approx(LONG_S, abs=5)
    assert dirty.next_due_s() == 0.0
    assert due(dirty) == []
    assert dirty.next_due_s() is None


def test_putting_off_marks_what_was_not_marked(dirty: DirtyPaths) -> None:
    dirty.put_off("a", after_s=0.0)
    dirty.put_off("b", after_s=LONG_S)

    assert due(dirty) == ["a"]
    assert len(dirty) == 1


def test_news_about_a_path_that_was_put_off_makes_it_due(dirty: DirtyPaths) -> None:
    dirty.put_off("a", after_s=LONG_S)

    dirty.mark("a")

    assert due(dirty) == ["a"]


def test_no_more_than_asked_for_are_taken_and_the_others_stay(dirty: DirtyPaths) -> None:
    for number in range(5):
        dirty.mark(str(number))

    first, second = dirty.take_due(3), dirty.take_due(3)

    assert (len(first), len(second)) == (3, 2)
    assert sorted(first | second) == ["0", "1", "2", "3", "4"]


def test_the_age_is_that_of_the_first_mark(dirty: DirtyPaths) -> None:
    since_s = time.monotonic() - 50
    dirty.put_off("old", after_s=0.0, since_s=since_s)
    dirty.mark("new")

    dirty.mark("old")
    dirty.put_off("old", after_s=0.0, since_s=time.monotonic())

    assert dirty.oldest_age_s() == pytest.approx(50, abs=5)
    assert dirty.take_due(100)["old"] == since_s
    assert dirty.oldest_age_s() == 0.0
