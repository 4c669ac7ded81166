"""Jobs for whoever looks through them: by pages, as filters say."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace

from docferry.core.cursors import cursor_of, key_in
from docferry.errors import NotFoundError
from docferry.job import JobRow, JobState
from docferry.ledger import Ledger
from docferry.ledger.job_pages import Place, Which
from docferry.model import Path, Ulid


@dataclass(frozen=True, slots=True)
class JobPage:
    """
    A part of a list.

    cursor: where the next one begins; None: there is none. Below a folder a page may be empty
        and not be the last.
    """

    jobs: tuple[JobRow, ...]
    cursor: str | None


def page(
    ledger: Ledger,
    which: Which,
    folder: Path | None,
    cursor: str | None,
    most: int,
    since: str | None = None,
) -> JobPage:
    """
    Give the next *most* jobs: the newest first; with *folder*, by mirror and path.

    Args:
        folder: What paths begin with; None: whatever path.
        cursor: Of the page before; None: this is the first.
        since: As it was asked for: what it means moves on from page to page.

    Raises:
        UserError: The cursor is none of this list.
    """
    listed = ("jobs", _told(which), folder, since)
    if folder is not None:
        key = ("", "", "") if cursor is None else key_in(cursor, listed, 3)
        jobs, end = ledger.job_pages.below(which, folder, Place(*key), most)
        return JobPage(
            tuple(jobs),
            None if end is None else cursor_of(listed, (end.mirror, end.path, end.id)),
        )
    before = None if cursor is None else key_in(cursor, listed, 1)[0]
    jobs = ledger.job_pages.newest(which, before, most + 1)
    is_last = len(jobs) <= most
    return JobPage(tuple(jobs[:most]), None if is_last else cursor_of(listed, (jobs[most - 1].id,)))


def letters_page(
    ledger: Ledger,
    mirrors: Collection[str] | None,
    rule: str | None,
    cursor: str | None,
    most: int,
) -> JobPage:
    """
    Give the next dead letters, the newest first, each with the path of now; at most *most*.

    Those of documents that are nowhere any more wait for nobody, and are left out.

    Raises:
        UserError: The cursor is none of this list.
    """
    found = page(ledger, Which(mirrors, rule, (JobState.DEAD,)), None, cursor, most)
    ids = [job.id for job in found.jobs]
    waiting = {job.id: job for job in ledger.jobs.letters(ids=ids)}
    return JobPage(tuple(waiting[one] for one in ids if one in waiting), found.cursor)


def job_named(ledger: Ledger, mirrors: Collection[str] | None, job: Ulid) -> JobRow:
    """
    Give one.

    Args:
        mirrors: Of whose documents it may be; None: of all.

    Raises:
        NotFoundError: There is no such job.
    """
    found = ledger.jobs.get(job.upper())
    if found is None or (mirrors is not None and found.mirror not in mirrors):
        raise NotFoundError(f"there is no job {job!r}")
    return found


def _told(which: Which) -> Which:
    """Give the same filters, in one form."""
    states: tuple[JobState, ...] | None = None
    if which.states is not None:
        states = tuple(sorted(which.states))
    mirrors = None if which.mirrors is None else tuple(sorted(which.mirrors))
    return replace(which, mirrors=mirrors, states=states, since="")
