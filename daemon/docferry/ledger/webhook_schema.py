"""The tables of webhooks, as the code sees them; see `schema`."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Integer, Table, Text

from docferry.core.webhooks import DeliveryState
from docferry.job import BreakerState
from docferry.ledger.schema import (
    METADATA,
    Instant,
    Shown,
    Word,
    history,
    hold,
    job,
    problem,
    request,
)

#: Where triggers look for what is noted.
SOURCES = (history, job, hold, request, problem)

#: How far each webhook has been told, and how its receiver does.
webhook_cursor = Table(
    "webhook_cursor",
    METADATA,
    Column("webhook", Text, primary_key=True),
    Column("last_event", BigInteger),
    Column("begun_at", Instant),
    Column("breaker", Word(BreakerState)),
    Column("since", Instant),
    Column("reason", Shown),
    Column("retry_at", Instant),
)

#: What webhooks may be told: triggers note it while there is one. The last row always stays.
webhook_event = Table(
    "webhook_event",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("source", Text),
    Column("ref", Text),  # the row that it is about
    Column("mirror", Text),
)

webhook_delivery = Table(
    "webhook_delivery",
    METADATA,
    Column("id", Text, primary_key=True),
    Column("webhook", Text),
    Column("seq", BigInteger),  # the event's
    Column("event", Text),
    Column("mirror", Text),
    Column("path", Text),
    Column("version", Text),
    Column("order_key", Text),
    Column("payload", Shown),
    Column("state", Word(DeliveryState)),
    Column("attempts", Integer),
    Column("run_at", Instant),
    Column("wanted_at", Instant),
    Column("claimed_at", Instant),
    Column("lease_until", Instant),
    Column("status", Integer),
    Column("last_error", Shown),
    Column("created_at", Instant),
    Column("finished_at", Instant),
)
