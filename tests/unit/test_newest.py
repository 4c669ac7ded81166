"""How much of a bucket a poll lists, where its files are named by ULIDs."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from docferry.core.newest import LATE, listed_after
from docferry.core.ulids import time_of

NOW = datetime(2026, 11, 27, 12, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.mark.parametrize(
    ("what", "listed_at", "relist"),
    [
        ("nothing was listed yet", None, HOUR),
        ("it is not wanted", NOW, timedelta(0)),
        ("it is time again", NOW - HOUR, HOUR),
        ("it is long ago", NOW - 5 * HOUR, HOUR),
        ("the clock was set back", NOW + HOUR, 2 * HOUR),
    ],
)
def test_all_is_listed(what: str, listed_at: datetime | None, relist: timedelta) -> None:
    assert listed_after(NOW, listed_at, relist) is None, what


def test_between_times_only_names_of_the_last_hour_are_listed() -> None:
    after = listed_after(NOW, NOW - timedelta(minutes=59), HOUR)

    assert after is not None
    assert time_of(after) == NOW - LATE
