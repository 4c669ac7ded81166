"""Every call that changes something leaves one row in the audit, under its caller's name."""

from __future__ import annotations

import pathlib
from collections.abc import Callable, Iterator

import pytest
import requests

from commands import Desk, held
from conversion_rows import RULE, dead
from docferry.app.chains import rules_of
from docferry.app.sending import webhooks_of
from docferry.engine.webhooks import Webhooks
from docferry.ledger import Ledger
from docferry.ledger.requests import NewRequest
from docferry.model import RequestKind
from docferry.storage.local import LocalStorage
from integration.test_api_routes import BY_SECRET, routes_of
from ledger_rows import NOW, uploaded, version
from one_of_each import conflict
from serving import Served, served
from webhook_receiver import SECRET, ReceiverServer, Said, receiving

#: They change nothing: a verification looks, and a receiver is asked whether it is there.
ONLY_LOOK = {"POST /verify", "POST /webhooks/{webhook}/test"}


class World:
    """The API over a ledger in which there is something to be decided, and an admin's key."""

    def __init__(self, api: Served, ledger: Ledger, folder: pathlib.Path) -> None:
        self.api = api
        self.ledger = ledger
        self.folder = folder
        self.key = api.post("/keys", json={"name": "boss", "role": "admin"}).json()["secret"]
        self._before = ledger.audit.last()[0]

    def post(self, path: str, body: object = None) -> requests.Response:
        return self.api.post(path, key=self.key, json={} if body is None else body)

    def begin(self) -> None:
        """What is in the audit by now the call has not written."""
        self._before = self.ledger.audit.last()[0]

    def written(self) -> list[tuple[str, str]]:
        return [(row.actor, row.action) for row in self.ledger.audit.rows(self._before)]


@pytest.fixture
def crm() -> Iterator[ReceiverServer]:
    with receiving() as crm:
        crm.answers = lambda got: Said(410)
        yield crm


@pytest.fixture
def world(
    tmp_path: pathlib.Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    crm: ReceiverServer,
) -> Iterator[World]:
    keys = tmp_path / "keys"
    keys.mkdir()
    (keys / "crm.webhook").write_text(SECRET)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(keys))
    desk = Desk(tmp_path, capsys, monkeypatch)
    webhook = f'[webhook.crm]\nurl = "{crm.url}"\nallow_private = true\n'
    desk.configure("docs", "processed", more=RULE + webhook)
    (tmp_path / "docs").mkdir()
    LocalStorage(tmp_path / "docs").write_marker(b"{}")
    with desk.ledger() as ledger, served(desk.loaded, ledger) as api:
        told = Webhooks(ledger, webhooks_of(desk.loaded), now=lambda: NOW)
        told.prepare()
        ledger.record("docs", [uploaded("a/one.docx")], at=NOW)
        told.work_off()
        yield World(api, ledger, tmp_path / "docs")


Act = Callable[[World], requests.Response]


def settle(world: World) -> requests.Response:
    row = conflict(world.ledger)
    world.begin()
    return world.post(f"/conflicts/{row}/settle", {"keep": "both"})


def decide(what: str) -> Act:
    def act(world: World) -> requests.Response:
        hold = held(world.ledger, "b", "c")
        world.begin()
        return world.post(f"/holds/{hold}/{what}")

    return act


def letters(what: str, *, is_one: bool) -> Act:
    def act(world: World) -> requests.Response:
        recipe = rules_of(world.api.desk.config)[0].recipe
        job = dead(world.ledger, "broken.docx", recipe=recipe).id
        world.begin()
        path = f"/jobs/{job}/{what}" if is_one else f"/jobs/{what}"
        return world.post(path, {} if is_one else {"ids": [job]})

    return act


def deliveries(what: str) -> Act:
    def act(world: World) -> requests.Response:
        found = world.api.get("/webhooks/deliveries?state=dead", key=world.key).json()["items"]
        world.begin()
        return world.post(f"/webhooks/deliveries/{what}", {"ids": [found[0]["id"]]})

    return act


def cancel(world: World) -> requests.Response:
    wanted = NewRequest("docs", "a/one.docx", RequestKind.RESTORE, version("a/one.docx").id)
    world.ledger.requests.add([wanted], NOW)
    [row] = world.ledger.requests.some(None, None, newest_first=False)
    world.begin()
    return world.post(f"/requests/{row.id}/cancel")


def upload(world: World) -> requests.Response:
    return world.api.post("/files?mirror=docs&path=new.txt", key=world.key, data=b"new")


def resume(world: World) -> requests.Response:
    world.post("/mirrors/docs/pause")
    world.begin()
    return world.post("/mirrors/docs/resume")


ONE = version("a/one.docx").id
ACTS: dict[str, Act] = {
    "POST /conflicts/{conflict}/settle": settle,
    "POST /files": upload,
    "POST /files/process": lambda world: world.post("/files/process", {"identifiers": [ONE]}),
    "POST /files/{identifier}/process": lambda world: world.post(f"/files/{ONE}/process"),
    "POST /files/{ulid}/restore": lambda world: world.post(f"/files/{ONE}/restore", {"to": "b"}),
    "POST /holds/{hold}/approve": decide("approve"),
    "POST /holds/{hold}/discard": decide("discard"),
    "POST /jobs/discard": letters("discard", is_one=False),
    "POST /jobs/replay": letters("replay", is_one=False),
    "POST /jobs/{job}/discard": letters("discard", is_one=True),
    "POST /jobs/{job}/replay": letters("replay", is_one=True),
    "POST /keys": lambda world: world.post("/keys", {"name": "new", "role": "viewer"}),
    "POST /keys/{key}/revoke": lambda world: world.post("/keys/boss/revoke"),
    "POST /keys/{key}/rotate": lambda world: world.post("/keys/boss/rotate"),
    "POST /mirrors/{mirror}/pause": lambda world: world.post("/mirrors/docs/pause"),
    "POST /mirrors/{mirror}/poll": lambda world: world.post("/mirrors/docs/poll"),
    "POST /mirrors/{mirror}/rescan": lambda world: world.post("/mirrors/docs/rescan"),
    "POST /mirrors/{mirror}/resume": resume,
    "POST /process": lambda world: world.post("/process"),
    "POST /requests/{request}/cancel": cancel,
    "POST /webhooks/deliveries/discard": deliveries("discard"),
    "POST /webhooks/deliveries/replay": deliveries("replay"),
}


def test_the_table_has_every_call_that_changes_something(world: World) -> None:
    changing = {route for route in routes_of(world.api) if not route.startswith(("GET", "HEAD"))}

    assert changing == ACTS.keys() | ONLY_LOOK | BY_SECRET


@pytest.mark.parametrize("route", ACTS)
def test_a_call_that_changes_something_leaves_one_row_of_its_caller(
    world: World, route: str
) -> None:
    world.begin()

    answer = ACTS[route](world)

    assert answer.ok, answer.text
    assert [actor for actor, _ in world.written()] == ["key boss"], world.written()


@pytest.mark.parametrize("route", ["POST /verify", "POST /webhooks/{webhook}/test"])
def test_a_call_that_only_looks_leaves_none(world: World, route: str) -> None:
    world.begin()

    answer = world.post(route.split()[1].replace("{webhook}", "crm"))

    assert answer.ok, answer.text
    assert world.written() == []
