"""How far the large contents of one mirror have come that are on their way now."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime

from docferry.model import Path, Transfer, Way
from docferry.storage.base import PART_BYTES


class UnderWay:
    """
    Knows the transfers of contents larger than PART_BYTES. Thread-safe, costs nothing for others.

    What counts is what the other side has taken, or had from a try before; not what was read.
    """

    def __init__(self, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._now = now
        self._lock = threading.Lock()
        self._numbers = itertools.count()
        self._transfers: dict[int, Transfer] = {}

    @contextmanager
    def carries(self, path: Path, way: Way, size: int) -> Iterator[Callable[[int], object]]:
        """Count what comes of a content while the block lasts; told of each number of bytes."""
        if size <= PART_BYTES:
            yield lambda count: None
            return
        number = next(self._numbers)
        self._transfers[number] = Transfer(path, way, 0, size, self._now())

        def moved(count: int) -> None:
            with self._lock:
                before = self._transfers[number]
                self._transfers[number] = replace(before, done=before.done + count)

        try:
            yield moved
        finally:
            with self._lock:
                del self._transfers[number]

    def transfers(self) -> tuple[Transfer, ...]:
        """Give those under way, the oldest first."""
        with self._lock:
            return tuple(self._transfers.values())
