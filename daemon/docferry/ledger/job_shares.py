"""How much of its present stage a running job has done: for whoever looks, and for nobody later."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from sqlalchemy import select

from docferry.job import Share
from docferry.ledger.database import Database, Taken
from docferry.ledger.schema import job_share
from docferry.model import Ulid

_SAME_JOB = Taken(("job",))


class JobShares:
    def __init__(self, database: Database) -> None:
        self._database = database

    def put(self, shares: Mapping[Ulid, Share]) -> None:
        """Write down how far jobs are, in the place of what was said of them before."""
        rows: list[dict[str, Any]] = [
            {"job": job, "stage": one.stage, "done": one.done, "total": one.total}
            for job, one in shares.items()
        ]
        with self._database.writing() as tx:
            tx.upsert(job_share, rows, _SAME_JOB)

    def of(self, job: Ulid) -> Share | None:
        """Give how far a job is, or was when it ended without a word."""
        query = select(job_share.c.stage, job_share.c.done, job_share.c.total)
        with self._database.reading() as tx:
            return tx.one(query.where(job_share.c.job == job), Share)

    def remove(self, jobs: Collection[Ulid]) -> None:
        """Forget jobs that do not run any more."""
        with self._database.writing() as tx:
            tx.delete(job_share, job_share.c.job.in_(jobs))

    def clear(self) -> None:
        """Forget all: whoever had them is gone."""
        with self._database.writing() as tx:
            tx.delete(job_share, job_share.c.job.is_not(None))
