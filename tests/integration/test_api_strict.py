"""What the API takes, and nothing else: it never guesses what somebody may have meant."""

from __future__ import annotations

import json
import pathlib
import re
from collections.abc import Iterator

import pytest

from commands import Desk
from integration.test_api_routes import NEEDED
from serving import Served, served


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
def key(api: Served) -> str:
    return str(api.post("/keys", json={"name": "boss", "role": "admin"}).json()["secret"])


@pytest.mark.parametrize("route", NEEDED)
def test_what_no_route_knows_in_a_query_is_refused(api: Served, key: str, route: str) -> None:
    method, path = route.split()

    said = api.ask(method, f"{re.sub(r'{[^}]+}', '0', path)}?mirorr=docs&limit=1", key=key, json={})

    assert said.status_code == 422
    assert (
        method == "HEAD"
        or {"where": ["query", "mirorr"], "what": "unknown"} in (said.json()["errors"])
    )


def test_what_is_unknown_is_told_with_what_is_known(api: Served) -> None:
    said = api.get("/requests?mirorr=docs&\udcff=1&mirror=docs")

    assert said.json()["detail"].startswith("unknown in the query: mirorr, ")
    assert said.json()["detail"].endswith("; there are: all, cursor, limit, mirror")


def test_a_stranger_is_asked_for_a_key_whatever_else_is_wrong(api: Served, key: str) -> None:
    assert api.get("/files?mirorr=docs").status_code == 401


def test_a_store_may_be_sent_to_an_address_with_a_query(api: Served) -> None:
    said = api.post("/notifications/main?whatever=1")

    assert said.status_code == 404  # there is no secret here


@pytest.fixture
def decided(api: Served, key: str) -> Served:
    """A mirror was paused by the key boss, after that was made by who runs this test."""
    name = api.get("/mirrors", key=key).json()["items"][0]["name"]
    assert api.post(f"/mirrors/{name}/pause", key=key).ok
    return api


@pytest.mark.parametrize(
    ("query", "actions"),
    [
        ("actor=key%20boss", ["mirror.paused"]),
        ("action=key.created", ["key.created"]),
        ("mirror=docs&actor=key%20boss", ["mirror.paused"]),
        ("mirror=nowhere", []),
        ("since=1h", ["mirror.paused", "key.created"]),
        ("until=1h", []),
        ("since=2026-01-01&until=2026-01-02", []),
    ],
)
def test_the_audit_is_listed_and_exported_by_who_what_where_and_when(
    decided: Served, key: str, query: str, actions: list[str]
) -> None:
    listed = decided.get(f"/audit?{query}", key=key).json()
    exported = decided.get(f"/audit/export?{query}", key=key).text.splitlines()

    assert [one["action"] for one in listed["items"]] == actions
    assert [json.loads(one)["action"] for one in exported] == actions[::-1]


@pytest.mark.parametrize("query", ["action=key.made", "since=soon", "until=yesterday-ish"])
def test_what_cannot_be_in_the_audit_is_no_empty_list(
    decided: Served, key: str, query: str
) -> None:
    assert decided.get(f"/audit?{query}", key=key).status_code == 422
