"""Webhooks by the API: the same as by the commands, for who may see them."""

from __future__ import annotations

import pathlib
from collections.abc import Iterator

import pytest

from commands import Desk
from docferry.app.sending import webhooks_of
from docferry.engine.webhooks import Webhooks
from ledger_rows import NOW, uploaded
from serving import Served, served
from webhook_receiver import SECRET, ReceiverServer, Said, receiving


@pytest.fixture
def crm() -> Iterator[ReceiverServer]:
    with receiving() as crm:
        yield crm


@pytest.fixture
def api(
    tmp_path: pathlib.Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    crm: ReceiverServer,
) -> Iterator[Served]:
    """Files "good" of docs and "bad" of other were told; the receiver wants the latter no more."""
    keys = tmp_path / "keys"
    keys.mkdir()
    (keys / "crm.webhook").write_text(SECRET)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(keys))
    desk = Desk(tmp_path, capsys, monkeypatch)
    table = f'[webhook.crm]\nurl = "{crm.url}"\nallow_private = true\n'
    desk.configure("docs", "other", more=table)
    crm.answers = lambda got: Said(410 if got.told["data"].get("path") == "bad" else 204)
    with desk.ledger() as ledger, served(desk.loaded, ledger) as running:
        told = Webhooks(ledger, webhooks_of(desk.loaded), now=lambda: NOW)
        told.prepare()
        ledger.record("docs", [uploaded("good")], at=NOW)
        ledger.record("other", [uploaded("bad")], at=NOW)
        told.work_off()
        yield running


def dead_one(api: Served) -> str:
    [found] = api.get("/webhooks/deliveries", params={"state": "dead"}).json()["items"]
    return str(found["id"])


def test_webhooks_are_listed_without_the_key_in_their_url(api: Served) -> None:
    said = api.get("/webhooks")

    [found] = said.json()["items"]
    assert (found["name"], found["dead"], found["queued"]) == ("crm", 1, 0)
    assert "key=k" not in said.text
    assert SECRET not in said.text


def test_deliveries_come_in_pages(api: Served) -> None:
    first = api.get("/webhooks/deliveries", params={"limit": 1}).json()
    second = api.get("/webhooks/deliveries", params={"limit": 1, "cursor": first["next"]}).json()

    assert [one["path"] for one in (*first["items"], *second["items"])] == ["bad", "good"]
    assert second["next"] is None
    assert api.get("/webhooks/deliveries", params={"cursor": "1"}).status_code == 422


def test_a_key_of_one_mirror_sees_its_deliveries_and_no_webhook(api: Served) -> None:
    boss = api.post("/keys", json={"name": "boss", "role": "admin"}).json()["secret"]
    limited = {"name": "some", "role": "operator", "mirrors": ["docs"]}
    key = api.post("/keys", key=boss, json=limited).json()["secret"]

    seen = api.get("/webhooks/deliveries", key=key).json()["items"]

    assert [one["path"] for one in seen] == ["good"]
    assert api.get("/webhooks", key=key).status_code == 403
    assert api.post("/webhooks/crm/test", key=key).status_code == 403
    for what in ("replay", "discard"):
        said = api.post(f"/webhooks/deliveries/{what}", key=key, json={"ids": ["x"]})
        assert said.status_code == 403


def test_a_try_tells_what_came_back(api: Served, crm: ReceiverServer) -> None:
    said = api.post("/webhooks/crm/test").json()

    assert (said["status"], said["reason"]) == (204, None)
    assert crm.got[-1].told["type"] == "webhook.test"
    assert api.post("/webhooks/cmr/test").status_code == 404


@pytest.mark.parametrize(
    ("what", "state", "action"),
    [("replay", "queued", "deliveries.replayed"), ("discard", "discarded", "deliveries.discarded")],
)
def test_what_was_given_up_is_decided_about_once_with_one_audit_row(
    api: Served, what: str, state: str, action: str
) -> None:
    ids = [dead_one(api)]

    done, again = (api.post(f"/webhooks/deliveries/{what}", json={"ids": ids}) for _ in range(2))

    assert (done.status_code, done.json()) == (200, {"deliveries": ids})
    assert again.status_code == 409
    rows = api.get("/webhooks/deliveries").json()["items"]
    assert {row["path"]: row["state"] for row in rows} == {"good": "done", "bad": state}
    assert [row.action for row in api.desk.ledger.audit.rows()] == [action]


@pytest.mark.parametrize("what", ["replay", "discard"])
def test_what_is_not_there_is_not_decided_about(api: Served, what: str) -> None:
    known, unknown = dead_one(api), "01M8E60EE03JVKHPSM3ZWMD0D2"

    said = api.post(f"/webhooks/deliveries/{what}", json={"ids": [known, unknown]})

    assert said.status_code == 404
    assert api.desk.ledger.audit.last()[0] == 0
