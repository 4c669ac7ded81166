"""Jobs and dead letters: looked at, tried again, put aside."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, Field

from docferry.app import bulk
from docferry.app.bulk import Done, Letters
from docferry.app.follow import look
from docferry.app.job_list import job_named, letters_page, page
from docferry.app.letters import Which as WhichLetters
from docferry.app.letters import discard_these, replay_these
from docferry.app.since import since_of
from docferry.app.unseen import veiled
from docferry.core.following import Stage, steps_of
from docferry.errors import ConflictError
from docferry.job import Failure, JobRow, JobStage, JobState, Share
from docferry.ledger.job_pages import Which
from docferry.web.asker import Asker, Operator, Viewer
from docferry.web.problems import documented
from docferry.web.repeatable import RepeatableRoute
from docferry.web.values import MOST_PATH, Cursor, Job, Limit, Strict, job_of, jobs_of, sent

router = APIRouter(tags=["jobs"], route_class=RepeatableRoute)

_Id = Annotated[str, Path(max_length=64, description="The ULID of a job.")]
_Rule = Annotated[str | None, Query(max_length=200, description="Of this rule.")]
_Mirror = Annotated[str | None, Query(max_length=200, description="Of documents of this mirror.")]


class Jobs(BaseModel):
    """A page of jobs."""

    items: list[Job]
    next: str | None = Field(description="Where the next page begins; null: this is the last.")


class JobStep(BaseModel):
    """Something that has happened to a job."""

    stage: Stage
    at: datetime = Field(description="Of one that is queued: when it is due.")
    text: str = Field(description="Why, or where.")


class JobProgress(BaseModel):
    """How much of its stage a running job has done."""

    stage: JobStage
    unit: Literal["bytes", "converters"] = Field(
        description="Bytes of the document that have come; or converters of a chain that are done."
    )
    done: int
    total: int


class JobDetail(BaseModel):
    """All about one job."""

    job: Job
    steps: list[JobStep] = Field(description="Since it was queued last, in their order.")
    progress: JobProgress | None = Field(
        description="Within seconds; null: it does not run, or nobody counts, as few converters do."
    )
    arrived_at: datetime | None = Field(description="When both sides had its result.")
    output: str | None = Field(description="The end of what the converter said when it failed.")


class LettersMeant(Strict):
    """Which dead letters are meant: those named, or else those that all the rest is true of."""

    model_config = sent(mirror="docs", rule="to-markdown")

    ids: list[Annotated[str, Field(max_length=64)]] = Field(
        default=[], max_length=bulk.MOST_AT_ONCE
    )
    mirror: str | None = Field(default=None, max_length=200)
    rule: str | None = Field(default=None, max_length=200)
    converter: str | None = Field(default=None, max_length=200)
    failure: Failure | None = None
    path: str | None = Field(default=None, max_length=MOST_PATH)
    all: bool = Field(default=False, description="Needed where nothing else says which.")


#: An absent body: which are meant is to be said, so it is refused as an empty one is.
_NO_WORD = LettersMeant()


class LetterDecided(BaseModel):
    """What came of one."""

    id: str
    done: bool
    why_not: str | None


class LettersDecided(BaseModel):
    """What came of each."""

    items: list[LetterDecided]
    more: bool = Field(description="More are meant than one call takes: call again.")


@router.get("/jobs", summary="List conversions", responses=documented(404))
def list_jobs(
    asker: Viewer,
    state: Annotated[list[JobState] | None, Query(description="In one of these states.")] = None,
    rule: _Rule = None,
    mirror: _Mirror = None,
    prefix: Annotated[
        str | None,
        Query(
            max_length=MOST_PATH, description="What paths begin with; then they are in that order."
        ),
    ] = None,
    since: Annotated[
        str | None, Query(max_length=64, description="Came to be since then: a time, or a ULID.")
    ] = None,
    cursor: Cursor = None,
    limit: Limit = 100,
) -> Jobs:
    """
    The newest first. With `prefix` by mirror and path; then a page may be empty and not the last.
    """
    at = "" if since is None else since_of(since, asker.desk.now())[0]
    which = Which(_of(asker, mirror), rule, state, at)
    found = page(asker.ledger, which, prefix, cursor, limit, since)
    return Jobs(items=jobs_of(asker, found.jobs), next=found.cursor)


@router.get("/jobs/{job}", summary="Tell all about a conversion", responses=documented(404))
def get_job(asker: Viewer, job: _Id) -> JobDetail:
    return _detail(asker, job_named(asker.ledger, asker.caller.mirrors, job))


@router.get("/dead", summary="List the dead letters", responses=documented(404))
def list_dead(
    asker: Viewer,
    rule: _Rule = None,
    mirror: _Mirror = None,
    cursor: Cursor = None,
    limit: Limit = 100,
) -> Jobs:
    """What was given up on and waits for somebody: the newest first, by the path of now."""
    found = letters_page(asker.ledger, _of(asker, mirror), rule, cursor, limit)
    return Jobs(items=jobs_of(asker, found.jobs), next=found.cursor)


@router.post("/jobs/replay", summary="Have dead letters tried again", responses=documented(404))
def replay_letters(asker: Operator, meant: LettersMeant = _NO_WORD) -> LettersDecided:
    """With all their attempts. Each is answered by itself; the audit has one row."""
    chosen = _chosen(asker, meant)
    return _decided(asker, bulk.replay(asker.config, asker.ledger, chosen, asker.desk.now()))


@router.post("/jobs/discard", summary="Put dead letters aside", responses=documented(404))
def discard_letters(asker: Operator, meant: LettersMeant = _NO_WORD) -> LettersDecided:
    """For good: their documents stay as they are, without that conversion."""
    chosen = _chosen(asker, meant)
    return _decided(asker, bulk.discard(asker.ledger, chosen, asker.desk.now()))


@router.post(
    "/jobs/{job}/replay", summary="Have a dead letter tried again", responses=documented(404, 409)
)
def replay_letter(asker: Operator, job: _Id) -> JobDetail:
    row = _dead(asker, job)
    decided = replay_these(asker.config, asker.ledger, [row], asker.desk.now())
    return _after(asker, row, decided.left.get(row.id))


@router.post(
    "/jobs/{job}/discard", summary="Put a dead letter aside", responses=documented(404, 409)
)
def discard_letter(asker: Operator, job: _Id) -> JobDetail:
    row = _dead(asker, job)
    decided = discard_these(asker.ledger, [row], asker.desk.now())
    return _after(asker, row, decided.left.get(row.id))


def _of(asker: Asker, mirror: str | None) -> list[str] | frozenset[str] | None:
    """Give the mirrors that are meant; None: all there ever were."""
    if mirror is not None:
        return [asker.mirror(mirror).name]
    mirrors = asker.caller.mirrors
    return None if mirrors is None else frozenset(mirrors)


def _chosen(asker: Asker, meant: LettersMeant) -> Letters:
    which = WhichLetters(meant.rule, meant.converter, meant.failure, meant.path)
    bulk.require_clear(meant.ids, which, is_all=meant.all or meant.mirror is not None)
    return Letters(_of(asker, meant.mirror), meant.ids, which)


def _dead(asker: Asker, job: str) -> JobRow:
    row = job_named(asker.ledger, asker.caller.mirrors, job)
    if row.state is not JobState.DEAD:
        raise ConflictError(f"job {row.id} is no dead letter: it is {row.state}")
    return row


def _after(asker: Asker, row: JobRow, why_not: str | None) -> JobDetail:
    if why_not is not None:
        raise ConflictError(why_not)
    asker.desk.wake_daemon()
    return _detail(asker, job_named(asker.ledger, None, row.id))


def _decided(asker: Asker, done: Done) -> LettersDecided:
    asker.desk.wake_daemon()
    items = [
        LetterDecided(id=one.id, done=one.why_not is None, why_not=one.why_not)
        for one in done.items
    ]
    return LettersDecided(items=items, more=done.is_more)


def _detail(asker: Asker, job: JobRow) -> JobDetail:
    row = veiled(job, asker.sees)
    followed = look(asker.ledger, row)
    steps = [JobStep(stage=one.stage, at=one.at, text=one.text) for one in steps_of(followed)]
    return JobDetail(
        job=job_of(asker, row),
        steps=steps,
        progress=None if followed.share is None else _progress(followed.share),
        arrived_at=followed.arrived_at,
        output=row.output,
    )


def _progress(share: Share) -> JobProgress:
    is_coming = share.stage is JobStage.DOWNLOADING
    unit: Literal["bytes", "converters"] = "bytes" if is_coming else "converters"
    return JobProgress(stage=share.stage, unit=unit, done=share.done, total=share.total)
