"""Webhooks: how they do, what was told, what was given up; and a try at once."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, ConfigDict, Field

from docferry.app import webhooks
from docferry.core.webhooks import DeliveryState
from docferry.web.asker import Operator, Viewer
from docferry.web.lanes import RECEIVERS, apart
from docferry.web.problems import documented
from docferry.web.repeatable import RepeatableRoute
from docferry.web.values import sent

router = APIRouter(prefix="/webhooks", tags=["webhooks"], route_class=RepeatableRoute)

_MOST = 1000

_Name = Annotated[str, Path(description="Its name.", max_length=64, examples=["crm"])]


class Webhook(BaseModel):
    """A webhook of the configuration; of its URL only the server."""

    model_config = ConfigDict(from_attributes=True)

    name: str = Field(examples=["crm"])
    origin: str = Field(examples=["https://crm.example.com"])
    events: list[str] = Field(examples=[["file.*"]])
    mirrors: list[str] = Field(description="[]: all of them")
    patterns: list[str] = Field(description="[]: any file")
    queued: int = Field(description="Deliveries that wait, or are under way.")
    dead: int = Field(description="Deliveries that were given up on.")
    oldest_at: datetime | None = Field(description="Since when the oldest of them waits.")
    is_rotating: bool = Field(description="It signs with two secrets.")
    down_since: datetime | None
    reason: str | None = Field(description="What its receiver last failed with.")
    retry_at: datetime | None


class Webhooks(BaseModel):
    items: list[Webhook]


class Tried(BaseModel):
    """What came of a `webhook.test`."""

    model_config = ConfigDict(from_attributes=True)

    id: str
    origin: str
    status: int | None = Field(description="What the receiver answered.", examples=[204])
    reason: str | None = Field(description="Why it was not taken; null: it was.")


class Delivery(BaseModel):
    """One event for one webhook."""

    model_config = ConfigDict(from_attributes=True)

    id: str = Field(description="The `webhook-id` of every try.")
    webhook: str
    event: str = Field(
        description='"unreadable": it cannot be told; a replay tries to read it anew.',
        examples=["file.added"],
    )
    mirror: str
    path: str | None
    version: str | None
    state: DeliveryState
    attempts: int
    status: int | None = Field(description="What the receiver last answered.")
    last_error: str | None
    created_at: datetime
    finished_at: datetime | None
    retry_at: datetime | None


class Deliveries(BaseModel):
    items: list[Delivery]
    next: str | None = Field(description="The `cursor` of the next page; null: that was all.")


class Which(BaseModel):
    """Which deliveries are meant."""

    model_config = sent(ids=["crm 4711"])

    ids: list[Annotated[str, Field(max_length=64)]] = Field(min_length=1, max_length=_MOST)


class Decided(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    deliveries: list[str]


@router.get("", summary="List the webhooks")
def list_webhooks(asker: Viewer) -> Webhooks:
    asker.require_all_mirrors()
    found = webhooks.webhooks(asker.config, asker.ledger)
    return Webhooks(items=[Webhook.model_validate(one) for one in found])


@router.post("/{webhook}/test", summary="Send a webhook.test event", responses=documented(404))
@apart(RECEIVERS)
def try_webhook(asker: Operator, webhook: _Name) -> Tried:
    asker.require_all_mirrors()
    return Tried.model_validate(webhooks.try_out(asker.config, webhook, asker.desk.now()))


@router.get("/deliveries", summary="List deliveries, the newest first")
def list_deliveries(
    asker: Viewer,
    state: Annotated[list[DeliveryState] | None, Query(max_length=5)] = None,
    webhook: Annotated[str | None, Query(max_length=64)] = None,
    limit: Annotated[int, Query(ge=1, le=_MOST)] = 100,
    cursor: Annotated[str | None, Query(max_length=64)] = None,
) -> Deliveries:
    mirrors = None if asker.caller.mirrors is None else asker.mirrors
    found = webhooks.deliveries(
        asker.ledger, webhook, state or (), limit + 1, mirrors=mirrors, after=cursor
    )
    items = [Delivery.model_validate(one) for one in found[:limit]]
    return Deliveries(items=items, next=found[limit - 1].cursor if len(found) > limit else None)


@router.post(
    "/deliveries/replay",
    summary="Send again what was given up on",
    responses=documented(404, 409),
)
def replay_deliveries(asker: Operator, which: Which) -> Decided:
    asker.require_all_mirrors()
    done = webhooks.replay(asker.config, asker.ledger, which.ids, asker.desk.now())
    asker.desk.wake_daemon()
    return Decided.model_validate(done)


@router.post(
    "/deliveries/discard",
    summary="Put aside what was given up on",
    responses=documented(404, 409),
)
def discard_deliveries(asker: Operator, which: Which) -> Decided:
    asker.require_all_mirrors()
    return Decided.model_validate(webhooks.discard(asker.ledger, which.ids, asker.desk.now()))
