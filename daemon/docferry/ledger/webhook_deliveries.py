"""
Deliveries of webhooks, each in the hands of one thread at a time under a lease.

Of one webhook those of one file go one after the other: the next waits as long as the one
before it is queued or under way. Whoever comes late, after the lease ran out and another one
has taken the delivery, changes nothing; but what is delivered is delivered.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, func, select, text, tuple_

from docferry.core.audit import Action
from docferry.core.webhooks import DeliveryState, Missed
from docferry.ledger.audit import note
from docferry.ledger.database import Database, Transaction, chunks
from docferry.ledger.group import GroupWriter
from docferry.ledger.webhook_events import NewDelivery
from docferry.ledger.webhook_schema import webhook_delivery
from docferry.model import Path, Ulid

LOST = "docferry ended while it was sent"
_TOLD = ("event", "path", "version", "order_key", "payload")
_UNCOUNTED = webhook_delivery.c.attempts - 1
_NO_LEASE: dict[str, object] = {"lease_until": None}
_BEFORE = webhook_delivery.alias("before")
# Written out: only so the index of those that wait serves.
_BLOCKS = text("before.state IN ('queued', 'running')")
_IS_BLOCKED = (
    select(_BEFORE.c.id)
    .where(
        _BEFORE.c.webhook == webhook_delivery.c.webhook,
        _BEFORE.c.order_key == webhook_delivery.c.order_key,
        _BEFORE.c.seq < webhook_delivery.c.seq,
        _BLOCKS,
    )
    .exists()
)


@dataclass(frozen=True, slots=True)
class DeliveryRow:
    """One event for one webhook. Its id is the message's, the same for every try."""

    id: Ulid
    webhook: str
    seq: int
    event: str
    mirror: str
    path: Path | None
    version: Ulid | None
    order_key: str
    payload: str
    state: DeliveryState
    attempts: int  #: that count: those that never came to the receiver do not
    run_at: datetime
    wanted_at: datetime  #: since when it is to be delivered
    claimed_at: datetime | None
    lease_until: datetime | None
    status: int | None  #: what the receiver last answered
    last_error: str | None
    created_at: datetime
    finished_at: datetime | None


@dataclass(frozen=True, slots=True)
class WebhookFigures:
    """The deliveries of one webhook, right now."""

    queued: int = 0
    running: int = 0
    dead: int = 0
    oldest_at: datetime | None = None  #: of those that wait or are under way


class WebhookDeliveries:
    """Every change says whether it took place."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._group = GroupWriter(database)

    def claim(self, webhook: str, now: datetime, lease_until: datetime) -> DeliveryRow | None:
        """Take the one that has been due longest, and count the attempt; None: none is due."""
        if not self._is_due(webhook, now):
            return None
        return self._group.write(lambda tx: _claim(tx, webhook, now, lease_until))

    def _is_due(self, webhook: str, now: datetime) -> bool:
        with self._database.reading() as tx:
            return tx.value(select(webhook_delivery.c.id).where(*_due(webhook, now))) is not None

    def done(self, claimed: DeliveryRow, at: datetime, status: int) -> bool:
        """Note that the receiver has it: also where the lease had run out."""
        values = _NO_LEASE | {
            "state": DeliveryState.DONE,
            "finished_at": at,
            "status": status,
            "last_error": None,
        }
        where = webhook_delivery.c.id == claimed.id
        return bool(self._group.write(lambda tx: tx.update(webhook_delivery, values, where)))

    def again(
        self, claimed: DeliveryRow, run_at: datetime, missed: Missed, *, counts: bool
    ) -> bool:
        """Queue one that was not taken for another try; those of its file wait as long."""
        values: dict[str, object] = {
            "state": DeliveryState.QUEUED,
            "run_at": run_at,
            "status": missed.status,
            "last_error": missed.reason,
        }
        if not counts:
            values["attempts"] = _UNCOUNTED

        def change(tx: Transaction) -> bool:
            if not tx.update(webhook_delivery, _NO_LEASE | values, *_is_ours(claimed)):
                return False
            followers = _followers(claimed, webhook_delivery.c.run_at < run_at)
            tx.update(webhook_delivery, {"run_at": run_at}, *followers)
            return True

        return self._group.write(change)

    def dead(self, claimed: DeliveryRow, at: datetime, reason: str, status: int | None) -> bool:
        """Give one up, for a person to see. Those of its file wait for it no more."""
        values = _NO_LEASE | {
            "state": DeliveryState.DEAD,
            "finished_at": at,
            "status": status,
            "last_error": reason,
        }
        return bool(
            self._group.write(lambda tx: tx.update(webhook_delivery, values, *_is_ours(claimed)))
        )

    def release(self, claimed: DeliveryRow, at: datetime) -> bool:
        """Give one back as if it had not been taken."""
        values = {"state": DeliveryState.QUEUED, "run_at": at, "attempts": _UNCOUNTED}
        return bool(
            self._group.write(
                lambda tx: tx.update(webhook_delivery, _NO_LEASE | values, *_is_ours(claimed))
            )
        )

    def expire(self, webhook: str, wanted_before: datetime, at: datetime, reason: str) -> int:
        """Give up all that waits for a receiver that cannot be reached; give their number."""
        values = {"state": DeliveryState.DEAD, "finished_at": at, "last_error": reason}
        where = (
            webhook_delivery.c.webhook == webhook,
            webhook_delivery.c.state == DeliveryState.QUEUED,
            webhook_delivery.c.wanted_at <= wanted_before,
        )
        return self._group.write(lambda tx: tx.update(webhook_delivery, values, *where))

    def requeue_lost(self, at: datetime, *, is_all: bool = False) -> int:
        """
        Queue what nobody came back with in time; give their number.

        It counts as no attempt: who is told that it was tried ten times in three days must be
        able to believe it, however often docferry was killed.

        Args:
            is_all: Whoever had them is gone: an earlier daemon.
        """
        where = [webhook_delivery.c.state == DeliveryState.RUNNING]
        if not is_all:
            where.append(webhook_delivery.c.lease_until <= at)
        values = _NO_LEASE | {
            "state": DeliveryState.QUEUED,
            "run_at": at,
            "attempts": _UNCOUNTED,
            "last_error": LOST,
        }
        with self._database.reading() as tx:
            if tx.value(select(webhook_delivery.c.id).where(*where)) is None:
                return 0
        return self._group.write(lambda tx: tx.update(webhook_delivery, values, *where))

    # For people.

    def figures(self) -> dict[str, WebhookFigures]:
        """Give the figures of every webhook for which there is something to be done."""
        states = (DeliveryState.QUEUED, DeliveryState.RUNNING, DeliveryState.DEAD)
        columns = webhook_delivery.c
        query = select(columns.webhook, columns.state, func.count(), func.min(columns.wanted_at))
        counted: dict[str, dict[str, tuple[int, str]]] = {}
        with self._database.reading() as tx:
            for name, state, count, oldest in tx.tuples(
                query.where(columns.state.in_(states)).group_by(columns.webhook, columns.state)
            ):
                counted.setdefault(name, {})[state] = (count, oldest)
        return {name: _figures(found) for name, found in counted.items()}

    def some(
        self,
        webhook: str | None,
        states: Sequence[DeliveryState],
        limit: int | None,
        *,
        mirrors: Sequence[str] | None = None,
        before: tuple[int, Ulid] | None = None,
    ) -> list[DeliveryRow]:
        """
        Give the newest, of one webhook or of all. No *states*: any.

        Args:
            mirrors: Only events of these; None: of any.
            before: The number of the event, and the id, of a delivery: only those before it.
        """
        columns = webhook_delivery.c
        query = select(webhook_delivery).order_by(columns.seq.desc(), columns.id.desc())
        if webhook is not None:
            query = query.where(columns.webhook == webhook)
        if states:
            query = query.where(columns.state.in_(states))
        if mirrors is not None:
            query = query.where(columns.mirror.in_(mirrors))
        if before is not None:
            query = query.where(tuple_(columns.seq, columns.id) < tuple_(*before))
        with self._database.reading() as tx:
            return tx.all(query.limit(limit), DeliveryRow)

    def get(self, delivery_id: Ulid) -> DeliveryRow | None:
        with self._database.reading() as tx:
            query = select(webhook_delivery).where(webhook_delivery.c.id == delivery_id)
            return tx.one(query, DeliveryRow)

    def replay(
        self, ids: Sequence[Ulid], at: datetime, read: Mapping[Ulid, NewDelivery] | None = None
    ) -> list[Ulid]:
        """
        Queue dead or discarded ones again, with all their attempts; give those that were.

        Args:
            read: What those tell that could not be read before.
        """
        values: dict[str, object] = {
            "state": DeliveryState.QUEUED,
            "attempts": 0,
            "run_at": at,
            "wanted_at": at,
            "finished_at": None,
        }
        over = webhook_delivery.c.state.in_((DeliveryState.DEAD, DeliveryState.DISCARDED))
        return self._decide(ids, values, over, Action.DELIVERIES_REPLAYED, at, read or {})

    def discard(self, ids: Sequence[Ulid], at: datetime) -> list[Ulid]:
        """Put dead ones aside; give those that were dead."""
        values: dict[str, object] = {"state": DeliveryState.DISCARDED, "finished_at": at}
        is_dead = webhook_delivery.c.state == DeliveryState.DEAD
        return self._decide(ids, values, is_dead, Action.DELIVERIES_DISCARDED, at, {})

    def _decide(
        self,
        ids: Sequence[Ulid],
        values: Mapping[str, object],
        where: ColumnElement[bool],
        action: Action,
        at: datetime,
        read: Mapping[Ulid, NewDelivery],
    ) -> list[Ulid]:
        with self._database.writing() as tx:
            found: list[Ulid] = []
            for chunk in chunks(ids):
                these = webhook_delivery.c.id.in_(chunk), where
                rows = tx.tuples(select(webhook_delivery.c.id).where(*these))
                found += [one for (one,) in rows]
                tx.update(webhook_delivery, values, *these)
            for one in read.keys() & {*found}:
                told = {name: getattr(read[one], name) for name in _TOLD}
                tx.update(webhook_delivery, told, webhook_delivery.c.id == one)
            if found:
                note(tx, action, at, None, {"deliveries": found})
        return found


def _claim(
    tx: Transaction, webhook: str, now: datetime, lease_until: datetime
) -> DeliveryRow | None:
    query = select(webhook_delivery.c.id).where(*_due(webhook, now), ~_IS_BLOCKED)
    order = webhook_delivery.c.run_at, webhook_delivery.c.seq
    found = tx.value(query.order_by(*order).limit(1))
    if found is None:
        return None
    values = {
        "state": DeliveryState.RUNNING,
        "attempts": webhook_delivery.c.attempts + 1,
        "claimed_at": now,
        "lease_until": lease_until,
    }
    tx.update(webhook_delivery, values, webhook_delivery.c.id == found)
    return tx.one(select(webhook_delivery).where(webhook_delivery.c.id == found), DeliveryRow)


def _due(webhook: str, now: datetime) -> tuple[ColumnElement[bool], ...]:
    return (
        webhook_delivery.c.webhook == webhook,
        webhook_delivery.c.state == DeliveryState.QUEUED,
        webhook_delivery.c.run_at <= now,
    )


def _is_ours(claimed: DeliveryRow) -> tuple[ColumnElement[bool], ...]:
    return (
        webhook_delivery.c.id == claimed.id,
        webhook_delivery.c.state == DeliveryState.RUNNING,
        webhook_delivery.c.claimed_at == claimed.claimed_at,
    )


def _followers(claimed: DeliveryRow, *more: ColumnElement[bool]) -> tuple[ColumnElement[bool], ...]:
    return (
        webhook_delivery.c.webhook == claimed.webhook,
        webhook_delivery.c.order_key == claimed.order_key,
        webhook_delivery.c.seq > claimed.seq,
        webhook_delivery.c.state == DeliveryState.QUEUED,
        *more,
    )


def _figures(found: Mapping[str, tuple[int, str]]) -> WebhookFigures:
    counts = {state: count for state, (count, _) in found.items()}
    waits = [at for state, (_, at) in found.items() if state != DeliveryState.DEAD]
    return WebhookFigures(
        queued=counts.get(DeliveryState.QUEUED, 0),
        running=counts.get(DeliveryState.RUNNING, 0),
        dead=counts.get(DeliveryState.DEAD, 0),
        oldest_at=datetime.fromisoformat(min(waits)) if waits else None,
    )
