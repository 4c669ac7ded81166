"""What people, and patrols, ask the daemon to do with a path; and what came of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, null, select

from docferry.ledger.database import Database, Transaction
from docferry.ledger.schema import request
from docferry.model import UNFINISHED, HoldState, Path, RequestKind, RequestState, Ulid


@dataclass(frozen=True, slots=True)
class NewRequest:
    """
    What is asked for.

    version: to restore; to heal, the one that should be there.
    expect: the version that the path held when it was asked; the request is only for that.
        None: whatever is there.
    """

    mirror: str
    path: Path
    kind: RequestKind
    version: Ulid | None = None
    expect: Ulid | None = None


@dataclass(frozen=True, slots=True)
class RequestRow:
    id: int
    mirror: str
    path: Path
    kind: RequestKind
    version: Ulid | None
    expect: Ulid | None
    hold: int | None  #: that a person approves first, or has approved
    state: RequestState
    created_at: datetime
    finished_at: datetime | None
    note: str | None  #: for a person: why it was skipped or failed, where a conflict's copy is


_ROW = select(request)


class RequestLog:
    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, new: Sequence[NewRequest], at: datetime) -> list[int]:
        """Ask for something; give the ids."""
        with self._database.writing() as tx:
            first = int(tx.value(select(func.coalesce(func.max(request.c.id), 0)))) + 1
            insert_requests(tx, new, at, first=first)
        return list(range(first, first + len(new)))

    def get(self, request_id: int) -> RequestRow | None:
        with self._database.reading() as tx:
            return tx.one(_ROW.where(request.c.id == request_id), RequestRow)

    def open(self, mirror: str, limit: int, after: int = 0) -> list[RequestRow]:
        """Give those that are to be carried out, the oldest first."""
        query = _ROW.where(
            request.c.mirror == mirror,
            request.c.state == RequestState.OPEN,
            request.c.id > after,
        )
        with self._database.reading() as tx:
            return tx.all(query.order_by(request.c.id).limit(limit), RequestRow)

    def count_open(self, mirror: str) -> tuple[int, datetime | None]:
        """Count those that are to be carried out, and say since when the oldest waits."""
        are_open = request.c.mirror == mirror, request.c.state == RequestState.OPEN
        with self._database.reading() as tx:
            count = int(tx.value(select(func.count()).where(*are_open)))
            oldest: datetime | None = tx.value(
                select(func.min(request.c.created_at)).where(*are_open)
            )
        return count, oldest

    def ended(
        self, mirror: str, states: Sequence[RequestState], since: datetime, limit: int
    ) -> list[RequestRow]:
        """Give those that came to such an end *since* then, the newest first."""
        query = _ROW.where(
            request.c.mirror == mirror,
            request.c.state.in_(states),
            request.c.finished_at >= since,
        )
        with self._database.reading() as tx:
            return tx.all(query.order_by(request.c.id.desc()).limit(limit), RequestRow)

    def is_asked(self, mirror: str, path: Path, kind: RequestKind) -> bool:
        """Say whether this is asked for already, and is not carried out yet."""
        query = select(func.count()).where(
            request.c.mirror == mirror,
            request.c.state == RequestState.OPEN,
            request.c.path == path,
            request.c.kind == kind,
        )
        with self._database.reading() as tx:
            return bool(tx.value(query))

    def in_hold(self, hold: int, limit: int, after: int = 0) -> list[RequestRow]:
        """Give what a hold is about, the oldest first."""
        query = _ROW.where(request.c.hold == hold, request.c.id > after)
        with self._database.reading() as tx:
            return tx.all(query.order_by(request.c.id).limit(limit), RequestRow)

    def counts(self, hold: int) -> dict[RequestState, int]:
        """Count the requests of a hold by their state."""
        query = (
            select(request.c.state, func.count())
            .where(request.c.hold == hold)
            .group_by(request.c.state)
        )
        with self._database.reading() as tx:
            return {RequestState(state): count for state, count in tx.tuples(query)}

    def asked_versions(self, mirror: str) -> set[Ulid]:
        """Give the versions that are yet to be put somewhere, or may be."""
        query = select(request.c.version).where(
            request.c.mirror == mirror,
            request.c.state.in_(UNFINISHED),
            request.c.version.is_not(null()),
        )
        with self._database.reading() as tx:
            return {version for (version,) in tx.tuples(query)}

    def finish(
        self, request_id: int, state: RequestState, at: datetime, note: str | None = None
    ) -> None:
        """Write down what came of one that is open."""
        with self._database.writing() as tx:
            finish_request(tx, request_id, state, at, note)


def insert_requests(
    tx: Transaction,
    new: Sequence[NewRequest],
    at: datetime,
    *,
    first: int | None = None,
    hold: int | None = None,
) -> None:
    """Add requests; with *hold* they wait for it."""
    state = RequestState.OPEN if hold is None else RequestState.HELD
    rows = [
        {
            "mirror": one.mirror,
            "path": one.path,
            "kind": one.kind,
            "version": one.version,
            "expect": one.expect,
            "hold": hold,
            "state": state,
            "created_at": at,
            "finished_at": None,
            "note": None,
        }
        | ({} if first is None else {"id": first + number})
        for number, one in enumerate(new)
    ]
    tx.insert(request, rows)


def finish_request(
    tx: Transaction, request_id: int, state: RequestState, at: datetime, note: str | None
) -> None:
    """Write down what came of a request that is open."""
    tx.update(
        request,
        {"state": state, "finished_at": at, "note": note},
        request.c.id == request_id,
        request.c.state == RequestState.OPEN,
    )


def decide_requests(
    tx: Transaction, hold: int, decision: HoldState, at: datetime, *, why_not: str
) -> None:
    """Open the requests of a hold that was approved; skip those of one that was not."""
    values: dict[str, object] = {"state": RequestState.OPEN}
    if decision is not HoldState.APPROVED:
        values = {"state": RequestState.SKIPPED, "finished_at": at, "note": why_not}
    tx.update(request, values, request.c.hold == hold, request.c.state == RequestState.HELD)
