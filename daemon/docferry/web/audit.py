"""The audit: by pages, and whole."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Query
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, Field

from docferry.app.since import since_of
from docferry.core.audit import Action, AuditRow, line_of
from docferry.ledger.audit import Which
from docferry.web.asker import Admin, Asker
from docferry.web.conditional import ConditionalRoute
from docferry.web.problems import shown
from docferry.web.values import Limit, MirrorName

router = APIRouter(prefix="/audit", tags=["audit"], route_class=ConditionalRoute)

_NDJSON = "application/x-ndjson"
_Row = Annotated[int | None, Query(ge=0, le=2**53)]
_TIME = "A time (ISO 8601, UTC), or a ULID for its time."


def _which(
    asker: Admin,
    actor: Annotated[
        str | None, Query(max_length=200, description="Whoever did it.", examples=["key pipeline"])
    ] = None,
    action: Annotated[Action | None, Query(description="What was done.")] = None,
    mirror: Annotated[MirrorName | None, Query(examples=["docs"])] = None,
    since: Annotated[str | None, Query(max_length=64, description=f"{_TIME} From then on.")] = None,
    until: Annotated[str | None, Query(max_length=64, description=f"{_TIME} Before then.")] = None,
) -> Which:
    return Which(actor, action, mirror, _at(asker, since), _at(asker, until))


_Which = Annotated[Which, Depends(_which)]


class AuditEntry(BaseModel):
    """What was done, by whom. Documents are named by their versions, never by path."""

    seq: int
    at: str = Field(examples=["2026-11-23T22:41:00.000000Z"])
    actor: str
    action: str = Field(examples=["hold.approved"])
    mirror: str | None
    facts: dict[str, object] | str = Field(description="A text: it is not what was written.")
    previous: str = Field(description="The hash of the row before.")
    hash: str


class AuditPage(BaseModel):
    items: list[AuditEntry]
    next: int | None = Field(description="The `before` of the next page; null: this is the last.")


@router.get("", summary="List the audit, the newest first")
def list_audit(asker: Admin, which: _Which, before: _Row = None, limit: Limit = 100) -> AuditPage:
    asker.require_all_mirrors()
    rows = asker.ledger.audit.newest(limit, which, before=before)
    is_more = len(rows) == limit and rows[-1].seq > 1
    return AuditPage(items=[_told(row) for row in rows], next=rows[-1].seq if is_more else None)


@router.get(
    "/export",
    summary="Give the audit, the oldest first",
    response_class=StreamingResponse,
    responses={200: {"content": {_NDJSON: {"schema": {"type": "string"}}}}},
)
def export_audit(asker: Admin, which: _Which, after: _Row = None) -> StreamingResponse:
    """
    A JSON object a line, as the audit's file has them: `docferry audit verify` checks those.

    `after` goes on behind a row that is known. What is filtered is no whole chain any more.
    """
    asker.require_all_mirrors()
    return StreamingResponse(_lines(asker, which, after or 0), media_type=_NDJSON)


def _lines(asker: Asker, which: Which, after: int) -> Iterator[str]:
    audit = asker.ledger.audit
    chain = audit.chain
    for row in audit.rows(after, which):
        yield line_of(chain, row)


def _told(row: AuditRow) -> AuditEntry:
    return AuditEntry(
        seq=row.seq,
        at=row.at,
        actor=shown(row.actor),
        action=row.action,
        mirror=row.mirror,
        facts=_facts(row.facts),
        previous=row.previous,
        hash=row.hash,
    )


def _facts(text: str) -> dict[str, object] | str:
    try:
        found = json.loads(text)
    except ValueError:  # nothing that docferry wrote: `docferry audit verify` says so
        return text
    return found if isinstance(found, dict) else text


def _at(asker: Asker, text: str | None) -> datetime | None:
    return None if text is None else since_of(text, asker.desk.now())[1]
