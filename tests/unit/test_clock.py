"""How far two clocks are apart, as far as HTTP tells."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from docferry.storage.clock import skew_s

NOW = datetime(2026, 11, 23, 12, 0, 0, 400_000, tzinfo=UTC)


@pytest.mark.parametrize(
    ("date", "found"),
    [
        ("Mon, 23 Nov 2026 12:00:00 GMT", 0.0),
        ("Mon, 23 Nov 2026 12:30:00 GMT", 1799.6),
        ("Mon, 23 Nov 2026 11:30:00 GMT", -1799.4),  # it may be as late as 11:30:01
        ("Mon, 23 Nov 2026 12:00:01 GMT", 0.0),  # it answered within the two seconds
        ("yesterday", None),
        (None, None),
    ],
)
def test_only_what_is_certain_counts(date: str | None, found: float | None) -> None:
    assert skew_s(date, NOW, NOW + timedelta(seconds=2 if found == 0 else 0)) == found
