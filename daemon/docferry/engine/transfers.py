"""Let other processes know how far large contents have come."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from docferry.ledger import Ledger
from docferry.model import Transfer


class TransferNotes:
    """
    Writes down what is on its way in one mirror, where that has changed. For a timer.

    Without it a file of hours would look like one that hangs.

    Args:
        under_way: Gives it.
    """

    def __init__(
        self, mirror: str, under_way: Callable[[], Sequence[Transfer]], ledger: Ledger
    ) -> None:
        self._mirror = mirror
        self._under_way = under_way
        self._ledger = ledger
        self._written: Sequence[Transfer] | None = None  # not known: an earlier daemon's may stand

    def __call__(self) -> None:
        """
        Raises:
            TemporaryError, PermanentError: The ledger takes nothing; it is tried again.
        """
        now = self._under_way()
        if now != self._written:
            self._ledger.transfers.put(self._mirror, now)
            self._written = now
