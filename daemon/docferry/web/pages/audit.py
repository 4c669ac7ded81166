"""The audit: who changed what, and whether that is all of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Query
from starlette.responses import Response

from docferry.app.audit import verified
from docferry.app.since import since_of
from docferry.core.audit import Action
from docferry.errors import UserError
from docferry.ledger.audit import Which
from docferry.web.pages.visit import Admin, Visitor

router = APIRouter()

_PAGE = 100
_Text = Annotated[str, Query(max_length=200)]


@router.get("/audit")
def audit(
    visitor: Admin,
    actor: _Text = "",
    action: _Text = "",
    mirror: _Text = "",
    since: _Text = "",
    until: _Text = "",
    before: Annotated[int | None, Query(ge=1, le=2**53)] = None,
) -> Response:
    visitor.asker.require_all_mirrors()
    told = {"actor": actor, "action": action, "mirror": mirror, "since": since, "until": until}
    which = _which(visitor, told)
    rows = visitor.asker.ledger.audit.newest(_PAGE + 1, which, before=before)
    following = _address(told, rows[_PAGE - 1].seq) if len(rows) > _PAGE else None
    return visitor.page(
        "audit.html",
        rows=rows[:_PAGE],
        told=told,
        actions=Action,
        mirrors=visitor.asker.mirrors,
        following=following,
        first=_address(told),
        is_first=before is None,
    )


@router.get("/audit/verify")
def verify(
    visitor: Admin, head: Annotated[str, Query(max_length=64, pattern="^[0-9a-fA-F]*$")] = ""
) -> Response:
    visitor.asker.require_all_mirrors()
    found = verified(visitor.asker.ledger, visitor.asker.config.audit_path, head.lower() or None)
    return visitor.page("verify.html", verdict=found, head=head)


def _which(visitor: Visitor, told: Mapping[str, str]) -> Which:
    now = visitor.asker.desk.now()
    since, until = (since_of(told[one], now)[1] if told[one] else None for one in _TIMES)
    action = told["action"]
    if action and action not in {*Action}:
        raise UserError(f"nothing is called {action!r} in the audit")
    return Which(
        told["actor"] or None,
        Action(action) if action else None,
        told["mirror"] or None,
        since,
        until,
    )


_TIMES = ("since", "until")


def _address(told: Mapping[str, str], before: int | None = None) -> str:
    given = {**told, "before": "" if before is None else str(before)}
    query = urlencode({name: one for name, one in given.items() if one})
    return f"/audit?{query}" if query else "/audit"
