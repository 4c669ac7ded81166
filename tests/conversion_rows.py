"""Conversions in a ledger, in every state, as a daemon would have left them."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from docferry.core.failures import Failed
from docferry.job import Failure, JobRow, JobStage, NewJob
from docferry.ledger import Ledger
from docferry.model import Origin, Outcome, VersionRow
from ledger_rows import NOW, new_job, sha_of, ulid_of, uploaded

SECOND = timedelta(seconds=1)
#: For `Desk.configure("docs", "processed", more=RULE)`.
RULE = (
    '[[convert]]\nname = "to-markdown"\nfrom = "docs"\npatterns = ["*.docx", "*.pdf"]\n'
    'to = "processed"\nwith = "markdown"\n'
)


def job_of(path: str, content: str = "", **changes: object) -> NewJob:
    """Give the job that the rule above calls for, of a file that has *content*."""
    made = uploaded(path, content)
    assert made.version is not None
    job = replace(new_job("x"), path=path, version=made.version.id, sha256=made.version.sha256)
    return replace(job, **changes)  # type: ignore[arg-type]


def queued(
    ledger: Ledger, path: str, content: str = "", *, at: datetime = NOW, **changes: object
) -> JobRow:
    """Record that a document came, with its job."""
    job = job_of(path, content, created_at=at, **changes)
    came = uploaded(path, content)
    assert came.version is not None
    row = replace(came.version, created_at=at, mirror=job.mirror)
    ledger.record(job.mirror, [replace(came, version=row)], [job], at=at)
    return next(row for row in ledger.jobs.of([job.sha256]) if row.place == job.place)


def running(
    ledger: Ledger, path: str, *, content: str = "", at: datetime = NOW, **changes: object
) -> JobRow:
    """The same, and a worker is converting it since two seconds after *at*."""
    job = queued(ledger, path, content, at=at, **changes)
    lease = at + timedelta(minutes=1)
    claimed = ledger.jobs.claim(at + SECOND, lease, rules=[job.rule])
    assert claimed is not None
    assert claimed.id == job.id
    ledger.jobs.advance(job.id, JobStage.CONVERTING, at + 2 * SECOND, lease)
    return _now(ledger, job)


def done(
    ledger: Ledger,
    path: str,
    result: str = "",
    *,
    content: str = "",
    at: datetime = NOW,
    **changes: object,
) -> JobRow:
    """The same, done five seconds after *at*; the result is in step."""
    job = running(ledger, path, content=content, at=at, **changes)
    result_path = result or f"{job.version}.md"
    end = at + 5 * SECOND
    ledger.jobs.advance(job.id, JobStage.STORING, at + 4 * SECOND, end)
    ledger.jobs.finish(job.id, end, result_path, sha_of(f"result of {path}"))
    ledger.record(job.target_mirror, [came_of(job, result_path, end)], at=end)
    return _now(ledger, job)


def dead(
    ledger: Ledger,
    path: str,
    failure: Failure = Failure.REFUSED,
    reason: str = "no document at all",
    output: str = "",
    *,
    content: str = "",
    at: datetime = NOW,
    **changes: object,
) -> JobRow:
    """The same, given up on five seconds after *at*."""
    job = running(ledger, path, content=content, at=at, **changes)
    ledger.jobs.dead(job.id, at + 5 * SECOND, Failed(failure, reason, output))
    return _now(ledger, job)


def came_of(job: JobRow, result_path: str, at: datetime) -> Outcome:
    """Give what the loop writes down about a result."""
    content = f"result of {job.path}"
    came = uploaded(result_path, content)
    assert came.version is not None
    version: VersionRow = replace(
        came.version,
        id=ulid_of(f"{job.id}{result_path}"),
        mirror=job.target_mirror,
        origin=Origin.CONVERSION,
        created_at=at,
    )
    assert came.synced is not None
    return replace(came, version=version, synced=replace(came.synced, version=version.id))


def _now(ledger: Ledger, job: JobRow) -> JobRow:
    row = ledger.jobs.get(job.id)
    assert row is not None
    return row
