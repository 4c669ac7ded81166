"""Full and read-only disks: one document tries now and then whether they can be written again."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection
from datetime import datetime, timedelta

TRY_EVERY = timedelta(seconds=30)


class Room:
    """
    Which disks are full, or mounted read-only. Thread-safe.

    Without it each document that waits would be converted over and over for nothing, which
    fills the log, too, as fast as it can be written: perhaps on that very disk.

    A disk is that of the mirror that a result goes to, or, None, the one where documents
    are staged.
    """

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self._lock = threading.Lock()
        self._tried_at: dict[str | None, datetime] = {}  #: again, of those without room

    def is_for(self, target: str, claimed: Collection[str]) -> bool:
        """
        Say whether a document may be converted whose result goes to *target*.

        Args:
            claimed: Where the results of those go that are about to be converted, too.
        """
        now = self._now()
        with self._lock:
            return all(
                disk not in self._tried_at or (self._tried_at[disk] <= now and not others)
                for disk, others in ((None, claimed), (target, target in claimed))
            )

    def try_for(self, target: str) -> None:
        """A document begins: of a disk without room it finds out, and there is no second one."""
        with self._lock:
            for disk in (None, target):
                if disk in self._tried_at:
                    self._tried_at[disk] = self._now() + TRY_EVERY

    def lacks(self, disk: str | None) -> None:
        with self._lock:
            self._tried_at[disk] = self._now() + TRY_EVERY

    def found(self, disk: str | None) -> None:
        with self._lock:
            self._tried_at.pop(disk, None)
