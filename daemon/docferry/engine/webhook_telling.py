"""
What webhooks are told of an event: a delivery for each that wants it.

Of what cannot be told each gets a delivery that is given up from the begin, and says why: it is
there for a person to see, and a replay reads it anew.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from docferry.core.webhooks import UNREADABLE, Event, Note, Wants
from docferry.ledger.webhook_events import NewDelivery, Noted
from docferry.model import Ulid


@dataclass(frozen=True, slots=True)
class Told:
    """What came of an event. fault: why it cannot be told; None: it could be."""

    deliveries: list[NewDelivery]
    fault: Exception | None = None


def told_of(
    noted: Noted, wants: Mapping[str, Wants], now: datetime, new_id: Callable[[], Ulid]
) -> Told:
    """
    Say what webhooks are told of what was noted.

    Args:
        wants: Of each webhook that has not been told.
    """
    if noted.fault is not None:
        return Told(_given_up(noted, noted.fault, wants, now, new_id), noted.fault)
    try:
        return Told(_deliveries(noted, wants, now, new_id))
    except Exception as error:  # noqa: BLE001  one event: it must not keep others from all webhooks
        return Told(_given_up(noted, error, wants, now, new_id), error)


def payload_of(event: Event) -> str:
    """
    Write down what is sent.

    Raises:
        ValueError: It cannot be, for some of it is no text.
    """
    written = json.dumps(event.payload, ensure_ascii=False, separators=(",", ":"))
    written.encode()
    return written


def delivery(seq: int, event: Event, at: datetime, webhook: str, delivery_id: Ulid) -> NewDelivery:
    """Give an event for a webhook."""
    return NewDelivery(
        id=delivery_id,
        webhook=webhook,
        seq=seq,
        event=event.type,
        mirror=event.mirror,
        path=event.path,
        version=event.version,
        order_key=event.order_key,
        payload=payload_of(event),
        created_at=at,
    )


def note_in(payload: str, mirror: str) -> Note:
    """Give the note that is kept with a delivery that could not be told."""
    kept = json.loads(payload)
    return Note(kept["source"], kept["ref"], mirror)


def _deliveries(
    noted: Noted, wants: Mapping[str, Wants], now: datetime, new_id: Callable[[], Ulid]
) -> list[NewDelivery]:
    event = noted.event
    if event is None:
        return []
    wanting = [name for name, one in wants.items() if one.takes(event)]
    return [delivery(noted.seq, event, now, name, new_id()) for name in wanting]


def _given_up(
    noted: Noted,
    fault: Exception,
    wants: Mapping[str, Wants],
    now: datetime,
    new_id: Callable[[], Ulid],
) -> list[NewDelivery]:
    note = noted.note
    kept = json.dumps({"source": note.source, "ref": note.ref})
    why = (
        f"what was noted of event {noted.seq} cannot be told ({type(fault).__name__}; the log has "
        "more, as webhook.unreadable): once that is mended, replay it"
    )
    return [
        NewDelivery(
            id=new_id(),
            webhook=name,
            seq=noted.seq,
            event=UNREADABLE,
            mirror=note.mirror,
            # Of damage the note names the file: an erasure has to find it.
            path=note.ref if note.source == "rot" else None,
            version=None,
            order_key=note.mirror,
            payload=kept,
            created_at=now,
            fault=why,
        )
        for name, one in wants.items()
        if one.may_take(note)
    ]
