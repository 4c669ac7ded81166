"""Webhooks: how their receivers do, what was told them, what was given up."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Form, Query
from starlette.responses import Response

from docferry.app import webhooks
from docferry.core.webhooks import DeliveryState
from docferry.model import Ulid
from docferry.web.lanes import RECEIVERS, apart
from docferry.web.pages.visit import SendingOperator, Viewer, Visitor

router = APIRouter()

_PAGE = 100

_Chosen = Annotated[list[Ulid] | None, Form(alias="delivery")]


@router.get("/webhooks")
def show_webhooks(
    visitor: Viewer,
    state: Annotated[DeliveryState | None, Query()] = None,
    after: Annotated[str | None, Query(max_length=64)] = None,
) -> Response:
    asker = visitor.asker
    asker.require_all_mirrors()
    states = () if state is None else (state,)
    found = webhooks.deliveries(asker.ledger, None, states, _PAGE + 1, after=after)
    following = _address(state, found[_PAGE - 1].cursor) if len(found) > _PAGE else None
    return visitor.page(
        "webhooks.html",
        webhooks=webhooks.webhooks(asker.config, asker.ledger),
        deliveries=found[:_PAGE],
        following=following,
        is_first=after is None,
        state=state,
        states=DeliveryState,
        address=_address,
    )


@router.post("/webhooks/{webhook}/test")
@apart(RECEIVERS)
def try_out(visitor: SendingOperator, webhook: str) -> Response:
    asker = visitor.asker
    asker.require_all_mirrors()
    tried = webhooks.try_out(asker.config, webhook, visitor.desk.now())
    if tried.reason is None:
        return visitor.back("/webhooks", f"{webhook}: {tried.origin} took a test event")
    said = f"{webhook}: {tried.origin} did not take a test event: {tried.reason}"
    return visitor.back("/webhooks", said, is_trouble=True)


@router.post("/webhooks/deliveries/replay")
def replay(visitor: SendingOperator, chosen: _Chosen = None) -> Response:
    asker = visitor.asker
    asker.require_all_mirrors()
    if not chosen:
        return _nothing(visitor)
    done = webhooks.replay(asker.config, asker.ledger, chosen, visitor.desk.now())
    visitor.desk.wake_daemon()
    return visitor.back("/webhooks", _told(done.deliveries, "queued again"))


@router.post("/webhooks/deliveries/discard")
def discard(
    visitor: SendingOperator,
    chosen: _Chosen = None,
    *,
    is_sure: Annotated[bool, Form(alias="sure")] = False,
) -> Response:
    asker = visitor.asker
    asker.require_all_mirrors()
    if not chosen:
        return _nothing(visitor)
    if not is_sure:
        return visitor.page("discard_deliveries.html", chosen=chosen)
    done = webhooks.discard(asker.ledger, chosen, visitor.desk.now())
    return visitor.back("/webhooks", _told(done.deliveries, "put aside"))


def _told(done: Sequence[Ulid], what: str) -> str:
    verb = "was" if len(done) == 1 else "were"
    told = "1 delivery" if len(done) == 1 else f"{len(done)} deliveries"
    return f"{told} {verb} {what}"


def _nothing(visitor: Visitor) -> Response:
    return visitor.back("/webhooks", "Nothing was chosen: tick some", is_trouble=True)


def _address(state: DeliveryState | None, after: str = "") -> str:
    told = {"state": state.value if state else "", "after": after}
    query = urlencode({name: one for name, one in told.items() if one})
    return f"/webhooks?{query}" if query else "/webhooks"
