"""Conflicts: files that were changed on both sides; which content is to stay."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Query
from starlette.responses import Response

from docferry.app import decisions
from docferry.app.decisions import Keep
from docferry.web.pages.numbered import BeforeNumber, newest_of
from docferry.web.pages.visit import SendingOperator, Viewer
from docferry.web.values import Number

router = APIRouter()

_TOLD = {
    Keep.BOTH: "both files stay as they are",
    Keep.BUCKET: "the bucket's content stays, the copy goes to the archive",
    Keep.FOLDER: "the folder's content is put to the path, the other goes to the archive",
}


@router.get("/conflicts")
def conflicts(
    visitor: Viewer,
    before: BeforeNumber = None,
    *,
    is_all: Annotated[bool, Query(alias="all")] = False,
) -> Response:
    asker = visitor.asker
    found = decisions.conflicts(asker.ledger, asker.caller.mirrors, is_all=is_all)
    rows, last = newest_of(found, before, lambda one: one.id)
    wanted = {(one.mirror, path) for one in rows for path in (one.path, one.copy_path)}
    at = {(row.mirror, row.path): row for row in asker.ledger.files.at(sorted(wanted))}
    first = "/conflicts?all=true" if is_all else "/conflicts"
    return visitor.page(
        "conflicts.html",
        conflicts=rows,
        at=at,
        is_all=is_all,
        first=first,
        following=last and f"{first}{'&' if is_all else '?'}before={last}",
        is_first=before is None,
    )


@router.post("/conflicts/{conflict}/settle")
def settle(
    visitor: SendingOperator, conflict: Number, keep: Annotated[Keep, Form()] = Keep.BOTH
) -> Response:
    asker = visitor.asker
    decisions.settle(
        asker.config, asker.ledger, asker.caller.mirrors, conflict, keep, visitor.desk.now()
    )
    visitor.desk.wake_daemon()
    return visitor.back("/conflicts", f"Conflict {conflict} is settled: {_TOLD[keep]}")
