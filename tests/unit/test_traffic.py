"""Limits by the hour, queues, requests of the last hour, and what a budget leaves for polls."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from docferry.core.traffic import (
    ALL_DAY,
    SELDOM_S,
    UNLIMITED,
    Hours,
    LastHour,
    Limits,
    Poll,
    PollCost,
    Queue,
    Timetable,
    Turns,
    apart_s,
    in_an_hour,
    spending,
)

WORKDAYS = frozenset(range(5))
NOW = datetime(2026, 11, 27, 12, 0, tzinfo=UTC)

# 2026-11-27 is a Friday.
TABLE = Timetable(
    (
        Hours(WORKDAYS, 8 * 60, 18 * 60, 2.0),
        Hours(WORKDAYS, 22 * 60, 6 * 60, None),
        Hours(*ALL_DAY, 10.0),
    )
)


@pytest.mark.parametrize(
    ("local", "rate"),
    [
        ("2026-11-27 07:59", 10.0),
        ("2026-11-27 08:00", 2.0),
        ("2026-11-27 17:59", 2.0),
        ("2026-11-27 18:00", 10.0),
        ("2026-11-27 22:00", None),
        ("2026-11-28 05:59", None),  # of the night that began on Friday
        ("2026-11-28 06:00", 10.0),
        ("2026-11-28 12:00", 10.0),
        ("2026-11-28 23:00", 10.0),
        ("2026-11-30 05:00", 10.0),  # Monday: the night before began on Sunday
    ],
)
def test_the_first_line_that_has_the_hour_counts(local: str, rate: float | None) -> None:
    assert TABLE.bytes_per_s(datetime.fromisoformat(local)) == rate


def test_outside_all_lines_there_is_no_limit() -> None:
    table = Timetable((Hours(WORKDAYS, 0, 60, 2.0),))

    assert table.bytes_per_s(datetime(2026, 11, 27, 1, 0)) is None  # noqa: DTZ001  local
    assert UNLIMITED.bytes_per_s(datetime(2026, 11, 27, 1, 0)) is None  # noqa: DTZ001


def test_all_who_wait_are_let_through_at_the_rate_together() -> None:
    queue = Queue()
    for _ in range(100):
        queue = queue.after(10, rate=50.0, now_s=1000.0, burst_s=0.1)

    assert queue.free_s == pytest.approx(1000.0 - 0.1 + 100 * 10 / 50.0)


def test_a_silence_is_not_saved_up() -> None:
    queue = Queue().after(10, rate=50.0, now_s=1000.0, burst_s=0.1)

    later = queue.after(500, rate=50.0, now_s=2000.0, burst_s=0.1)

    assert later.free_s == pytest.approx(2000.0 - 0.1 + 10)


def test_at_another_rate_what_is_waited_for_takes_less_long() -> None:
    queue = Queue().after(1000, rate=10.0, now_s=0.0, burst_s=0.0)

    quicker = queue.after(0, rate=100.0, now_s=50.0, burst_s=0.0)

    assert quicker.free_s == pytest.approx(50.0 + 5.0)


def test_requests_are_forgotten_after_an_hour() -> None:
    hour = LastHour(NOW)
    hour.add("list", NOW)
    for minute in range(10):
        hour.add("get", NOW + timedelta(minutes=minute))

    assert hour.counts(NOW + timedelta(minutes=59)) == {"list": 1, "get": 10}
    assert hour.counts(NOW + timedelta(minutes=65)) == {"get": 4}
    assert hour.counts(NOW + timedelta(hours=3)) == {}


def test_a_clock_that_was_set_back_does_not_keep_an_hour_for_a_day() -> None:
    ahead = NOW + timedelta(days=1)
    hour = LastHour(ahead)
    hour.add("list", ahead)

    hour.add("get", NOW)

    assert hour.counts(NOW) == {"get": 1}
    assert hour.since == NOW


@pytest.mark.parametrize(
    ("since", "per_hour"),
    [(timedelta(hours=5), 60), (timedelta(minutes=30), 120), (timedelta(minutes=1), 360)],
)
def test_what_was_counted_for_less_than_an_hour_is_told_as_of_one(
    since: timedelta, per_hour: float
) -> None:
    assert in_an_hour(60, NOW - since, NOW) == pytest.approx(per_hour)


def cost(polls: list[Poll], stretch: float) -> float:
    return sum(3600 / apart_s(each.every_s, stretch) * each.requests for each in polls)


POLLS = [Poll(30.0, 2), Poll(10.0, 11), Poll(300.0, 101)]
WANTED = cost(POLLS, 1.0)


@pytest.mark.parametrize("budget", [WANTED * part for part in (0.9, 0.5, 0.2, 0.05)])
def test_polls_are_stretched_until_all_requests_are_within_the_budget(budget: float) -> None:
    found = spending(budget + 500, 500, POLLS)

    assert found.stretch > 1
    assert cost(POLLS, found.stretch) <= budget * 1.001 or found.is_over
    assert not found.is_over or cost(POLLS, found.stretch) == cost(POLLS, SELDOM_S)


def test_within_the_budget_and_without_one_nothing_is_stretched() -> None:
    assert spending(WANTED + 501, 500, POLLS).stretch == 1
    assert spending(None, 10**9, POLLS).stretch == 1


def test_however_much_documents_take_each_bucket_is_looked_at_once_an_hour() -> None:
    found = spending(1000, 5000, POLLS)

    assert [apart_s(poll.every_s, found.stretch) for poll in POLLS] == [SELDOM_S] * 3
    assert found.is_over


def test_more_than_the_budget_is_told_where_nothing_can_be_stretched() -> None:
    assert spending(1000, 1001.5, []).is_over
    assert spending(1000, 1500, [Poll(2 * SELDOM_S, 1)]).is_over


def test_a_bucket_that_is_looked_at_more_seldom_anyway_stays_as_it_is() -> None:
    assert apart_s(2 * SELDOM_S, 5.0) == 2 * SELDOM_S


@pytest.mark.parametrize(("stretch", "of_240"), [(1.0, 240), (1.25, 192), (2.4, 100), (120.0, 2)])
def test_some_turns_are_left_out_so_that_the_average_is_right(stretch: float, of_240: int) -> None:
    turns = Turns()

    taken = [turns.take(stretch) for _ in range(240)]

    assert taken[0]
    assert abs(sum(taken) - of_240) <= 1


def test_turns_come_at_once_again_when_nothing_is_stretched_any_more() -> None:
    turns = Turns()
    for _ in range(10):
        turns.take(1000.0)

    taken = [turns.take(1.0) for _ in range(3)]

    assert taken == [False, True, True]


def test_a_poll_costs_what_is_listed_from_one_to_the_next_and_its_marker() -> None:
    poll = PollCost()
    costs = []
    for listed in (3, 10, 17, 60, 67):
        poll.begins(listed)
        costs.append(poll.requests)

    assert costs == [2, 8, 8, 8, 8]  # once 43: something else was listed


def test_the_cost_of_a_poll_follows_a_bucket_that_has_grown() -> None:
    poll = PollCost()
    for listed in (0, 1, 2, *range(12, 80, 10)):
        poll.begins(listed)

    assert poll.requests == 11


@pytest.mark.parametrize(
    ("limits", "named"),
    [
        (Limits(), ""),
        (Limits(requests_per_s=1.0), "the limits of the store main (`requests`)"),
        (
            Limits(down=TABLE, requests_per_s=1.0),
            "the limits of the store main (`bandwidth_down`, `requests`)",
        ),
    ],
)
def test_what_is_limited_has_a_name_for_who_wonders_what_is_waited_for(
    limits: Limits, named: str
) -> None:
    assert limits.named("main") == named
