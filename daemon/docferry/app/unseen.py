"""What is left of a job for who may not see all mirrors that it has to do with."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from docferry.job import Failure, JobRow
from docferry.ledger import Ledger
from docferry.model import Ulid

_NOT_STORED = "its result cannot be put where it belongs, which is a mirror that you do not see"


def veiled(job: JobRow, sees: Callable[[str], bool]) -> JobRow:
    """
    Leave out the result of *job*, unless its mirror may be seen, and what stood in its way there.

    The name of that mirror stays in the row: who shows it has to ask as well.
    """
    if sees(job.target_mirror):
        return job
    shown = replace(job, result_path=None, result_sha256=None, shared_with=None)
    if job.last_error is not None and _is_about_place(job):
        shown = replace(shown, last_error=_NOT_STORED)
    return shown


def unseen(ledger: Ledger, jobs: Sequence[Ulid], sees: Callable[[str], bool]) -> frozenset[Ulid]:
    """Give those of *jobs* that are of documents which may not be seen, or of nobody's any more."""
    found = {one.id for one in ledger.job_pages.some(jobs) if sees(one.mirror)} if jobs else ()
    return frozenset(jobs).difference(found)


def _is_about_place(job: JobRow) -> bool:
    """Say whether the last failure tells of what is in the mirror of the result."""
    return job.failure is Failure.STORING or job.target_mirror in (job.last_error or "")
