"""What was asked of the daemon and is not carried out yet: why it waits, and taking it back."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from docferry.app import requests
from docferry.app.decisions import number_in
from docferry.core.cursors import cursor_of, key_in
from docferry.errors import ConflictError
from docferry.model import RequestKind, RequestState
from docferry.web.asker import Operator, Viewer
from docferry.web.problems import documented, shown
from docferry.web.repeatable import RepeatableRoute
from docferry.web.values import Cursor, Limit, Number

router = APIRouter(prefix="/requests", tags=["requests"], route_class=RepeatableRoute)


class AskedFor(BaseModel):
    """A restore, a removal, a heal, an erasure, or a round of retention."""

    id: int
    mirror: str = Field(examples=["docs"])
    kind: RequestKind
    path: str
    version: str | None
    state: RequestState
    since: datetime
    hold: int | None
    why: str = Field(description="Of one that is open why it waits; else what came of it.")
    retry_at: datetime | None


class AskedForPage(BaseModel):
    items: list[AskedFor]
    next: str | None = Field(description="Where the next page begins; null: this is the last.")


class Cancelled(BaseModel):
    """A request that was taken back; what was under way may still come to be."""

    id: int


@router.get("", summary="List what is asked for", responses=documented(404))
def list_requests(
    asker: Viewer,
    *,
    mirror: Annotated[str | None, Query(max_length=200)] = None,
    all: Annotated[
        bool, Query(description="Those that are over, or held, too: the newest first.")
    ] = False,
    cursor: Cursor = None,
    limit: Limit = 100,
) -> AskedForPage:
    mirrors = asker.caller.mirrors if mirror is None else [asker.mirror(mirror).name]
    listed = ("requests", None if mirrors is None else sorted(mirrors), all)
    after = None if cursor is None else number_in(key_in(cursor, listed, 1)[0])
    found = requests.asked(
        asker.ledger, asker.config, mirrors, is_all=all, most=limit + 1, after=after
    )
    more = len(found) > limit
    return AskedForPage(
        items=[_told(one) for one in found[:limit]],
        next=cursor_of(listed, (str(found[limit - 1].id),)) if more else None,
    )


@router.get("/{request}", summary="Tell of what is asked for", responses=documented(404))
def get_request(asker: Viewer, request: Number) -> AskedFor:
    """Those that are answered are kept for 90 days."""
    return _told(requests.one(asker.ledger, asker.config, asker.caller.mirrors, request))


@router.post("/{request}/cancel", summary="Take it back", responses=documented(404, 409))
def cancel_request(asker: Operator, request: Number) -> Cancelled:
    """An erasure that has begun goes on."""
    now = asker.desk.now()
    [done] = requests.cancel(asker.ledger, [request], now, asker.caller.mirrors)
    if not done.is_cancelled:
        raise ConflictError(f"request {done.id} is not cancelled: {done.why}")
    asker.desk.wake_daemon()
    return Cancelled(id=done.id)


def _told(one: requests.Asked) -> AskedFor:
    return AskedFor(
        id=one.id,
        mirror=one.mirror,
        kind=one.kind,
        path=shown(one.path),
        version=one.version,
        state=one.state,
        since=one.since,
        hold=one.hold,
        why=shown(one.why),
        retry_at=one.retry_at,
    )
