"""How long to wait before trying again."""

from __future__ import annotations

import pytest

from docferry.core.retry import (
    CAP_S,
    FLOOR_S,
    IN_VAIN_CAP_S,
    PERMANENT_CAP_S,
    after_vain_s,
    delay_s,
    retry_after_s,
    still_in_vain_s,
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


@pytest.mark.parametrize(
    ("took_s", "times", "alone_s"),
    [
        (600.0, 1, 0),  # an edit
        (10.0, 2, 20),
        (10.0, 3, 40),
        (10.0, 4, 80),
        (10.0, 100_000, 80),
        (0.5, 100, 0),  # it costs nothing
        (7200.0, 4, IN_VAIN_CAP_S),
    ],
)
def test_what_never_rests_is_worked_on_a_ninth_of_the_time(
    took_s: float, times: int, alone_s: float
) -> None:
    assert after_vain_s(took_s, times) == alone_s


@pytest.mark.parametrize(
    ("left_s", "rested_s", "wait_s"),
    [(80, 0, 10), (80, 4, 6), (80, 11, 0), (3, 0, 3), (-5, 0, 0), (80, -99_999, 80)],
)
def test_what_has_rested_as_long_as_a_try_takes_is_tried(
    left_s: float, rested_s: float, wait_s: float
) -> None:
    assert still_in_vain_s(left_s, 10.0, rested_s) == wait_s
