"""Let go what only piles up: rows that nothing asks for, and files that others left behind."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from docferry.core.housekeeping import (
    ANSWERS_KEPT_FOR,
    DELIVERIES_KEPT_FOR,
    KEPT_FOR,
    is_left_behind,
)
from docferry.ledger.pruning import Pruning
from docferry.logs import get_logger

log = get_logger(__name__)

#: A round ends, and the next one begins a day later.
AGAIN_AFTER = timedelta(days=1)
#: Rows that are looked at in one step: some milliseconds.
STEP = 500


@dataclass
class LedgerCare:
    """
    Goes through the rows of the ledger, again and again. For one thread: a timer's.

    Args:
        recipes: Gives those of the rules as they are now.
        now: The wall clock: how old something is has nothing to do with the order of history.
    """

    pruning: Pruning
    recipes: Callable[[], Collection[str]]
    now: Callable[[], datetime]
    _job: str = ""
    _result: tuple[str, str, str] = ("", "", "")
    _removed: dict[str, int] = field(default_factory=dict)
    _rests_until: datetime | None = None

    def go_on(self, for_s: float) -> None:
        """Do steps for so long; nothing while it rests."""
        now = self.now()
        rest = timedelta() if self._rests_until is None else self._rests_until - now
        # More than a whole rest: the clock was ahead when it began, and is put right by now.
        if timedelta() < rest <= AGAIN_AFTER:
            return
        until_s = time.monotonic() + for_s
        while self._step(now):
            if time.monotonic() > until_s:
                return
        if any(self._removed.values()):
            log.info("ledger.pruned", **self._removed)
        self._job, self._result, self._removed = "", ("", "", ""), {}
        self._rests_until = now + AGAIN_AFTER

    def _step(self, now: datetime) -> bool:
        """Look at some rows; say whether there are more."""
        before = now - KEPT_FOR
        told = self.pruning.deliveries(now - DELIVERIES_KEPT_FOR, limit=STEP)
        if self._note("deliveries", told) == STEP:
            return True
        if self._note("requests", self.pruning.requests(before, limit=STEP)) == STEP:
            return True
        if self._note("answers", self.pruning.answers(now - ANSWERS_KEPT_FOR, limit=STEP)) == STEP:
            return True
        job, removed = self.pruning.jobs(before, self.recipes(), after=self._job, limit=STEP)
        self._note("jobs", removed)
        if job is not None:
            self._job = job
            return True
        last, removed = self.pruning.results(before, after=self._result, limit=STEP)
        self._note("results", removed)
        if last is not None:
            self._result = last
        return last is not None

    def _note(self, what: str, removed: int) -> int:
        self._removed[what] = self._removed.get(what, 0) + removed
        return removed


def clear_state_dir(state_dir: Path, mirrors: Collection[str], now: datetime) -> None:
    """Remove what crashes, and migrations of long ago, left in the state directory."""
    for found in sorted(state_dir.iterdir()):
        try:
            age = now.timestamp() - found.lstat().st_mtime
        except FileNotFoundError:  # a journal that was done with, a copy that has its name now
            continue
        if not is_left_behind(found.name, timedelta(seconds=age), mirrors):
            continue
        if found.is_dir() and not found.is_symlink():
            shutil.rmtree(found, ignore_errors=True)
        else:
            found.unlink(missing_ok=True)
        log.info("file.removed", path=str(found))
