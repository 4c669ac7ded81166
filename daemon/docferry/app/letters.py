"""Dead letters for people: conversions that were given up on, to be tried again or put aside."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import islice

from docferry.app.chains import rules_of
from docferry.config import Config
from docferry.core.rules import Rule
from docferry.errors import ConflictError, NotFoundError
from docferry.job import Failure, JobRow, JobState
from docferry.ledger import Ledger
from docferry.model import Path, Ulid, VersionRow

_MOST_PATHS = 100


@dataclass(frozen=True, slots=True)
class Which:
    """Which letters are meant: those that all of this is true of."""

    rule: str | None = None
    converter: str | None = None
    failure: Failure | None = None
    path: Path | None = None

    @property
    def is_any(self) -> bool:
        return (self.rule, self.converter, self.failure, self.path) == (None, None, None, None)


ANY = Which()


@dataclass(frozen=True, slots=True)
class Letter:
    """
    One dead letter, with what helps to decide about it.

    version: of the document; None: nothing is known of it any more.
    paths: that have this content now; the first hundred.
    """

    job: JobRow
    version: VersionRow | None
    paths: tuple[Path, ...]
    has_rule: bool  #: its rule is in the configuration


@dataclass(frozen=True, slots=True)
class Decided:
    """What came of a person's word about letters; *left* has those that stay, and why."""

    jobs: tuple[Ulid, ...]
    left: dict[Ulid, str]


def letters(ledger: Ledger, which: Which) -> list[JobRow]:
    """Give the dead letters that are meant, the oldest first, each with the path of now."""
    return ledger.jobs.letters(
        rule=which.rule, converter=which.converter, failure=which.failure, path=which.path
    )


def letter(config: Config, ledger: Ledger, job_id: Ulid) -> Letter:
    """
    Tell all about one.

    Raises:
        NotFoundError: There is no such job.
        ConflictError: It is not dead.
    """
    job = _dead(ledger, job_id)
    found = islice(ledger.synced.with_sha256(job.mirror, job.sha256), _MOST_PATHS)
    paths = tuple(path for path, _ in found)
    own = ledger.synced.get(job.mirror, [job.path]).get(job.path)
    if paths and (own is None or own.sha256 != job.sha256):
        job = replace(job, path=paths[0])  # as the list has it
    return Letter(job, ledger.versions.get(job.version), paths, _has_rule(config, job))


def replay(
    config: Config, ledger: Ledger, ids: Sequence[Ulid], which: Which, at: datetime
) -> Decided:
    """
    Queue letters again, with all their attempts: *ids*, or else those that are *which*.

    Raises:
        UserError: One of *ids* is no dead letter; then none is queued.
    """
    return replay_these(config, ledger, _meant(ledger, ids, which), at)


def replay_these(config: Config, ledger: Ledger, jobs: Sequence[JobRow], at: datetime) -> Decided:
    """Queue dead letters again, but for those for which that would come to nothing."""
    rules = {rule.name: rule for rule in rules_of(config)} if jobs else {}
    left = {job.id: why for job in jobs if (why := _why_left(config, rules, job)) is not None}
    wanted = [job.id for job in jobs if job.id not in left]
    return _decided(wanted, ledger.jobs.replay(wanted, at), left)


def discard(ledger: Ledger, ids: Sequence[Ulid], which: Which, at: datetime) -> Decided:
    """
    Put letters aside, for good: *ids*, or else those that are *which*.

    Raises:
        UserError: One of *ids* is no dead letter; then none is put aside.
    """
    return discard_these(ledger, _meant(ledger, ids, which), at)


def discard_these(ledger: Ledger, jobs: Sequence[JobRow], at: datetime) -> Decided:
    """Put dead letters aside."""
    wanted = [job.id for job in jobs]
    return _decided(wanted, ledger.jobs.discard(wanted, at), {})


def _decided(wanted: Sequence[Ulid], done: Sequence[Ulid], left: Mapping[Ulid, str]) -> Decided:
    """Tell what came of it; somebody else may have decided about one just now."""
    others = set(wanted).difference(done)
    late = dict.fromkeys(sorted(others), "it is no dead letter any more")
    return Decided(tuple(done), {**left, **late})


def _meant(ledger: Ledger, ids: Sequence[Ulid], which: Which) -> list[JobRow]:
    if not ids:
        return letters(ledger, which)
    return [_dead(ledger, one) for one in dict.fromkeys(ids)]


def _dead(ledger: Ledger, job_id: Ulid) -> JobRow:
    job = ledger.jobs.get(job_id.upper())
    if job is None:
        raise NotFoundError(f"there is no job {job_id!r}; docferry dead list tells them")
    if job.state is not JobState.DEAD:
        raise ConflictError(f"job {job.id} is no dead letter: it is {job.state}")
    return job


def _why_left(config: Config, rules: Mapping[str, Rule], job: JobRow) -> str | None:
    """Say why trying *job* again would come to nothing; None: it would not."""
    if not _has_rule(config, job):
        return f"its rule {job.rule} is not in the configuration any more"
    # Of a rule whose converter cannot be had just now nobody knows how it converts.
    rule = rules.get(job.rule)
    why = None if rule is None else rule.why_outdated(job)
    if why is None:
        return None
    return (
        f"{why}, and docferry run converts all that way by itself; at once with docferry convert "
        f"{job.path}"
    )


def _has_rule(config: Config, job: JobRow) -> bool:
    return any(rule.name == job.rule for rule in config.converts)
