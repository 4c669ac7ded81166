"""Read no faster than so many bytes a second, and stop at once when asked to."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from docferry.errors import StaleError

#: While it waits it looks so often whether it is to stop.
_STEP_S = 0.05
_NEVER = threading.Event()


class Pace:
    """
    Keeps whoever reads waiting for as long as the bytes should have taken.

    Args:
        bytes_per_s: On the average of what was read since the reader last paused.
        clock, wait: The time, and how it passes.
    """

    def __init__(
        self,
        bytes_per_s: float,
        *,
        clock: Callable[[], float] = time.monotonic,
        wait: Callable[[float], object] = _NEVER.wait,
    ) -> None:
        self._bytes_per_s = bytes_per_s
        self._clock = clock
        self._wait = wait
        self._free_s = 0.0  # when the next byte may be read
        self.is_stopping: Callable[[], bool] = lambda: False

    def take(self, part: bytes) -> None:
        """
        Wait for as long as *part* takes.

        Raises:
            StaleError: The daemon stops; what was read is not known to its end.
        """
        self._free_s = max(self._free_s, self._clock()) + len(part) / self._bytes_per_s
        while not self.is_stopping():
            left_s = self._free_s - self._clock()
            if left_s <= 0:
                return
            self._wait(min(left_s, _STEP_S))
        raise StaleError("docferry stops")
