"""When a file may be taken."""

from __future__ import annotations

import pytest

from docferry.core.settle import CLOCK_TICK_S, Sighting, Taken, Wait, rest
from docferry.model import FileState

NOW_NS = 1_800_000_000_000_000_000
NOW_S = 5000.0


def changed(seconds_ago: float, token: str = "t") -> FileState:
    return FileState(token, None, 10, changed_ns=NOW_NS - round(seconds_ago * 1e9))


def seen(state: FileState, seconds_ago: float) -> Sighting:
    return Sighting(state.token, state.changed_ns, NOW_S - seconds_ago)


def look(
    state: FileState, previous: Sighting | None = None, *, settle_s: float = 2.0
) -> Taken | Wait:
    return rest(state, previous, now_ns=NOW_NS, now_s=NOW_S, settle_s=settle_s)


def assert_waits(answer: Taken | Wait, for_s: float, sighting: Sighting) -> None:
    assert isinstance(answer, Wait)
    assert answer.for_s == pytest.approx(for_s)
    assert answer.sighting == sighting


@pytest.mark.parametrize(
    ("changed_s_ago", "settle_s"),
    [(2.0, 2.0), (60.0, 2.0), (1e9, 2.0), (CLOCK_TICK_S, 0.0), (1.0, 0.0), (3600.0, 3600.0)],
)
def test_a_file_that_changed_long_enough_ago_is_taken_at_first_sight(
    changed_s_ago: float, settle_s: float
) -> None:
    assert look(changed(changed_s_ago), settle_s=settle_s) == Taken()


@pytest.mark.parametrize(
    ("changed_s_ago", "settle_s", "wait_s"),
    [
        (0.0, 2.0, 2.0),
        (0.5, 2.0, 1.5),
        (1.9, 2.0, 0.1),
        (0.0, 0.0, CLOCK_TICK_S),  # a later write in the same tick would leave the same token
        (0.015, 0.0, 0.005),
        (0.0, 0.01, CLOCK_TICK_S),
        (-3600.0, 2.0, 2.0),  # from the future: watch it
        (1.9999999, 2.0, 0.001),  # never so short that the loop spins
    ],
)
def test_a_file_that_changed_just_now_waits(
    changed_s_ago: float, settle_s: float, wait_s: float
) -> None:
    state = changed(changed_s_ago)

    answer = look(state, settle_s=settle_s)

    assert_waits(answer, wait_s, seen(state, seconds_ago=0))


@pytest.mark.parametrize("changed_s_ago", [-3600.0, -1.0, 0.0, 1.0])
def test_a_file_that_was_seen_unchanged_for_long_enough_is_taken_whatever_its_time_says(
    changed_s_ago: float,
) -> None:
    state = changed(changed_s_ago)

    assert look(state, seen(state, seconds_ago=2.0)) == Taken()


def test_a_file_from_the_future_waits_until_it_was_seen_for_long_enough() -> None:
    state = changed(-3600.0)
    sighting = seen(state, seconds_ago=0.5)

    assert_waits(look(state, sighting), 1.5, sighting)


def test_the_age_counts_even_if_the_file_was_seen_only_lately() -> None:
    state = changed(1.5)
    sighting = seen(state, seconds_ago=0.2)

    assert_waits(look(state, sighting), 0.5, sighting)


@pytest.mark.parametrize(
    "before",
    [changed(-3600.0, token="other"), changed(-3599.0), changed(30.0, token="other")],
    ids=["another token", "another time", "both"],
)
def test_a_file_that_changed_since_the_last_look_starts_anew(before: FileState) -> None:
    state = changed(-3600.0)

    answer = look(state, seen(before, seconds_ago=60.0))

    assert_waits(answer, 2.0, seen(state, seconds_ago=0))


def test_a_file_without_a_time_is_watched() -> None:
    state = FileState("t", None, 10, changed_ns=0)

    assert_waits(look(state), 2.0, seen(state, seconds_ago=0))
    assert look(state, seen(state, seconds_ago=2.0)) == Taken()


def test_waiting_as_long_as_told_is_enough() -> None:
    state = changed(0.3)
    answer = look(state)
    assert isinstance(answer, Wait)

    later = rest(
        state,
        answer.sighting,
        now_ns=NOW_NS + round(answer.for_s * 1e9),
        now_s=NOW_S + answer.for_s,
        settle_s=2.0,
    )

    assert later == Taken()
