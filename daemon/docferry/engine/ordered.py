"""What people have ordered of one mirror, as its loop heeds it: to rest, and to look now."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from docferry.core.orders import answers
from docferry.errors import DocferryError
from docferry.ledger import Ledger
from docferry.ledger.orders import RunOrder
from docferry.model import OrderedRun, Pause


class Ordered:
    """The orders to one mirror, as of the last look. Reading is for any thread."""

    def __init__(self, mirror: str, ledger: Ledger, now: Callable[[], datetime]) -> None:
        self._mirror = mirror
        self._ledger = ledger
        self._now = now
        self._open: list[RunOrder] = []
        self._under_way: set[int] = set()
        self.pause: Pause | None = ledger.orders.pause_of(mirror)  #: None: it is not to rest

    def is_paused(self) -> bool:
        return self.pause is not None

    def look(self) -> list[OrderedRun]:
        """Look into the ledger, and give the runs that are ordered and not under way."""
        self.pause, self._open = self._ledger.orders.of(self._mirror)
        waiting = [order.run for order in self._open if order.id not in self._under_way]
        return [*dict.fromkeys(waiting)]

    def carry_out(self, run: OrderedRun, look: Callable[[], bool]) -> None:
        """Do a run, and answer whoever has ordered it if *look* says that it came to its end."""
        ids = self._begin(run)
        try:
            if look() and ids:
                self._ledger.orders.answer(ids, run, self._now())
        finally:
            self._under_way.difference_update(ids)

    def _begin(self, run: OrderedRun) -> list[int]:
        answered = answers(run)
        if all(order.run not in answered for order in self._open):
            return []  # it writes nothing: most runs nobody has ordered
        ids = self._ledger.orders.begin(self._mirror, answered, self._now())
        self._under_way.update(ids)
        return ids


class RestingError(DocferryError):
    """A person has paused the mirror in the middle of a run."""
