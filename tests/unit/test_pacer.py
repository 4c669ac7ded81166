"""Limits of bandwidth and of requests: who waits, for how long, and until when."""

from __future__ import annotations

from docferry.storage.pacer import Pacer


class Line:
    """A pacer whose time passes as it waits, and may be told what happens meanwhile."""

    def __init__(self, rate: float | None) -> None:
        self.rate = rate
        self.now_s = 100.0  # a silence came before
        self.lifted_at_s: float | None = None
        self.pacer = Pacer(lambda: self.rate, lambda: self.now_s, self._wait)

    def _wait(self, time_s: float) -> None:
        self.now_s += time_s
        if self.lifted_at_s is not None and self.now_s >= self.lifted_at_s:
            self.rate = None

    def takes(self, amount: float) -> float:
        """Give how long it waits."""
        began_s = self.now_s
        self.pacer.take(amount)
        return self.now_s - began_s


def test_what_passes_takes_as_long_as_its_rate_says() -> None:
    line = Line(10)

    assert [round(line.takes(amount), 3) for amount in (1, 20, 5)] == [0, 2, 0.5]


def test_without_a_limit_nobody_waits() -> None:
    assert Line(None).takes(1e12) == 0


def test_who_waits_for_a_limit_that_is_lifted_goes_on() -> None:
    """An hour's turn was slept through before, whatever the configuration said by then."""
    line = Line(1)
    line.lifted_at_s = line.now_s + 2

    assert line.takes(3600) == 2

    line.rate, line.lifted_at_s = 1, None
    assert line.takes(5) <= 5  # and nobody waits for what was let go
