"""How many answers and requests that last are under way: in all, and of one who asks."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus

from docferry.web.problems import ProblemError

_AGAIN_S = 5


class Seats:
    """
    Each takes one while it lasts. Thread-safe.

    Args:
        what: They are, in the plural.
        of_one: So many has one who asks; the others are for others.
    """

    def __init__(self, what: str, most: int, of_one: int) -> None:
        self._what = what
        self._most = most
        self._of_one = of_one
        self._lock = threading.Lock()
        self._taken: Counter[str] = Counter()

    @contextmanager
    def taken(self, who: str) -> Iterator[None]:
        """
        Have a seat until the block ends.

        Raises:
            ProblemError: 503, there is none.
        """
        with self._lock:
            if self._taken[who] >= self._of_one:
                raise self._too_many(self._of_one)
            if self._taken.total() >= self._most:
                raise self._too_many(self._most)
            self._taken[who] += 1
        try:
            yield
        finally:
            with self._lock:
                self._taken[who] -= 1
                if not self._taken[who]:
                    del self._taken[who]

    def _too_many(self, most: int) -> ProblemError:
        return ProblemError(
            HTTPStatus.SERVICE_UNAVAILABLE,
            "too-many-at-once",
            f"{most} {self._what} are under way: again in {_AGAIN_S} s, once some have ended",
            headers={"Retry-After": str(_AGAIN_S)},
        )
