"""What the charts say of times of which nothing is known: not that nothing was."""

from __future__ import annotations

import pytest

from docferry.web.pages.overview import charts
from docferry.web.pulse import Point
from ledger_rows import MINUTE, NOW

KNOWN = Point(NOW + MINUTE, operations=3, moved_bytes=10, lag_s=9.5)
NOTHING = Point(NOW + MINUTE, operations=0, lag_s=0.0)
UNKNOWN = Point(NOW)


@pytest.mark.parametrize(
    ("last", "operations", "waits"),
    [
        (KNOWN, "3 operations, 10 B moved", "a change waited 9.5 s at the most"),
        (NOTHING, "0 operations, 0 B moved", "nothing waited"),
    ],
)
def test_a_chart_says_how_far_back_it_is_known(last: Point, operations: str, waits: str) -> None:
    partly = [one.words for one in charts([UNKNOWN, last], MINUTE)]
    wholly = [one.words for one in charts([NOTHING, last], MINUTE)]

    assert partly == [f"{one}, as far back as is known" for one in (operations, waits)]
    assert wholly == [operations, waits]


def test_a_span_of_which_nothing_is_known_does_not_look_like_one_without_anything() -> None:
    for chart in charts([UNKNOWN, NOTHING], MINUTE):
        assert [bar.is_known for bar in chart.bars] == [False, True]
        assert "not known" in chart.bars[0].words
