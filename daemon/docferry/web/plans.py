"""Plans that are being made: one at a time, and whoever asks for the same waits for the same."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
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

    async def get(self, config: Config, mirror: str, wait_s: float) -> DryRun | None:
        """
        Have the plan of *mirror* made, or give the one that is; None: it takes longer.

        Then it is kept for who comes back for it. Who waits has no thread meanwhile.

        Raises:
            DocferryError: It cannot be made.
        """
        plan = self._begun(config, mirror)
        if not plan.made.done():
            made = asyncio.wrap_future(plan.made)
            # Not `wait_for`: it would cancel what others wait for as well.
            await asyncio.wait({made}, timeout=wait_s)
            made.add_done_callback(_heed)
        if not plan.made.done():
            return None
        self._take(mirror, plan)
        return plan.made.result()

    def _begun(self, config: Config, mirror: str) -> _Plan:
        with self._lock:
            plan = self._plans.get(mirror)
            if plan is None or plan.is_old:
                plan = _Plan(self._pool.submit(self._rehearse, config, mirror, MADE_WITHIN_S))
                plan.made.add_done_callback(plan.end)
                self._plans[mirror] = plan
            return plan

    def _take(self, mirror: str, plan: _Plan) -> None:
        with self._lock:
            if self._plans.get(mirror) is plan:
                del self._plans[mirror]


def _heed(made: asyncio.Future[DryRun]) -> None:
    """Take note of how it failed where nobody waits any more: asyncio would tell of it."""
    if not made.cancelled():
        made.exception()
