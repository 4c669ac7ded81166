"""Comparisons of texts: few at a time, and none for long, whoever asks for them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import TypeAlias

from docferry.app.compare_apart import Compared, compare_apart
from docferry.errors import TemporaryError

WITHIN_S = 10.0
_AT_ONCE = 2
_WAIT_S = 2.0  # for others to end: who waits has one of the few threads

Compare: TypeAlias = Callable[[Sequence[str], Sequence[str], int, float], Compared | None]


class Comparisons:
    """For any thread."""

    def __init__(self, compare: Compare = compare_apart, wait_s: float = _WAIT_S) -> None:
        self._compare = compare
        self._wait_s = wait_s
        self._free = threading.BoundedSemaphore(_AT_ONCE)

    def get(self, before: Sequence[str], after: Sequence[str], most: int) -> Compared | None:
        """
        Give the *most* first lines of a unified diff. None: it takes too long.

        Raises:
            TemporaryError: Others are being made.
            PermanentError: It ended without an answer.
        """
        if not self._free.acquire(timeout=self._wait_s):
            raise TemporaryError("other comparisons are under way: try again in a few seconds")
        try:
            return self._compare(before, after, most, WITHIN_S)
        finally:
            self._free.release()
