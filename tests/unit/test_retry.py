"""How long to wait before trying again."""

from __future__ import annotations

import pytest

from docferry.core.retry import (
    CAP_S,
    FLOOR_S,
    PERMANENT_CAP_S,
    delay_s,
    retry_after_s,
)
from docferry.errors import DocferryError, PermanentError, TemporaryError


@pytest.mark.parametrize(
    ("attempts", "ceiling_s"),
    [(0, 1), (1, 1), (2, 2), (3, 4), (5, 16), (9, 256), (10, 300), (11, 300), (100_000, 300)],
)
def test_the_ceiling_doubles_up_to_the_cap(attempts: int, ceiling_s: float) -> None:
    assert delay_s(attempts, jitter=0.5) == ceiling_s / 2
    assert ceiling_s * 0.999 <= delay_s(attempts, jitter=0.9999) <= ceiling_s <= CAP_S


@pytest.mark.parametrize("attempts", [1, 5, 50])
def test_no_jitter_makes_it_hurry_below_the_floor(attempts: int) -> None:
    assert delay_s(attempts, jitter=0.0) == FLOOR_S


def test_the_same_failure_spreads_over_the_whole_range() -> None:
    delays = [delay_s(7, jitter=step / 10) for step in range(10)]

    assert delays == pytest.approx([FLOOR_S, 6.4, 12.8, 19.2, 25.6, 32, 38.4, 44.8, 51.2, 57.6])


@pytest.mark.parametrize(
    ("error", "attempts", "shortest_s", "longest_s"),
    [
        (TemporaryError(""), 1, FLOOR_S, 1),
        (TemporaryError(""), 20, FLOOR_S, CAP_S),
        (PermanentError(""), 1, 7.5, 15),
        (PermanentError(""), 4, 60, 120),
        (PermanentError(""), 100_000, PERMANENT_CAP_S / 2, PERMANENT_CAP_S),
    ],
)
def test_what_only_a_person_can_mend_waits_longer_and_never_for_ever(
    error: DocferryError, attempts: int, shortest_s: float, longest_s: float
) -> None:
    assert retry_after_s(error, attempts, jitter=0.0) == shortest_s
    assert retry_after_s(error, attempts, jitter=0.9999) == pytest.approx(longest_s, rel=0.001)
