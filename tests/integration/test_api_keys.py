"""API keys by the API: who may give which, and what each of them is good for."""

from __future__ import annotations

import pathlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from commands import Desk
from serving import Served, served


@pytest.fixture
def desk(
    tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Desk:
    found = Desk(tmp_path, capsys, monkeypatch)
    found.configure("docs", "other")
    return found


@pytest.fixture
def api(desk: Desk) -> Iterator[Served]:
    with desk.ledger() as ledger, served(desk.loaded, ledger) as running:
        yield running


def created(api: Served, name: str, role: str, *, by: str | None = None, **more: Any) -> str:
    """Give the secret of a new key."""
    said = api.post("/keys", key=by, json={"name": name, "role": role} | more)
    assert said.status_code == 201, said.text
    return str(said.json()["secret"])


def test_the_first_key_is_made_by_who_runs_docferry_and_then_one_is_needed(api: Served) -> None:
    boss = created(api, "boss", "admin")

    assert api.get("/whoami").status_code == 401
    assert api.get("/whoami", key=boss).json() == {
        "name": "key boss",
        "role": "admin",
        "mirrors": ["docs", "other"],
    }
    assert api.get("/whoami", headers={"X-API-Key": boss}).status_code == 200


def test_a_key_of_one_mirror_knows_of_no_other(api: Served) -> None:
    key = created(api, "pipeline", "viewer", mirrors=["docs"])

    assert api.get("/whoami", key=key).json()["mirrors"] == ["docs"]


@pytest.mark.parametrize("role", ["viewer", "operator"])
def test_who_is_no_admin_learns_nothing_of_keys(api: Served, role: str) -> None:
    key = created(api, "some", role)

    assert api.get("/keys", key=key).status_code == 403
    assert api.post("/keys", key=key, json={"name": "x", "role": "admin"}).status_code == 403


def test_nobody_gives_more_than_they_have(api: Served) -> None:
    limited = created(api, "docs-admin", "admin", mirrors=["docs"])

    said = api.post("/keys", key=limited, json={"name": "all", "role": "viewer"})

    assert said.status_code == 422
    assert "may less than the role viewer for all mirrors" in said.json()["detail"]
    assert [key["name"] for key in api.get("/keys", key=limited).json()["items"]] == ["docs-admin"]


def test_a_revoked_key_is_good_for_nothing(api: Served) -> None:
    boss = created(api, "boss", "admin")
    key = created(api, "pipeline", "viewer", by=boss)

    revoked = api.post("/keys/pipeline/revoke", key=boss)

    assert revoked.json()["state"] == "revoked"
    assert api.get("/whoami", key=key).status_code == 401
    assert api.post("/keys/pipeline/revoke", key=boss).status_code == 404


def test_after_a_rotation_both_secrets_count_for_a_while(api: Served) -> None:
    boss = created(api, "boss", "admin")
    old = created(api, "pipeline", "viewer", by=boss)

    new = api.post("/keys/pipeline/rotate", key=boss, json={"overlap_s": 3600}).json()["secret"]

    assert api.get("/whoami", key=old).status_code == 200
    assert api.get("/whoami", key=new).status_code == 200
    newer = api.post("/keys/pipeline/rotate", key=boss, json={}).json()["secret"]
    codes = [api.get("/whoami", key=key).status_code for key in (old, new, newer)]
    assert codes == [401, 401, 200]


def test_an_expired_key_does_not_count(api: Served) -> None:
    soon = datetime.now(UTC) + timedelta(days=1)
    key = created(api, "visitor", "viewer", expires_at=soon.isoformat())

    api.desk.now = lambda: soon

    assert api.get("/whoami", key=key).status_code == 401


@pytest.mark.parametrize(
    "wanted",
    [
        {"name": "A", "role": "viewer"},
        {"name": "a", "role": "king"},
        {"name": "a", "role": "viewer", "mirrors": []},
        {"name": "a", "role": "viewer", "mirrors": ["nowhere"]},
        {"name": "a", "role": "viewer", "expires_at": "2020-01-01T00:00:00Z"},
        {"name": "a", "role": "viewer", "expires_at": "2020-01-01T00:00:00"},
        {"name": "a", "role": "viewer", "more": 1},
        {"role": "viewer"},
    ],
)
def test_a_key_that_cannot_be_is_refused(api: Served, wanted: dict[str, Any]) -> None:
    said = api.post("/keys", json=wanted)

    assert said.status_code == 422
    assert said.headers["Content-Type"] == "application/problem+json"


def test_no_list_and_no_log_shows_a_secret(api: Served, caplog: pytest.LogCaptureFixture) -> None:
    secret = created(api, "boss", "admin")

    listed = api.get("/keys", key=secret).text

    assert secret.rpartition("_")[2] not in listed + caplog.text


@pytest.mark.parametrize("mirrors", [["nope"], ["other"], ["docs", "nope"]])
def test_who_is_limited_is_not_told_which_other_mirrors_there_are(
    api: Served, mirrors: list[str]
) -> None:
    key = created(api, "docs-admin", "admin", mirrors=["docs"])

    said = api.post("/keys", key=key, json={"name": "y", "role": "viewer", "mirrors": mirrors})

    assert said.status_code == 422
    assert "may less than the role viewer" in said.json()["detail"]
    assert "there are" not in said.json()["detail"]


def test_a_key_that_may_do_more_is_not_there_for_who_may_do_less(api: Served) -> None:
    boss = created(api, "boss", "admin")
    created(api, "others", "viewer", by=boss, mirrors=["other"])
    key = created(api, "docs-admin", "admin", by=boss, mirrors=["docs"])

    answers = {
        (said.status_code, said.json()["detail"].replace(name, "NAME"))
        for name in ("others", "nobody")
        for said in (
            api.post(f"/keys/{name}/revoke", key=key),
            api.post(f"/keys/{name}/rotate", key=key, json={}),
        )
    }

    assert answers == {(404, "there is no key NAME that counts: docferry keys list")}
