"""
Which paths somebody should look at, and when. Safe for any thread.

A path is a hint, never a fact. One that ends in "/" asks for everything below it.
"""

from __future__ import annotations

import math
import threading
from dataclasses import dataclass
from datetime import datetime, timedelta

from docferry.engine.timing import MACHINE, Timing
from docferry.model import Path


@dataclass(slots=True)
class _Mark:
    due_s: float  # monotonic
    since_s: float  # monotonic: when it was first marked


class DirtyPaths:
    """
    Paths with the time from which they are due.

    Args:
        wake: Set when there is something to look at sooner than `next_due_s` has said.
    """

    def __init__(self, wake: threading.Event, timing: Timing = MACHINE) -> None:
        self._wake = wake
        self._timing = timing
        self._lock = threading.Lock()
        self._marks: dict[Path, _Mark] = {}
        self._call_s: float | None = None  # monotonic: a round is due, whatever is marked
        self._told_s = math.inf  # monotonic: until then whoever asked may sleep

    def mark(self, path: Path, *, after_s: float = 0.0) -> None:
        """Ask for a look at *path*, *after_s* seconds from now or sooner."""
        now = self._timing.monotonic()
        with self._lock:
            mark = self._marks.get(path)
            if mark is None:
                self._marks[path] = _Mark(now + after_s, now)
            else:
                mark.due_s = min(mark.due_s, now + after_s)
            is_sooner = after_s <= 0 or now + after_s < self._told_s
        if is_sooner:
            self._wake.set()

    def call(self, *, after_s: float) -> None:
        """Have the loop go round *after_s* seconds from now or sooner, at whatever is due then."""
        with self._lock:
            due_s = self._timing.monotonic() + after_s
            self._call_s = due_s if self._call_s is None else min(self._call_s, due_s)
            is_sooner = due_s < self._told_s
        if is_sooner:
            self._wake.set()

    def put_off(self, path: Path, *, after_s: float, since_s: float | None = None) -> None:
        """Ask for a look at *path* not sooner than *after_s* seconds from now."""
        now = self._timing.monotonic()
        with self._lock:
            mark = self._marks.setdefault(path, _Mark(0.0, now if since_s is None else since_s))
            mark.due_s = max(mark.due_s, now + after_s)
        self._wake.set()

    def take_due(self, limit: int) -> dict[Path, float]:
        """Remove and return up to *limit* due paths, each with the time it was first marked."""
        now = self._timing.monotonic()
        with self._lock:
            if self._call_s is not None and self._call_s <= now:
                self._call_s = None
            due = [path for path, mark in self._marks.items() if mark.due_s <= now][:limit]
            return {path: self._marks.pop(path).since_s for path in due}

    def next_due_s(self) -> float | None:
        """Seconds until the next path, or a call, is due; None: there is none."""
        with self._lock:
            due_s = [mark.due_s for mark in self._marks.values()]
            if self._call_s is not None:
                due_s.append(self._call_s)
            self._told_s = min(due_s, default=math.inf)
            return max(0.0, self._told_s - self._timing.monotonic()) if due_s else None

    def oldest_age_s(self) -> float:
        """Seconds since the longest waiting path was marked; 0 when nothing waits."""
        with self._lock:
            if not self._marks:
                return 0.0
            return self._timing.monotonic() - min(mark.since_s for mark in self._marks.values())

    def oldest_at(self, now: datetime) -> datetime:
        """Give the time, to the second, at which the longest waiting path was marked."""
        return (now - timedelta(seconds=self.oldest_age_s())).replace(microsecond=0)

    def paths(self) -> list[Path]:
        """Give what waits, in no order."""
        with self._lock:
            return list(self._marks)

    def __contains__(self, path: Path) -> bool:
        with self._lock:
            return path in self._marks

    def __len__(self) -> int:
        with self._lock:
            return len(self._marks)
