"""
Jobs: conversions that rules call for, each taken by one worker at a time under a lease.

An attempt counts once it is claimed. What ends without telling anything about the document
(an outage, a daemon that stops) takes it back. Whoever comes late, after the lease ran out
and another one has taken the job, changes nothing; but what is done is done.

A job that is queued again, by a person or by itself, stays the same row: its id, and
what is known of its last attempt, stay until the next one says otherwise.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Update,
    bindparam,
    case,
    func,
    null,
    select,
)

from docferry.core.failures import Failed
from docferry.core.results import is_by_path
from docferry.job import (
    Failure,
    Finished,
    Intended,
    JobRow,
    JobStage,
    JobState,
    NewJob,
    Priority,
)
from docferry.ledger.database import Database, Taken, Transaction, chunks
from docferry.ledger.group import GroupWriter
from docferry.ledger.job_claims import claim
from docferry.ledger.job_letters import (
    SKIPPED_FOR_NOW,
    JobLetters,
    has_now,
    new_row,
    skipped_of,
    unskip,
)
from docferry.ledger.job_rows import JobRows, Queue
from docferry.ledger.schema import job, result
from docferry.model import Path, Sha256, Ulid

__all__ = ["Jobs", "Queue", "insert_jobs"]

LOST = "the worker did not come back in time"
ENDED = "the daemon was ended while it ran"
LATE = "it waited longer than its rule allows"
_BEFORE = "; before: "

_UNCOUNTED = job.c.attempts - 1
#: An attempt that broke off counts if the document was in the converter's hands.
_AFTER_LOSS = job.c.attempts - case((job.c.stage == JobStage.CONVERTING, 0), else_=1)
_BEGAN = {JobStage.CONVERTING: "converting_at", JobStage.STORING: "storing_at"}
_SAME_RESULT = Taken(("mirror", "path", "sha256"))
_NO_LEASE: dict[str, object] = {"stage": None, "lease_until": None}
_TOLD_WHEN_DONE = (
    "finished_at",
    "result_path",
    "result_sha256",
    "note",
    "release",
    "shared_with",
)


def _finish(*told: str) -> Update:
    done = _NO_LEASE | {"state": JobState.DONE, "is_forced": False, "doubted_at": None}
    new: dict[str, object] = {name: bindparam(f"new_{name}") for name in told}
    return job.update().values(done | new).where(job.c.id == bindparam("of_id"))


_FINISH = _finish(*_TOLD_WHEN_DONE)
_FINISH_TIMED = _finish(*_TOLD_WHEN_DONE, *_BEGAN.values())


class Jobs(JobRows, JobLetters):
    """
    Every change says whether it took place.

    claimed_at: Of the job as `claim` gave it: the change is made only if nobody has taken
        it since. None: whoever runs it now.
    """

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self._group = GroupWriter(database)

    def claim(
        self, now: datetime, lease_until: datetime, *, rules: Collection[str]
    ) -> JobRow | None:
        """
        Take a job of one of *rules* and count the attempt; None: none is due.

        Of the highest priority the one that has been due longest, but none whose content is
        being converted the same way for the first time: it will share that result.
        """
        found = self.claim_some(now, lease_until, lambda claimed: () if claimed else rules)
        return found[0] if found else None

    def claim_some(
        self,
        now: datetime,
        lease_until: datetime,
        next_of: Callable[[Sequence[str]], Collection[str]],
        *,
        but_not: Collection[Ulid] = (),
    ) -> list[JobRow]:
        """
        Take jobs, in their order, each as `claim` would: in one transaction, for it costs a flush.

        Args:
            next_of: Told the rules of the jobs that were taken so far, says of which rules
                one more may be; of none: that is all.
            but_not: Leave these: somebody is not done with their last attempt.
        """
        if not next_of(()):
            return []
        return self._group.write(lambda tx: claim(tx, now, lease_until, next_of, but_not))

    def advance(
        self,
        job_id: Ulid,
        stage: JobStage,
        at: datetime,
        lease_until: datetime,
        *,
        claimed_at: datetime | None = None,
    ) -> bool:
        """Note that a running job has come to *stage*. False: it is not ours any more."""
        values: dict[str, object] = {"stage": stage, "lease_until": lease_until}
        if stage in _BEGAN:
            values[_BEGAN[stage]] = at
        with self._database.writing() as tx:
            return bool(tx.update(job, values, *_is_running(job_id, claimed_at)))

    def renew(self, job_ids: Sequence[Ulid], lease_until: datetime) -> int:
        """Prolong the leases of those that run; give their number."""
        with self._database.writing() as tx:
            return sum(
                tx.update(
                    job,
                    {"lease_until": lease_until},
                    job.c.id.in_(chunk),
                    job.c.state == JobState.RUNNING,
                )
                for chunk in chunks(job_ids)
            )

    def about_to_put(self, intended: Sequence[Intended], at: datetime) -> None:
        """
        Note what is put where before it is: what a crash leaves there is known for ours.

        What was there before, and comes back, is the later one's: its object says so too.
        """
        rows = [
            {
                "mirror": one.job.target_mirror,
                "path": one.path,
                "sha256": one.sha256,
                "put_at": at,
                "source": one.job.version,
                "source_sha256": one.job.sha256,
                "rule": one.job.rule,
                "converter": one.release or one.job.converter,
                "is_claim": False,
            }
            for one in intended
        ]
        self._group.write(lambda tx: tx.upsert(result, rows, _SAME_RESULT))

    def finish(
        self,
        job_id: Ulid,
        at: datetime,
        result_path: Path | None,
        result_sha256: Sha256 | None = None,
        *,
        note: str | None = None,
        release: str | None = None,
        shared_with: Ulid | None = None,
        began: Mapping[JobStage, datetime] | None = None,
    ) -> bool:
        """
        Note that the result is in place.

        Also where the lease had run out: what a late worker has done is done.

        Args:
            shared_with: The job whose result it is.
            began: When each stage began that was come to; None: as `advance` has noted.
        """
        finished = Finished(
            job_id, at, result_path, result_sha256, note, release, shared_with, began
        )
        return bool(self.finish_all([finished]))

    def finish_all(self, finished: Sequence[Finished]) -> int:
        """Do as `finish` does, for several; give the number of those that took place."""
        changes = [
            (_FINISH if one.began is None else _FINISH_TIMED, _as_bound(one)) for one in finished
        ]
        return self._group.write(
            lambda tx: sum(tx.run(statement, **values) for statement, values in changes)
        )

    def skip(
        self,
        job_id: Ulid,
        at: datetime,
        failure: Failure,
        reason: str,
        *,
        claimed_at: datetime | None = None,
    ) -> bool:
        """
        Note of a running job that nothing is to be done.

        One that is skipped because its version was not to be had any more (`CHANGED`), or
        by a change of the configuration, is queued again when its content is called for again.
        """
        values: dict[str, object] = {
            "state": JobState.SKIPPED,
            "finished_at": at,
            "failure": failure,
            "last_error": reason,
            "output": None,
        }
        return self._change_running(job_id, claimed_at, values)

    def again(
        self,
        job_id: Ulid,
        run_at: datetime,
        failed: Failed,
        *,
        counts: bool,
        at: datetime | None = None,
        claimed_at: datetime | None = None,
    ) -> bool:
        """
        Queue a running job that failed for another attempt.

        One that its converter may have failed over goes behind all others from then on:
        several of that kind would otherwise try it out in turn, and keep it down for all.

        Args:
            counts: The attempt counts.
            at: When it failed, for `finished_at`; None: nobody has said, *run_at* at last.
        """
        values: dict[str, object] = {
            "state": JobState.QUEUED,
            "run_at": run_at,
            "finished_at": at or run_at,
        }
        if not counts:
            values["attempts"] = _UNCOUNTED
        if failed.is_in_doubt:
            values["priority"] = Priority.BACKLOG
            if not counts:  # else it is to blame already: no further witness is needed
                values["doubted_at"] = at or run_at
        return self._change_running(job_id, claimed_at, values | _told(failed))

    def dead(
        self,
        job_id: Ulid,
        at: datetime,
        failed: Failed,
        *,
        counts: bool = True,
        claimed_at: datetime | None = None,
    ) -> bool:
        """Give a running job up: a dead letter, for a person to see."""
        values: dict[str, object] = {"state": JobState.DEAD, "finished_at": at}
        if not counts:
            values["attempts"] = _UNCOUNTED
        return self._change_running(job_id, claimed_at, values | _told(failed))

    def release(self, job_id: Ulid, at: datetime, *, claimed_at: datetime | None = None) -> bool:
        """Give a running job back as if it had not been claimed."""
        values: dict[str, object] = {"state": JobState.QUEUED, "run_at": at, "attempts": _UNCOUNTED}
        return self._change_running(job_id, claimed_at, values)

    def expire(self, now: datetime) -> list[JobRow]:
        """Give up the jobs that have waited longer than they may, and give them."""
        late = (
            job.c.state == JobState.QUEUED,
            job.c.expires_at.is_not(null()),
            job.c.expires_at <= now,
        )
        values: dict[str, object] = {
            "state": JobState.DEAD,
            "finished_at": now,
            "failure": Failure.EXPIRED,
            "last_error": func.coalesce(LATE + _BEFORE + job.c.last_error, LATE),
        }
        with self._database.reading() as tx:
            if tx.value(select(job.c.id).where(*late).limit(1)) is None:
                return []
        with self._database.writing() as tx:
            found = [one for (one,) in tx.tuples(select(job.c.id).where(*late))]
            rows: list[JobRow] = []
            for chunk in chunks(found):
                tx.update(job, values, job.c.id.in_(chunk))
                rows += tx.all(select(job).where(job.c.id.in_(chunk)), JobRow)
            return rows

    def requeue_expired(self, now: datetime) -> int:
        """Queue the jobs whose worker did not come back in time; give their number."""
        with self._database.writing() as tx:
            return tx.update(
                job,
                _lost(now, LOST),
                job.c.state == JobState.RUNNING,
                job.c.lease_until <= now,
            )

    def requeue_running(self, at: datetime) -> list[JobRow]:
        """Queue what was left running by a daemon that is gone, and give it as it was."""
        running = job.c.state == JobState.RUNNING
        with self._database.writing() as tx:
            rows = tx.all(select(job).where(running), JobRow)
            tx.update(job, _lost(at, ENDED), running)
            return rows

    def _change_running(
        self, job_id: Ulid, claimed_at: datetime | None, values: dict[str, object]
    ) -> bool:
        with self._database.writing() as tx:
            return bool(tx.update(job, _NO_LEASE | values, *_is_running(job_id, claimed_at)))


def _as_bound(one: Finished) -> dict[str, object]:
    told: dict[str, object] = {
        "finished_at": one.at,
        "result_path": one.path,
        "result_sha256": one.sha256,
        "note": one.note,
        "release": one.release,
        "shared_with": one.shared_with,
    }
    if one.began is not None:
        told |= {column: one.began.get(stage) for stage, column in _BEGAN.items()}
    return {"of_id": one.job} | {f"new_{name}": value for name, value in told.items()}


def insert_jobs(
    tx: Transaction, jobs: Sequence[NewJob], unskips: Collection[Failure] = SKIPPED_FOR_NOW
) -> None:
    """
    Queue *jobs*; one that is known already (content, recipe, place) is left as it is.

    One that is done is queued again where its result has another one's place by now: a path
    holds a content again that it held before, and the path decides where its result goes. While
    the path that called for it first has that content, no equal document takes it over.

    Args:
        unskips: Unless it was skipped for one of these; else for what is so no more, as its
            content is to be had again.
    """
    if not jobs:
        return
    tx.insert_missing(job, [new_row(new) for new in jobs])
    for new in jobs:
        if is_by_path(new.place):
            _put_again(tx, new)
    skipped = skipped_of(tx, [new.sha256 for new in jobs], unskips)
    for new in jobs:
        job_id = skipped.get((new.sha256, new.recipe, new.place))
        if job_id is not None:
            unskip(tx, job_id, new)


def _put_again(tx: Transaction, new: NewJob) -> None:
    known = (job.c.sha256 == new.sha256, job.c.recipe == new.recipe, job.c.place == new.place)
    values = {
        "state": JobState.QUEUED,
        "mirror": new.mirror,
        "path": new.path,
        "version": new.version,
        "priority": new.priority,
        "run_at": new.created_at,
        "expires_at": new.expires_at,
        "attempts": 0,
    }
    is_done = (job.c.state == JobState.DONE, job.c.version != new.version)
    is_of_another = ((job.c.mirror != new.mirror) | (job.c.path != new.path)) & has_now(job.c.path)
    tx.update(job, values, *known, *is_done, ~is_of_another)


def _lost(at: datetime, why: str) -> dict[str, object]:
    """
    What a running job becomes whose worker is gone.

    What an earlier attempt failed with stays known: should it be given up on, that tells more.
    """
    before: ColumnElement[Any] = job.c.last_error
    for known in (LOST, ENDED):  # told once, however often it happens
        rest = func.nullif(func.substr(job.c.last_error, len(known + _BEFORE) + 1), "")
        before = case((job.c.last_error.startswith(known), rest), else_=before)
    return _NO_LEASE | {
        "state": JobState.QUEUED,
        "run_at": at,
        "attempts": _AFTER_LOSS,
        "finished_at": at,
        "failure": Failure.OTHER,
        "last_error": func.coalesce(why + _BEFORE + before, why),
    }


def _told(failed: Failed) -> dict[str, object]:
    return {
        "failure": failed.failure,
        "last_error": failed.reason,
        "output": failed.output or None,
    }


def _is_running(job_id: Ulid, claimed_at: datetime | None) -> list[ColumnElement[bool]]:
    found = [job.c.id == job_id, job.c.state == JobState.RUNNING]
    if claimed_at is not None:
        found.append(job.c.claimed_at == claimed_at)
    return found
