"""How many operations a store bears at a time: `core.concurrency` decides, callers wait."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from types import TracebackType

from docferry.core.concurrency import Allowance


class Gate:
    """
    A context manager that lets at most *limit* callers through at a time.

    Args:
        most: At any time.
        clock: Monotonic seconds.
    """

    def __init__(self, most: int, clock: Callable[[], float] = time.monotonic) -> None:
        self.most = most
        self._allowance = Allowance(most, most)
        self._clock = clock
        self._inside = 0
        self._changed = threading.Condition()

    @property
    def limit(self) -> int:
        """How many at the moment."""
        return self._allowance.limit

    def __enter__(self) -> None:
        with self._changed:
            while self._inside >= self._allowance.limit:
                self._changed.wait()
            self._inside += 1

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with self._changed:
            self._inside -= 1
            self._changed.notify()
            if error is None:
                before, self._allowance = self.limit, self._allowance.used()
                if self.limit > before:
                    self._changed.notify()  # there is room for one more

    def slow_down(self) -> int:
        """The store asked for less: halve the limit; give the new one."""
        with self._changed:
            self._allowance = self._allowance.refused(self._clock())
            return self.limit

    def ease(self, rise: float) -> int:
        """The store takes *rise* times what it usually does: lower the limit; give the new one."""
        with self._changed:
            self._allowance = self._allowance.slowed(rise, self._clock())
            return self.limit
