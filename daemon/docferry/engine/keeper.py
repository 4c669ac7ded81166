"""
What looks after the past of one mirror, beside its loop: chores, one after the other.

A chore never touches what is at a document's path: that is the loop's. It reads and writes
archives, the bucket's own versions and snapshots, and asks the loop for the rest.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Protocol

from docferry.engine.rounds import going_round
from docferry.errors import DocferryError
from docferry.logs import get_logger
from docferry.metrics import CHORE_FAILURES

log = get_logger(__name__)

#: While a side does not answer, what is due waits, and looks so often.
READY_AGAIN_S = 1.0


class Chore(Protocol):
    """Something to be done again and again."""

    @property
    def name(self) -> str: ...

    def run(self, is_stopping: Callable[[], bool]) -> None:
        """
        Do one round of it, and return early where *is_stopping* says so.

        Raises:
            DocferryError: The round did not come to its end; the next one begins anew.
        """
        ...


class Keeper:
    """
    Runs the chores of one mirror in a thread of its own.

    Args:
        is_ready: Whether both sides have proven themselves and answer: chores write to them.
        is_paused: Whether a person lets the mirror rest: a chore leaves off, and is begun anew.
    """

    def __init__(
        self,
        mirror: str,
        chores: Sequence[Chore],
        is_ready: Callable[[], bool],
        is_paused: Callable[[], bool] = lambda: False,
    ) -> None:
        self._mirror = mirror
        self._is_paused = is_paused
        self._chores = {chore.name: chore for chore in chores}
        self._is_ready = is_ready
        self._is_due: dict[str, None] = {}  # in the order in which they were asked for
        self._changed = threading.Condition()
        self._turn = threading.Lock()  # held while a chore is at it
        self._is_stopping = False
        self._thread = threading.Thread(target=self._run, name=f"keeper-{mirror}", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def poke(self, name: str) -> None:
        """Let the chore of that name be done soon. For any thread; often is no more than once."""
        with self._changed:
            self._is_due.setdefault(name)
            self._changed.notify_all()

    def alone(self) -> AbstractContextManager[object]:
        """Keep the chores waiting for as long as it is entered; waits for one that is at it."""
        return self._turn

    def run_now(self, names: Sequence[str]) -> None:
        """Do the chores of these names once, in the caller's thread, instead of `start`."""
        for name in names:
            if self._is_ready():
                self._do(self._chores[name])

    def stop(self, timeout_s: float) -> bool:
        """End after the step under way. False: that takes longer than *timeout_s*."""
        with self._changed:
            self._is_stopping = True
            self._changed.notify_all()
        if self._thread.ident is not None:
            self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        while (name := self._wait()) is not None:
            with going_round(f"chore {name} of mirror {self._mirror}", is_slow=True):
                self._do(self._chores[name])

    def _wait(self) -> str | None:
        """Give the next chore that is due, once the sides are ready for it; None: no more."""
        with self._changed:
            self._changed.wait_for(lambda: self._is_stopping or self._is_due)
            while not self._is_stopping and not self._is_ready():
                self._changed.wait(READY_AGAIN_S)
            if self._is_stopping:
                return None
            name = next(iter(self._is_due))
            del self._is_due[name]
            return name

    def _do(self, chore: Chore) -> None:
        try:
            with self._turn:
                chore.run(lambda: self._is_stopping or self._is_paused())
            if self._is_paused():
                self.poke(chore.name)
        except DocferryError as error:
            CHORE_FAILURES.labels(self._mirror, chore.name).inc()
            log.warning("chore.failed", mirror=self._mirror, chore=chore.name, reason=str(error))
        except Exception:  # one job: the others, and its next round, must go on
            CHORE_FAILURES.labels(self._mirror, chore.name).inc()
            log.exception("chore.failed", mirror=self._mirror, chore=chore.name)
