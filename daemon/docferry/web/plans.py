"""Plans that are being made: one at a time, and whoever asks for the same waits for the same."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as NotYet
from dataclasses import dataclass
from typing import TypeAlias

from docferry.app.rehearse_apart import rehearse_apart
from docferry.config import Config
from docferry.engine.dry_run import DryRun

#: However large a mirror is.
MADE_WITHIN_S = 600.0
#: A plan that nobody has come back for is not so any more.
KEPT_S = 60.0

Rehearse: TypeAlias = Callable[[Config, str, float], DryRun]


@dataclass(slots=True)
class _Plan:
    made: Future[DryRun]
    ended_s: float | None = None  # monotonic

    def end(self, _: Future[DryRun]) -> None:
        self.ended_s = time.monotonic()

    @property
    def is_old(self) -> bool:
        return self.ended_s is not None and time.monotonic() - self.ended_s > KEPT_S


class Plans:
    """For any thread."""

    def __init__(self, rehearse: Rehearse = rehearse_apart) -> None:
        self._rehearse = rehearse
        self._lock = threading.Lock()
        self._plans: dict[str, _Plan] = {}
        self._pool = ThreadPoolExecutor(1, "plan")

    def get(self, config: Config, mirror: str, wait_s: float) -> DryRun | None:
        """
        Have the plan of *mirror* made, or give the one that is; None: it takes longer.

        Then it is kept for who comes back for it.

        Raises:
            DocferryError: It cannot be made.
        """
        with self._lock:
            plan = self._plans.get(mirror)
            if plan is None or plan.is_old:
                plan = _Plan(self._pool.submit(self._rehearse, config, mirror, MADE_WITHIN_S))
                plan.made.add_done_callback(plan.end)
                self._plans[mirror] = plan
        try:
            found = plan.made.result(wait_s)
        except NotYet:
            return None
        except BaseException:
            self._take(mirror, plan)
            raise
        self._take(mirror, plan)
        return found

    def _take(self, mirror: str, plan: _Plan) -> None:
        with self._lock:
            if self._plans.get(mirror) is plan:
                del self._plans[mirror]
