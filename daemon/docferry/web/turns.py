"""How many threads may wait for one mirror's bytes: it may hang, and the others are for others."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus

from docferry.web.problems import ProblemError

OF_ONE = 4
_WITHIN_S = 30.0  # a healthy store may take seconds for each, and give them all in the end
_AGAIN_S = 5
_LOOK_EVERY_S = 0.05
_MOST_WAITING = 32


class NoTurnError(Exception):
    """So many read of that mirror already: to be tried again in a thread, once some have ended."""

    def __init__(self, turns: Turns, mirror: str) -> None:
        super().__init__(mirror)
        self.turns = turns
        self.mirror = mirror


class Turns:
    """Who begins to read, or to show, a content has one until its first bytes. Thread-safe."""

    def __init__(self, of_one: int = OF_ONE) -> None:
        self._of_one = of_one
        self._lock = threading.Lock()
        self._taken: Counter[str] = Counter()
        self._waiting: Counter[str] = Counter()  # of the event loop alone

    @contextmanager
    def taken(self, mirror: str) -> Iterator[None]:
        """
        Have one until the block ends. Never waits: that would hold a thread.

        Raises:
            NoTurnError: There is none.
        """
        with self._lock:
            if self._taken[mirror] >= self._of_one:
                raise NoTurnError(self, mirror)
            self._taken[mirror] += 1
        try:
            yield
        finally:
            with self._lock:
                self._taken[mirror] -= 1

    async def wait(self, mirror: str, until_s: float) -> None:
        """
        Wait, in no thread, until there seems to be one.

        Args:
            until_s: By the clock of the event loop.

        Raises:
            ProblemError: 503, there was none for long, or too many wait.
        """
        if self._waiting[mirror] >= _MOST_WAITING:
            raise _too_many(mirror)
        self._waiting[mirror] += 1
        try:
            while self._taken[mirror] >= self._of_one:
                if asyncio.get_running_loop().time() >= until_s:
                    raise _too_many(mirror)
                await asyncio.sleep(_LOOK_EVERY_S)
        finally:
            self._waiting[mirror] -= 1


def until_s() -> float:
    """Give until when to wait for a turn, by the clock of the event loop."""
    return asyncio.get_running_loop().time() + _WITHIN_S


def _too_many(mirror: str) -> ProblemError:
    return ProblemError(
        HTTPStatus.SERVICE_UNAVAILABLE,
        "too-many-at-once",
        f"mirror {mirror} does not give what it was asked for: again in {_AGAIN_S} s",
        headers={"Retry-After": str(_AGAIN_S)},
    )
