"""Looks whether the ledger's file is still where it was opened. A timer's job."""

from __future__ import annotations

from collections.abc import Callable

from docferry.ledger import Ledger
from docferry.logs import get_logger

log = get_logger(__name__)

LOOK_EVERY_S = 1.0
#: A file system of a network may lack a name for a moment.
_ENOUGH = 2


class LedgerCheck:
    def __init__(self, ledger: Ledger, on_taken: Callable[[], None]) -> None:
        self._ledger = ledger
        self._on_taken = on_taken
        self._missed = 0  # looks in a row

    def __call__(self) -> None:
        self._missed = 0 if self._ledger.is_in_place else self._missed + 1
        if self._missed == _ENOUGH:
            log.error("ledger.taken", path=str(self._ledger.path))
            self._on_taken()
