"""What a store tells by HTTP reaches the daemon's socket; without the secret nothing does."""

from __future__ import annotations

import base64
import json
import os
import pathlib
import socket
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
import requests

from commands import Desk
from docferry.app.hints import NAME
from docferry.config import SecretStr
from docferry.core.hinted import MOST_BYTES, Told, told_in
from docferry.core.notifications import Found, Hint, Nothing, Why
from events import logged
from samples.notifications import filer_created, minio, records, sns
from serving import Served, served

SECRET = "open-sesame-open-sesame"
PATH = "/notifications/main"
A = (Hint("documents", "docs/a"),)


@pytest.fixture
def desk(
    tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Desk:
    return Desk(tmp_path, capsys, monkeypatch)


@pytest.fixture
def api(desk: Desk) -> Iterator[Served]:
    config = replace(desk.loaded, notifications_secret=SecretStr(SECRET))
    with desk.ledger() as ledger, served(config, ledger) as running:
        yield running


class Daemon:
    """The daemon's end, which has heard all that was told when the answer came."""

    def __init__(self, state: pathlib.Path) -> None:
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.settimeout(0)
        folder = os.open(state, os.O_PATH)
        self.socket.bind(f"/proc/self/fd/{folder}/{NAME}")
        os.close(folder)

    @property
    def heard(self) -> list[Told | None]:
        found = []
        try:
            while True:
                found.append(told_in(self.socket.recv(MOST_BYTES)))
        except BlockingIOError:
            return found


@pytest.fixture
def daemon(desk: Desk, api: Served) -> Iterator[Daemon]:
    hearing = Daemon(desk.state)
    yield hearing
    hearing.socket.close()


def by_bearer(secret: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {secret}"}


def by_password(secret: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"sns:{secret}".encode()).decode()}


def tell(api: Served, event: object, headers: dict[str, str] | None = None) -> requests.Response:
    body = event if isinstance(event, bytes) else json.dumps(event).encode()
    return api.post(PATH, data=body, headers=by_bearer(SECRET) if headers is None else headers)


@pytest.mark.parametrize(
    ("event", "found"),
    [
        (records("docs/a"), A),
        (minio("docs/a", "docs%2Fa"), A),
        (filer_created("/buckets/documents/docs/a"), A),
        (sns(records("docs/a")), A),
        ({"Service": "Amazon S3", "Event": "s3:TestEvent"}, Nothing(Why.TEST)),
        (b"\xff", Nothing(Why.NO_JSON)),
        (b"", Nothing(Why.NO_JSON)),
    ],
)
def test_what_a_store_tells_is_handed_to_the_daemon(
    api: Served, daemon: Daemon, event: object, found: Found
) -> None:
    said = tell(api, event)

    assert (said.status_code, said.content) == (204, b"")
    assert daemon.heard == [Told("main", found)]


def test_where_no_daemon_hears_the_store_is_answered_all_the_same(api: Served) -> None:
    assert tell(api, records("docs/a")).status_code == 204


@pytest.mark.parametrize(
    "headers",
    [by_password(SECRET), {"Authorization": f"bearer  {SECRET} "}],
    ids=["as a password", "in another spelling"],
)
def test_the_secret_may_come_in_other_ways(
    api: Served, daemon: Daemon, headers: dict[str, str]
) -> None:
    said = tell(api, records("docs/a"), headers)

    assert said.status_code == 204
    assert daemon.heard == [Told("main", A)]


WRONG = {
    "none": {},
    "another": by_bearer("open-sesame"),
    "a beginning of it": by_bearer(SECRET[:-1]),
    "more than it": by_bearer(SECRET + "x"),
    "an empty one": by_bearer(""),
    "without its scheme": {"Authorization": SECRET},
    "another password": by_password("x"),
    "a broken password": {"Authorization": "Basic %%%"},
    "in the header of keys": {"X-API-Key": SECRET},
    "of another alphabet": {"Authorization": "Bearer \xfc"},
}


@pytest.mark.parametrize("headers", WRONG.values(), ids=WRONG)
def test_without_the_secret_nobody_tells_anything(
    api: Served, daemon: Daemon, headers: dict[str, str]
) -> None:
    said = tell(api, records("docs/a"), headers)

    assert said.status_code == 401
    assert said.json()["code"] == "unauthorized"
    assert said.headers["WWW-Authenticate"] == 'Bearer realm="docferry", Basic realm="docferry"'
    assert daemon.heard == []


def test_who_guesses_waits_and_keeps_nobody_from_using_an_api_key(
    api: Served, daemon: Daemon
) -> None:
    codes = [tell(api, b"", by_bearer(f"{number}")).status_code for number in range(11)]

    assert codes == [401] * 10 + [429]
    assert tell(api, b"").status_code == 429
    assert api.get("/whoami", key="dfk_x").status_code == 401
    assert daemon.heard == []


def test_the_secret_opens_nothing_else(api: Served) -> None:
    assert api.get("/whoami", key=SECRET).status_code == 401


def test_where_no_secret_is_configured_there_is_no_such_route(desk: Desk) -> None:
    with desk.ledger() as ledger, served(desk.loaded, ledger) as api:
        codes = {tell(api, b"{}", headers).status_code for headers in (by_bearer(""), {}, None)}

    assert codes == {404}


def test_a_store_that_is_not_configured_is_not_found(api: Served, daemon: Daemon) -> None:
    said = api.post("/notifications/other", data=b"{}", headers=by_bearer(SECRET))

    assert said.status_code == 404
    assert daemon.heard == []


def test_a_body_that_is_too_large_is_refused(api: Served, daemon: Daemon) -> None:
    def endless() -> Iterator[bytes]:
        for _ in range(20):
            yield b" " * 100_000

    assert tell(api, b" " * (1 << 20) + b" ").status_code == 413
    said: Any = api.post(PATH, data=endless(), headers=by_bearer(SECRET))
    assert said.status_code == 413
    assert daemon.heard == []


def test_a_topic_that_waits_is_told_to_a_person_and_not_confirmed(
    api: Served, daemon: Daemon
) -> None:
    event = sns("You have chosen to subscribe", "SubscriptionConfirmation")

    with logged() as events:
        said = tell(api, event)

    assert said.status_code == 204
    [told] = [one for one in events if one["event"] == "hints.unconfirmed"]
    assert told["confirm_url"] == event["SubscribeURL"]
    assert daemon.heard == [Told("main", Nothing(Why.UNCONFIRMED))]
