"""`docferry webhooks`: how they do, what was told, what was given up, and a try at once."""

from __future__ import annotations

import json
import pathlib
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace

import pytest
from standardwebhooks import Webhook

from commands import Desk
from docferry.app.sending import webhooks_of
from docferry.app.webhook_report import webhooks
from docferry.config import load
from docferry.engine.webhooks import Webhooks
from docferry.model import Ulid
from ledger_rows import NOW, uploaded
from webhook_receiver import OLDER, SECRET, ReceiverServer, Said, receiving


@pytest.fixture
def server() -> Iterator[ReceiverServer]:
    with receiving() as server:
        yield server


@pytest.fixture
def desk(
    tmp_path: pathlib.Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    server: ReceiverServer,
) -> Desk:
    keys = tmp_path / "keys"
    keys.mkdir()
    (keys / "crm.webhook").write_text(SECRET)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(keys))
    desk = Desk(tmp_path, capsys, monkeypatch)
    desk.configure(more=webhook(server.url))
    return desk


def webhook(url: str, more: str = "allow_private = true\n") -> str:
    return f'[webhook.crm]\nurl = "{url}"\ntimeout = 5\n{more}'


def told_by_a_daemon(desk: Desk, *paths: str) -> list[Ulid]:
    """Have a daemon tell of *paths* as far as it gets; give the deliveries, the oldest first."""
    with desk.ledger() as ledger:
        webhooks = Webhooks(ledger, webhooks_of(load(desk.config, _environ(desk))), now=lambda: NOW)
        webhooks.prepare()
        ledger.record("docs", [uploaded(path) for path in paths], at=NOW)
        webhooks.work_off()
        return [row.id for row in ledger.deliveries.some(None, (), None)][::-1]


def _environ(desk: Desk) -> dict[str, str]:
    return {"CREDENTIALS_DIRECTORY": str(desk.folder / "keys")}


def test_before_the_first_run_the_configured_webhooks_are_listed(desk: Desk) -> None:
    said = desk.asks("webhooks", "list")

    assert said.code == 0
    assert "crm: * to http://127.0.0.1" in said.words
    assert "key=k" not in said.text


def test_without_webhooks_it_is_said_how_there_is_one(desk: Desk) -> None:
    desk.configure()
    (desk.folder / "keys" / "crm.webhook").unlink()

    assert "[webhook.NAME]" in desk.asks("webhooks", "list").words


def test_a_receiver_that_is_down_is_listed_with_its_reason(
    desk: Desk, server: ReceiverServer
) -> None:
    server.answers = lambda _: Said(503)
    told_by_a_daemon(desk, "a", "b", "c", "d", "e", "f")

    said = desk.asks("webhooks", "list")
    [listed] = desk.asks("webhooks", "list", "--json").json

    assert "6 queued" in said.words
    assert "answered 503; tried again" in said.words
    assert (listed["queued"], listed["reason"]) == (6, "the receiver answered 503")


def test_status_tells_of_a_webhook_and_is_not_well_while_something_is_given_up(
    desk: Desk, server: ReceiverServer
) -> None:
    server.answers = lambda _: Said(410)
    told_by_a_daemon(desk, "a")

    said = desk.asks("status")
    with desk.ledger() as ledger:
        [report] = webhooks(desk.loaded, ledger)

    assert not report.is_well
    assert replace(report, dead=0).is_well
    assert not replace(report, dead=0, down_since=NOW).is_well
    assert "webhook crm, http://127.0.0.1" in said.words
    assert "0 queued, 1 dead" in said.words
    assert "key=k" not in said.text


def test_a_rotation_is_to_be_seen(desk: Desk) -> None:
    (desk.folder / "keys" / "crm.webhook.previous").write_text(OLDER)

    assert "take crm.webhook.previous away" in desk.asks("webhooks", "list").words


def test_a_try_tells_what_came_back(desk: Desk, server: ReceiverServer) -> None:
    said = desk.asks("webhooks", "test", "crm")

    [got] = server.got
    assert (said.code, "answered 204" in said.words) == (0, True)
    assert got.told["type"] == "webhook.test"
    assert Webhook(SECRET).verify(got.body, dict(got.headers)) == got.told


def test_a_try_that_comes_to_nothing_says_why(desk: Desk, server: ReceiverServer) -> None:
    server.answers = lambda _: Said(401, {}, b"who are you?")

    said = desk.asks("webhooks", "test", "crm")
    answer = desk.asks("webhooks", "test", "crm", "--json").json

    assert (said.code, "answered 401: who are you?" in said.words) == (1, True)
    assert answer["status"] == 401


def test_a_try_goes_to_no_private_address_unless_it_may(desk: Desk, server: ReceiverServer) -> None:
    desk.configure(more=webhook(server.url, ""))

    said = desk.asks("webhooks", "test", "crm")

    assert (said.code, server.got) == (1, [])
    assert "allow_private = true" in said.words


def test_a_try_of_what_is_not_there_is_a_mistake(desk: Desk) -> None:
    said = desk.asks("webhooks", "test", "cmr")

    assert (said.code, "did you mean crm?" in said.errors) == (2, True)


def test_deliveries_are_listed_the_newest_first(desk: Desk, server: ReceiverServer) -> None:
    server.answers = lambda got: Said(410 if got.told["data"]["path"] == "bad" else 204)
    ids = told_by_a_daemon(desk, "good", "bad")

    everything = desk.asks("webhooks", "deliveries", "--json").json
    dead = desk.asks("webhooks", "deliveries", "--state", "dead")

    assert [one["id"] for one in everything] == ids[::-1]
    assert [one["state"] for one in everything] == ["dead", "done"]
    assert "docs: bad" in dead.words
    assert "answered 410" in dead.words
    assert "good" not in dead.words


def test_what_was_given_up_is_sent_again_or_put_aside_and_the_audit_says_so(
    desk: Desk, server: ReceiverServer
) -> None:
    server.answers = lambda _: Said(410)
    first, second, third = told_by_a_daemon(desk, "a", "b", "c")

    replayed = desk.asks("webhooks", "replay", first, "--json").json
    discarded = desk.asks("webhooks", "discard", "--all")

    assert replayed == {"deliveries": [first]}
    assert (discarded.code, discarded.words) == (0, "2 deliveries put aside")
    with desk.ledger() as ledger:
        states = {row.id: row.state.value for row in ledger.deliveries.some(None, (), None)}
        rows = [(row.action, json.loads(row.facts)) for row in ledger.audit.rows()]
    assert states == {first: "queued", second: "discarded", third: "discarded"}
    assert rows == [
        ("deliveries.replayed", {"deliveries": [first]}),
        ("deliveries.discarded", {"deliveries": [second, third]}),
    ]


@pytest.mark.parametrize("command", ["replay", "discard"])
def test_what_was_not_given_up_is_left_as_it_is(desk: Desk, command: str) -> None:
    [done] = told_by_a_daemon(desk, "a")

    said = desk.asks("webhooks", command, done)
    unknown = desk.asks("webhooks", command, "01M8E60EE03JVKHPSM3ZWMD0D2")
    unclear = desk.asks("webhooks", command)
    none = desk.asks("webhooks", command, "--all")

    assert (said.code, "it is done" in said.errors) == (2, True)
    assert (unknown.code, "there is no delivery" in unknown.errors) == (2, True)
    assert (unclear.code, "--webhook NAME, or --all" in unclear.errors) == (2, True)
    assert none.code == 1


def test_what_no_webhook_asks_for_any_more_is_not_sent_again(
    desk: Desk, server: ReceiverServer
) -> None:
    server.answers = lambda _: Said(410)
    [dead] = told_by_a_daemon(desk, "a")
    (desk.folder / "keys" / "crm.webhook").unlink()
    desk.configure()

    said = desk.asks("webhooks", "replay", dead)

    assert (said.code, "not in the configuration any more" in said.errors) == (2, True)


def test_what_cannot_be_told_yet_is_left_by_a_replay_of_all(
    desk: Desk, server: ReceiverServer
) -> None:
    server.answers = lambda _: Said(410)
    [a] = told_by_a_daemon(desk, "a")
    with closing(sqlite3.connect(desk.state / "ledger.sqlite3")) as ledger, ledger:
        ledger.execute(
            "INSERT INTO webhook_event (source, ref, mirror) VALUES ('history', 'none', 'docs')"
        )
    [_, unreadable] = told_by_a_daemon(desk)

    said = desk.asks("webhooks", "replay", "--webhook", "crm")
    named = desk.asks("webhooks", "replay", unreadable)

    assert "1 delivery queued again" in said.words
    assert f"left as they are: 1; docferry webhooks replay {unreadable} says why" in said.words
    assert "still cannot be read" in named.errors
    assert (said.code, named.code) == (0, 2)
    assert a != unreadable
