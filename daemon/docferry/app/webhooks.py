"""Webhooks for people: what was told, what was given up; and a try at once."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from ulid import ULID

from docferry.app.sending import receiver_of, wants_of
from docferry.app.webhook_report import WebhookReport, webhooks
from docferry.config import Config
from docferry.config.faults import did_you_mean
from docferry.core.webhooks import UNREADABLE, Delivered, DeliveryState, Event, EventType
from docferry.deliver.send import Sends, send
from docferry.deliver.wire import Wire
from docferry.engine.webhook_telling import delivery, note_in, payload_of
from docferry.errors import ConflictError, NotFoundError, UserError
from docferry.ledger import Ledger
from docferry.ledger.webhook_deliveries import DeliveryRow
from docferry.ledger.webhook_events import NewDelivery
from docferry.model import Path, Ulid

__all__ = [
    "WebhookReport",
    "dead_ones",
    "deliveries",
    "discard",
    "replay",
    "replayable_ones",
    "try_out",
    "webhooks",
]

_CURSOR = re.compile(r"(\d{1,18})-([0-9A-Z]{26})", re.ASCII)
_OVER = (DeliveryState.DEAD, DeliveryState.DISCARDED)


@dataclass(frozen=True, slots=True)
class ToldDelivery:
    """
    One delivery, without its payload.

    retry_at: when it is tried again; None: it is over, or under way.
    cursor: goes on behind it.
    """

    id: Ulid
    webhook: str
    event: str
    mirror: str
    path: Path | None
    version: Ulid | None
    state: DeliveryState
    attempts: int
    status: int | None
    last_error: str | None
    created_at: datetime
    finished_at: datetime | None
    retry_at: datetime | None
    cursor: str


@dataclass(frozen=True, slots=True)
class Tried:
    """What came of a try at once. reason: why it was not taken; None: it was."""

    id: Ulid
    origin: str
    status: int | None
    reason: str | None


@dataclass(frozen=True, slots=True)
class Decided:
    """Deliveries with which a person's word was carried out."""

    deliveries: tuple[Ulid, ...]


def deliveries(
    ledger: Ledger,
    webhook: str | None,
    states: Sequence[DeliveryState],
    most: int | None,
    *,
    mirrors: Sequence[str] | None = None,
    after: str | None = None,
) -> list[ToldDelivery]:
    """
    Give the newest deliveries. No *states*: any.

    Args:
        mirrors: Only events of these; None: of any.
        after: The cursor of the last one of the page before.

    Raises:
        UserError: *after* is none.
    """
    before = None if after is None else _place(after)
    rows = ledger.deliveries.some(webhook, states, most, mirrors=mirrors, before=before)
    return [_told(row) for row in rows]


def try_out(config: Config, name: str, at: datetime, *, send: Sends = send) -> Tried:
    """
    Send a `webhook.test` event now, whatever waits, and tell what came back.

    Raises:
        NotFoundError: There is no such webhook.
    """
    options = config.webhooks.get(name)
    if options is None:
        raise NotFoundError(
            f"there is no webhook {name!r}: {did_you_mean(name, config.webhooks)}; the "
            "configuration has them as [webhook.NAME]"
        )
    receiver, test_id = receiver_of(options), str(ULID())
    mirror = next(iter(options.mirrors or config.mirrors))
    payload = payload_of(Event(EventType.TEST, at, mirror))
    with Wire(receiver.timeout_s) as wire:
        answer = send(receiver, test_id, payload, at, wire)
    if isinstance(answer, Delivered):
        return Tried(test_id, receiver.origin, answer.status, None)
    return Tried(test_id, receiver.origin, answer.status, answer.reason)


def replay(config: Config, ledger: Ledger, ids: Sequence[Ulid], at: datetime) -> Decided:
    """
    Send again what was given up on, or put aside, with all its attempts.

    What could not be told before is read anew. Told are those that it was done with: somebody
    else may have decided at the same moment.

    Raises:
        NotFoundError, ConflictError: One of *ids* cannot be; then none is.
    """
    rows = [_over(ledger, one, _OVER) for one in dict.fromkeys(ids)]
    anew = ((row.id, _anew(config, ledger, row)) for row in rows)
    read = {one: told for one, told in anew if told is not None}
    return _decided(rows, ledger.deliveries.replay([row.id for row in rows], at, read))


def discard(ledger: Ledger, ids: Sequence[Ulid], at: datetime) -> Decided:
    """
    Put aside what was given up on; told as by `replay`.

    Raises:
        NotFoundError, ConflictError: One of *ids* was not; then none is put aside.
    """
    rows = [_over(ledger, one, (DeliveryState.DEAD,)) for one in dict.fromkeys(ids)]
    return _decided(rows, ledger.deliveries.discard([row.id for row in rows], at))


def dead_ones(ledger: Ledger, webhook: str | None) -> list[Ulid]:
    """Give all that were given up on, the oldest first."""
    rows = ledger.deliveries.some(webhook, (DeliveryState.DEAD,), None)
    return [row.id for row in reversed(rows)]


def replayable_ones(config: Config, ledger: Ledger, webhook: str | None) -> list[Ulid]:
    """Give those of `dead_ones` that `replay` takes."""
    rows = ledger.deliveries.some(webhook, (DeliveryState.DEAD,), None)
    return [row.id for row in reversed(rows) if _is_replayable(config, ledger, row)]


def _over(ledger: Ledger, delivery_id: Ulid, states: Sequence[DeliveryState]) -> DeliveryRow:
    row = ledger.deliveries.get(delivery_id.upper())
    if row is None:
        raise NotFoundError(
            f"there is no delivery {delivery_id!r}; docferry webhooks deliveries tells them"
        )
    if row.state not in states:
        raise ConflictError(f"delivery {row.id} was not given up on: it is {row.state}")
    return row


def _is_replayable(config: Config, ledger: Ledger, row: DeliveryRow) -> bool:
    try:
        _anew(config, ledger, row)
    except ConflictError:
        return False
    return True


def _anew(config: Config, ledger: Ledger, row: DeliveryRow) -> NewDelivery | None:
    """
    Give what a delivery tells by now; None: what it told before.

    Raises:
        ConflictError: It cannot be sent.
    """
    options = config.webhooks.get(row.webhook)
    if options is None:
        raise ConflictError(
            f"delivery {row.id} is of the webhook {row.webhook}, which is not in the "
            "configuration any more"
        )
    if row.event != UNREADABLE:
        return None
    noted = ledger.webhook_events.again(row.seq, note_in(row.payload, row.mirror))
    if noted.fault is not None:
        raise ConflictError(f"delivery {row.id}: what was noted of it still cannot be read")
    if noted.event is None or not wants_of(options).takes(noted.event):
        raise ConflictError(
            f"delivery {row.id} tells nothing that {row.webhook} is to be told: discard it"
        )
    return delivery(row.seq, noted.event, row.created_at, row.webhook, row.id)


def _decided(rows: Sequence[DeliveryRow], changed: Iterable[Ulid]) -> Decided:
    """Give those that were changed, in the order in which they were named."""
    these = {*changed}
    return Decided(tuple(row.id for row in rows if row.id in these))


def _told(row: DeliveryRow) -> ToldDelivery:
    return ToldDelivery(
        row.id,
        row.webhook,
        row.event,
        row.mirror,
        row.path,
        row.version,
        row.state,
        row.attempts,
        row.status,
        row.last_error,
        row.created_at,
        row.finished_at,
        row.run_at if row.state is DeliveryState.QUEUED and row.last_error else None,
        f"{row.seq}-{row.id}",
    )


def _place(cursor: str) -> tuple[int, Ulid]:
    found = _CURSOR.fullmatch(cursor)
    if found is None:
        raise UserError("this is no cursor: take it from the page before")
    return int(found[1]), found[2]
