"""Time, waiting and chance, as a mirror's loop takes them from outside."""

from __future__ import annotations

import queue
import random
import secrets
import threading
import time
from datetime import UTC, datetime
from typing import TypeVar

T = TypeVar("T")


class Timing:
    """The machine's own. Thread-safe. A simulation has one of which all comes from its seed."""

    def monotonic(self) -> float:
        """Give seconds that only ever grow."""
        return time.monotonic()

    def time_ns(self) -> int:
        """Give the machine's idea of the time, in ns since the epoch. It may step back."""
        return time.time_ns()

    def now(self) -> datetime:
        """Give the machine's idea of the time. It may step back."""
        return datetime.now(UTC)

    def jitter(self) -> float:
        """Give a random number in [0, 1)."""
        return random.random()

    def random_bits(self, count: int) -> int:
        """Give a random number of *count* bits, that nobody guesses."""
        return secrets.randbits(count)

    def wait(self, event: threading.Event, timeout_s: float | None) -> None:
        """Wait for *event*, or for *timeout_s*; None: however long it takes."""
        event.wait(timeout_s)

    def take(self, coming: queue.SimpleQueue[T], timeout_s: float) -> T:
        """
        Wait for the next that comes.

        Raises:
            queue.Empty: Nothing has come for *timeout_s*.
        """
        return coming.get(timeout=timeout_s)


MACHINE = Timing()
