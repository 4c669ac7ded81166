"""So many bytes a second, and no more."""

from __future__ import annotations

import pytest

from docferry.engine.pace import Pace
from docferry.errors import StaleError


class Time:
    """A clock that goes on when somebody waits."""

    def __init__(self) -> None:
        self.now_s = 100.0
        self.waits: list[float] = []

    def wait(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.now_s += seconds


def test_no_more_is_read_in_a_second_than_is_allowed() -> None:
    time = Time()
    pace = Pace(1000.0, clock=lambda: time.now_s, wait=time.wait)

    for _ in range(10):
        pace.take(b"x" * 500)

    assert time.now_s == pytest.approx(105.0)


def test_a_pause_gives_no_right_to_catch_up() -> None:
    time = Time()
    pace = Pace(1000.0, clock=lambda: time.now_s, wait=time.wait)
    pace.take(b"x" * 1000)
    time.now_s += 1000

    pace.take(b"x" * 1000)
    pace.take(b"x" * 1000)

    assert time.now_s == pytest.approx(1103.0)


def test_who_waits_stops_at_once_when_asked_to() -> None:
    time = Time()
    pace = Pace(1.0, clock=lambda: time.now_s, wait=time.wait)
    pace.is_stopping = lambda: len(time.waits) == 3

    with pytest.raises(StaleError):
        pace.take(b"x" * 1000)

    assert sum(time.waits) < 1
