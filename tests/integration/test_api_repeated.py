"""Calls that come again: with an Idempotency-Key they are carried out once."""

from __future__ import annotations

import pathlib
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
import requests

from commands import Desk
from docferry.app import idempotency
from docferry.ledger import Ledger
from serving import Served, served

PAUSE = "/mirrors/docs/pause"


@pytest.fixture
def desk(
    tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Desk:
    found = Desk(tmp_path, capsys, monkeypatch)
    found.configure("docs", "other")
    return found


@pytest.fixture
def ledger(desk: Desk) -> Iterator[Ledger]:
    with desk.ledger() as opened:
        yield opened


@pytest.fixture
def api(desk: Desk, ledger: Ledger) -> Iterator[Served]:
    with served(desk.loaded, ledger) as running:
        yield running


def post(api: Served, path: str, call: str, body: dict[str, Any], **who: str) -> requests.Response:
    return api.post(path, json=body, headers={"Idempotency-Key": call}, **who)


def test_a_call_that_comes_again_is_answered_as_before_and_not_carried_out(api: Served) -> None:
    first = post(api, PAUSE, "k1", {"reason": "inventory"})
    api.post("/mirrors/docs/resume", json={})

    again = post(api, PAUSE, "k1", {"reason": "inventory"})

    assert (again.status_code, again.json()) == (first.status_code, first.json())
    assert again.headers["Idempotent-Replayed"] == "true"
    assert "Idempotent-Replayed" not in first.headers
    assert api.get("/mirrors/docs").json()["paused"] is None


def test_another_key_is_another_call(api: Served, ledger: Ledger) -> None:
    for key in ("k1", "k2"):
        post(api, "/mirrors/docs/poll", key, {})

    assert len(ledger.audit.newest(10)) == 1  # the second joins the open one: but it was asked
    assert "Idempotent-Replayed" not in post(api, "/mirrors/docs/poll", "k3", {}).headers


def test_of_api_keys_no_answer_is_kept_and_whoever_wants_that_is_told(
    api: Served, ledger: Ledger
) -> None:
    wanted = {"name": "one", "role": "admin"}
    refused = [post(api, "/keys", "k1", wanted)]
    secret = api.post("/keys", json=wanted).json()["secret"]
    refused += [
        post(api, f"/keys/one/{what}", "k1", {}, key=secret) for what in ("rotate", "revoke")
    ]

    assert [(one.status_code, one.json()["code"]) for one in refused] == [
        (422, "not-repeatable")
    ] * 3
    assert post(api, "/keys", "k1", wanted).status_code == 401  # a stranger is told nothing
    assert api.get("/keys", key=secret, headers={"Idempotency-Key": "k1"}).status_code == 200
    assert [row.name for row in ledger.keys.all()] == ["one"]


def test_something_else_under_the_same_key_is_refused(api: Served) -> None:
    post(api, PAUSE, "k1", {"reason": "a"})

    said = post(api, PAUSE, "k1", {"reason": "b"})

    assert (said.status_code, said.json()["code"]) == (422, "another-call")


def test_a_key_counts_for_one_route(api: Served) -> None:
    post(api, PAUSE, "k1", {})

    said = post(api, "/mirrors/other/pause", "k1", {})

    assert said.status_code == 200
    assert "Idempotent-Replayed" not in said.headers


def test_nobody_is_given_the_answer_of_another(api: Served) -> None:
    boss = api.post("/keys", json={"name": "boss", "role": "admin"}).json()["secret"]
    wanted = {"name": "other", "role": "operator", "mirrors": ["other"]}
    other = api.post("/keys", key=boss, json=wanted).json()["secret"]
    post(api, PAUSE, "k1", {}, key=boss)

    said = post(api, PAUSE, "k1", {}, key=other)

    assert said.status_code == 404


def test_a_refusal_may_be_asked_for_again(api: Served) -> None:
    assert post(api, "/mirrors/nowhere/pause", "k1", {}).status_code == 404

    assert "Idempotent-Replayed" not in post(api, "/mirrors/nowhere/pause", "k1", {}).headers


def test_a_call_under_way_is_not_carried_out_twice(api: Served, ledger: Ledger) -> None:
    at = api.desk.now()
    caller = api.get("/whoami").json()["name"]
    fingerprint = idempotency.fingerprint_of(b"", b"{}")
    begun = idempotency.begin(
        ledger, caller, "k1", "POST /api/v1/mirrors/docs/pause", fingerprint, at
    )

    said = post(api, PAUSE, "k1", {})

    assert isinstance(begun, idempotency.Fresh)
    assert (said.status_code, said.json()["code"]) == (409, "under-way")
    assert int(said.headers["Retry-After"]) > 0
    api.desk.now = lambda: at + idempotency.BUSY_FOR + timedelta(seconds=1)
    assert post(api, PAUSE, "k1", {}).status_code == 200  # whoever began it is taken for dead


@pytest.mark.parametrize("key", ["", "x" * 256])
def test_what_is_no_key_is_refused(api: Served, key: str) -> None:
    assert post(api, PAUSE, key, {}).status_code == 422
