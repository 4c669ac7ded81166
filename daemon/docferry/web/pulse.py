"""
What changes, for the pages that are open; and what travelled lately, for their charts.

One thread looks at the ledger once a second, however many pages are open: it reads what is
new in the history, and keeps sums for each minute. What travelled before it began it takes from
the end of the history; how long changes waited is known only since then.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from docferry.errors import DocferryError
from docferry.ledger import Ledger
from docferry.web.desk import Desk

LOOK_EVERY_S = 1.0
KEPT = timedelta(hours=24)
_MOST_READ_BACK = 100_000  # rows of the history: some 0.2 s of this thread
_MINUTE = timedelta(minutes=1)


@dataclass(slots=True)
class Minute:
    """What one mirror did within a minute."""

    operations: int = 0
    moved_bytes: int = 0
    lag_s: float = 0.0  #: how long the oldest change had waited, at the worst moment


@dataclass(frozen=True, slots=True)
class Point:
    """A span of a chart; it begins *at*."""

    at: datetime
    operations: int = 0
    moved_bytes: int = 0
    lag_s: float | None = None  #: None: nobody looked


@dataclass(slots=True)
class _Listener:
    loop: asyncio.AbstractEventLoop
    event: asyncio.Event = field(default_factory=asyncio.Event)


class Pulse:
    """Thread-safe."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._lock = threading.Lock()
        self._minutes: dict[str, dict[datetime, Minute]] = {}
        self._looked: set[datetime] = set()
        self._listeners: list[_Listener] = []
        self._last_history: int | None = None
        self._sign: tuple[object, ...] = ()
        self._thread = threading.Thread(target=self._run, name="pulse", daemon=True)

    def start(self) -> None:
        self._thread.start()

    @contextmanager
    def listening(self) -> Iterator[asyncio.Event]:
        """Give what is set whenever something has changed, in the loop of who asks."""
        listener = _Listener(asyncio.get_running_loop())
        with self._lock:
            self._listeners.append(listener)
        try:
            yield listener.event
        finally:
            with self._lock:
                self._listeners.remove(listener)

    def points(self, mirrors: Sequence[str], span: timedelta, parts: int) -> list[Point]:
        """Give the last *parts* spans, the oldest first, of these mirrors together."""
        end = _minute_of(self._desk.now()) + _MINUTE
        with self._lock:
            return [
                self._point(mirrors, end - span * (parts - part), span) for part in range(parts)
            ]

    def _point(self, mirrors: Sequence[str], begin: datetime, span: timedelta) -> Point:
        times = [begin + _MINUTE * one for one in range(span // _MINUTE)]
        found = [
            minute
            for mirror in mirrors
            if (of := self._minutes.get(mirror)) is not None
            for at in times
            if (minute := of.get(at)) is not None
        ]
        return Point(
            begin,
            sum(one.operations for one in found),
            sum(one.moved_bytes for one in found),
            max((one.lag_s for one in found), default=0.0)
            if not self._looked.isdisjoint(times)
            else None,
        )

    # The thread.

    def _run(self) -> None:
        while not self._desk.is_ending.is_set():
            with suppress(DocferryError):  # whoever asks for a page is told; this looks again
                self.look(self._desk.ledger)
            self._desk.is_ending.wait(LOOK_EVERY_S)
        self._tell()

    def look(self, ledger: Ledger) -> None:
        """Take in what is new."""
        now = self._desk.now()
        sign = ledger.pulse.sign()
        last = ledger.pulse.last()
        if self._last_history is None:
            self._last_history = max(0, last - _MOST_READ_BACK)
        travelled = [*ledger.pulse.travelled(self._last_history, last)]
        waiting = ledger.pulse.waiting()
        with self._lock:
            self._last_history = last
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
        if sign != self._sign:
            self._sign = sign
            self._tell()

    def _minute(self, mirror: str, at: datetime) -> Minute:
        return self._minutes.setdefault(mirror, {}).setdefault(at, Minute())

    def _forget(self, before: datetime) -> None:
        for of in self._minutes.values():
            for at in [one for one in of if one < before]:
                del of[at]
        self._looked -= {one for one in self._looked if one < before}

    def _tell(self) -> None:
        with self._lock:
            for one in self._listeners:
                if not one.loop.is_closed():
                    one.loop.call_soon_threadsafe(one.event.set)


def _minute_of(at: datetime) -> datetime:
    return at.astimezone(UTC).replace(second=0, microsecond=0)
