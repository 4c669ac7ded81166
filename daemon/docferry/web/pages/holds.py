"""Holds: what a guard kept from happening, for a person to approve or to refuse."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Form, Query
from starlette.responses import Response

from docferry.app import decisions
from docferry.model import HoldState
from docferry.web.pages.numbered import BeforeNumber, newest_of
from docferry.web.pages.visit import SendingOperator, Viewer
from docferry.web.values import Number

router = APIRouter()

_PAGE = 200


@router.get("/holds")
def holds(
    visitor: Viewer,
    before: BeforeNumber = None,
    *,
    is_all: Annotated[bool, Query(alias="all")] = False,
) -> Response:
    found = decisions.holds(visitor.asker.ledger, visitor.asker.caller.mirrors, is_all=is_all)
    rows, last = newest_of(found, before, lambda one: one.id)
    first = "/holds?all=true" if is_all else "/holds"
    return visitor.page(
        "holds.html",
        holds=rows,
        is_all=is_all,
        first=first,
        following=last and f"{first}{'&' if is_all else '?'}before={last}",
        is_first=before is None,
    )


@router.get("/holds/{hold}")
def hold(
    visitor: Viewer, hold: Number, after: Annotated[str, Query(max_length=4096)] = ""
) -> Response:
    asker = visitor.asker
    found = decisions.hold_named(asker.ledger, asker.caller.mirrors, hold)
    items = decisions.held(asker.ledger, found, after, _PAGE + 1)
    following = None
    if len(items) > _PAGE:
        following = f"/holds/{hold}?" + urlencode({"after": items[_PAGE - 1].key})
    return visitor.page(
        "hold.html",
        hold=found,
        items=items[:_PAGE],
        following=following,
        is_first=not after,
    )


@router.post("/holds/{hold}/approve")
def approve(
    visitor: SendingOperator, hold: Number, *, is_sure: Annotated[bool, Form(alias="sure")] = False
) -> Response:
    return _decided(visitor, hold, HoldState.APPROVED, is_sure=is_sure)


@router.post("/holds/{hold}/discard")
def discard(
    visitor: SendingOperator, hold: Number, *, is_sure: Annotated[bool, Form(alias="sure")] = False
) -> Response:
    return _decided(visitor, hold, HoldState.DISCARDED, is_sure=is_sure)


def _decided(
    visitor: SendingOperator, hold: Number, state: HoldState, *, is_sure: bool
) -> Response:
    asker = visitor.asker
    if not is_sure:
        found = decisions.hold_named(asker.ledger, asker.caller.mirrors, hold)
        return visitor.page("decide_hold.html", hold=found, state=state)
    now = visitor.desk.now()
    decided = decisions.decide(asker.ledger, asker.caller.mirrors, hold, state, now)
    visitor.desk.wake_daemon()
    if state is HoldState.APPROVED:
        text = f"Hold {hold} is approved: it is carried out within seconds, while the daemon runs"
    elif decided.kind == "rewind":
        text = f"Hold {hold} is discarded: everything stays as it is"
    else:
        text = f"Hold {hold} is discarded: the files come back within seconds"
    return visitor.back("/holds", text)
