"""How webhooks do: what waits for each, and whether its receiver answers."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from docferry.config import Config
from docferry.core.webhooks import origin_of
from docferry.job import BreakerState
from docferry.ledger import Ledger
from docferry.ledger.webhook_deliveries import WebhookFigures


@dataclass(frozen=True, slots=True)
class WebhookReport:
    """
    One webhook. Of its URL only what tells the server: the rest may be a key.

    down_since, reason, retry_at: where its receiver failed again and again; None: it did not.
    """

    name: str
    origin: str
    events: tuple[str, ...]
    mirrors: tuple[str, ...]
    patterns: tuple[str, ...]
    queued: int
    dead: int
    oldest_at: datetime | None
    is_rotating: bool  #: it signs with two secrets
    down_since: datetime | None = None
    reason: str | None = None
    retry_at: datetime | None = None

    @property
    def is_well(self) -> bool:
        """Whether its receiver answers, and nothing was given up."""
        return self.down_since is None and not self.dead


def webhooks(config: Config, ledger: Ledger | None) -> list[WebhookReport]:
    """Give the configured webhooks; without a ledger nothing waits."""
    counted = {} if ledger is None else ledger.deliveries.figures()
    receivers = {} if ledger is None else ledger.webhook_events.receivers()
    reports = []
    for name, options in config.webhooks.items():
        figures, does = counted.get(name, WebhookFigures()), receivers.get(name)
        is_down = does is not None and does.state is not BreakerState.CLOSED
        reports.append(
            WebhookReport(
                name,
                origin_of(options.url),
                options.events,
                options.mirrors,
                options.patterns,
                figures.queued + figures.running,
                figures.dead,
                figures.oldest_at,
                is_rotating=len(options.secrets) > 1,
                down_since=does.since if does is not None and is_down else None,
                reason=does.reason if does is not None and is_down else None,
                retry_at=does.retry_at if does is not None and is_down else None,
            )
        )
    return reports
