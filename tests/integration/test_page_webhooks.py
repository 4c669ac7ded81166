"""Webhooks at the page: how receivers do, a try at once, and what was given up."""

from __future__ import annotations

import pathlib
from collections.abc import Iterator

import pytest

from browsing import Browser, words_of
from commands import Desk
from docferry.app.sending import webhooks_of
from docferry.core.webhooks import DeliveryState
from docferry.engine.webhooks import Webhooks
from ledger_rows import NOW, uploaded
from serving import Served, served
from webhook_receiver import SECRET, ReceiverServer, Said, receiving


@pytest.fixture
def crm() -> Iterator[ReceiverServer]:
    """A receiver that wants nothing for ever: what comes is given up."""
    with receiving() as running:
        running.answers = lambda got: Said(410)
        yield running


@pytest.fixture
def api(
    tmp_path: pathlib.Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    crm: ReceiverServer,
) -> Iterator[Served]:
    keys = tmp_path / "keys"
    keys.mkdir()
    (keys / "crm.webhook").write_text(SECRET)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(keys))
    desk = Desk(tmp_path, capsys, monkeypatch)
    desk.configure(more=f'[webhook.crm]\nurl = "{crm.url}"\nallow_private = true\n')
    with desk.ledger() as ledger:
        told = Webhooks(ledger, webhooks_of(desk.loaded), now=lambda: NOW)
        told.prepare()
        ledger.record("docs", [uploaded("<b>a.txt")], at=NOW)
        told.work_off()
        with served(desk.loaded, ledger) as running:
            yield running


def dead_one(api: Served) -> str:
    [found] = api.desk.ledger.deliveries.some(None, (DeliveryState.DEAD,), None)
    return found.id


def test_a_receiver_is_shown_without_the_key_in_its_url(api: Served) -> None:
    said = Browser(api).get("/webhooks")

    assert "file.added" in words_of(said.text)
    assert "key=k" not in said.text
    assert SECRET not in said.text
    assert "<b>a.txt" not in said.text


def test_the_overview_asks_to_look_at_what_was_given_up(api: Served) -> None:
    said = words_of(Browser(api).get("/").text)

    assert "Webhook crm" in said


def test_a_try_tells_what_came_back(api: Served, crm: ReceiverServer) -> None:
    browser = Browser(api)

    assert "did not take a test event" in browser.follow(browser.send("/webhooks/crm/test"))
    crm.answers = lambda got: Said()
    assert "took a test event" in browser.follow(browser.send("/webhooks/crm/test"))


def test_what_was_given_up_is_sent_again_with_one_row_in_the_audit(api: Served) -> None:
    browser = Browser(api)

    answer = browser.send("/webhooks/deliveries/replay", delivery=[dead_one(api)])

    assert "1 delivery was queued again" in browser.follow(answer)
    assert [row.action for row in api.desk.ledger.audit.rows()] == ["deliveries.replayed"]


def test_what_was_given_up_is_put_aside_only_by_who_is_sure(api: Served) -> None:
    browser, one = Browser(api), dead_one(api)

    asked = browser.send("/webhooks/deliveries/discard", delivery=[one])
    assert "Put 1 delivery aside?" in words_of(asked.text)
    answer = browser.send("/webhooks/deliveries/discard", delivery=[one], sure="true")

    assert "1 delivery was put aside" in browser.follow(answer)
    assert [row.action for row in api.desk.ledger.audit.rows()] == ["deliveries.discarded"]


def test_a_key_of_one_mirror_sees_no_webhook(api: Served) -> None:
    limited = {"name": "some", "role": "operator", "mirrors": ["docs"]}
    key = api.post("/keys", json=limited).json()["secret"]
    browser = Browser(api)
    browser.log_in(key)

    assert browser.get("/webhooks").status_code == 403
    assert "Webhooks" not in words_of(browser.get("/").text)
