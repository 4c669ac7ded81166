"""What comes alone is taken up at once, a stream some at a time."""

from __future__ import annotations

import pytest

from docferry.engine.together import ALONE, TOGETHER_S, Together


class Clock:
    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


def moments(clock: Clock, count: int, *, every_s: float) -> list[float]:
    """Give the moments for so many that come one after the other."""
    together, found = Together(clock), []
    for _ in range(count):
        found.append(clock.now_s + together.wait_s())
        clock.now_s += every_s
    return found


def test_what_comes_now_and_then_is_taken_up_at_once(clock: Clock) -> None:
    came_s = [clock.now_s + number for number in range(20)]

    assert moments(clock, 20, every_s=1.0) == came_s


def test_a_few_in_a_row_are_no_stream(clock: Clock) -> None:
    came_s = [clock.now_s + number * TOGETHER_S / 10 for number in range(ALONE)]

    assert moments(clock, ALONE, every_s=TOGETHER_S / 10) == pytest.approx(came_s)


def test_a_stream_is_taken_up_some_at_a_time(clock: Clock) -> None:
    found = moments(clock, 1000, every_s=TOGETHER_S / 100)

    assert len(set(found)) <= 1000 / 100 + ALONE + 1


def test_nothing_of_a_stream_waits_longer_than_until_the_next_moment(clock: Clock) -> None:
    together = Together(clock)
    waits_s = []
    for _ in range(1000):
        waits_s.append(together.wait_s())
        clock.now_s += TOGETHER_S / 100

    assert min(waits_s) >= 0.0
    assert max(waits_s) <= TOGETHER_S + 1e-9


def test_after_a_rest_what_comes_is_alone_again(clock: Clock) -> None:
    together = Together(clock)
    for _ in range(1000):
        together.wait_s()
        clock.now_s += TOGETHER_S / 100

    clock.now_s += ALONE * TOGETHER_S

    assert together.wait_s() == 0.0
