"""Small charts over time, as what an SVG needs: no style, no script."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

#: The picture's own units: the page stretches it to the width that there is.
WIDTH, HEIGHT = 600, 80
_GAP = 1.5


@dataclass(frozen=True, slots=True)
class Bar:
    """
    One span; *words* are what somebody reads who points at it.

    is_known: nothing there is not nothing known.
    """

    x: float
    y: float
    width: float
    height: float
    words: str
    is_known: bool = True


@dataclass(frozen=True, slots=True)
class Chart:
    """
    A chart, and in words what it shows.

    most: the highest value, for the scale.
    """

    title: str
    most: str
    words: str
    bars: tuple[Bar, ...]
    begins_at: datetime

    @property
    def is_empty(self) -> bool:
        return all(bar.height == 0 for bar in self.bars)


def chart(
    title: str,
    values: Sequence[float | None],
    told: Sequence[str],
    most: str,
    words: str,
    begins_at: datetime,
) -> Chart:
    """
    Draw *values*, one bar each.

    Args:
        values: None: nothing is known of that span.
        told: What is said of each.
    """
    highest = max((value for value in values if value), default=0) or 1
    step = WIDTH / max(1, len(values))
    bars = (
        _bar(number * step, step, None if value is None else value / highest, text)
        for number, (value, text) in enumerate(zip(values, told, strict=True))
    )
    return Chart(title, most, words, tuple(bars), begins_at)


def _bar(x: float, step: float, share: float | None, words: str) -> Bar:
    height = max(2.0, share * HEIGHT) if share else 0.0
    return Bar(
        round(x + _GAP / 2, 2),
        round(HEIGHT - height, 2),
        round(step - _GAP, 2),
        round(height, 2),
        words,
        share is not None,
    )
