"""How much may pass to a store and back: by the hour of the day, and how long who is next waits."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

_DAY_MINUTES = 24 * 60
#: A rate is told from so much at least: a minute says little of an hour.
_TELLING = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class Hours:
    """
    Hours of some days, in local time.

    days: 0 is Monday.
    begin, end: minutes of the day; *end* is not in it. Where it is no later than *begin* it is of
        the next day.
    bytes_per_s: None: as many as there are.
    """

    days: frozenset[int]
    begin: int
    end: int
    bytes_per_s: float | None

    def have(self, local: datetime) -> bool:
        """Say whether *local* is in them."""
        minute, day = local.hour * 60 + local.minute, local.weekday()
        if self.begin < self.end:
            return day in self.days and self.begin <= minute < self.end
        is_of_today = day in self.days and minute >= self.begin
        return is_of_today or ((day - 1) % 7 in self.days and minute < self.end)


ALL_DAY = (frozenset(range(7)), 0, _DAY_MINUTES)


@dataclass(frozen=True, slots=True)
class Timetable:
    """When how many bytes may pass in a second: the first line that has the hour counts."""

    lines: tuple[Hours, ...] = ()

    def bytes_per_s(self, local: datetime) -> float | None:
        """Give the limit at *local*, a time of this machine's zone; None: there is none."""
        found = (line.bytes_per_s for line in self.lines if line.have(local))
        return next(found, None)


#: As many as there are, always.
UNLIMITED = Timetable()


@dataclass(frozen=True, slots=True)
class Limits:
    """What may pass between docferry and a store. None, and no line: as much as there is."""

    up: Timetable = UNLIMITED
    down: Timetable = UNLIMITED
    requests_per_s: float | None = None

    def named(self, store: str) -> str:
        """Name what is limited, for a person who wonders what is waited for; "": nothing is."""
        keys = (("bandwidth_up", self.up), ("bandwidth_down", self.down))
        limited = [f"`{key}`" for key, table in keys if table != UNLIMITED]
        limited += ["`requests`"] if self.requests_per_s is not None else []
        return f"the limits of the store {store} ({', '.join(limited)})" if limited else ""


@dataclass(frozen=True, slots=True)
class Queue:
    """
    Those who wait for their turn, as a moment: when it is free again (monotonic seconds).

    rate: a second, of what was let through last.
    """

    free_s: float = 0.0
    rate: float | None = None

    def after(self, amount: float, rate: float, now_s: float, burst_s: float) -> Queue:
        """
        Give the queue with *amount* more in it.

        Who comes after a silence finds *burst_s* free. At another rate what is waited for
        already takes longer, or less long, in proportion.
        """
        free_s = self.free_s
        if self.rate is not None and self.rate != rate:
            free_s = now_s + (free_s - now_s) * self.rate / rate
        return Queue(max(free_s, now_s - burst_s) + amount / rate, rate)


class LastHour:
    """
    Counts what happened within the last hour, by kind, a minute more or less. For one thread.

    Args:
        since: When counting begins.
    """

    def __init__(self, since: datetime) -> None:
        self.since = since
        self._minutes: dict[datetime, Counter[str]] = {}

    def add(self, kind: str, now: datetime) -> None:
        minute = now.replace(second=0, microsecond=0)
        if minute not in self._minutes:
            self._forget(now)
            self._minutes[minute] = Counter()
        self._minutes[minute][kind] += 1

    def counts(self, now: datetime) -> Counter[str]:
        """Give how many there were of each kind."""
        self._forget(now)
        found: Counter[str] = Counter()
        for counts in self._minutes.values():
            found.update(counts)
        return found

    def _forget(self, now: datetime) -> None:
        # Where the clock was set back, what is of the future would count until that is there.
        self.since = min(self.since, now)
        oldest = now - timedelta(hours=1)
        for minute in [minute for minute in self._minutes if not oldest < minute <= now]:
            del self._minutes[minute]


def in_an_hour(count: float, since: datetime, now: datetime) -> float:
    """Give what *count* of the last hour, or since counting began less than one ago, comes to."""
    seen = min(max(now - since, _TELLING), timedelta(hours=1))
    return count * (timedelta(hours=1) / seen)


@dataclass(frozen=True, slots=True)
class Poll:
    """How a mirror's bucket is looked at: so often, as configured, for so many requests each."""

    every_s: float
    requests: float


#: However little a budget leaves, each bucket is looked at once an hour.
SELDOM_S = 3600.0


@dataclass(frozen=True, slots=True)
class Spending:
    """
    What the requests of an hour come to.

    stretch: how many times longer polls are apart than configured: 1.0 or more.
    is_over: even so there are more than the budget has.
    """

    stretch: float = 1.0
    is_over: bool = False


def spending(budget: float | None, others: float, polls: Sequence[Poll]) -> Spending:
    """
    Say how far apart polls are to be for a store to get no more than *budget* requests an hour.

    Args:
        others: Requests an hour that are not for polls. None of them ever waits for a budget:
            that a document is on both sides is worth more than what it costs.
        polls: Of all mirrors of the store: all are stretched alike.
    """
    if budget is None or others + _cost(polls, 1.0) <= budget:
        return Spending()
    stretch = _stretch(budget - others, polls)
    return Spending(stretch, is_over=others + _cost(polls, stretch) > budget * 1.001)


def _stretch(left: float, polls: Sequence[Poll]) -> float:
    """Give by how much polls are to be stretched to cost *left*, or as little as they can."""
    stretch = 1.0
    for _ in range(len(polls) + 1):  # each time some more may be as seldom as can be
        seldom = [poll for poll in polls if poll.every_s * stretch >= SELDOM_S]
        others = [poll for poll in polls if poll.every_s * stretch < SELDOM_S]
        left_for_others = left - _cost(seldom, stretch)
        if left_for_others <= 0 or not others:
            break
        stretch = max(stretch, _cost(others, 1.0) / left_for_others)
    else:
        return stretch
    return max([1.0, *(SELDOM_S / poll.every_s for poll in polls)])


def _cost(polls: Sequence[Poll], stretch: float) -> float:
    """Give how many requests an hour *polls* take."""
    return sum(poll.requests * 3600.0 / apart_s(poll.every_s, stretch) for poll in polls)


def apart_s(every_s: float, stretch: float) -> float:
    """Give how far apart polls are that were to be *every_s* apart."""
    return min(every_s * stretch, max(every_s, SELDOM_S))


class Turns:
    """
    Lets through some of those that come regularly, so that on the average the rest are *stretch*
    times apart. The first comes through. For one thread.
    """

    def __init__(self) -> None:
        self._due = 1.0

    def take(self, stretch: float) -> bool:
        """Say whether who comes now is let through."""
        is_due = self._due >= 1.0 - 1e-9
        self._due += 1.0 / stretch - (1.0 if is_due else 0.0)
        return is_due


class PollCost:
    """
    How many requests it takes to poll. For one thread.

    What is listed between two polls is for the first of them, or for something else once in a
    while: so it is the least of some.
    """

    _BESIDES = 1  #: the marker is read
    _OF = 5

    def __init__(self) -> None:
        self._last: int | None = None
        self._listed: deque[int] = deque(maxlen=self._OF)

    def begins(self, listed: int) -> None:
        """Hear that a poll begins, after *listed* requests for listings since the start."""
        if self._last is not None:
            self._listed.append(listed - self._last)
        self._last = listed

    @property
    def requests(self) -> int:
        return max(1, min(self._listed, default=1)) + self._BESIDES
