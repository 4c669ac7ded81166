"""The circuit breaker: when a converter is given no documents, and when again."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from docferry.core.breaker import (
    OPENS_AFTER,
    Breaker,
    after_outage,
    after_success,
    closed,
    is_blamed,
    may_start,
    on_probe_end,
    on_probe_start,
)
from docferry.core.failures import Failed
from docferry.job import BreakerState, ConverterRow, Failure

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
SECOND = timedelta(seconds=1)
OUTAGE = Failed(Failure.OUTAGE, "refused")
IN_DOUBT = Failed(Failure.OUTAGE, "it hung up", is_in_doubt=True)


def opened(failed: Failed = OUTAGE, jitter: float = 0.5) -> Breaker:
    breaker = closed(NOW)
    for _ in range(OPENS_AFTER):
        breaker = after_outage(breaker, failed, NOW, jitter)
    return breaker


def failed_probe(breaker: Breaker, jitter: float = 0.5) -> Breaker:
    assert breaker.retry_at is not None
    probe = on_probe_start(breaker, breaker.retry_at)
    return after_outage(probe, OUTAGE, breaker.retry_at, jitter)


def pause_s(breaker: Breaker) -> float:
    assert breaker.retry_at is not None
    return (breaker.retry_at - breaker.since).total_seconds()


def test_it_opens_after_some_outages_in_a_row_and_not_before() -> None:
    breaker = closed(NOW)
    for _ in range(OPENS_AFTER - 1):
        breaker = after_outage(breaker, OUTAGE, NOW, 0.5)
        assert may_start(breaker, NOW)

    breaker = after_outage(breaker, OUTAGE, NOW + SECOND, 0.5)

    assert not may_start(breaker, NOW + SECOND)
    assert (breaker.state, breaker.since) == (BreakerState.OPEN, NOW + SECOND)
    assert breaker.down_since == NOW


def test_a_converter_is_down_since_it_first_failed_however_often_it_is_tried() -> None:
    breaker = closed(NOW)
    for second in range(OPENS_AFTER):
        breaker = after_outage(breaker, OUTAGE, NOW + second * SECOND, 0.5)
    for _ in range(3):
        breaker = failed_probe(breaker)

    down = breaker.row("office")
    up = after_success(breaker, NOW + timedelta(days=1)).row("office")

    assert (down.state, down.since) == (BreakerState.OPEN, NOW)
    assert (up.state, up.since) == (BreakerState.CLOSED, NOW + timedelta(days=1))


def test_a_success_in_between_begins_the_row_anew() -> None:
    breaker = closed(NOW)
    for _ in range(OPENS_AFTER * 3):
        breaker = after_outage(breaker, OUTAGE, NOW, 0.5)
        breaker = after_success(breaker, NOW)

    assert breaker == replace(closed(NOW), succeeded_at=NOW)


def test_it_opens_at_once_where_no_waiting_mends_it() -> None:
    breaker = after_outage(closed(NOW), Failed(Failure.CONFIGURATION, "key refused"), NOW, 0.5)

    assert not may_start(breaker, NOW)
    assert breaker.reason == "key refused"


def test_when_its_time_has_come_exactly_one_document_may_start() -> None:
    breaker = opened()
    assert breaker.retry_at is not None
    assert not may_start(breaker, breaker.retry_at - SECOND)
    assert may_start(breaker, breaker.retry_at)

    half_open = on_probe_start(breaker, breaker.retry_at)

    assert half_open.state is BreakerState.HALF_OPEN
    assert not may_start(half_open, breaker.retry_at + timedelta(days=1))


def test_it_closes_by_itself_when_the_one_went_well() -> None:
    breaker = on_probe_start(opened(), NOW)

    breaker = after_success(breaker, NOW + SECOND)

    assert breaker == Breaker(BreakerState.CLOSED, 0, NOW + SECOND, succeeded_at=NOW + SECOND)


def test_each_failed_try_is_followed_by_a_longer_pause_up_to_five_minutes() -> None:
    breaker, pauses = opened(jitter=0.0), []
    for _ in range(9):
        pauses.append(pause_s(breaker))
        breaker = failed_probe(breaker, jitter=0.0)

    assert pauses == [2.5, 5.0, 10.0, 20.0, 40.0, 80.0, 150.0, 150.0, 150.0]
    assert pause_s(failed_probe(breaker, jitter=0.999)) == pytest.approx(300, abs=1)


def test_a_converter_that_asks_for_time_gets_it_up_to_an_hour() -> None:
    assert pause_s(opened(replace(OUTAGE, retry_after_s=60.0))) == 60.0
    assert pause_s(opened(replace(OUTAGE, retry_after_s=1e6))) == 3600.0
    assert pause_s(opened(replace(OUTAGE, retry_after_s=0.0))) == pause_s(opened())


def test_what_was_under_way_when_it_opened_prolongs_nothing() -> None:
    breaker = opened()

    late = after_outage(breaker, Failed(Failure.OUTAGE, "reset"), NOW + SECOND, 0.5)

    assert late == replace(breaker, reason="reset")


def test_a_success_of_what_was_under_way_closes_it() -> None:
    assert after_success(opened(), NOW + SECOND).state is BreakerState.CLOSED


def test_a_try_that_never_came_to_the_converter_leaves_the_next_one_its_turn() -> None:
    breaker = on_probe_end(on_probe_start(opened(), NOW), NOW + SECOND)

    assert may_start(breaker, NOW + SECOND)
    assert pause_s(failed_probe(breaker)) == pause_s(failed_probe(opened()))
    assert on_probe_end(closed(NOW), NOW + SECOND) == closed(NOW)


def test_a_document_that_starts_at_a_closed_one_tries_nothing_out() -> None:
    assert on_probe_start(closed(NOW), NOW + SECOND) == closed(NOW)


def test_others_are_told_how_it_does() -> None:
    breaker = opened()

    assert breaker.row("tika") == ConverterRow(
        "tika", BreakerState.OPEN, "refused", NOW, breaker.retry_at
    )
    assert closed(NOW).row("tika").reason is None


@pytest.mark.parametrize(
    ("failed", "failed_before_at", "succeeded_at", "is_alone", "found"),
    [
        (IN_DOUBT, NOW, NOW + SECOND, True, True),
        (IN_DOUBT, NOW, NOW, True, False),  # before, or at the same time: that tells nothing
        (IN_DOUBT, NOW, NOW - SECOND, True, False),
        (IN_DOUBT, NOW, None, True, False),  # it may be down for all
        (IN_DOUBT, None, NOW, True, False),  # it may have been chance
        (IN_DOUBT, NOW, NOW + SECOND, False, False),  # it may have been another's fault
        (OUTAGE, NOW, NOW + SECOND, True, False),  # it never had the document
        (replace(IN_DOUBT, failure=Failure.TIMEOUT), NOW, NOW + SECOND, True, False),
    ],
)
def test_a_document_is_blamed_if_others_went_well_since_it_failed(
    failed: Failed,
    failed_before_at: datetime | None,
    succeeded_at: datetime | None,
    *,
    is_alone: bool,
    found: bool,
) -> None:
    breaker = replace(closed(NOW), succeeded_at=succeeded_at)

    assert is_blamed(breaker, failed, failed_before_at, is_alone=is_alone) is found
