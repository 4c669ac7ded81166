"""What waits for somebody to decide: holds and conflicts."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from docferry.app import decisions
from docferry.app.decisions import Keep
from docferry.core.cursors import cursor_of, key_in
from docferry.ledger import HoldRow
from docferry.ledger.conflicts import ConflictRow
from docferry.model import HoldState, RequestState
from docferry.web.asker import Asker, Operator, Viewer
from docferry.web.problems import documented, shown
from docferry.web.repeatable import RepeatableRoute
from docferry.web.values import Cursor, Limit, Number, Strict, sent

router = APIRouter(tags=["decisions"], route_class=RepeatableRoute)

_All = Annotated[bool, Query(description="Those that are over, too.")]


class Hold(BaseModel):
    """What a guard refused, or a rewind that was laid ready."""

    id: int
    mirror: str = Field(examples=["docs"])
    kind: Literal["deletions", "changes", "identity", "rewind"]
    state: HoldState
    reason: str
    count: int = Field(description="How many files it is about.")
    created_at: datetime
    decided_at: datetime | None
    decision: HoldState | None = Field(description="Also when it is over.")


class Holds(BaseModel):
    items: list[Hold]


class HeldItem(BaseModel):
    """One thing that is kept from happening."""

    what: str = Field(
        examples=["delete_remote"],
        description="Of a change upload or download; travelled: it was carried out before.",
    )
    path: str
    version: str | None = Field(description="Of a rewind: which is to be there.")
    state: RequestState | None = Field(description="Of a rewind: what came of it.")
    note: str | None


class HoldDetail(BaseModel):
    """A hold, with a page of what it is about."""

    hold: Hold
    items: list[HeldItem]
    next: str | None = Field(description="Where the next page begins; null: this is the last.")


class Conflict(BaseModel):
    """A file that was changed on both sides; both contents were kept."""

    id: int
    mirror: str = Field(examples=["docs"])
    path: str = Field(description="Where the bucket's content is.")
    copy_path: str = Field(description="Where the folder's content of that moment went.")
    created_at: datetime
    settled_at: datetime | None


class Conflicts(BaseModel):
    items: list[Conflict]


class Settlement(Strict):
    """How a conflict is settled."""

    model_config = sent(keep="bucket")

    keep: Keep = Field(
        default=Keep.BOTH,
        description="both: no file is changed. bucket, folder: whose content stays at the path; "
        "the other goes to the archive.",
    )


#: An absent body.
_KEEP_BOTH = Settlement()


@router.get("/holds", summary="List the holds")
def list_holds(asker: Viewer, *, all: _All = False) -> Holds:
    found = decisions.holds(asker.ledger, asker.caller.mirrors, is_all=all)
    return Holds(items=[_hold(row) for row in found])


@router.get("/holds/{hold}", summary="Tell what a hold is about", responses=documented(404))
def get_hold(asker: Viewer, hold: Number, cursor: Cursor = None, limit: Limit = 100) -> HoldDetail:
    row = decisions.hold_named(asker.ledger, asker.caller.mirrors, hold)
    listed = ("hold", row.id)
    after = "" if cursor is None else key_in(cursor, listed, 1)[0]
    items = decisions.held(asker.ledger, row, after, limit + 1)
    return HoldDetail(
        hold=_hold(row),
        items=[_held(one) for one in items[:limit]],
        next=cursor_of(listed, (items[limit - 1].key,)) if len(items) > limit else None,
    )


@router.post("/holds/{hold}/approve", summary="Let it happen", responses=documented(404, 409))
def approve_hold(asker: Operator, hold: Number) -> Hold:
    """What is deleted stays in the archive. An identity hold joins both sides anew."""
    return _decide(asker, hold, HoldState.APPROVED)


@router.post("/holds/{hold}/discard", summary="Do not let it", responses=documented(404, 409))
def discard_hold(asker: Operator, hold: Number) -> Hold:
    """The files come back from the side that still has them."""
    return _decide(asker, hold, HoldState.DISCARDED)


@router.get("/conflicts", summary="List the conflicts")
def list_conflicts(asker: Viewer, *, all: _All = False) -> Conflicts:
    found = decisions.conflicts(asker.ledger, asker.caller.mirrors, is_all=all)
    return Conflicts(items=[_conflict(row) for row in found])


@router.post(
    "/conflicts/{conflict}/settle", summary="Settle a conflict", responses=documented(404, 409)
)
def settle_conflict(
    asker: Operator, conflict: Number, settlement: Settlement = _KEEP_BOTH
) -> Conflict:
    """What is to be done with its files is asked of the daemon: `GET /requests` tells of it."""
    row = decisions.settle(
        asker.config,
        asker.ledger,
        asker.caller.mirrors,
        conflict,
        settlement.keep,
        asker.desk.now(),
    )
    asker.desk.wake_daemon()
    return _conflict(row)


def _decide(asker: Asker, hold: int, state: HoldState) -> Hold:
    now = asker.desk.now()
    row = decisions.decide(asker.ledger, asker.caller.mirrors, hold, state, now)
    asker.desk.wake_daemon()
    return _hold(row)


def _hold(row: HoldRow) -> Hold:
    return Hold(
        id=row.id,
        mirror=row.mirror,
        kind=row.kind,
        state=row.state,
        reason=shown(row.reason),
        count=row.count,
        created_at=row.created_at,
        decided_at=row.decided_at,
        decision=row.decision,
    )


def _held(item: decisions.HeldItem) -> HeldItem:
    return HeldItem(
        what=item.what,
        path=shown(item.path),
        version=item.version,
        state=item.state,
        note=item.note,
    )


def _conflict(row: ConflictRow) -> Conflict:
    return Conflict(
        id=row.id,
        mirror=row.mirror,
        path=shown(row.path),
        copy_path=shown(row.copy_path),
        created_at=row.created_at,
        settled_at=row.settled_at,
    )
