"""Have what comes in a stream taken up some at a time, and what comes alone at once."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

#: Of a stream, what comes within so many seconds is taken up together.
TOGETHER_S = 0.2
#: So many in a row are no stream yet.
ALONE = 4


class Together:
    """
    Says when what comes now is to be taken up: at moments that many share. Thread-safe.

    A round of a loop costs as much for one result as for a hundred, and its threads hold
    up each other: results that came one by one had a round each, which took more time
    than the conversions.

    Args:
        clock: Seconds, monotonic.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._next_s = 0.0  # the moment that was given last
        self._used_up_s = 0.0  # until then what came has had its share, at one in TOGETHER_S

    def wait_s(self) -> float:
        """Seconds until the moment for what comes now."""
        with self._lock:
            now_s = self._clock()
            if self._next_s <= now_s:
                self._next_s = max(now_s, self._used_up_s - (ALONE - 1) * TOGETHER_S)
                self._used_up_s = max(self._used_up_s, self._next_s) + TOGETHER_S
            return self._next_s - now_s
