"""
Call something every so many seconds.

A job only pokes (marks paths dirty, sets an event): work belongs to the loop, and
what a late or failed poke leaves undone the next one brings about.

APScheduler goes by the machine's clock, and that may be set while docferry runs, by years where a
machine without a battery meets its time server. Two things see to it that nobody notices.
"""

from __future__ import annotations

import logging
import random
import threading
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta

from apscheduler.events import (  # type: ignore[import-untyped]
    EVENT_JOB_ERROR,
    JobExecutionEvent,
)
from apscheduler.executors.pool import ThreadPoolExecutor  # type: ignore[import-untyped]
from apscheduler.jobstores.base import JobLookupError  # type: ignore[import-untyped]
from apscheduler.schedulers.background import BackgroundScheduler  # type: ignore[import-untyped]
from apscheduler.triggers.base import BaseTrigger  # type: ignore[import-untyped]

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
#: How often it is looked whether the clock was set back.
CLOCK_EVERY_S = 1.0


class Every(BaseTrigger):  # type: ignore[misc]
    """
    Every *seconds*, each time up to *jitter_s* later, and never twice for what was missed.

    APScheduler's own goes through every single time that was missed: once the clock of a machine
    went ahead by 50 years it would do so for hours, and keep them all.
    """

    def __init__(self, seconds: float, jitter_s: float = 0.0) -> None:
        self._seconds = seconds
        self._jitter_s = jitter_s

    def get_next_fire_time(self, previous_fire_time: datetime | None, now: datetime) -> datetime:
        wait = timedelta(seconds=self._seconds + random.random() * self._jitter_s)
        due = (previous_fire_time or now) + wait
        return due if due > now else now + wait

    def is_too_far(self, due: datetime, now: datetime) -> bool:
        """Say whether *due* is later than it can be, as the clock goes *now*."""
        return due - now > timedelta(seconds=self._seconds + self._jitter_s)


class Timers:
    """Periodic pokes. A slow one does not hold up the others, nor overlap with itself."""

    def __init__(self) -> None:
        self._scheduler = BackgroundScheduler(
            executors={"default": ThreadPoolExecutor(4)}, job_defaults=_DEFAULTS, timezone=UTC
        )
        # It would say every failure a second time, and that a slow one is left out, every second.
        logging.getLogger("apscheduler.executors.default").setLevel(logging.CRITICAL)
        logging.getLogger("apscheduler.scheduler").setLevel(logging.ERROR)
        self._is_over = threading.Event()
        self._follower = threading.Thread(target=self._follow_clock, name="clock", daemon=True)
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
            Every(seconds, jitter_s),
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
        self._follower.start()

    def stop(self) -> None:
        """Call nothing any more. Does not wait for a call that is under way."""
        self._is_over.set()
        if self._scheduler.running:
            self._scheduler.shutdown(wait=False)

    def _follow_clock(self) -> None:
        while not self._is_over.wait(CLOCK_EVERY_S):
            self._bring_forward(datetime.now(UTC))

    def _bring_forward(self, now: datetime) -> None:
        """Where the clock was set back, what is due would wait until it is there again."""
        for job in self._scheduler.get_jobs():
            if job.trigger.is_too_far(job.next_run_time, now):
                with suppress(JobLookupError):  # it was removed meanwhile
                    job.modify(next_run_time=job.trigger.get_next_fire_time(None, now))


def _log_failure(event: JobExecutionEvent) -> None:
    if isinstance(event.exception, DocferryError):  # its message says it all
        log.error("timer.failed", timer=event.job_id, reason=str(event.exception))
    else:
        log.error("timer.failed", timer=event.job_id, exc_info=event.exception)
