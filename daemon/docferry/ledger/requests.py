"""What people, and patrols, ask the daemon to do with a path; and what came of it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, null, select

from docferry.core.audit import Action
from docferry.ledger.audit import note
from docferry.ledger.database import Database, Row, Transaction, chunks
from docferry.ledger.schema import request
from docferry.model import UNFINISHED, HoldState, Path, RequestKind, RequestState, Token, Ulid


@dataclass(frozen=True, slots=True)
class NewRequest:
    """
    What is asked for.

    version: to restore; to heal, the one that should be there.
    expect: the version that the path held when it was asked; the request is only for that.
        None: whatever is there.
    displaces: what one side alone holds there goes, and is archived as this version; then
        *expect* is its token. None: only what both sides agreed on goes.
    agreed: with *displaces*: the version that the path held; NOTHING: none.
    """

    mirror: str
    path: Path
    kind: RequestKind
    version: Ulid | None = None
    expect: Ulid | Token | None = None
    displaces: Ulid | None = None
    agreed: Ulid | None = None


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
    note: str | None  #: for a person: why it was skipped or failed, where a conflict's copy is;
    #: of one that is open: what its last try failed of
    retry_at: datetime | None = None  #: when it is tried again after that
    begun_at: datetime | None = None  #: of an erasure: a part of it may be done already
    displaces: Ulid | None = None  #: as which version that goes which one side alone holds
    agreed: Ulid | None = None  #: with *displaces*: what the path held; NOTHING: none


@dataclass(frozen=True, slots=True)
class Failure:
    """A try of an open request that may do better the next time."""

    request: int
    why: str
    retry_at: datetime


#: Of one that was cancelled while the daemon had it in its hands.
TOO_LATE = "it was under way when it was cancelled, and was carried out"

_ROW = select(request)
_CAN_BE_CANCELLED = (request.c.state == RequestState.OPEN, request.c.begun_at.is_(null()))


class RequestLog:
    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, new: Sequence[NewRequest], at: datetime) -> list[int]:
        """Ask for something; give the ids."""
        with self._database.writing() as tx:
            first = int(tx.value(select(func.coalesce(func.max(request.c.id), 0)))) + 1
            insert_requests(tx, new, at, first=first)
        return list(range(first, first + len(new)))

    def add_once(self, new: Sequence[NewRequest], at: datetime) -> list[tuple[int, bool]]:
        """
        Ask for what is not asked for yet.

        Returns:
            The id of each, and whether it is a new one. Who asks for the same again, while
            it is open, gets the same answer: carried out twice it would be two changes.
            Unless something else was asked of the path since: that would have the last word.
        """
        with self._database.writing() as tx:
            known = _open_ones(tx, {one.mirror for one in new})
            first = int(tx.value(select(func.coalesce(func.max(request.c.id), 0)))) + 1
            fresh = [one for one in dict.fromkeys(new) if one not in known]
            insert_requests(tx, fresh, at, first=first)
        ids = known | {one: first + number for number, one in enumerate(fresh)}
        return [(ids[one], one not in known) for one in new]

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

    def some(
        self,
        mirrors: Collection[str] | None,
        limit: int | None,
        *,
        states: Sequence[RequestState] | None = None,
        newest_first: bool,
        after: int | None = None,
    ) -> list[RequestRow]:
        """
        Give the first ones, of some mirrors or of all.

        Args:
            states: None: whatever came of them.
            after: The last one that was given before; None: begin.
        """
        order = request.c.id.desc() if newest_first else request.c.id
        query = _ROW.order_by(order).limit(limit)
        if mirrors is not None:
            query = query.where(request.c.mirror.in_(mirrors))
        if states is not None:
            query = query.where(request.c.state.in_(states))
        if after is not None:
            query = query.where(request.c.id < after if newest_first else request.c.id > after)
        with self._database.reading() as tx:
            return tx.all(query, RequestRow)

    def count_open(self, mirror: str) -> tuple[dict[RequestKind, int], datetime | None]:
        """Count those that are to be carried out, and say since when the oldest waits."""
        are_open = request.c.mirror == mirror, request.c.state == RequestState.OPEN
        by_kind = select(request.c.kind, func.count()).where(*are_open).group_by(request.c.kind)
        with self._database.reading() as tx:
            counts = {RequestKind(kind): count for kind, count in tx.tuples(by_kind)}
            oldest: datetime | None = tx.value(
                select(func.min(request.c.created_at)).where(*are_open)
            )
        return counts, oldest

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

    def cancel(self, ids: Sequence[int], at: datetime) -> tuple[list[RequestRow], set[int]]:
        """
        Take back those of *ids* that are open.

        Not an erasure that has begun: the ledger would go on telling of bytes that are gone.

        Returns:
            All of them, as they are now, and which of them this has cancelled.
        """
        values = {"state": RequestState.CANCELLED, "finished_at": at}
        values |= {"note": None, "retry_at": None}
        found: list[RequestRow] = []
        cancelled: set[int] = set()
        with self._database.writing() as tx:
            for chunk in chunks([*dict.fromkeys(ids)]):
                these = request.c.id.in_(chunk)
                can_be = select(request.c.id).where(these, *_CAN_BE_CANCELLED)
                cancelled |= {one for (one,) in tx.tuples(can_be)}
                tx.update(request, values, these, *_CAN_BE_CANCELLED)
                found += tx.all(_ROW.where(these).order_by(request.c.id), RequestRow)
            told = [{"request": row.id, "kind": row.kind} for row in found if row.id in cancelled]
            note(tx, Action.REQUEST_CANCELLED, at, None, *told)
        return found, cancelled

    def note_failures(self, failures: Sequence[Failure]) -> None:
        """Say of open requests why they wait, and until when."""
        with self._database.writing() as tx:
            for one in failures:
                tx.update(
                    request,
                    {"note": one.why, "retry_at": one.retry_at},
                    request.c.id == one.request,
                    request.c.state == RequestState.OPEN,
                    request.c.path != "",  # of an erasure that is done, its note is the report
                )

    def finish(
        self, request_id: int, state: RequestState, at: datetime, note: str | None = None
    ) -> None:
        """Write down what came of one that is open."""
        with self._database.writing() as tx:
            finish_request(tx, request_id, state, at, note)


def _open_ones(tx: Transaction, mirrors: Collection[str]) -> dict[NewRequest, int]:
    """Give what was asked last of each path of *mirrors*, if it is not carried out yet."""
    columns = (request.c.mirror, request.c.path, request.c.kind, request.c.version)
    query = select(request.c.id, *columns, request.c.expect).where(
        request.c.mirror.in_(mirrors), request.c.state == RequestState.OPEN
    )
    last = {
        (mirror, path): (NewRequest(mirror, path, RequestKind(kind), version, expect), number)
        for number, mirror, path, kind, version, expect in tx.tuples(query.order_by(request.c.id))
    }
    return dict(last.values())


def insert_requests(
    tx: Transaction,
    new: Sequence[NewRequest],
    at: datetime,
    *,
    first: int | None = None,
    hold: int | None = None,
    is_told: bool = False,
) -> None:
    """
    Add requests; with *hold* they wait for it.

    Args:
        is_told: The audit has a row that tells of them.
    """
    state = RequestState.OPEN if hold is None else RequestState.HELD
    rows: list[Row] = [
        {
            "mirror": one.mirror,
            "path": one.path,
            "kind": one.kind,
            "version": one.version,
            "expect": one.expect,
            "displaces": one.displaces,
            "agreed": one.agreed,
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
    if hold is None and not is_told:  # else the hold's own row tells of them
        _note_made(tx, new, at, len(rows))


def _note_made(tx: Transaction, new: Sequence[NewRequest], at: datetime, count: int) -> None:
    """Write into the audit what was asked for: of each its id, kind and version."""
    last = int(tx.value(select(func.coalesce(func.max(request.c.id), 0))))
    numbered = [*enumerate(new, start=last - count + 1)]
    for mirror in dict.fromkeys(one.mirror for one in new):
        made = [
            {"request": number, "kind": one.kind, "version": one.version}
            for number, one in numbered
            if one.mirror == mirror
        ]
        note(tx, Action.REQUEST_MADE, at, mirror, *made)


def finish_request(
    tx: Transaction, request_id: int, state: RequestState, at: datetime, note: str | None
) -> None:
    """
    Write down what came of a request that is open.

    One that was cancelled stays so, and tells if it was carried out all the same.
    """
    is_this = request.c.id == request_id
    values = {"state": state, "finished_at": at, "note": note, "retry_at": None}
    is_open = tx.update(request, values, is_this, request.c.state == RequestState.OPEN)
    if not is_open and state in (RequestState.DONE, RequestState.CONFLICT):
        why = TOO_LATE if note is None else f"{TOO_LATE}: {note}"
        tx.update(request, {"note": why}, is_this, request.c.state == RequestState.CANCELLED)


def decide_requests(
    tx: Transaction, hold: int, decision: HoldState, at: datetime, *, why_not: str
) -> None:
    """Open the requests of a hold that was approved; skip those of one that was not."""
    values: dict[str, object] = {"state": RequestState.OPEN}
    if decision is not HoldState.APPROVED:
        values = {"state": RequestState.SKIPPED, "finished_at": at, "note": why_not}
    tx.update(request, values, request.c.hold == hold, request.c.state == RequestState.HELD)
