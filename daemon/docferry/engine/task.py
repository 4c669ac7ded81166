"""One operation on its way from the loop to a thread that carries it out, and back."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from docferry.core.merge import Difference
from docferry.errors import DocferryError
from docferry.model import Operation, Origin, Outcome, Ulid


@dataclass(frozen=True, slots=True)
class Task:
    """One operation on its way: why it is to be done, and under which new version."""

    operation: Operation
    seen: Difference  #: the three states it was decided from
    version: Ulid  #: for the content that will be new to the ledger, if there is one
    origin: Origin = Origin.LOCAL
    since_s: float | None = None  #: monotonic; when the change was noticed
    flush: Flush | None = None  #: brings its local content to the disk; None: by itself
    story: Ulid | None = None  #: what has come of its path so far goes by; None: it begins
    attempts: int = 1  #: this one too

    @property
    def id(self) -> Ulid:
        """Name it in the log: each try alike, and the first as the version that may come of it."""
        return self.story or self.version


class Flush:
    """Brings the local contents of many tasks to the disk at once: whoever comes first does it."""

    def __init__(self, make_all_last: Callable[[], None]) -> None:
        self._make_all_last = make_all_last
        self._lock = threading.Lock()
        self._is_done = False

    def run(self) -> None:
        with self._lock:
            if not self._is_done:
                self._make_all_last()
                self._is_done = True


@dataclass(frozen=True, slots=True)
class Learned:
    """A content was read: the same difference, now with the SHA-256 it lacked."""

    seen: Difference


def timed(
    results: list[Outcome | DocferryError], started_s: float
) -> list[Outcome | DocferryError]:
    """Say of each what it took since then (monotonic): of what was done together its share."""
    took_s = (time.monotonic() - started_s) / len(results)
    return [replace(one, took_s=took_s) if isinstance(one, Outcome) else one for one in results]
