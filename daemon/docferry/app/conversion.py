"""Conversions, wired: where a version's content is, where a result goes, who is told."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial

from docferry.app.chains import chains_of
from docferry.app.rules_told import shapes_of
from docferry.app.sides import Sides
from docferry.config import Config
from docferry.core.orders import why_paused
from docferry.core.results import origin_of
from docferry.engine.backlog import Backlog
from docferry.engine.claims import Claims
from docferry.engine.contents import Contents
from docferry.engine.loop import MirrorLoop
from docferry.engine.put_result import Target
from docferry.engine.timers import Timers
from docferry.engine.worker import Worker
from docferry.errors import TemporaryError
from docferry.job import BreakerState, ConverterRow, JobRow, JobState
from docferry.ledger import Ledger
from docferry.logs import get_logger
from docferry.metrics import JOBS_ENDED
from docferry.model import Outcome, Path, Sha256, Ulid, VersionRow
from docferry.storage.base import Content

log = get_logger(__name__)

EXPIRY_EVERY_S = 5.0
LEASES_EVERY_S = 20.0
BACKLOG_EVERY_S = 2.0
BACKLOG_FOR_S = 0.5
COUNT_EVERY_S = 2.0


class Conversions:
    """The rules of the configuration, and all that works for them."""

    def __init__(
        self,
        config: Config,
        ledger: Ledger,
        sides: Mapping[str, Sides],
        loops: Mapping[str, MirrorLoop],
        now: Callable[[], datetime],
        *,
        room: Callable[[int], AbstractContextManager[object]] = nullcontext,
    ) -> None:
        """
        Args:
            sides, loops: Of the mirrors that run at the moment they are asked for.
            room: Entered with the size of a document before it is staged; raises FullError.
        """
        self._ledger = ledger
        self._loops = loops
        self._now = now
        self.told = ""  #: what there is to do, in a few words
        self._chains = chains = chains_of(config)
        self.rules = chains.rules
        self.takers = {options.to_mirror for options in config.converts}
        self._stepping = threading.Lock()
        self._is_retired = False
        self._claims = Claims(ledger, shapes_of(config))
        self._backlog = Backlog(ledger, self.rules, now, paused=chains.paused)
        self._worker = Worker(
            ledger,
            chains.conversions,
            targets=_Targets({rule.to_mirror for rule in self.rules}, sides, loops),
            contents_of=Sources({rule.from_mirror for rule in self.rules}, sides, room).contents_of,
            folder=config.state_dir / "work",
            now=now,
        )

    def start(self, *, takes_over: bool = True) -> None:
        """
        Start the worker, if there is a rule.

        Args:
            takes_over: From an earlier daemon. Else from others that this daemon had until now.
        """
        self._tell_converters()
        if self.rules:
            self._worker.start(takes_over=takes_over)
        elif takes_over:
            self._worker.prepare()  # what a rule that is gone has left running

    def start_timers(self, timers: Timers, *, at_once: bool = True) -> None:
        """
        Have done what is to be done now and then.

        Args:
            at_once: Else the backlog waits for a while: an operation that was about to end may
                yet have queued a job of a rule that is gone.
        """
        timers.every(EXPIRY_EVERY_S, "job-expiry", self._expire)
        timers.every(LEASES_EVERY_S, "job-leases", self._worker.requeue_expired)
        timers.every(BACKLOG_EVERY_S, "job-backlog", self._step_backlog, at_once=at_once)
        timers.every(COUNT_EVERY_S, "job-counts", self._count)

    def stop(self, timeout_s: float) -> None:
        """End what runs, and wait for it."""
        if self.rules:
            self._worker.stop(timeout_s)

    def retire(self) -> None:
        """Begin nothing more: other rules follow. What is begun is seen through, see `is_over`."""
        with self._stepping:
            self._is_retired = True
        self._worker.retire()

    def is_over(self) -> bool:
        """Say whether all that was begun has ended, once it is retired."""
        return not self._worker.is_at_work and self._worker.stop(0.0)

    @property
    def are_some_broken(self) -> bool:
        """Whether a converter could not be had: by now it may be there."""
        return bool(self._chains.broken)

    def wake(self) -> None:
        """There are new jobs."""
        self._worker.wake()

    def with_origins(self, mirror: str, outcomes: Sequence[Outcome]) -> Sequence[Outcome]:
        """Tell results apart from what people have put to a mirror that takes results."""
        new = [outcome.version for outcome in outcomes if outcome.version is not None]
        if not new or mirror not in self.takers:
            return outcomes
        claimed = [(each.version, each.claimed) for each in outcomes]
        believed = self._claims.believe([(row, said) for row, said in claimed if row and said])
        contents = [(version.path, version.sha256) for version in new]
        known = self._ledger.jobs.results_among(mirror, contents)
        return [_with_origin(outcome, known, believed) for outcome in outcomes]

    def is_quiet(self) -> bool:
        """Do a part of the backlog, if there is one; say whether nothing more can be done."""
        if self._is_busy():
            return False
        is_more = self._backlog.step()
        self._worker.wake()
        return not is_more and not self._is_busy()  # what the step has queued is to be done

    def _is_busy(self) -> bool:
        able = {name for name in self._worker.runnable() if self._has_documents(name)}
        return any(
            queue.running or (queue.queued and queue.rule in able)
            for queue in self._ledger.jobs.queues()
        )

    def _has_documents(self, rule: str) -> bool:
        """Say whether the documents of *rule* can be had: the loop of their mirror still tries."""
        mirror = self._chains.conversions[rule].rule.from_mirror
        return not self._loops[mirror].has_given_up

    # Now and then.

    def _step_backlog(self) -> None:
        """Go on with the backlog for a moment: the timer calls again."""
        if not all(loop.is_proven or loop.has_given_up for loop in self._loops.values()):
            return
        until_s = time.monotonic() + BACKLOG_FOR_S
        with self._stepping:
            while not self._is_retired and self._backlog.step():
                self._worker.wake()
                if time.monotonic() > until_s:
                    return
        self._worker.wake()

    def _count(self) -> None:
        self.told = counted_jobs(self._ledger.jobs.counts())

    def _expire(self) -> None:
        for job in self._ledger.jobs.expire(self._now()):
            JOBS_ENDED.labels(job.rule, job.converter, "dead", job.failure or "").inc()
            log.error("job.dead", **_facts(job))

    # At the start.

    def _tell_converters(self) -> None:
        """Let others know which converters cannot be had; an outage of before may be over."""
        for row in self._ledger.converters.all():
            if row.state is not BreakerState.CLOSED:
                closed = ConverterRow(row.name, BreakerState.CLOSED, None, self._now(), None)
                self._ledger.converters.put(closed)
        for name, reason in self._chains.broken.items():
            log.error("converter.down", converter=name, reason=reason)
            row = ConverterRow(name, BreakerState.OPEN, reason, self._now(), None)
            self._ledger.converters.put(row)


@dataclass(frozen=True, slots=True)
class Sources:
    """
    Where the documents are.

    Args:
        names: Of the mirrors that rules take documents from.
        sides: Of those that run at the moment.
    """

    names: Collection[str]
    sides: Mapping[str, Sides]
    room: Callable[[int], AbstractContextManager[object]]

    def contents_of(self, mirror: str) -> _WithRoom:
        """
        Raises:
            TemporaryError: The mirror does not run just now.
            KeyError: There is no such mirror.
        """
        sides = self.sides.get(mirror)
        if sides is None and mirror in self.names:
            raise TemporaryError(_anew(mirror))  # else its documents would count as gone
        return _WithRoom(self.sides[mirror].contents, self.room)


class _Targets(Mapping[str, Target]):
    """The mirrors that results go to, as far as they run at the moment."""

    def __init__(
        self, names: Collection[str], sides: Mapping[str, Sides], loops: Mapping[str, MirrorLoop]
    ) -> None:
        self._names = names
        self._sides = sides
        self._loops = loops
        self._last: dict[str, Target] = {}

    def __getitem__(self, mirror: str) -> Target:
        loop, sides = self._loops.get(mirror), self._sides.get(mirror)
        if loop is None or sides is None:
            return replace(self._last[mirror], trouble=partial(_anew, mirror))
        target = Target(sides.local, loop.mark, partial(_trouble, loop), loop.is_on_its_way)
        self._last[mirror] = target
        return target

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


@dataclass(frozen=True, slots=True)
class _WithRoom:
    """Contents that are given only where there is room to stage them."""

    contents: Contents
    room: Callable[[int], AbstractContextManager[object]]

    def open(self, version: VersionRow) -> Content:
        with self.room(version.size):
            return self.contents.open(version)

    def open_sound(self, version: VersionRow) -> Content:
        with self.room(version.size):
            return self.contents.open_sound(version)


def counted_jobs(counts: Mapping[JobState, int]) -> str:
    """Say in a few words how many jobs wait, run and were given up; "": none."""
    words = {
        JobState.QUEUED: "waiting",
        JobState.RUNNING: "running",
        JobState.DEAD: "given up (docferry dead list)",
    }
    parts = [f"{count} {word}" for state, word in words.items() if (count := counts[state])]
    return f"conversions: {', '.join(parts)}" if parts else ""


def _with_origin(
    outcome: Outcome, results: Collection[tuple[Path, Sha256]], believed: Collection[Ulid]
) -> Outcome:
    version = outcome.version
    if version is None:
        return outcome
    is_result = (version.path, version.sha256) in results
    is_claimed = version.id in believed
    origin = origin_of(version.origin, is_result=is_result, is_claimed=is_claimed)
    return replace(outcome, version=replace(version, origin=origin))


def _anew(mirror: str) -> str:
    return f"mirror {mirror} is being started anew"


def _trouble(loop: MirrorLoop) -> str | None:
    """Say why no result may be put into a mirror's folder now; None: it may."""
    if loop.is_proven:
        return None
    if (pause := loop.ordered.pause) is not None:
        return why_paused(pause)
    return loop.facts.reason or f"it is {loop.facts.health}"


def _facts(job: JobRow) -> dict[str, object]:
    return {
        "job": job.id,
        "rule": job.rule,
        "mirror": job.mirror,
        "path": job.path,
        "version": job.version,
        "attempts": job.attempts,
        "failure": job.failure,
        "reason": job.last_error,
    }
