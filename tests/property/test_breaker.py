"""Services that fail in every way, in front of a queue, on a clock that is only counted."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from docferry.core.breaker import (
    Breaker,
    after_outage,
    after_success,
    closed,
    is_blamed,
    may_start,
    on_probe_start,
)
from docferry.core.failures import Again, Failed, GiveUp, Skip, after_failure
from docferry.job import BreakerState, Failure

START = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
HOUR_S = 3600.0
MAX_ATTEMPTS = 4
END_S = 12 * HOUR_S
MOST_CALLS = 10_000

REFUSED = Failed(Failure.OUTAGE, "connection refused")
THROTTLED = Failed(Failure.OUTAGE, "503")
HUNG_UP = Failed(Failure.OUTAGE, "the connection was lost", is_in_doubt=True)


@dataclass(slots=True)
class Doc:
    is_poison: bool
    run_at: datetime
    priority: int = 1
    attempts: int = 0
    failed_at: datetime | None = None
    is_suspect: bool = False  # an attempt failed in doubt
    end: str = ""  # "done" or "dead"


@dataclass(frozen=True, slots=True)
class Weather:
    """What a service goes through."""

    down_at_s: float
    down_for_s: float
    flaky_at_s: float
    flaky_for_s: float
    restart_s: float  #: after a poison document
    takes_s: float  #: a conversion
    lives_s: float = END_S  #: until docferry is started again, each time


@dataclass(slots=True)
class World:
    """A queue, a service with some slots, and the breaker between them."""

    weather: Weather
    docs: list[Doc]
    slots: int
    chance: random.Random
    now: datetime = START
    breaker: Breaker = field(default_factory=lambda: closed(START))
    in_hand: dict[int, tuple[datetime, Failed | None]] = field(default_factory=dict)
    is_alone: bool = False  # a suspect is in hand: nobody beside it
    killed_until: datetime = START
    started_at: datetime = START
    calls: list[tuple[datetime, BreakerState]] = field(default_factory=list)

    def run(self) -> None:
        end = START + timedelta(seconds=END_S)
        while self.now < end and any(not doc.end for doc in self.docs):
            while self._starts_one():
                pass
            following = min(self._moments(), default=end)
            self.now = max(following, self.now)
            self._finish_due()
            if self.now >= self._ends_at:
                self._start_again()

    @property
    def _ends_at(self) -> datetime:
        return self.started_at + timedelta(seconds=self.weather.lives_s)

    def _start_again(self) -> None:
        """What is in hand goes back; what the ledger does not hold is forgotten."""
        for number in self.in_hand:
            self.docs[number].attempts -= 1
        self.in_hand.clear()
        self.is_alone = False
        self.breaker = closed(self.now)
        self.started_at = self.now

    def _moments(self) -> Iterator[datetime]:
        yield self._ends_at
        for until, _ in self.in_hand.values():
            yield until
        if self.breaker.retry_at is not None and self.breaker.retry_at > self.now:
            yield self.breaker.retry_at
        for number, doc in enumerate(self.docs):
            if not doc.end and number not in self.in_hand and doc.run_at > self.now:
                yield doc.run_at

    def _starts_one(self) -> bool:
        due = [
            (-doc.priority, doc.run_at, number)
            for number, doc in enumerate(self.docs)
            if not doc.end and number not in self.in_hand and doc.run_at <= self.now
        ]
        if not due or self.is_alone or len(self.in_hand) >= self.slots:
            return False
        number = min(due)[2]
        if self.docs[number].is_suspect and self.in_hand:
            return False  # it goes when the others are through
        if not may_start(self.breaker, self.now):
            return False
        self.is_alone = self.docs[number].is_suspect
        self.calls.append((self.now, self.breaker.state))
        assert len(self.calls) < MOST_CALLS, "it is asked without end"
        self.breaker = on_probe_start(self.breaker, self.now)
        self.docs[number].attempts += 1
        self.in_hand[number] = self._answer(self.docs[number])
        return True

    def _answer(self, doc: Doc) -> tuple[datetime, Failed | None]:
        at_s, weather = (self.now - START).total_seconds(), self.weather
        at_once = self.now + timedelta(milliseconds=50)
        is_down = 0 <= at_s - weather.down_at_s < weather.down_for_s
        if is_down or self.now < self.killed_until:
            return at_once, REFUSED
        is_flaky = 0 <= at_s - weather.flaky_at_s < weather.flaky_for_s
        if is_flaky and self.chance.random() < 0.5:
            return at_once, THROTTLED
        return self.now + timedelta(seconds=weather.takes_s), HUNG_UP if doc.is_poison else None

    def _finish_due(self) -> None:
        for number, (until, failed) in sorted(self.in_hand.items(), key=lambda one: one[1][0]):
            if until > self.now or number not in self.in_hand:
                continue
            if failed is HUNG_UP and self.docs[number].is_poison:
                self._fall_down(number)
            else:
                self._end(number, failed, was_alone=len(self.in_hand) == 1)

    def _fall_down(self, reason: int) -> None:
        """All that the service has in its hands is lost with it."""
        self.killed_until = self.now + timedelta(seconds=self.weather.restart_s)
        was_alone = len(self.in_hand) == 1
        for number in [reason, *(one for one in self.in_hand if one != reason)]:
            self._end(number, HUNG_UP, was_alone=was_alone)

    def _end(self, number: int, failed: Failed | None, *, was_alone: bool) -> None:
        doc = self.docs[number]
        del self.in_hand[number]
        self.is_alone = False
        if failed is None:
            self.breaker = after_success(self.breaker, self.now)
            doc.end = "done"
            return
        before, jitter = self.breaker, self.chance.random()
        self.breaker = after_outage(before, failed, self.now, jitter)
        what = after_failure(
            failed,
            attempts=doc.attempts,
            max_attempts=MAX_ATTEMPTS,
            now=self.now,
            jitter=self.chance.random(),
            is_blamed=is_blamed(before, failed, doc.failed_at, is_alone=was_alone),
            opens_at=self.breaker.retry_at,
        )
        doc.failed_at, doc.is_suspect = self.now, doc.is_suspect or failed.is_in_doubt
        match what:
            case Again(run_at=run_at, counts=counts):
                doc.run_at = run_at
                doc.attempts -= not counts
                doc.priority = 0 if failed.is_in_doubt else doc.priority  # as the ledger does
            case GiveUp():
                doc.end = "dead"
            case Skip(reason=reason):
                raise AssertionError(reason)


def seconds(least: float, most: float) -> st.SearchStrategy[float]:
    return st.floats(least, most, allow_nan=False)


WEATHERS = st.builds(
    Weather,
    down_at_s=seconds(0, HOUR_S),
    down_for_s=seconds(0, 2 * HOUR_S),
    flaky_at_s=seconds(0, HOUR_S),
    flaky_for_s=seconds(0, HOUR_S),
    restart_s=seconds(0, 120),
    takes_s=seconds(0.1, 10),
    lives_s=st.just(END_S) | seconds(HOUR_S / 4, 4 * HOUR_S),
)


@given(
    WEATHERS,
    st.lists(st.integers(0, 2), max_size=3),
    st.sampled_from([1, 3]),
    st.integers(0, 1 << 30),
)
def test_every_sound_document_is_done_and_every_poisonous_one_given_up(
    weather: Weather, poisons: list[int], slots: int, seed: int
) -> None:
    sound = [Doc(is_poison=False, run_at=START + timedelta(minutes=5 * n)) for n in range(60)]
    docs = [Doc(is_poison=True, run_at=START, priority=one) for one in poisons] + sound

    World(weather, docs, slots, random.Random(seed)).run()

    assert [doc.end for doc in sound] == ["done"] * len(sound)
    assert {doc.attempts for doc in sound} == {1}  # the one that went well
    assert [doc.end for doc in docs if doc.is_poison] == ["dead"] * len(poisons)


@given(WEATHERS, st.sampled_from([1, 3]), st.integers(0, 1 << 30))
def test_a_service_that_is_down_for_an_hour_is_left_alone(
    weather: Weather, slots: int, seed: int
) -> None:
    weather = replace(
        weather, down_at_s=60.0, down_for_s=HOUR_S, flaky_for_s=0.0, takes_s=2.0, lives_s=END_S
    )
    docs = [Doc(is_poison=False, run_at=START) for _ in range(150)]
    world = World(weather, docs, slots, random.Random(seed))

    world.run()

    begin = START + timedelta(seconds=60)
    during = [state for at, state in world.calls if begin <= at < begin + timedelta(hours=1)]
    assert {doc.end for doc in docs} == {"done"}
    assert len(during) < 40
    assert len([state for state in during if state is BreakerState.CLOSED]) < 10
