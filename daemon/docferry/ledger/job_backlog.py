"""The backlog: present files of which jobs are missing, and how far each rule has come."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import func, literal_column, select

from docferry.job import Failure, JobState, NewJob, Priority
from docferry.ledger.database import Database, chunks
from docferry.ledger.job_letters import SKIPPED_FOR_NOW
from docferry.ledger.job_rows import IS_QUEUED
from docferry.ledger.jobs import insert_jobs
from docferry.ledger.schema import job, setting, synced, version
from docferry.ledger.versions import ROW
from docferry.model import Path, VersionRow

_KEY = "backlog:"  # of settings: then comes the rule's name


@dataclass(frozen=True, slots=True)
class Passed:
    """A rule has gone through all files of its mirror."""

    fingerprint: str  #: of the rule as it was
    at: datetime


class JobBacklog:
    def __init__(self, database: Database) -> None:
        self._database = database

    def files(self, mirror: str, after: Path, limit: int) -> list[VersionRow]:
        """Give the next files of *mirror* after *after*, in order: each with its own path."""
        query = (
            ROW.add_columns(synced.c.path.label("path_now"))
            .join(synced, version.c.id == synced.c.version)
            .where(synced.c.mirror == mirror, synced.c.path > after)
            .order_by(synced.c.path)
            .limit(limit)
        )
        with self._database.reading() as tx:
            return tx.all(query, _file)

    def missing(self, jobs: Sequence[NewJob], *, is_new: bool = False) -> list[NewJob]:
        """
        Give those of *jobs* that nothing is known of, or that were skipped for now.

        Args:
            is_new: Their rule has changed: all that were skipped.
        """
        known = set()
        columns = (job.c.sha256, job.c.recipe, job.c.place, job.c.state, job.c.failure)
        with self._database.reading() as tx:
            for chunk in chunks([*{new.sha256 for new in jobs}]):
                for *key, state, failure in tx.tuples(
                    select(*columns).where(job.c.sha256.in_(chunk))
                ):
                    is_skipped = state == JobState.SKIPPED
                    if not (is_skipped and (is_new or failure in SKIPPED_FOR_NOW)):
                        known.add(tuple(key))
        return [new for new in jobs if (new.sha256, new.recipe, new.place) not in known]

    def insert(self, jobs: Sequence[NewJob]) -> None:
        """Queue *jobs*, those too that were skipped."""
        with self._database.writing() as tx:
            insert_jobs(tx, jobs, unskips=tuple(Failure))

    def queued(self, rule: str) -> int:
        """Give the number of jobs of *rule*'s backlog that are queued."""
        query = select(func.count()).where(
            IS_QUEUED,
            job.c.rule == rule,
            job.c.priority == Priority.BACKLOG,
            # So said, SQLite takes the index of those that are due.
            job.c.run_at > literal_column("''"),
        )
        with self._database.reading() as tx:
            return int(tx.value(query))

    def passed(self, rule: str) -> Passed | None:
        """Say when, and as what, *rule* has gone through all; None: it never has."""
        query = select(setting.c.value).where(setting.c.key == _KEY + rule)
        with self._database.reading() as tx:
            found = tx.value(query)
        if found is None:
            return None
        facts = json.loads(found)
        return Passed(facts["fingerprint"], datetime.fromisoformat(facts["at"]))

    def note_passed(self, rule: str, passed: Passed) -> None:
        value = json.dumps({"fingerprint": passed.fingerprint, "at": passed.at.isoformat()})
        with self._database.writing() as tx:
            if not tx.update(setting, {"value": value}, setting.c.key == _KEY + rule):
                tx.insert(setting, [{"key": _KEY + rule, "value": value}])

    def forget_passed_but(self, kept: Mapping[str, str]) -> None:
        """Have all rules go through all files anew, but those of *kept*, with its fingerprint."""
        query = select(setting.c.key, setting.c.value).where(setting.c.key.startswith(_KEY))
        with self._database.reading() as tx:
            noted = list(tx.tuples(query))
        for key, value in noted:
            wanted = kept.get(key.removeprefix(_KEY))
            if wanted != json.loads(value)["fingerprint"]:
                with self._database.writing() as tx:
                    tx.delete(setting, setting.c.key == key)

    def rules_queued(self) -> list[str]:
        """Name the rules of which jobs are queued."""
        query = select(job.c.rule).where(IS_QUEUED).group_by(job.c.rule)
        with self._database.reading() as tx:
            return [rule for (rule,) in tx.tuples(query)]

    def retire(self, rule: str, recipe: str | None, reason: str, at: datetime, limit: int) -> int:
        """
        Skip queued jobs of *rule*, but for those of *recipe*; give the number, at most *limit*.

        Args:
            recipe: None: all of them.
        """
        query = select(job.c.id).where(IS_QUEUED, job.c.rule == rule).limit(limit)
        if recipe is not None:
            query = query.where(job.c.recipe != recipe)
        values = {
            "state": JobState.SKIPPED,
            "finished_at": at,
            "failure": Failure.CONFIGURATION,
            "last_error": reason,
        }
        with self._database.writing() as tx:
            found = [one for (one,) in tx.tuples(query)]
            return sum(tx.update(job, values, job.c.id.in_(chunk)) for chunk in chunks(found))


def _file(path_now: Path, **columns: Any) -> VersionRow:
    return VersionRow(**(columns | {"path": path_now}))
