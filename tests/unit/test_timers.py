"""Timers call again and again, whatever happens to a single call."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta

import pytest
from structlog.testing import capture_logs

from docferry.engine.timers import Every, Timers
from docferry.errors import TemporaryError

PATIENCE_S = 10.0
OFTEN_S = 0.02
NEVER_S = 3600.0


class Calls:
    """Counts calls, and lets a test wait for them."""

    def __init__(self) -> None:
        self.count = 0
        self._called = threading.Semaphore(0)

    def __call__(self) -> None:
        self.count += 1
        self._called.release()

    def wait_for(self, count: int) -> None:
        for _ in range(count):
            assert self._called.acquire(timeout=PATIENCE_S), "not called"


@pytest.fixture
def timers() -> Iterator[Timers]:
    timers = Timers()
    yield timers
    timers.stop()


def test_a_function_is_called_again_and_again(timers: Timers) -> None:
    calls = Calls()
    timers.every(OFTEN_S, "poll", calls, jitter_s=OFTEN_S)

    timers.start()

    calls.wait_for(3)


@pytest.mark.parametrize("jitter_s", [0.0, 0.5])
def test_what_was_missed_while_the_clock_went_ahead_is_called_once(jitter_s: float) -> None:
    """A machine without a battery begins in 1970, until it has met its time server."""
    trigger = Every(0.2, jitter_s)
    before = datetime(1970, 1, 1, tzinfo=UTC)
    due = trigger.get_next_fire_time(None, before)
    assert before < due < before + timedelta(seconds=1)

    now = datetime(2026, 1, 1, tzinfo=UTC)

    assert now < trigger.get_next_fire_time(due, now) < now + timedelta(seconds=1)


def test_a_call_that_comes_a_little_late_does_not_shift_the_next_one() -> None:
    due = datetime(2026, 1, 1, tzinfo=UTC)

    again = Every(10.0).get_next_fire_time(due, due + timedelta(seconds=1))

    assert again == due + timedelta(seconds=10)


def test_what_a_clock_that_was_set_back_has_put_off_is_known() -> None:
    trigger, now = Every(10.0, 5.0), datetime(2026, 1, 1, tzinfo=UTC)

    assert not trigger.is_too_far(now + timedelta(seconds=15), now)
    assert trigger.is_too_far(now + timedelta(seconds=16), now)


def test_a_rare_timer_can_begin_at_once(timers: Timers) -> None:
    calls = Calls()
    timers.every(NEVER_S, "rescan", calls, at_once=True)

    timers.start()

    calls.wait_for(1)


def failed(events: Sequence[Mapping[str, object]], timer: str) -> Mapping[str, object]:
    """Give the first failure of *timer*: a call of an earlier test's may end only now."""
    mine = (event for event in events if event.get("timer") == timer)
    return next(event for event in mine if event["event"] == "timer.failed")


def test_a_failure_is_logged_and_the_next_call_comes(timers: Timers) -> None:
    calls = Calls()

    def fail() -> None:
        calls()
        raise RuntimeError("no luck")

    timers.every(OFTEN_S, "poll", fail)

    with capture_logs() as events:
        timers.start()
        calls.wait_for(3)
        timers.stop()

    failure = failed(events, "poll")
    assert str(failure["exc_info"]) == "no luck"


def test_a_failure_that_is_known_is_told_in_its_own_words(timers: Timers) -> None:
    calls = Calls()

    def fail() -> None:
        calls()
        raise TemporaryError("the ledger cannot be opened")

    timers.every(OFTEN_S, "job-counts", fail)

    with capture_logs() as events:
        timers.start()
        calls.wait_for(2)
        timers.stop()

    failure = failed(events, "job-counts")
    assert failure["reason"] == "the ledger cannot be opened"
    assert "exc_info" not in failure


def test_a_slow_call_neither_overlaps_with_itself_nor_holds_up_others(timers: Timers) -> None:
    going_on = threading.Event()
    others = Calls()
    started = Calls()

    def slow() -> None:
        started()
        going_on.wait(PATIENCE_S)

    timers.every(OFTEN_S, "slow", slow)
    timers.every(OFTEN_S, "other", others)
    timers.start()
    started.wait_for(1)
    others.wait_for(5)

    assert started.count == 1
    going_on.set()
    started.wait_for(1)


def test_stopping_does_not_wait_for_a_call_under_way(timers: Timers) -> None:
    going_on = threading.Event()
    started, ended = Calls(), Calls()

    def slow() -> None:
        started()
        going_on.wait(PATIENCE_S)
        ended()

    timers.every(OFTEN_S, "slow", slow)
    timers.start()
    started.wait_for(1)

    timers.stop()

    going_on.set()
    ended.wait_for(1)


def test_a_second_timer_of_a_name_replaces_the_first(timers: Timers) -> None:
    first, second = Calls(), Calls()
    timers.every(OFTEN_S, "poll", first)
    timers.every(OFTEN_S, "poll", second)

    timers.start()
    second.wait_for(3)

    assert first.count == 0


def test_timers_that_never_started_can_be_stopped() -> None:
    Timers().stop()


def test_a_timer_that_is_removed_calls_no_more(timers: Timers) -> None:
    gone, stays = Calls(), Calls()
    timers.every(OFTEN_S, "gone", gone)
    timers.every(OFTEN_S, "stays", stays)
    timers.start()
    gone.wait_for(1)

    timers.remove("gone")
    timers.remove("was never there")

    stays.wait_for(2)
    before = gone.count
    stays.wait_for(5)
    assert gone.count <= before + 1  # one may have been under way
