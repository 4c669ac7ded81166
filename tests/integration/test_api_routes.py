"""Every route of the API: for whom it is, and that it says so whoever asks."""

from __future__ import annotations

import pathlib
import re
from collections.abc import Iterator
from itertools import product

import pytest

from commands import Desk
from docferry.core.keys import Role
from docferry.web.api import PREFIX
from serving import Served, served

#: What each route needs. A route that is not here is a hole.
NEEDED = {
    "GET /audit": Role.ADMIN,
    "GET /audit/export": Role.ADMIN,
    "GET /conflicts": Role.VIEWER,
    "POST /conflicts/{conflict}/settle": Role.OPERATOR,
    "GET /dead": Role.VIEWER,
    "POST /files/process": Role.OPERATOR,
    "POST /files/{identifier}/process": Role.OPERATOR,
    "GET /holds": Role.VIEWER,
    "GET /holds/{hold}": Role.VIEWER,
    "POST /holds/{hold}/approve": Role.OPERATOR,
    "POST /holds/{hold}/discard": Role.OPERATOR,
    "GET /jobs": Role.VIEWER,
    "GET /jobs/{job}": Role.VIEWER,
    "POST /jobs/discard": Role.OPERATOR,
    "POST /jobs/replay": Role.OPERATOR,
    "POST /jobs/{job}/discard": Role.OPERATOR,
    "POST /jobs/{job}/replay": Role.OPERATOR,
    "GET /events": Role.VIEWER,
    "GET /files": Role.VIEWER,
    "POST /files": Role.OPERATOR,
    "GET /files/{ulid}": Role.VIEWER,
    "GET /files/{ulid}/content": Role.VIEWER,
    "HEAD /files/{ulid}/content": Role.VIEWER,
    "GET /files/{ulid}/renditions": Role.VIEWER,
    "POST /files/{ulid}/restore": Role.OPERATOR,
    "GET /files/{ulid}/versions": Role.VIEWER,
    "GET /keys": Role.ADMIN,
    "POST /keys": Role.ADMIN,
    "POST /keys/{key}/revoke": Role.ADMIN,
    "POST /keys/{key}/rotate": Role.ADMIN,
    "POST /process": Role.OPERATOR,
    "GET /requests": Role.VIEWER,
    "GET /requests/{request}": Role.VIEWER,
    "POST /requests/{request}/cancel": Role.OPERATOR,
    "GET /verify": Role.VIEWER,
    "POST /verify": Role.OPERATOR,
    "GET /verify/{run}": Role.VIEWER,
    "GET /whoami": Role.VIEWER,
    "GET /why": Role.VIEWER,
    "GET /mirrors": Role.VIEWER,
    "GET /mirrors/{mirror}": Role.VIEWER,
    "GET /mirrors/{mirror}/plan": Role.OPERATOR,
    "GET /mirrors/{mirror}/runs/{run}": Role.VIEWER,
    "GET /rules": Role.VIEWER,
    "GET /status": Role.VIEWER,
    "GET /webhooks": Role.VIEWER,
    "POST /webhooks/{webhook}/test": Role.OPERATOR,
    "GET /webhooks/deliveries": Role.VIEWER,
    "POST /webhooks/deliveries/replay": Role.OPERATOR,
    "POST /webhooks/deliveries/discard": Role.OPERATOR,
    "POST /mirrors/{mirror}/pause": Role.OPERATOR,
    "POST /mirrors/{mirror}/poll": Role.OPERATOR,
    "POST /mirrors/{mirror}/rescan": Role.OPERATOR,
    "POST /mirrors/{mirror}/resume": Role.OPERATOR,
}
#: Those whose answer has no end.
ENDLESS = {"GET /events"}
#: For who restarts and balances: they tell of no document.
OPEN = {"GET /healthz", "GET /readyz"}
#: For stores, which have a secret of their own, and may do nothing else: test_api_notifications.py.
BY_SECRET = {"POST /notifications/{store}"}


@pytest.fixture
def desk(
    tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Desk:
    return Desk(tmp_path, capsys, monkeypatch)


@pytest.fixture
def api(desk: Desk) -> Iterator[Served]:
    with desk.ledger() as ledger, served(desk.loaded, ledger) as running:
        yield running


@pytest.fixture
def keys(api: Served) -> dict[Role, str]:
    """One of each role."""
    boss = api.post("/keys", json={"name": "boss", "role": "admin"}).json()["secret"]
    others = {
        role: api.post("/keys", key=boss, json={"name": role, "role": role}).json()["secret"]
        for role in (Role.VIEWER, Role.OPERATOR)
    }
    return others | {Role.ADMIN: boss}


def routes_of(api: Served) -> set[str]:
    paths = api.app.openapi()["paths"]
    return {
        f"{method.upper()} {path.removeprefix(PREFIX)}"
        for path, methods in paths.items()
        for method in methods
    }


def asked(api: Served, route: str, key: str | None) -> int:
    method, path = route.split()
    path = re.sub(r"{\w+}", "0", path)
    with api.ask(method, path, key=key, json={}, stream=True) as answer:
        return answer.status_code


def test_the_table_has_every_route(api: Served) -> None:
    assert routes_of(api) == NEEDED.keys() | OPEN | BY_SECRET


@pytest.mark.parametrize("route", NEEDED)
def test_a_route_is_for_its_role_and_above(api: Served, keys: dict[Role, str], route: str) -> None:
    for role in Role:
        code = asked(api, route, keys[role])

        assert (code == 403) is not role.may(NEEDED[route]), f"{role}: {code}"
        assert code != 401


def test_nobody_gets_anything_without_a_key_once_there_is_one(
    api: Served, keys: dict[Role, str]
) -> None:
    codes = {route: asked(api, route, None) for route in NEEDED}

    assert codes == dict.fromkeys(NEEDED, 401)


@pytest.mark.parametrize(("route", "key"), [*product(NEEDED, ["", "dfk_", "x" * 5000, "\xff"])])
def test_what_is_no_key_opens_nothing(
    api: Served, keys: dict[Role, str], route: str, key: str
) -> None:
    method, path = route.split()

    said = api.ask(method, re.sub(r"{\w+}", "0", path), headers={"X-API-Key": key.encode("latin1")})

    assert said.status_code == 401
