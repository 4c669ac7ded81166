"""How conversions stand: what waits for which converter, how it does, how far a backlog is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from docferry.config import Config
from docferry.engine.backlog import MOST_QUEUED
from docferry.job import BreakerState, ConverterRow, Failure, JobRow, JobState, Priority
from docferry.ledger import Ledger
from docferry.ledger.jobs import Queue

_NOT_ITS_OWN = (Failure.OUTAGE, Failure.CONFIGURATION, Failure.STORING, Failure.OTHER)
_OVER = (JobState.DONE, JobState.DEAD, JobState.SKIPPED, JobState.DISCARDED)


@dataclass(frozen=True, slots=True)
class ConverterReport:
    """
    One converter, or one chain of them.

    dead: letters: as in `dead list`, without those of documents that are nowhere any more.
    down: that one of the chain which gets no documents now; None: all do.
    suspect: the only one that waits for what is down, where it failed over that document. With
        no other one to compare, nobody can tell which of them is to blame, and it is tried on.
    held_up: one that waits to be tried again though no converter is down: for what it says.
    """

    name: str
    rules: tuple[str, ...]  #: that name it
    queued: int = 0
    running: int = 0
    dead: int = 0
    oldest_at: datetime | None = None  #: of those that are queued
    down: ConverterRow | None = None
    suspect: JobRow | None = None
    held_up: JobRow | None = None


@dataclass(frozen=True, slots=True)
class BacklogReport:
    """
    How far a rule is with the files that were there before it.

    is_all_known: False: more files may be found once there is room in the queue.
    """

    rule: str
    queued: int  #: of the backlog
    done: int  #: conversions of the rule that are over, of all there ever were: of older ways too
    total: int
    is_all_known: bool


@dataclass(frozen=True, slots=True)
class JobsReport:
    converters: tuple[ConverterReport, ...]
    jobs: tuple[JobRow, ...]


def converters(config: Config, ledger: Ledger) -> tuple[ConverterReport, ...]:
    """Give the converters that rules name, and those for which jobs wait without a rule."""
    queues: dict[str, list[Queue]] = {rule.converter: [] for rule in config.converts}
    for queue in ledger.jobs.queues():
        queues.setdefault(queue.converter, []).append(queue)
    down = {row.name: row for row in ledger.converters.all() if row.state != BreakerState.CLOSED}
    letters = Counter(letter.converter for letter in ledger.jobs.letters())
    reports = [
        replace(_converter(config, name, queues[name], down), dead=letters[name])
        for name in sorted(queues)
    ]
    return tuple(_with_what_waits(ledger, one, queues[one.name]) for one in reports)


def backlogs(config: Config, ledger: Ledger) -> tuple[BacklogReport, ...]:
    """Give the rules that have a backlog to do."""
    queued = {rule.name: ledger.backlog.queued(rule.name) for rule in config.converts}
    if not any(queued.values()):
        return ()
    states = ledger.jobs.by_rule()
    return tuple(
        BacklogReport(
            rule=name,
            queued=count,
            done=sum(states.get(name, {}).get(state, 0) for state in _OVER),
            total=sum(states.get(name, {}).values()),
            is_all_known=count < MOST_QUEUED // 2,
        )
        for name, count in queued.items()
        if count and _has_backlog(ledger, name, count)
    )


def jobs(
    config: Config, ledger: Ledger, state: JobState | None, rule: str | None, most: int
) -> JobsReport:
    """Give what runs, and then the newest of the rest, *most* in all."""
    running = []
    if state in (None, JobState.RUNNING):
        running = ledger.jobs.all(JobState.RUNNING, rule=rule, limit=most)
    others = [] if state is JobState.RUNNING else ledger.jobs.all(state, rule=rule, limit=most)
    ids = {job.id for job in running}
    rows = [*running, *(job for job in others if job.id not in ids)]
    return JobsReport(converters(config, ledger), tuple(rows[:most]))


def _converter(
    config: Config, name: str, queues: Sequence[Queue], down: Mapping[str, ConverterRow]
) -> ConverterReport:
    oldest = [queue.oldest_at for queue in queues if queue.oldest_at is not None]
    return ConverterReport(
        name,
        tuple(rule.name for rule in config.converts if rule.converter == name),
        sum(queue.queued for queue in queues),
        sum(queue.running for queue in queues),
        oldest_at=min(oldest, default=None),
        down=next((down[one] for one in name.split("+") if one in down), None),
    )


def _with_what_waits(
    ledger: Ledger, report: ConverterReport, queues: Sequence[Queue]
) -> ConverterReport:
    """Name the document that a person should know of to understand why the queue stands."""
    jobs = [
        job
        for queue in queues
        if queue.queued
        for job in ledger.jobs.tried_before(queue.rule, _NOT_ITS_OWN)
        if job.converter == report.name
    ]
    if report.down is None:
        return replace(report, held_up=next(iter(jobs), None))
    if (report.queued, report.running) != (1, 0):
        return report
    return replace(report, suspect=next((job for job in jobs if _is_suspect(job)), None))


def _is_suspect(job: JobRow) -> bool:
    """Say whether its converter failed with the document in its hands: it then goes last."""
    return job.priority is Priority.BACKLOG and job.doubted_at is not None


def _has_backlog(ledger: Ledger, rule: str, count: int) -> bool:
    """Say whether of *count* jobs that go last there is one that nothing is held against."""
    return count > sum(map(_is_suspect, ledger.jobs.tried_before(rule, _NOT_ITS_OWN)))
