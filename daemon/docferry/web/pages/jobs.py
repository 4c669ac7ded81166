"""Jobs: the conversions that run, wait, are over or were given up on."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Query
from starlette.responses import Response

from docferry.app.queues import converters
from docferry.app.unseen import veiled
from docferry.errors import NotFoundError
from docferry.job import JobRow, JobState
from docferry.ledger.job_pages import Which
from docferry.model import Ulid
from docferry.web.pages.visit import Viewer, Visitor

router = APIRouter()

_PAGE = 100


@router.get("/jobs")
def jobs(
    visitor: Viewer,
    state: Annotated[JobState | None, Query()] = None,
    rule: Annotated[str, Query(max_length=200)] = "",
    before: Annotated[Ulid | None, Query(max_length=26)] = None,
) -> Response:
    asker = visitor.asker
    which = Which(asker.caller.mirrors, rule or None, None if state is None else (state,))
    found = asker.ledger.job_pages.newest(which, before, _PAGE + 1)
    running: list[JobRow] = []
    if state is None and before is None:
        of = Which(asker.caller.mirrors, rule or None, (JobState.RUNNING,))
        running = asker.ledger.job_pages.newest(of, None, _PAGE)
    ids = {one.id for one in running}
    is_limited = asker.caller.mirrors is not None
    return visitor.page(
        "jobs.html",
        running=[veiled(one, asker.sees) for one in running],
        jobs=[veiled(one, asker.sees) for one in found[:_PAGE] if one.id not in ids],
        following=_address(state, rule, found[_PAGE - 1].id) if len(found) > _PAGE else None,
        is_first=before is None,
        state=state,
        rule=rule,
        states=JobState,
        rules=[one.name for one in asker.config.converts if asker.sees(one.from_mirror)],
        counts={} if is_limited else asker.ledger.jobs.counts(),
        converters=() if is_limited else converters(asker.config, asker.ledger),
        address=_address,
    )


@router.get("/jobs/{job}")
def job(visitor: Viewer, job: Ulid) -> Response:
    found, sees = seen_job(visitor, job), visitor.asker.sees
    return visitor.page(
        "job.html", job=veiled(found, sees), is_result_seen=sees(found.target_mirror)
    )


def seen_job(visitor: Visitor, job_id: Ulid) -> JobRow:
    """
    Raises:
        NotFoundError: There is no such job, or none that they may see.
    """
    found = visitor.asker.ledger.jobs.get(job_id.upper())
    if found is None or found.mirror not in visitor.asker.mirrors:
        raise NotFoundError(f"there is no job {job_id}")
    return found


def _address(state: JobState | None, rule: str = "", before: str = "") -> str:
    told = {"state": state.value if state else "", "rule": rule, "before": before}
    query = urlencode({name: one for name, one in told.items() if one})
    return f"/jobs?{query}" if query else "/jobs"
