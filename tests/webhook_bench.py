"""Webhooks over a ledger of their own, with a clock that goes as the test says."""

from __future__ import annotations

import pathlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta

from docferry.core.webhooks import DeliveryState, Wants
from docferry.deliver.send import Receiver
from docferry.engine.webhook_lane import Webhook
from docferry.engine.webhooks import Webhooks
from docferry.ledger import Ledger
from docferry.ledger.webhook_deliveries import DeliveryRow
from docferry.model import Path, Ulid
from ledger_rows import NOW, fresh_ledger, uploaded


class Bench:
    """
    One ledger, and the webhooks of a daemon.

    now: What the clock says.
    polled_at: When the mirror "docs" was last listed.
    """

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self.now = NOW
        self.polled_at: datetime | None = NOW

    def webhooks(self, *receivers: Receiver, wants: Wants | None = None) -> Webhooks:
        """Give the webhooks of a daemon that has just taken over."""
        made = Webhooks(
            self.ledger,
            [Webhook(one, wants or Wants()) for one in receivers],
            polls=lambda: {"docs": (self.polled_at, 30.0)},
            now=lambda: self.now,
            jitter=lambda: 0.5,
        )
        made.prepare()
        return made

    def put(self, path: Path, *contents: str) -> list[Ulid]:
        """Have a file get *contents*, one after the other; give their versions."""
        outcomes = [uploaded(path, content) for content in contents]
        for outcome in outcomes:
            version = outcome.version
            assert version is not None
            made = replace(outcome, version=replace(version, created_at=self.now))
            self.ledger.record("docs", [made], at=self.now)
        return [one.version.id for one in outcomes if one.version is not None]

    def go_on(
        self, webhooks: Webhooks, for_: timedelta, step: timedelta = timedelta(minutes=1)
    ) -> int:
        """Let the time pass, a step at a time; give the number of tries."""
        until, tries = self.now + for_, 0
        while self.now < until:
            self.now += step
            tries += webhooks.work_off()
        return tries

    def rows(self, *states: DeliveryState) -> Sequence[DeliveryRow]:
        """Give deliveries, the oldest first."""
        return self.ledger.deliveries.some(None, states, None)[::-1]


@contextmanager
def bench_in(folder: pathlib.Path) -> Iterator[Bench]:
    with fresh_ledger(folder / "ledger.sqlite3") as ledger:
        yield Bench(ledger)
