"""Jobs: conversions that rules call for, each taken by one worker at a time under a lease."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime

from sqlalchemy import func, null, select
from ulid import ULID

from docferry.ledger.database import Database, Transaction, chunks
from docferry.ledger.schema import job, synced
from docferry.model import JobRow, JobState, NewJob, Path, Sha256, Ulid


class Jobs:
    def __init__(self, database: Database) -> None:
        self._database = database

    def claim(self, now: datetime, lease_until: datetime) -> JobRow | None:
        """Take the job that has been due longest and count the attempt; None: none is due."""
        due = (
            select(job.c.id)
            .where(job.c.state == JobState.QUEUED, job.c.run_at <= now)
            .order_by(job.c.run_at, job.c.id)
            .limit(1)
            .with_for_update(skip_locked=True)  # where writers are not alone: PostgreSQL
        )
        with self._database.writing() as tx:
            job_id = tx.value(due)
            if job_id is None:
                return None
            running = {"state": JobState.RUNNING, "lease_until": lease_until}
            tx.update(job, running | {"attempts": job.c.attempts + 1}, job.c.id == job_id)
            return tx.one(select(job).where(job.c.id == job_id), JobRow)

    def finish(self, job_id: Ulid, at: datetime, result_path: Path | None) -> None:
        """
        Note that the result is in place.

        Also where the lease had run out: what a late worker has done is done.
        """
        self._change(job_id, state=JobState.DONE, finished_at=at, result_path=result_path)

    def again(self, job_id: Ulid, run_at: datetime, error: str) -> None:
        """Queue a job that failed for another attempt, if it is still running."""
        self._change_running(job_id, state=JobState.QUEUED, run_at=run_at, last_error=error)

    def dead(self, job_id: Ulid, at: datetime, error: str) -> None:
        """Give a job up, if it is still running: a dead letter, for a person to see."""
        self._change_running(job_id, state=JobState.DEAD, finished_at=at, last_error=error)

    def requeue_expired(self, now: datetime) -> int:
        """Queue the jobs whose worker did not come back in time; give their number."""
        values = {
            "state": JobState.QUEUED,
            "run_at": now,
            "lease_until": None,
            "last_error": "the worker did not come back in time",
        }
        with self._database.writing() as tx:
            return tx.update(job, values, job.c.state == JobState.RUNNING, job.c.lease_until <= now)

    def counts(self) -> dict[JobState, int]:
        """Give the number of jobs in every state, 0 too."""
        query = select(job.c.state, func.count()).group_by(job.c.state)
        with self._database.reading() as tx:
            found = {JobState(state): count for state, count in tx.tuples(query)}
        return {state: found.get(state, 0) for state in JobState}

    def all(self, state: JobState | None = None, limit: int = 100) -> list[JobRow]:
        """Give jobs, the newest first."""
        query = select(job).order_by(job.c.created_at.desc(), job.c.id.desc()).limit(limit)
        if state is not None:
            query = query.where(job.c.state == state)
        with self._database.reading() as tx:
            return tx.all(query, JobRow)

    def dead_letters(self) -> list[JobRow]:
        """
        Give the jobs that were given up on, the oldest first, each with the path of now.

        A content that no file of its mirror has any more waits for nobody: a mended
        document is another content.
        """
        path = (
            select(func.min(synced.c.path))
            .where(synced.c.mirror == job.c.mirror, synced.c.sha256 == job.c.sha256)
            .scalar_subquery()
        )
        others = [column for column in job.c if column is not job.c.path]
        query = (
            select(path.label("path"), *others)
            .where(job.c.state == JobState.DEAD, path.is_not(null()))
            .order_by(job.c.finished_at, job.c.id)
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

    def _change(self, job_id: Ulid, **values: object) -> None:
        with self._database.writing() as tx:
            tx.update(job, {"lease_until": None} | values, job.c.id == job_id)

    def _change_running(self, job_id: Ulid, **values: object) -> None:
        with self._database.writing() as tx:
            tx.update(
                job,
                {"lease_until": None} | values,
                job.c.id == job_id,
                job.c.state == JobState.RUNNING,
            )


def insert_jobs(tx: Transaction, jobs: Sequence[NewJob]) -> None:
    """Queue *jobs*; one whose content and recipe are known already is left as it is."""
    rows = [
        asdict(new)
        | {
            "id": str(ULID()),
            "state": JobState.QUEUED,
            "attempts": 0,
            "run_at": new.created_at,
            "is_forced": False,
        }
        for new in jobs
    ]
    tx.insert_missing(job, rows)
