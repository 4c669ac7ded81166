"""
What docferry knows, put together for people and programs: `status`, `ls`, `log`.

Read from the ledger, so that it can be asked while the daemon runs, while it does
not, and when it hangs. What may be out of date says of when it is.
"""

from __future__ import annotations

import os
import pathlib
from collections.abc import Collection
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from docferry.app.queues import BacklogReport, ConverterReport, backlogs, converters
from docferry.app.store_report import StoreReport, stores
from docferry.app.unseen import veiled
from docferry.app.webhook_report import WebhookReport, webhooks
from docferry.config import Config, MirrorConfig
from docferry.core.orders import why_paused
from docferry.job import JobRow, JobState
from docferry.ledger import ConflictRow, HistoryRow, HoldRow, Ledger, MirrorRow, ProblemRow
from docferry.ledger.lock import is_held
from docferry.ledger.orders import RunOrder
from docferry.ledger.patrols import PatrolRow
from docferry.ledger.refusals import RefusedConfig
from docferry.ledger.requests import RequestRow
from docferry.model import (
    HoldState,
    MirrorHealth,
    Path,
    Pause,
    RequestKind,
    RequestState,
    SyncedState,
    Transfer,
    VersionRow,
)

#: A daemon that has work writes its row every second; an idle one only when something changes.
_MOST_PROBLEMS = 1000
#: Nobody confirms having read of a failure: it is shown for so long.
_FAILURES_FOR = timedelta(days=1)
_FAILED = (RequestState.FAILED, RequestState.CONFLICT)
_UNDER_WAY = (JobState.QUEUED, JobState.RUNNING)
#: For who may not know where it is.
_TROUBLE_FOR_ALL = "docferry's disk is full: what follows may be out of date"
#: Problems of what was, of which the health of a mirror says nothing.
_OF_THE_PAST = ("history", "rot")
_NOT_OVER = (HoldState.OPEN, HoldState.APPROVED, HoldState.DISCARDED)


@dataclass(frozen=True, slots=True)
class MirrorReport:
    """One mirror, as the ledger has it."""

    name: str
    local: str  #: the folder, as configured now
    remote: str  #: the prefix, likewise
    row: MirrorRow | None  #: None: the daemon has never run it
    files: int = 0  #: agreed on, held ones too
    size_bytes: int = 0
    held: int = 0  #: files whose deletion or change waits for a person
    problems: tuple[ProblemRow, ...] = ()
    holds: tuple[HoldRow, ...] = ()
    conflicts: tuple[ConflictRow, ...] = ()
    asked: int = 0  #: requests that are to be carried out
    asked_kinds: dict[RequestKind, int] = field(default_factory=dict)  #: how many of each
    oldest_asked_at: datetime | None = None
    failed_requests: tuple[RequestRow, ...] = ()  #: of the last day, the newest first
    snapshot_at: datetime | None = None  #: the last one of the ledger in the bucket
    patrol: PatrolRow | None = None  #: None: none has begun
    retention_waits_since: datetime | None = None  #: its rules wait for a person's word
    pause: Pause | None = None  #: None: nobody has told it to rest
    ordered: tuple[RunOrder, ...] = ()  #: runs that nobody has done yet
    transfers: tuple[Transfer, ...] = ()  #: large contents on their way, as was last told
    held_newcomers: int = 0  #: of those held: files that only one side has ever had

    @property
    def is_in_step(self) -> bool:
        """Whether it does what it is to do, and nothing of it waits for its turn or a person."""
        return (
            self.row is not None
            and self.row.health is MirrorHealth.IN_STEP
            and self.pause is None  # its loop hears of it soon
            and not (self.holds or self.conflicts or self.asked or self.ordered)
            and self.retention_waits_since is None
            and not any(one.kind in _OF_THE_PAST for one in self.problems)
        )

    @property
    def why_paused(self) -> str | None:
        """By whom it was paused, and since when: also if its loop has not heard of it yet."""
        return None if self.pause is None else why_paused(self.pause)


@dataclass(frozen=True, slots=True)
class Status:
    """
    The whole picture.

    pid: of the running daemon; None: none runs, and every mirror's health is that of
        the time it last ran.
    trouble: why the rest may be out of date; None: it is not.
    converters: those that rules name, and how they do.
    backlogs: of rules that find files which were there before them.
    dead_letters: conversions that were given up on, of documents that are still there.
    converting: mirrors of whose documents a conversion waits, or runs, that a rule asks for.
    refused_config: the daemon goes on with an older one.
    stores: those that mirrors use, and what the daemon asked them for lately.
    """

    at: datetime
    pid: int | None
    trouble: str | None
    mirrors: tuple[MirrorReport, ...]
    jobs: dict[JobState, int] = field(default_factory=dict)
    converters: tuple[ConverterReport, ...] = ()
    backlogs: tuple[BacklogReport, ...] = ()
    dead_letters: tuple[JobRow, ...] = ()
    converting: tuple[str, ...] = ()
    refused_config: RefusedConfig | None = None
    webhooks: tuple[WebhookReport, ...] = ()
    stores: tuple[StoreReport, ...] = ()

    @property
    def is_in_step(self) -> bool:
        """
        Whether nobody has to act, and nothing waits.

        The daemon runs, as configured; every mirror is in step; no hold or conflict is open, no
        conversion waits, runs or was given up, nothing that somebody asked for is yet to be
        done; no converter and no receiver of a webhook is down; no past is missing or rotten.
        """
        return (
            self.pid is not None
            and self.trouble is None
            and self.refused_config is None
            and not self.dead_letters
            and not self.converting
            and not any(each.down for each in self.converters)
            and all(each.is_well for each in self.webhooks)
            and all(each.is_in_step for each in self.mirrors)
        )

    def of(self, mirrors: Collection[str]) -> Status:
        """Leave out what somebody who may know of *mirrors* alone may not see."""
        return replace(
            self,
            trouble=None if self.trouble is None else _TROUBLE_FOR_ALL,
            refused_config=None,
            mirrors=tuple(one for one in self.mirrors if one.name in mirrors),
            dead_letters=tuple(
                veiled(one, mirrors.__contains__)
                for one in self.dead_letters
                if one.mirror in mirrors
            ),
            converting=tuple(one for one in self.converting if one in mirrors),
            jobs={},
            webhooks=(),
            stores=(),
            converters=(),
            backlogs=(),
        )


@dataclass(frozen=True, slots=True)
class FileReport:
    """One file both sides agreed on."""

    path: Path
    state: SyncedState
    problem: str | None
    hold: int | None  #: that keeps it from being deleted: one side does not have it
    held_change: int | None = None  #: the hold that keeps what one side has from the other


@dataclass(frozen=True, slots=True)
class PathReport:
    """The story of one path."""

    mirror: str
    path: Path
    synced: SyncedState | None
    versions: tuple[VersionRow, ...]
    history: tuple[HistoryRow, ...]
    problem: ProblemRow | None
    conversions: tuple[JobRow, ...]  #: of any of its contents, the newest first
    hold: int | None  #: that keeps it from being deleted
    held_change: int | None = None  #: the hold that keeps what one side has from the other

    @property
    def is_known(self) -> bool:
        """Whether anything was ever done to it, or failed."""
        return bool(self.history or self.versions or self.problem)


def never_run(config: Config) -> Status:
    """Give the status before the first run: there is no ledger to ask."""
    mirrors = [
        MirrorReport(options.name, str(options.local), _remote_name(options), row=None)
        for options in config.mirrors.values()
    ]
    return Status(datetime.now(UTC), None, None, tuple(mirrors))


def status(config: Config, ledger: Ledger) -> Status:
    """Put together how every configured mirror is."""
    pid = is_held(config.state_dir)
    # Before and after the mirrors: what a conversion makes is on its way in one of both.
    converting = _converting(config, ledger)
    mirrors = tuple(mirror_report(options, ledger) for options in config.mirrors.values())
    return Status(
        at=datetime.now(UTC),
        pid=pid,
        trouble=_trouble(config.state_dir),
        mirrors=mirrors,
        jobs=ledger.jobs.counts(),
        converters=converters(config, ledger),
        webhooks=tuple(webhooks(config, ledger)),
        stores=tuple(stores(config, ledger)),
        backlogs=backlogs(config, ledger),
        dead_letters=tuple(_dead_letters(config, ledger)),
        converting=tuple(sorted({*converting, *_converting(config, ledger)})),
        refused_config=ledger.refusals.get() if pid is not None else None,
    )


def files(ledger: Ledger, mirror: str, below: Path) -> list[FileReport]:
    """List what both sides of *mirror* agreed on, at or below a path ("": everything)."""
    problems = {row.path: row.message for row in ledger.problems.all(mirror)}
    agreed = [*ledger.synced.scan(mirror), *ledger.synced.scan_odd(mirror)]
    folder = below.rstrip("/") + "/"
    held, changed = _held(ledger, mirror), ledger.changes.held_paths(mirror)
    return [
        FileReport(path, state, problems.get(path), held.get(path), changed.get(path))
        for path, state in sorted(agreed)
        if not below or path == below or path.startswith(folder)
    ]


def story(ledger: Ledger, mirror: str, path: Path) -> PathReport:
    """Tell what happened to *path*, newest first."""
    problems = [row for row in ledger.problems.all(mirror) if row.path == path]
    versions = tuple(ledger.versions.of(mirror, path))
    return PathReport(
        mirror,
        path,
        ledger.synced.get(mirror, [path]).get(path),
        versions,
        tuple(ledger.history.of(mirror, path)),
        problems[0] if problems else None,
        tuple(ledger.jobs.of(list({version.sha256 for version in versions}))),
        _held(ledger, mirror).get(path),
        ledger.changes.held_paths(mirror).get(path),
    )


def _held(ledger: Ledger, mirror: str) -> dict[Path, int]:
    """Give the paths that a hold keeps from being deleted, and which hold does."""
    return {
        item.path: hold.id
        for hold in ledger.holds.all(mirror, _NOT_OVER, kind="deletions")
        for item in ledger.holds.items(hold.id, limit=hold.count)
    }


def _dead_letters(config: Config, ledger: Ledger) -> list[JobRow]:
    """Give those that somebody waits for: what no rule asks for any more nobody does."""
    rules = {rule.name for rule in config.converts}
    return [job for job in ledger.jobs.letters() if job.rule in rules]


def _converting(config: Config, ledger: Ledger) -> tuple[str, ...]:
    rules = {rule.name for rule in config.converts}
    found = {
        group.mirror
        for group in ledger.job_pages.groups()
        if group.rule in rules and group.state in _UNDER_WAY
    }
    return tuple(sorted(found))


def _trouble(state_dir: pathlib.Path) -> str | None:
    if os.statvfs(state_dir).f_bavail:
        return None
    return (
        f"the disk of {state_dir} is full: docferry cannot write down how things are, and what "
        "follows may be out of date. Free some space"
    )


def mirror_report(options: MirrorConfig, ledger: Ledger) -> MirrorReport:
    """Put together how one mirror is."""
    name = options.name
    count, size_bytes = ledger.synced.count(name)
    holds = tuple(ledger.holds.all(name, _NOT_OVER))
    asked, oldest_asked_at = ledger.requests.count_open(name)
    lately = datetime.now(UTC) - _FAILURES_FOR
    snapshot = ledger.snapshots.last(name)
    return MirrorReport(
        name,
        str(options.local),
        _remote_name(options),
        ledger.mirrors.get(name),
        count,
        size_bytes,
        sum(hold.count for hold in holds if hold.kind in ("deletions", "changes")),
        tuple(ledger.problems.all(name)[:_MOST_PROBLEMS]),
        holds,
        tuple(ledger.conflicts.all(name)),
        sum(asked.values()),
        asked,
        oldest_asked_at,
        tuple(ledger.requests.ended(name, _FAILED, lately, _MOST_PROBLEMS)),
        None if snapshot is None else snapshot.taken_at,
        ledger.patrols.get(name),
        ledger.waits.since(name) if options.retention.lets_go else None,
        *_orders(name, ledger),
        tuple(ledger.transfers.of(name)),
        ledger.changes.held_newcomers(name),
    )


def _orders(name: str, ledger: Ledger) -> tuple[Pause | None, tuple[RunOrder, ...]]:
    found, ordered = ledger.orders.of(name)
    return found, tuple(ordered)


def _remote_name(options: MirrorConfig) -> str:
    return f"s3://{options.bucket}/{options.prefix}"
