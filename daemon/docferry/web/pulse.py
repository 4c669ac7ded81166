"""
What travelled lately, and how long changes waited: for the charts of the page.

One thread looks at the ledger once a second, whoever looks on: it reads what is new in the
history, and keeps sums for each minute. What travelled before it began it takes from the end of
the history; how long changes waited is known only since then.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from docferry.errors import DocferryError
from docferry.web.desk import Desk

LOOK_EVERY_S = 1.0
KEPT = timedelta(hours=24)
MOST_READ_BACK = 100_000  # rows of the history: 60 ms of this thread
_MINUTE = timedelta(minutes=1)


@dataclass(slots=True)
class _Minute:
    """What one mirror did within a minute."""

    operations: int = 0
    moved_bytes: int = 0
    lag_s: float = 0.0  # how long the oldest change had waited, at the worst moment


@dataclass(frozen=True, slots=True)
class Point:
    """A span of a chart; it begins *at*."""

    at: datetime
    operations: int | None = None  #: None: it is longer ago than was read back
    moved_bytes: int = 0
    lag_s: float | None = None  #: None: nobody looked


class Pulse:
    """
    Thread-safe.

    Args:
        most_read_back: So many rows of the history are read at first.
    """

    def __init__(self, desk: Desk, *, most_read_back: int = MOST_READ_BACK) -> None:
        self._desk = desk
        self._most_read_back = most_read_back
        self._lock = threading.Lock()
        self._minutes: dict[str, dict[datetime, _Minute]] = {}
        self._looked: set[datetime] = set()
        self._last_history: int | None = None
        self._known_since: datetime | None = None  # what travelled before was not read back
        self._thread = threading.Thread(target=self._run, name="pulse", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def points(self, mirrors: Sequence[str], span: timedelta, parts: int) -> list[Point]:
        """Give the last *parts* spans of whole minutes, the oldest first, of all *mirrors*."""
        end = _minute_of(self._desk.now()) + _MINUTE
        with self._lock:
            return [
                self._point(mirrors, end - span * (parts - part), span) for part in range(parts)
            ]

    def look(self) -> None:
        """Take in what is new."""
        now, ledger = self._desk.now(), self._desk.ledger
        last = ledger.pulse.last()
        is_first, before = self._last_history is None, self._last_history or 0
        begin = max(0, last - self._most_read_back) if is_first else before
        travelled = [*ledger.pulse.travelled(begin, last)]
        waiting = ledger.pulse.waiting()
        with self._lock:
            self._last_history = last
            if is_first and begin:  # of its first minute some may be left out
                self._known_since = min(one.minute for one in travelled) + _MINUTE
            for one in travelled:
                minute = self._minute(one.mirror, one.minute)
                minute.operations += one.operations
                minute.moved_bytes += one.moved_bytes
            for each in waiting:
                lag_s = 0.0 if each.since is None else (now - each.since).total_seconds()
                minute = self._minute(each.mirror, _minute_of(now))
                minute.lag_s = max(minute.lag_s, lag_s)
            self._looked.add(_minute_of(now))
            self._forget(now - KEPT)

    def _run(self) -> None:
        while not self._desk.is_ending.is_set():
            with suppress(DocferryError):  # whoever asks for a page is told; this looks again
                self.look()
            self._desk.is_ending.wait(LOOK_EVERY_S)

    def _point(self, mirrors: Sequence[str], begin: datetime, span: timedelta) -> Point:
        times = [begin + _MINUTE * one for one in range(span // _MINUTE)]
        found = [
            minute
            for mirror in mirrors
            if (of := self._minutes.get(mirror)) is not None
            for at in times
            if (minute := of.get(at)) is not None
        ]
        was_read = self._known_since is None or begin >= self._known_since
        was_looked_at = not self._looked.isdisjoint(times)
        return Point(
            begin,
            sum(one.operations for one in found) if was_read else None,
            sum(one.moved_bytes for one in found) if was_read else 0,
            max((one.lag_s for one in found), default=0.0) if was_looked_at else None,
        )

    def _minute(self, mirror: str, at: datetime) -> _Minute:
        return self._minutes.setdefault(mirror, {}).setdefault(at, _Minute())

    def _forget(self, before: datetime) -> None:
        for of in self._minutes.values():
            for at in [one for one in of if one < before]:
                del of[at]
        self._looked -= {one for one in self._looked if one < before}


def _minute_of(at: datetime) -> datetime:
    return at.astimezone(UTC).replace(second=0, microsecond=0)
