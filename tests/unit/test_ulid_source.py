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


def test_none_is_given_twice_though_a_crash_took_the_note_and_the_clock_went_back() -> None:
    """What was given last is in no ledger, but it is the version of an object already."""
    noted = str(ULID.from_datetime(datetime.now(UTC) + timedelta(days=1)))

    given = [new_ulid() for new_ulid in (UlidSource(noted), UlidSource(noted)) for _ in range(3)]

    assert len({noted, *given}) == 7
    assert min(given) > noted


def test_within_a_millisecond_they_increase() -> None:
    new_ulid = UlidSource()

    given = [new_ulid() for _ in range(5000)]

    assert given == sorted(set(given))
