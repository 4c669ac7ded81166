"""What a hint can ask a mirror's loop for."""

from __future__ import annotations

import threading
from datetime import datetime
from enum import StrEnum

from docferry.errors import DocferryError


class Run(StrEnum):
    """What a hint can ask for."""

    FULL = "full"  # walk and listing against the ledger
    POLL = "poll"  # listing only
    RESCAN = "rescan"  # walk only
    HOLDS = "holds"  # a person may have decided
    ASKED = "asked"  # a person, or a patrol, may have asked for something
    TIDY = "tidy"  # housekeeping
    KEYS = "keys"  # the store has new ones: what it refused is to be tried anew


#: Those that look at the sides.
_TREES = frozenset({Run.FULL, Run.POLL, Run.RESCAN})


class Requests:
    """
    What was asked for and not begun yet. Safe for any thread.

    A loop that starts has a full run before it, what people decided and asked for while it
    was down, and what a crash has left.
    """

    def __init__(self, wake: threading.Event) -> None:
        self._wake = wake
        self._lock = threading.Lock()
        self._runs = {Run.FULL, Run.HOLDS, Run.ASKED, Run.TIDY}

    def add(self, run: Run) -> None:
        """Ask for *run*; the loop looks at once."""
        with self._lock:
            self._runs.add(run)
        self._wake.set()

    def take(self, run: Run) -> bool:
        """Say whether *run* was asked for; it is not any more."""
        with self._lock:
            was_asked = run in self._runs
            self._runs.discard(run)
        return was_asked

    @property
    def are_for_a_run(self) -> bool:
        """Whether trees are to be read, and not holds alone."""
        return bool(self._runs & _TREES)

    def take_trees(self) -> frozenset[Run]:
        """Give those asked for that read trees; they are not asked for any more."""
        return frozenset(run for run in _TREES if self.take(run))

    def __len__(self) -> int:
        return len(self._runs)


def seconds_between(began: datetime, ended: datetime) -> float:
    """Give how long a run has taken, for the log."""
    return round((ended - began).total_seconds(), 3)


class StoppedError(DocferryError):
    """The daemon stops in the middle of a run."""
