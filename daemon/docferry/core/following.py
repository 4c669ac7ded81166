"""What a job tells of its way so far, step by step, and how several of them end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from docferry.job import JobRow, JobStage, JobState, Share
from docferry.model import Ulid

#: States in which nothing more becomes of a job by itself.
OVER = frozenset({JobState.DONE, JobState.DEAD, JobState.SKIPPED, JobState.DISCARDED})
ALREADY = "already, before this was asked for"


class Stage(StrEnum):
    """How far a document has come."""

    SETTLED = "settled"  # both sides have it, and it has a version
    QUEUED = "queued"
    DOWNLOADING = "downloading"  # the document is staged
    CONVERTING = "converting"
    STORING = "storing"  # the result goes into its mirror's folder
    DONE = "done"  # it is there
    ARRIVED = "arrived"  # both sides have it
    SKIPPED = "skipped"
    DEAD = "dead"
    DISCARDED = "discarded"


class End(StrEnum):
    """How it ends for whoever waits."""

    DONE = "done"  # all results are on both sides, as far as there are any
    FAILED = "failed"
    LATE = "late"  # the time was over


@dataclass(frozen=True, slots=True)
class Step:
    """
    Something that has happened.

    job: None: it is about the document itself.
    at: of one that is queued, when it is due.
    text: for a person: why, or where.
    """

    stage: Stage
    at: datetime
    job: Ulid | None = None
    rule: str | None = None
    text: str = ""


@dataclass(frozen=True, slots=True)
class Followed:
    """
    A job as it is now.

    job: None: the ledger has it no more.
    arrived_at: when both sides had the result; None: they have not, or there is none.
    share: how much of its stage is done, of one that runs; None: nobody counts.
    """

    id: Ulid
    job: JobRow | None
    arrived_at: datetime | None = None
    share: Share | None = None

    @property
    def awaits_result(self) -> bool:
        """Whether there is a result that is yet to come to both sides."""
        job = self.job
        is_done = job is not None and job.state is JobState.DONE and job.result_path is not None
        return is_done and self.arrived_at is None

    @property
    def end(self) -> End | None:
        """How it ended; None: it has not."""
        if self.job is None:
            return End.FAILED
        if self.job.state not in OVER or self.awaits_result:
            return None
        return End.DONE if self.job.state is JobState.DONE else End.FAILED


def share_of(job: JobRow, noted: Share | None) -> Share | None:
    """Give what was *noted* of a job, where it is still so: the stage may be over, or the try."""
    is_so = noted is not None and job.state is JobState.RUNNING and job.stage is noted.stage
    return noted if is_so else None


def told_share(share: Share) -> str:
    """Say for a person how much is done."""
    if share.stage is JobStage.DOWNLOADING:
        return f"{100 * share.done // max(1, share.total)} % of {share.total} bytes"
    return f"by converter {min(share.done + 1, share.total)} of {share.total}"


def end_of(jobs: Sequence[Followed]) -> End | None:
    """Say how all of *jobs* ended; None: one has not."""
    ends = [one.end for one in jobs]
    if None in ends:
        return None
    return End.FAILED if End.FAILED in ends else End.DONE


def steps_of(followed: Followed, asked_at: datetime | None = None) -> list[Step]:
    """
    Give what has become of a job since it was queued last, in its order.

    Also what nobody saw, being away: the job has the time of each.

    Args:
        asked_at: When somebody asked for it: how it came to what was done already is left out.
    """
    job = followed.job
    if job is None:
        return []
    if asked_at is not None and was_over(job, asked_at):
        return _end_of(followed, before=ALREADY)
    is_waiting = job.state is JobState.QUEUED
    steps = [_step(job, Stage.QUEUED, job.run_at, (job.last_error or "") if is_waiting else "")]
    if not is_waiting:
        steps += _of_attempt(job)
    return [*steps, *_end_of(followed)]


def was_over(job: JobRow, asked_at: datetime) -> bool:
    """Say whether there was nothing to be done when it was asked for."""
    return job.state in OVER and job.finished_at is not None and job.finished_at < asked_at


def arrival_of(job: JobRow, held_since: datetime) -> datetime:
    """
    Say when both sides had the result of a job that is done.

    Args:
        held_since: Since when they have that content there: an earlier time may have made it.
    """
    return held_since if job.finished_at is None else max(held_since, job.finished_at)


def _end_of(followed: Followed, before: str = "") -> list[Step]:
    job, steps = followed.job, list[Step]()
    assert job is not None
    came = _came_of(job)
    if job.state in OVER and job.finished_at is not None:
        text = "; ".join(part for part in (before, came) if part)
        steps.append(_step(job, Stage(job.state.value), job.finished_at, text))
    if followed.arrived_at is not None:
        steps.append(_step(job, Stage.ARRIVED, followed.arrived_at, came))
    return steps


def _of_attempt(job: JobRow) -> list[Step]:
    """Give the steps of the last attempt; times of earlier ones are left in the row."""
    began_at = job.claimed_at
    if began_at is None or began_at < job.run_at:
        return []
    times = (
        (Stage.DOWNLOADING, began_at),
        (Stage.CONVERTING, job.converting_at),
        (Stage.STORING, job.storing_at),
    )
    return [_step(job, stage, at) for stage, at in times if at is not None and at >= began_at]


def _came_of(job: JobRow) -> str:
    if job.state is not JobState.DONE:
        return job.last_error or ""
    return "" if job.result_path is None else f"{job.target_mirror}: {job.result_path}"


def _step(job: JobRow, stage: Stage, at: datetime, text: str = "") -> Step:
    return Step(stage, at, job.id, job.rule, text)
