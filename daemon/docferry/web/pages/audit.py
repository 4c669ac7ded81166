"""The audit: who changed what, and whether that is all of it."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import Response

from docferry.app.audit import verified
from docferry.web.pages.visit import Admin

router = APIRouter()

_PAGE = 100


@router.get("/audit")
def audit(visitor: Admin, before: Annotated[int | None, Query(ge=1, le=2**53)] = None) -> Response:
    visitor.asker.require_all_mirrors()
    rows = visitor.asker.ledger.audit.newest(_PAGE + 1, before=before)
    following = f"/audit?before={rows[_PAGE - 1].seq}" if len(rows) > _PAGE else None
    return visitor.page(
        "audit.html", rows=rows[:_PAGE], following=following, is_first=before is None
    )


@router.get("/audit/verify")
def verify(
    visitor: Admin, head: Annotated[str, Query(max_length=64, pattern="^[0-9a-fA-F]*$")] = ""
) -> Response:
    visitor.asker.require_all_mirrors()
    found = verified(visitor.asker.ledger, visitor.asker.config.audit_path, head.lower() or None)
    return visitor.page("verify.html", verdict=found, head=head)
