"""How many operations a store bears at a time: fewer after it asked for less, then more again."""

from __future__ import annotations

import threading
from types import TracebackType


class Gate:
    """
    A context manager that lets at most *limit* callers through at a time.

    Additive increase, multiplicative decrease: `slow_down` halves the limit,
    and each `RAISE_AFTER` uses without another complaint raise it by one.
    """

    RAISE_AFTER = 20

    def __init__(self, most: int) -> None:
        self.most = most
        self.limit = most
        self._inside = 0
        self._since_change = 0
        self._changed = threading.Condition()

    def __enter__(self) -> None:
        with self._changed:
            while self._inside >= self.limit:
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
            if error is None and self.limit < self.most:
                self._since_change += 1
                if self._since_change >= self.RAISE_AFTER:
                    self.limit += 1
                    self._since_change = 0
                    self._changed.notify()  # there is room for one more

    def slow_down(self) -> int:
        """Halve the limit; give the new one."""
        with self._changed:
            self.limit = max(1, self.limit // 2)
            self._since_change = 0
            return self.limit
