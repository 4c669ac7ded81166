"""
Call something every so many seconds.

A job only pokes (marks paths dirty, sets an event): work belongs to the loop, and
what a late or failed poke leaves undone the next one brings about.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime

from apscheduler.events import (  # type: ignore[import-untyped]
    EVENT_JOB_ERROR,
    JobExecutionEvent,
)
from apscheduler.executors.pool import ThreadPoolExecutor  # type: ignore[import-untyped]
from apscheduler.jobstores.base import JobLookupError  # type: ignore[import-untyped]
from apscheduler.schedulers.background import BackgroundScheduler  # type: ignore[import-untyped]

from docferry.errors import DocferryError
from docferry.logs import get_logger

log = get_logger(__name__)

_DEFAULTS = {
    "coalesce": True,  # after a standstill: once, not once for every time missed
    "max_instances": 1,
    # APScheduler's own value is one second, after which a late run is dropped: None
    # runs it however late it is.
    "misfire_grace_time": None,
}


class Timers:
    """Periodic pokes. A slow one does not hold up the others, nor overlap with itself."""

    def __init__(self) -> None:
        self._scheduler = BackgroundScheduler(
            executors={"default": ThreadPoolExecutor(4)}, job_defaults=_DEFAULTS, timezone=UTC
        )
        # It would say every failure a second time.
        logging.getLogger("apscheduler.executors.default").setLevel(logging.CRITICAL)
        self._scheduler.add_listener(_log_failure, EVENT_JOB_ERROR)

    def every(
        self,
        seconds: float,
        name: str,
        function: Callable[[], None],
        *,
        jitter_s: float = 0.0,
        at_once: bool = False,
    ) -> None:
        """
        Call *function* every *seconds*, each time up to *jitter_s* later.

        Args:
            name: Unique; a second timer of that name replaces the first.
            at_once: Call it first when the timers start, not one period later.
        """
        self._scheduler.add_job(
            function,
            "interval",
            seconds=seconds,
            jitter=jitter_s or None,
            id=name,
            name=name,
            replace_existing=True,
            **({"next_run_time": datetime.now(UTC)} if at_once else {}),
        )

    def remove(self, name: str) -> None:
        """Let the timer of that name call no more. Does not wait for a call that is under way."""
        with suppress(JobLookupError):
            self._scheduler.remove_job(name)

    def start(self) -> None:
        self._scheduler.start()

    def stop(self) -> None:
        """Call nothing any more. Does not wait for a call that is under way."""
        if self._scheduler.running:
            self._scheduler.shutdown(wait=False)


def _log_failure(event: JobExecutionEvent) -> None:
    if isinstance(event.exception, DocferryError):  # its message says it all
        log.error("timer.failed", timer=event.job_id, reason=str(event.exception))
    else:
        log.error("timer.failed", timer=event.job_id, exc_info=event.exception)
