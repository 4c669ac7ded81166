"""Every version's ULID is greater than all before it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from ulid import ULID

from docferry.app.sides import UlidSource


def test_they_go_on_from_one_that_a_clock_ahead_has_given() -> None:
    ahead = str(ULID.from_datetime(datetime.now(UTC) + timedelta(days=1)))
    new_ulid = UlidSource(after=ahead)

    given = [new_ulid() for _ in range(3)]

    assert [ahead, *given] == sorted({ahead, *given})


def test_within_a_millisecond_they_increase() -> None:
    new_ulid = UlidSource()

    given = [new_ulid() for _ in range(5000)]

    assert given == sorted(set(given))
