"""Results that wait to be put to their places: those of a stream are put together."""

from __future__ import annotations

import threading

from docferry.engine.together import Together
from docferry.engine.worker_attempt import Made

#: A larger result is put by itself, in its own time: small ones would wait behind it.
LARGE_BYTES = 1024 * 1024
#: So many are enough: one sync of the disk for all, one transaction.
ENOUGH = 16


class Storing:
    """
    Gathers results of one mirror for one thread that puts them. Thread-safe.

    To put one costs several waits for the disk, and threads that do so side by side hold
    up each other, and the conversions. A result that comes alone is put at once.
    """

    def __init__(self) -> None:
        self._together = Together()
        self._changed = threading.Condition()
        self._waiting: list[Made] = []
        self._is_closed = False

    def takes(self, made: Made) -> bool:
        """Take *made* for the next `some`. False: the caller is to put it."""
        with self._changed:
            if self._is_closed or made.result.size > LARGE_BYTES:
                return False
            self._waiting.append(made)
            self._changed.notify()
            return True

    def some(self) -> list[Made]:
        """Wait for results, and give those that are to be put now; none: there will be no more."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._is_closed)
            if self._waiting:
                self._changed.wait_for(self._is_enough, self._together.wait_s())
            some, self._waiting = self._waiting, []
            return some

    def close(self) -> None:
        """Take no more: `some` gives what is left at once."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()

    def _is_enough(self) -> bool:
        return self._is_closed or len(self._waiting) >= ENOUGH
