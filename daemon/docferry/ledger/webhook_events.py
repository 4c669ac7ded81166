"""
What happened, for webhooks: triggers note that a row came, here it becomes an event.

The note is in the transaction of the change, so that a crash loses none; what is told is read
afterwards, out of the way of whoever made it. What was erased meanwhile is told to nobody.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.exc import DBAPIError

from docferry.core.webhooks import DeliveryState, Event, Note
from docferry.job import BreakerState, ConverterRow
from docferry.ledger.database import Database, Taken, Transaction
from docferry.ledger.faults import is_undecodable
from docferry.ledger.schema import (
    instant_text,
    setting,
)
from docferry.ledger.webhook_facts import event_of
from docferry.ledger.webhook_schema import (
    SOURCES,
    webhook_cursor,
    webhook_delivery,
    webhook_event,
)
from docferry.model import Path, Ulid

REMOVED = "its webhook was taken out of the configuration"
_STALE = "stale mirror "
_SAME_KEY = Taken(("key",))
_WAITING = (DeliveryState.QUEUED, DeliveryState.RUNNING)


@dataclass(frozen=True, slots=True)
class Noted:
    """
    What a note tells, and its number. No event: nobody is to be told.

    fault: Why it cannot be read, and so nobody knows what it tells; None: it could be.
    """

    seq: int
    note: Note
    event: Event | None
    fault: Exception | None = None


@dataclass(frozen=True, slots=True)
class NewDelivery:
    """
    One event for one webhook.

    fault: Why it cannot be told: it is given up from the begin. None: it is to be told.
    """

    id: Ulid
    webhook: str
    seq: int
    event: str
    mirror: str
    path: Path | None
    version: Ulid | None
    order_key: str
    payload: str  #: JSON, as it is sent
    created_at: datetime
    fault: str | None = None


class WebhookEvents:
    def __init__(self, database: Database) -> None:
        self._database = database

    def begin(self, webhooks: Collection[str], at: datetime) -> None:
        """
        Let the configured *webhooks* be told from now on, and no others any more.

        A new one begins at now. What waits for one that is gone is discarded.
        """
        with self._database.writing() as tx:
            known = {name for (name,) in tx.tuples(select(webhook_cursor.c.webhook))}
            last = _last(tx)
            rows = [_cursor(name, last, at) for name in sorted({*webhooks} - known)]
            tx.insert(webhook_cursor, rows)
            for gone in sorted(known - {*webhooks}):
                _end(tx, gone, at)

    def after(self, webhooks: Collection[str], limit: int) -> tuple[list[Noted], dict[str, int]]:
        """
        Give what happened next.

        Returns:
            Up to *limit* events that some webhook has not been told, in their order; and up to
            which each webhook has been told.
        """
        with self._database.reading() as tx:
            told = _told(tx, webhooks)
            if not told:
                return [], {}
            query = select(
                webhook_event.c.id,
                webhook_event.c.source,
                webhook_event.c.ref,
                webhook_event.c.mirror,
            )
            first = min(told.values())
            rows = tx.tuples(
                query.where(webhook_event.c.id > first).order_by(webhook_event.c.id).limit(limit)
            )
            return [_noted(tx, seq, Note(*of)) for seq, *of in rows], told

    def again(self, seq: int, note: Note) -> Noted:
        """Read what could not be read before."""
        with self._database.reading() as tx:
            return _noted(tx, seq, note)

    def noting(self, tell: Callable[[], None]) -> AbstractContextManager[None]:
        """
        While the block lasts, call *tell* when something may have been noted by this process.

        Args:
            tell: Called by whoever has made the change: it must not take long.
        """
        return self._database.telling(SOURCES, tell)

    def put(self, deliveries: Sequence[NewDelivery], upto: int) -> None:
        """Queue *deliveries*; up to *upto* everybody has been told then."""
        with self._database.writing() as tx:
            tx.insert(webhook_delivery, [_row(one) for one in deliveries])
            tx.update(webhook_cursor, {"last_event": upto}, webhook_cursor.c.last_event < upto)
            least = tx.value(select(func.min(webhook_cursor.c.last_event)))
            # The last one stays, or its number would be given to the next.
            last = select(func.max(webhook_event.c.id)).scalar_subquery()
            if least is not None:
                tx.delete(webhook_event, webhook_event.c.id <= least, webhook_event.c.id < last)

    def note_staleness(self, mirror: str, at: datetime, *, is_stale: bool) -> bool:
        """Note that a mirror has become stale, or well again; False: that is known."""
        key = f"{_STALE}{mirror}"
        with self._database.writing() as tx:
            was_stale = tx.value(select(setting.c.value).where(setting.c.key == key)) is not None
            if was_stale == is_stale:
                return False
            if is_stale:
                tx.upsert(setting, [{"key": key, "value": instant_text(at)}], _SAME_KEY)
            else:
                tx.delete(setting, setting.c.key == key)
            source = "stale" if is_stale else "well"
            tx.insert(
                webhook_event, [{"source": source, "ref": instant_text(at), "mirror": mirror}]
            )
            return True

    def note_verified(self, mirror: str, at: datetime, facts: Mapping[str, object]) -> bool:
        """Note what a verification has found, as it is to be told; False: there is no webhook."""
        with self._database.writing() as tx:
            if not tx.value(select(func.count()).select_from(webhook_cursor)):
                return False
            # No row says it: what a verification finds is kept nowhere else.
            ref = json.dumps({"at": instant_text(at), "facts": dict(facts)})
            tx.insert(webhook_event, [{"source": "verify", "ref": ref, "mirror": mirror}])
            return True

    def stale(self) -> set[str]:
        """Name the mirrors that were found stale, and not well since."""
        with self._database.reading() as tx:
            keys = tx.tuples(select(setting.c.key).where(setting.c.key.startswith(_STALE)))
        return {key.removeprefix(_STALE) for (key,) in keys}

    def put_receiver(self, row: ConverterRow) -> None:
        """Write down how the receiver of the webhook called `row.name` does."""
        values = {
            "breaker": row.state,
            "since": row.since,
            "reason": row.reason,
            "retry_at": row.retry_at,
        }
        with self._database.writing() as tx:
            tx.update(webhook_cursor, values, webhook_cursor.c.webhook == row.name)

    def receivers(self) -> dict[str, ConverterRow]:
        """Say of each webhook that is told anything how its receiver does."""
        query = select(
            webhook_cursor.c.webhook.label("name"),
            webhook_cursor.c.breaker.label("state"),
            webhook_cursor.c.reason,
            webhook_cursor.c.since,
            webhook_cursor.c.retry_at,
        )
        with self._database.reading() as tx:
            return {row.name: row for row in tx.all(query, ConverterRow)}

    def behind(self) -> int:
        """Say how many events some webhook has not been told."""
        least = select(func.min(webhook_cursor.c.last_event)).scalar_subquery()
        query = select(func.count()).select_from(webhook_event).where(webhook_event.c.id > least)
        with self._database.reading() as tx:
            return int(tx.value(query))


def _noted(tx: Transaction, seq: int, note: Note) -> Noted:
    try:
        return Noted(seq, note, event_of(tx, note))
    except (DBAPIError, sqlite3.Error) as error:
        if not is_undecodable(error):
            raise  # the ledger does not answer: all is read again
        return Noted(seq, note, None, error)
    except Exception as error:  # noqa: BLE001  one event: it must not keep others from all webhooks
        return Noted(seq, note, None, error)


def _last(tx: Transaction) -> int:
    """Give the number of the last event that there was."""
    noted = tx.value(select(func.max(webhook_event.c.id))) or 0
    return max(int(noted), int(tx.value(select(func.max(webhook_cursor.c.last_event))) or 0))


def _told(tx: Transaction, webhooks: Collection[str]) -> dict[str, int]:
    query = select(webhook_cursor.c.webhook, webhook_cursor.c.last_event)
    return {name: int(last) for name, last in tx.tuples(query) if name in webhooks}


def _cursor(name: str, last: int, at: datetime) -> dict[str, object]:
    return {
        "webhook": name,
        "last_event": last,
        "begun_at": at,
        "breaker": BreakerState.CLOSED,
        "since": at,
    }


def _end(tx: Transaction, webhook: str, at: datetime) -> None:
    tx.delete(webhook_cursor, webhook_cursor.c.webhook == webhook)
    values: dict[str, Any] = {
        "state": DeliveryState.DISCARDED,
        "finished_at": at,
        "last_error": REMOVED,
        "lease_until": None,
    }
    waits = webhook_delivery.c.state.in_(_WAITING)
    tx.update(webhook_delivery, values, webhook_delivery.c.webhook == webhook, waits)


def _row(one: NewDelivery) -> dict[str, object]:
    is_told = one.fault is None
    begun = {
        "state": DeliveryState.QUEUED if is_told else DeliveryState.DEAD,
        "attempts": 0,
        "run_at": one.created_at,
        "wanted_at": one.created_at,
        "last_error": one.fault,
        "finished_at": None if is_told else one.created_at,
    }
    return {
        name: getattr(one, name) for name in NewDelivery.__dataclass_fields__ if name != "fault"
    } | begun
