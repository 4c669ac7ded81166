"""What the API takes, and nothing else: it never guesses what somebody may have meant."""

from __future__ import annotations

import json
import pathlib
import re
from collections.abc import Iterator, Mapping

import pytest
import requests

import one_of_each
from commands import Desk
from integration.test_api_routes import NEEDED
from serving import Served, served
from webhook_receiver import SECRET


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


#: A call whose body says what is meant. All others mean the usual without one.
SAYS_WHAT = {
    "POST /files",
    "POST /files/process",
    "POST /keys",
    "POST /webhooks/deliveries/discard",
    "POST /webhooks/deliveries/replay",
}


@pytest.mark.parametrize(
    "route", sorted(one for one in NEEDED if one.startswith("POST") and one not in SAYS_WHAT)
)
def test_no_body_is_the_same_as_an_empty_one(api: Served, key: str, route: str) -> None:
    path = re.sub(r"{[^}]+}", "1", route.removeprefix("POST "))

    without, empty = api.post(path, key=key), api.post(path, key=key, json={})

    assert without.status_code == empty.status_code or "/verify" in route  # one at a time
    assert without.json().get("code") != "invalid", without.text


@pytest.fixture
def filled(
    tmp_path: pathlib.Path, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[Served, Mapping[str, str]]]:
    """The API where there is one of everything, and how that is named."""
    (tmp_path / "keys").mkdir()
    (tmp_path / "keys" / "crm.webhook").write_text(SECRET)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path / "keys"))
    desk.configure("docs", "processed", more=one_of_each.CONFIG)
    with desk.ledger() as ledger, served(desk.loaded, ledger) as running:
        yield running, one_of_each.fill(ledger, desk.loaded)


@pytest.mark.parametrize(
    "path",
    [
        "/files/{ulid}/process",
        "/files/{ulid}/restore",
        "/mirrors/{mirror}/poll",
        "/mirrors/{mirror}/rescan",
        "/verify",
    ],
)
def test_what_is_to_be_done_can_be_seen_where_the_answer_says(
    filled: tuple[Served, Mapping[str, str]], path: str
) -> None:
    api, names = filled

    first, again = (
        api.post(path.format(**names), headers={"Idempotency-Key": "k"}) for _ in range(2)
    )

    assert first.status_code == 202, first.text
    assert requests.get(api.url + first.headers["Location"], timeout=30).status_code == 200
    assert again.headers["Idempotent-Replayed"] == "true"
    assert again.headers["Location"] == first.headers["Location"]


def test_a_request_of_a_mirror_that_a_key_may_not_see_is_not_there(
    filled: tuple[Served, Mapping[str, str]],
) -> None:
    api, names = filled
    boss = api.post("/keys", json={"name": "boss", "role": "admin"}).json()["secret"]
    limited = {"name": "guest", "role": "viewer", "mirrors": ["processed"]}
    guest = api.post("/keys", key=boss, json=limited).json()["secret"]
    path = f"/requests/{names['request']}"

    assert api.get(path, key=boss).json()["id"] == int(names["request"])
    assert api.get(path, key=guest).status_code == 404


#: They tell the time, or how long ago something was: each answer is another one.
OF_THE_MOMENT = {
    "GET /status",
    "GET /mirrors",
    "GET /mirrors/{mirror}",
    "GET /mirrors/{mirror}/plan",
}
NOT_JSON = {"GET /audit/export", "GET /events", "GET /files/{ulid}/content"}


def test_what_somebody_has_already_is_not_sent_again(
    filled: tuple[Served, Mapping[str, str]],
) -> None:
    api, names = filled
    asked = {"/why": f"?mirror=docs&path={one_of_each.PATH}"}

    for route in sorted(NEEDED.keys() - OF_THE_MOMENT - NOT_JSON):
        if not route.startswith("GET") or "/verify" in route:
            continue
        path = route.split()[1]
        address = path.format(**names) + asked.get(path, "")
        first = api.get(address)
        again = api.get(address, headers={"If-None-Match": f'W/"x", {first.headers["ETag"]}'})
        other = api.get(address, headers={"If-None-Match": '"x"'})

        assert (again.status_code, again.content) == (304, b""), route
        assert again.headers["ETag"] == first.headers["ETag"]
        assert (other.status_code, other.json()) == (200, first.json())


def test_events_tell_times_as_all_other_answers_do(
    filled: tuple[Served, Mapping[str, str]],
) -> None:
    api, _ = filled

    with api.get("/events", headers={"Last-Event-ID": "0"}, stream=True) as stream:
        lines = stream.iter_lines(decode_unicode=True)
        said = next(one for one in lines if re.search(r'"[a-z_]*at": "2', one))

    assert re.search(r'"[a-z_]*at": "[-0-9]+T[0-9:.]+Z"', said), said


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
