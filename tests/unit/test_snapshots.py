"""When a snapshot is taken, which are kept, whose history is missed; and what a ULID tells."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from ulid import ULID

from docferry.core.snapshots import (
    KEPT,
    Changes,
    Stored,
    is_due,
    is_history_missed,
    superseded,
)
from docferry.core.ulids import is_credible, time_of

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
EVERY = timedelta(minutes=15)


def ago(seconds: float) -> datetime:
    return NOW - timedelta(seconds=seconds)


def changes(first_s: float, last_s: float) -> Changes:
    return Changes(7, ago(first_s), ago(last_s))


def taken(seconds: float, took_s: float = 1.0) -> tuple[datetime, timedelta]:
    return ago(seconds), timedelta(seconds=took_s)


@pytest.mark.parametrize(
    ("what", "last", "expected"),
    [
        pytest.param(None, None, False, id="nothing was ever done"),
        pytest.param(None, taken(86400), False, id="nothing since"),
        pytest.param(changes(100, 31), None, True, id="the first, once it is quiet"),
        pytest.param(changes(100, 29), None, False, id="it is not quiet yet"),
        pytest.param(changes(100, 31), taken(120), True, id="quiet again"),
        pytest.param(changes(900, 0), taken(901), True, id="never quiet, long enough"),
        pytest.param(changes(899, 0), taken(86400), False, id="a burst that has just begun"),
        pytest.param(changes(60, 31), taken(99, 10), False, id="the last one took long"),
        pytest.param(changes(60, 31), taken(100, 10), True, id="ten times as long ago"),
        pytest.param(changes(2000, 0), taken(2001, 300), False, id="however busy"),
        pytest.param(changes(-60, -60), taken(10), False, id="the clock was set back"),
    ],
)
def test_a_snapshot_is_due(
    what: Changes | None, last: tuple[datetime, timedelta] | None, *, expected: bool
) -> None:
    assert is_due(what, last, NOW, EVERY) is expected


def test_later_changes_do_not_make_the_first_one_younger() -> None:
    earlier, later = changes(900, 800), Changes(9, ago(10), ago(5))

    assert earlier.followed_by(later) == Changes(9, ago(900), ago(5))
    assert earlier.followed_by(None) == earlier


def stored(number: int, instance: str) -> Stored:
    return Stored(f"{number:026d}", instance, ago(100 - number))


def test_of_the_own_ledger_the_newest_are_kept_and_of_another_all() -> None:
    found = [stored(number, "own") for number in range(5)]
    found += [stored(number, "lost") for number in range(5, 12)]

    assert superseded(found, "own") == [f"{number:026d}" for number in (1, 0)]
    assert superseded(found[:KEPT], "own") == []
    assert superseded(found, "a fresh one") == []


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        pytest.param([], False, id="there are none"),
        pytest.param([stored(1, "own")], False, id="our own"),
        pytest.param([stored(1, "other")], True, id="of before"),
        pytest.param([stored(60, "other")], False, id="of another machine that works beside us"),
    ],
)
def test_a_history_is_missed_where_another_ledger_was_there_first(
    found: list[Stored], *, expected: bool
) -> None:
    assert is_history_missed(found, "own", ago(50)) is expected


# What a ULID tells.


def test_a_ulid_tells_when_it_was_made() -> None:
    for at in (NOW, datetime(1970, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, tzinfo=UTC)):
        assert time_of(str(ULID.from_datetime(at))) == at


@pytest.mark.parametrize(
    "text", ["", "V" * 26, "7" + "Z" * 25, "0" * 25, "0" * 27, "0" * 25 + "I", "0" * 25 + "a"]
)
def test_what_tells_no_time_that_can_be_written_is_nobodys_version(text: str) -> None:
    assert time_of(text) is None
    assert not is_credible(text, NOW)


def test_a_version_of_the_far_future_is_not_believed() -> None:
    """All versions to come would have to be greater than that."""
    a_clock_ahead = str(ULID.from_datetime(NOW + timedelta(hours=23)))
    nonsense = str(ULID.from_datetime(NOW + timedelta(days=2)))

    assert is_credible(a_clock_ahead, NOW)
    assert not is_credible(nonsense, NOW)
