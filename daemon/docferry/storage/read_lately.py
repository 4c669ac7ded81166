"""Remember which objects were read whole a little while ago, and were what they should be."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from docferry.model import Key, Sha256, Token

#: Bytes do not rot that fast, and a thousand versions may be equal to one.
FOR_S = 600.0
_MOST = 1000


class ReadLately:
    """Objects by key and ETag, with their SHA-256. Thread-safe."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._until_s: dict[tuple[Key, Token, Sha256], float] = {}
        self._lock = threading.Lock()

    def __contains__(self, what: tuple[Key, Token, Sha256]) -> bool:
        with self._lock:
            return self._until_s.get(what, 0.0) > self._clock()

    def add(self, what: tuple[Key, Token, Sha256]) -> None:
        with self._lock:
            self._until_s.pop(what, None)
            self._until_s[what] = self._clock() + FOR_S
            while len(self._until_s) > _MOST:  # the one that was read first
                del self._until_s[next(iter(self._until_s))]
