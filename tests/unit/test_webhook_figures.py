"""What Prometheus sees of webhooks: told at the moment of the scrape, and of none too many."""

from __future__ import annotations

import pathlib
from collections.abc import Mapping
from dataclasses import replace

import pytest

from config_files import BASE, Written
from docferry import metrics
from docferry.app.sending import webhook_figures
from docferry.deliver.figures import LiveWebhooks, Waiting
from docferry.errors import TemporaryError
from docferry.job import BreakerState, ConverterRow
from docferry.ledger.webhook_events import NewDelivery
from docferry.metrics import REGISTRY
from ledger_rows import MINUTE, NOW, fresh_ledger
from webhook_receiver import SECRET


def scraped(webhooks: Mapping[str, Waiting]) -> dict[str, float | None]:
    figures = LiveWebhooks(lambda: webhooks, lambda: NOW)
    metrics.publish(figures)
    try:
        return {
            name: REGISTRY.get_sample_value(f"docferry_webhook_{name}", {"webhook": "crm"})
            for name in ("queued", "dead", "oldest_age_seconds", "receiver_up")
        }
    finally:
        metrics.withdraw(figures)


def test_what_waits_is_told_with_its_age() -> None:
    waiting = Waiting(queued=3, dead=2, oldest_at=NOW - MINUTE, is_down=True)

    assert scraped({"crm": waiting}) == {
        "queued": 3,
        "dead": 2,
        "oldest_age_seconds": 60,
        "receiver_up": 0,
    }


def test_where_nothing_waits_nothing_is_old() -> None:
    found = scraped({"crm": Waiting()})

    assert (found["queued"], found["oldest_age_seconds"], found["receiver_up"]) == (0, 0, 1)


def test_a_ledger_that_cannot_be_asked_leaves_the_figures_out() -> None:
    def fails() -> Mapping[str, Waiting]:
        raise TemporaryError("locked")

    before = REGISTRY.get_sample_value("docferry_scrape_failures_total") or 0.0

    assert list(LiveWebhooks(fails).collect()) == []
    assert REGISTRY.get_sample_value("docferry_scrape_failures_total") == before + 1


@pytest.mark.parametrize("state", BreakerState)
def test_figures_are_those_of_the_configured_webhooks(
    tmp_path: pathlib.Path, state: BreakerState
) -> None:
    (tmp_path / "crm.webhook").write_text(SECRET)
    config = Written(tmp_path / "docferry.toml").load(
        BASE + '[webhook.crm]\nurl = "https://crm.example.com/"\n',
        {"CREDENTIALS_DIRECTORY": str(tmp_path)},
    )
    one = NewDelivery("D1", "crm", 1, "file.added", "docs", "a", None, "docs/a", "{}", NOW)
    with fresh_ledger(tmp_path / "ledger.sqlite3") as ledger:
        ledger.webhook_events.begin(["crm", "gone"], NOW)
        ledger.webhook_events.put([one, replace(one, id="D2", webhook="gone")], 1)
        ledger.webhook_events.put_receiver(ConverterRow("crm", state, "why", NOW, None))

        figures = webhook_figures(config, ledger)

    is_down = state is not BreakerState.CLOSED
    assert figures == {"crm": Waiting(queued=1, oldest_at=NOW, is_down=is_down)}
