"""Jobs, looked at: by state, by content, by result, and how many there are."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Select, bindparam, func, literal_column, null, select

from docferry.job import Failure, JobRow, JobState
from docferry.ledger.database import Database, Transaction, chunks
from docferry.ledger.schema import job, result, version
from docferry.ledger.tallies import tallied
from docferry.model import Origin, Path, Sha256, Ulid

#: Of which there may be few or many, but never all that ever was.
_UNSETTLED = (JobState.QUEUED, JobState.RUNNING, JobState.DEAD)
#: Said as a constant: only so the index of those that are queued serves.
IS_QUEUED = job.c.state == literal_column("'queued'")
_NEWEST_RESULT = (job.c.finished_at.desc(), job.c.id.desc())
_TWIN = (
    select(job.c.id)
    .where(
        job.c.sha256 == bindparam("sha256"),
        job.c.recipe == bindparam("recipe"),
        job.c.state == JobState.DONE,
        job.c.result_path.is_not(null()),
        job.c.result_sha256.is_not(null()),
    )
    .order_by(*_NEWEST_RESULT)
    .limit(1)
)
_AMONG = select(result.c.path, result.c.sha256).where(
    result.c.mirror == bindparam("mirror"), result.c.path.in_(bindparam("paths", expanding=True))
)


@dataclass(frozen=True, slots=True)
class Queue:
    """How many jobs of one rule wait for one converter, or for a person."""

    converter: str
    rule: str
    queued: int
    running: int
    dead: int
    oldest_at: datetime | None  #: when the oldest queued one came to be; None: none is


class JobRows:
    def __init__(self, database: Database) -> None:
        self._database = database

    def get(self, job_id: Ulid) -> JobRow | None:
        return self._one(select(job).where(job.c.id == job_id))

    def rows(self, job_ids: Sequence[Ulid]) -> dict[Ulid, JobRow]:
        """Give those of *job_ids* that there are."""
        found: dict[Ulid, JobRow] = {}
        for chunk in chunks(job_ids):
            query = select(job).where(job.c.id.in_(chunk))
            with self._database.reading() as tx:
                found |= {row.id: row for row in tx.all(query, JobRow)}
        return found

    def all(
        self, state: JobState | None = None, *, rule: str | None = None, limit: int = 100
    ) -> list[JobRow]:
        """Give jobs, those that were queued last first."""
        query = select(job).order_by(job.c.id.desc()).limit(limit)
        if state is not None:
            query = query.where(job.c.state == state)
        if rule is not None:
            query = query.where(job.c.rule == rule)
        with self._database.reading() as tx:
            return tx.all(query, JobRow)

    def tried_before(
        self, rule: str, failures: Collection[Failure], *, limit: int = 100
    ) -> list[JobRow]:
        """Give queued jobs of *rule* that failed last for one of *failures*, the newest first."""
        query = (
            select(job)
            .where(
                IS_QUEUED,
                job.c.rule == rule,
                job.c.failure.is_not(null()),
                job.c.failure.in_(failures),
            )
            .order_by(job.c.id.desc())
            .limit(limit)
        )
        with self._database.reading() as tx:
            return tx.all(query, JobRow)

    def of(self, contents: Sequence[Sha256]) -> list[JobRow]:
        """Give the jobs about *contents*, the newest first, whichever path had them."""
        query = select(job).order_by(job.c.created_at.desc(), job.c.id.desc())
        with self._database.reading() as tx:
            return [
                row
                for chunk in chunks(contents)
                for row in tx.all(query.where(job.c.sha256.in_(chunk)), JobRow)
            ]

    def twins(self, jobs: Sequence[JobRow]) -> dict[Ulid, JobRow]:
        """
        Give, of each of *jobs*, none of which is done, its twin, if there is one.

        That is the job of the same content and recipe that was done last, with a result.
        """
        contents = dict.fromkeys((one.sha256, one.recipe) for one in jobs)
        found: dict[tuple[Sha256, str], JobRow] = {}
        with self._database.reading() as tx:
            for sha256, recipe in contents:
                for (twin,) in tx.tuples(_TWIN, sha256=sha256, recipe=recipe):
                    # Hardly ever: the row is read only then.
                    [found[sha256, recipe]] = tx.all(select(job).where(job.c.id == twin), JobRow)
        return {
            one.id: found[one.sha256, one.recipe]
            for one in jobs
            if (one.sha256, one.recipe) in found
        }

    def of_result(self, mirror: str, path: Path, sha256: Sha256 | None = None) -> JobRow | None:
        """
        Give the job that put its result there last.

        Also one that is queued again since: what it put there is there still.

        Args:
            sha256: Of the result; None: whatever it was.
        """
        query = select(job).where(job.c.target_mirror == mirror, job.c.result_path == path)
        if sha256 is not None:
            query = query.where(job.c.result_sha256 == sha256)
        return self._one(query.order_by(*_NEWEST_RESULT))

    def results_at(self, mirror: str, path: Path) -> set[Sha256]:
        """
        Give what conversions ever put there, or were about to put: nothing else is ours.

        A job that is done again forgets its earlier result, so results are noted by
        themselves; after a rebuild the jobs and the versions tell of those of before.
        """
        noted = select(result.c.sha256).where(result.c.mirror == mirror, result.c.path == path)
        of_jobs = select(job.c.result_sha256).where(
            job.c.target_mirror == mirror, job.c.result_path == path
        )
        at_rest = select(version.c.sha256).where(
            version.c.mirror == mirror,
            version.c.path == path,
            version.c.origin == Origin.CONVERSION,
        )
        with self._database.reading() as tx:
            found = [one for query in (noted, of_jobs, at_rest) for (one,) in tx.tuples(query)]
        return {one for one in found if one is not None}

    def results_among(
        self, mirror: str, contents: Sequence[tuple[Path, Sha256]]
    ) -> set[tuple[Path, Sha256]]:
        """Give those of *contents* that a conversion put to its path, or was about to."""
        wanted = dict.fromkeys(path for path, _ in contents)
        with self._database.reading() as tx:
            found = {
                (path, sha256)
                for chunk in chunks([*wanted])
                for path, sha256 in tx.tuples(_AMONG, mirror=mirror, paths=list(chunk))
            }
        return found.intersection(contents)

    def counts(self) -> dict[JobState, int]:
        """Give the number of jobs in every state, 0 too."""
        with self._database.reading() as tx:
            found = tallied(tx, job)
        return {state: found.get(state, (0, 0))[0] for state in JobState}

    def by_rule(self) -> dict[str, dict[JobState, int]]:
        """Give the number of jobs of every rule in every state that it has some in."""
        query = select(job.c.rule, job.c.state, func.count()).group_by(job.c.rule, job.c.state)
        found: dict[str, dict[JobState, int]] = {}
        with self._database.reading() as tx:
            for rule, state, count in tx.tuples(query):
                found.setdefault(rule, {})[JobState(state)] = count
        return found

    def queues(self) -> list[Queue]:
        """Give the queues in which a job waits, runs or is dead, by converter and rule."""
        found: dict[tuple[str, str], dict[str, Any]] = {}
        with self._database.reading() as tx:
            for state in _UNSETTLED:
                for rule, converter in _groups(tx, state):
                    count, oldest = _counted(tx, state, rule, converter)
                    facts = found.setdefault((converter, rule), {})
                    facts[state.value] = count
                    if state is JobState.QUEUED:
                        facts["oldest_at"] = datetime.fromisoformat(oldest)
        nothing = {"queued": 0, "running": 0, "dead": 0, "oldest_at": None}
        return [Queue(*names, **(nothing | found[names])) for names in sorted(found)]

    def _one(self, query: Select[tuple[object, ...]]) -> JobRow | None:
        with self._database.reading() as tx:
            return tx.one(query, JobRow)


def _groups(tx: Transaction, state: JobState) -> Iterator[tuple[str, str]]:
    """Yield the rules with their converters, each found by one look into the index."""
    is_it = job.c.state == state
    rule = ""
    while rule := tx.value(select(func.min(job.c.rule)).where(is_it, job.c.rule > rule)):
        ours, converter = (is_it, job.c.rule == rule), ""
        following = select(func.min(job.c.converter)).where(*ours)
        while converter := tx.value(following.where(job.c.converter > converter)):
            yield rule, converter


def _counted(tx: Transaction, state: JobState, rule: str, converter: str) -> tuple[int, str]:
    """Count a group, and give its oldest, each by its own way into the index."""
    ours = job.c.state == state, job.c.rule == rule, job.c.converter == converter
    oldest = select(func.min(job.c.created_at)).where(*ours).scalar_subquery()
    count = select(func.count()).select_from(job).where(*ours).scalar_subquery()
    [(counted, oldest_at)] = tx.tuples(select(count, oldest))
    return counted, oldest_at
