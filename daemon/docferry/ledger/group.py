"""Changes that several threads want at the same moment, written in one transaction."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeVar

from docferry.ledger.database import Database, FairLock, Transaction

T = TypeVar("T")


class _Change:
    def __init__(self, change: Callable[[Transaction], object]) -> None:
        self._change = change
        self.is_over = False
        self.value: object = None
        self.error: BaseException | None = None

    def apply(self, tx: Transaction) -> None:
        self.value = self._change(tx)


class GroupWriter:
    """
    Writes what it is given, and returns when that is durable. Thread-safe.

    A transaction costs a flush of the disk, however little is in it: who comes while
    another one is written goes into the next one, together with all who wait.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lock = threading.Lock()
        self._waiting: list[_Change] = []
        self._turn = FairLock()

    @property
    def waiting(self) -> int:
        """How many changes wait for the next transaction."""
        with self._lock:
            return len(self._waiting)

    def write(self, change: Callable[[Transaction], T]) -> T:
        """
        Make *change*, all of it or nothing, and give what it gives.

        It may be made twice: where one fails, each of its group is tried by itself.
        """
        own = _Change(change)
        with self._lock:
            self._waiting.append(own)
        with self._turn:
            if not own.is_over:  # else whoever had the turn before has written it
                self._write(self._taken())
        if own.error is not None:
            raise own.error
        return own.value  # type: ignore[return-value]

    def _taken(self) -> list[_Change]:
        with self._lock:
            taken, self._waiting = self._waiting, []
        return taken

    def _write(self, changes: list[_Change]) -> None:
        try:
            with self._database.writing() as tx:
                for one in changes:
                    one.apply(tx)
        except BaseException as error:  # noqa: BLE001  each is told, in its own thread
            if len(changes) == 1 or not isinstance(error, Exception):
                for one in changes:
                    one.error = error
            else:
                for one in changes:
                    self._write([one])
        for one in changes:
            one.is_over = True
