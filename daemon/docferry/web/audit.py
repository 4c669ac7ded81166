"""The audit: by pages, and whole."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, Field

from docferry.core.audit import AuditRow, line_of
from docferry.web.asker import Admin
from docferry.web.problems import shown
from docferry.web.values import Limit

router = APIRouter(prefix="/audit", tags=["audit"])

_NDJSON = "application/x-ndjson"
_Row = Annotated[int | None, Query(ge=0, le=2**53)]


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
def list_audit(asker: Admin, before: _Row = None, limit: Limit = 100) -> AuditPage:
    asker.require_all_mirrors()
    rows = asker.ledger.audit.newest(limit, before=before)
    is_more = len(rows) == limit and rows[-1].seq > 1
    return AuditPage(items=[_told(row) for row in rows], next=rows[-1].seq if is_more else None)


@router.get(
    "/export",
    summary="Give the audit, the oldest first",
    response_class=StreamingResponse,
    responses={200: {"content": {_NDJSON: {"schema": {"type": "string"}}}}},
)
def export_audit(asker: Admin, after: _Row = None) -> StreamingResponse:
    """
    A JSON object a line, as the audit's file has them: `docferry audit verify` checks those.

    `after` goes on behind a row that is known.
    """
    asker.require_all_mirrors()
    return StreamingResponse(_lines(asker, after or 0), media_type=_NDJSON)


def _lines(asker: Admin, after: int) -> Iterator[str]:
    audit = asker.ledger.audit
    chain = audit.chain
    for row in audit.rows(after):
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
