"""
Rows that nothing asks for any more.

Versions and history are what docferry promises to keep, and conflicts, holds and erasures tell
what people decided: they stay. What else grows with the work, and may go in time:

- answered requests: a rewind or a patrol makes thousands;
- deliveries of webhooks that the receiver has, or that a person put aside;
- jobs whose document is gone with all its versions, so that it cannot be called for again, or
  that were done anew by a later recipe. A job is the memory of what need not be converted:
  as long as its content can be had, and its recipe is one of today, it stays; and so does what
  made a file that is still there (`why`);
- answers to calls, which come again soon or not at all;
- notes of results whose bytes are nowhere any more.

All in steps: no one holds up who writes the ledger for long.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, FromClause, Select, and_, func, null, or_, select, tuple_

from docferry.core.webhooks import DeliveryState
from docferry.job import JobState
from docferry.ledger.database import Database
from docferry.ledger.schema import answer, job, mirror, request, result, synced, version
from docferry.ledger.webhook_schema import webhook_delivery
from docferry.model import UNFINISHED, Path, RequestKind, Sha256, Ulid

_ENDED = (JobState.DONE, JobState.SKIPPED, JobState.DISCARDED, JobState.DEAD)
_TOLD = (DeliveryState.DONE, DeliveryState.DISCARDED)
_RESULT_KEY = (result.c.mirror, result.c.path, result.c.sha256)


class Pruning:
    """Each method looks at so many rows in a fixed order, and removes of them what may go."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def requests(self, before: datetime, *, limit: int) -> int:
        """Remove requests that were answered *before*, up to *limit*; give their number."""
        newest = select(func.max(request.c.id)).scalar_subquery()
        old = (
            request.c.finished_at < before,
            request.c.state.not_in(UNFINISHED),
            request.c.kind != RequestKind.ERASE,  # its note is the proof
            request.c.id < newest,  # ids are never given twice
        )
        found = select(request.c.id).where(*old).order_by(request.c.id).limit(limit)
        return self._remove(request.c.id, found, *old)

    def deliveries(self, before: datetime, *, limit: int) -> int:
        """Remove deliveries that were over *before*, up to *limit*; give their number."""
        over = (
            webhook_delivery.c.state.in_(_TOLD),
            webhook_delivery.c.finished_at < before,
        )
        found = select(webhook_delivery.c.id).where(*over).limit(limit)
        return self._remove(webhook_delivery.c.id, found, *over)

    def answers(self, before: datetime, *, limit: int) -> int:
        """Remove what was answered to calls that began *before*, up to *limit*, and markers too."""
        old = answer.c.begun_at < before
        found = select(answer.c.id).where(old).order_by(answer.c.begun_at).limit(limit)
        return self._remove(answer.c.id, found, old)

    def jobs(
        self, before: datetime, recipes: Collection[str], *, after: Ulid, limit: int
    ) -> tuple[Ulid | None, int]:
        """
        Look at the next *limit* jobs, and remove those that ended *before* and may go.

        Args:
            recipes: Those of the rules as they are now.
            after: The last job that was looked at; "": none was.

        Returns:
            The last that was looked at now, None: that was all; and how many were removed.
        """
        page = select(job.c.id).where(job.c.id > after).order_by(job.c.id).limit(limit)
        last = self._last(page)
        if last is None:
            return None, 0
        [end] = last
        may_go = (
            job.c.id > after,
            job.c.id <= end,
            job.c.state.in_(_ENDED),
            job.c.finished_at < before,
            or_(~_can_be_had(job.c.sha256), _is_done_anew(recipes)),
            ~_is_result_there(),
        )
        return end, self._remove(job.c.id, select(job.c.id).where(*may_go), *may_go)

    def results(
        self, before: datetime, *, after: tuple[str, Path, Sha256], limit: int
    ) -> tuple[tuple[str, Path, Sha256] | None, int]:
        """Do the same with notes of results: those may go whose bytes are nowhere any more."""
        page = select(*_RESULT_KEY).where(tuple_(*_RESULT_KEY) > tuple_(*after))
        last = self._last(page.order_by(*_RESULT_KEY).limit(limit))
        if last is None:
            return None, 0
        key = tuple_(*_RESULT_KEY)
        may_go = (
            key > tuple_(*after),
            key <= tuple_(*last),
            result.c.put_at < before,
            ~_can_be_had(result.c.sha256),
        )
        return last, self._remove(key, select(*_RESULT_KEY).where(*may_go), *may_go)

    def _last(self, page: Select[Any]) -> Any:
        with self._database.reading() as tx:
            rows = tx.tuples(page)
        return tuple(rows[-1]) if rows else None

    def _remove(
        self, key: ColumnElement[Any], found: Select[Any], *may_go: ColumnElement[bool]
    ) -> int:
        """Ask first, without keeping anybody from writing; what changed meanwhile stays."""
        with self._database.reading() as tx:
            keys: Sequence[Any] = tx.tuples(found)
        if not keys:
            return 0
        values = [one if len(one) > 1 else one[0] for one in keys]
        with self._database.writing() as tx:
            return tx.delete(_table_of(found), key.in_(values), *may_go)


def _table_of(found: Select[Any]) -> Any:
    [table] = found.get_final_froms()
    return table


def _can_be_had(sha256: ColumnElement[Sha256]) -> ColumnElement[bool]:
    """Say of a content that some mirror has it: at a path, or as a version that was not let go."""
    mirrors = select(mirror.c.name)
    kept = version.alias("kept")
    at_rest = select(kept.c.id).where(
        kept.c.mirror.in_(mirrors), kept.c.sha256 == sha256, kept.c.gone_at.is_(null())
    )
    agreed = synced.alias("agreed")
    at_a_path = select(agreed.c.path).where(agreed.c.mirror.in_(mirrors), agreed.c.sha256 == sha256)
    return or_(_exists(at_rest), _exists(at_a_path))


def _is_done_anew(recipes: Collection[str]) -> ColumnElement[bool]:
    """Say of a job that another recipe has put another result in its place, and is in use."""
    later = job.alias("later")
    done = select(later.c.id).where(
        later.c.sha256 == job.c.sha256,
        later.c.place == job.c.place,
        later.c.recipe.in_(list(recipes)),
        later.c.state == JobState.DONE,
    )
    return and_(job.c.recipe.not_in(list(recipes)), _exists(done))


def _is_result_there() -> ColumnElement[bool]:
    """Say of a job that what it made is at its path still."""
    there = synced.alias("there")
    return _exists(
        select(there.c.path).where(
            there.c.mirror == job.c.target_mirror,
            there.c.path == job.c.result_path,
            there.c.sha256 == job.c.result_sha256,
        )
    )


def _exists(query: Select[Any]) -> ColumnElement[bool]:
    outer: tuple[FromClause, ...] = (job, result)
    return query.correlate(*outer).exists()
