"""Webhooks, wired: what the configuration says becomes what the engine sends."""

from __future__ import annotations

from collections.abc import Mapping

from docferry.config import Config, WebhookConfig
from docferry.core.webhooks import Wants
from docferry.deliver.figures import Waiting
from docferry.deliver.send import Receiver
from docferry.engine.webhook_lane import Webhook
from docferry.job import BreakerState
from docferry.ledger import Ledger
from docferry.ledger.webhook_deliveries import WebhookFigures


def webhooks_of(config: Config) -> list[Webhook]:
    """Give the configured webhooks."""
    return [Webhook(receiver_of(one), wants_of(one)) for one in config.webhooks.values()]


def wants_of(options: WebhookConfig) -> Wants:
    return Wants(options.events, options.mirrors, options.patterns)


def receiver_of(options: WebhookConfig) -> Receiver:
    return Receiver(
        name=options.name,
        url=options.url,
        secrets=tuple(secret.get_secret_value() for secret in options.secrets),
        timeout_s=options.timeout_s,
        allows_private=options.allow_private,
        verify_tls=options.verify_tls,
    )


def webhook_figures(config: Config, ledger: Ledger) -> Mapping[str, Waiting]:
    """Give the figures of each configured webhook."""
    counted, receivers = ledger.deliveries.figures(), ledger.webhook_events.receivers()
    return {
        name: _waiting(
            counted.get(name, WebhookFigures()),
            is_down=name in receivers and receivers[name].state is not BreakerState.CLOSED,
        )
        for name in config.webhooks
    }


def _waiting(counted: WebhookFigures, *, is_down: bool) -> Waiting:
    return Waiting(
        queued=counted.queued + counted.running,
        dead=counted.dead,
        oldest_at=counted.oldest_at,
        is_down=is_down,
    )
