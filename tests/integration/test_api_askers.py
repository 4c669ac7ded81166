"""Who asks the API, and what they may: by whom the connection is, where there is no key."""

from __future__ import annotations

import getpass
import pathlib
import socket
import subprocess
from collections.abc import Iterator

import pytest
import requests

from commands import Desk
from serving import Served, served

NOBODY = 65534


@pytest.fixture
def desk(
    tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Desk:
    return Desk(tmp_path, capsys, monkeypatch)


@pytest.fixture
def api(desk: Desk) -> Iterator[Served]:
    with desk.ledger() as ledger, served(desk.loaded, ledger) as running:
        yield running


def by(uid: int, *words: str) -> str:
    """Have another user of this machine ask with curl."""
    command = ["setpriv", f"--reuid={uid}", "--clear-groups", "curl", "--silent", *words]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_without_keys_who_runs_docferry_may_do_everything(api: Served) -> None:
    said = api.get("/whoami")

    assert said.json()["role"] == "admin"


def test_a_unix_socket_tells_who_asks(api: Served) -> None:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(api.socket))
        connection.sendall(b"GET /api/v1/whoami HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        with connection.makefile("rb") as answer:
            said = answer.read()

    assert b'"role":"admin"' in said


@pytest.mark.root
@pytest.mark.tools("curl", "setpriv")
def test_without_keys_another_user_of_this_machine_is_refused(api: Served) -> None:
    said = by(NOBODY, f"{api.url}/api/v1/whoami")

    assert "is neither root nor in the group of the service" in said


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example.com"},  # a name that was made to point here
        {"Origin": "http://evil.example.com"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
def test_a_strange_page_in_a_browser_of_this_machine_is_refused(
    api: Served, headers: dict[str, str]
) -> None:
    assert api.get("/whoami", headers=headers).status_code == 403


def test_what_is_no_key_is_refused(api: Served) -> None:
    said = api.get("/whoami", key="dfk_nonsense")

    assert said.status_code == 401
    assert said.headers["WWW-Authenticate"].startswith("Bearer")
    assert said.headers["Content-Type"] == "application/problem+json"


def test_who_guesses_keys_waits_and_locks_nobody_else_out(api: Served) -> None:
    right = api.post("/keys", json={"name": "boss", "role": "admin"}).json()["secret"]
    codes = [api.get("/whoami", key=f"dfk_{number}").status_code for number in range(11)]

    assert codes == [401] * 10 + [429]
    assert int(api.get("/whoami", key="dfk_x").headers["Retry-After"]) > 0
    assert api.get("/whoami", key=right).status_code == 200


@pytest.mark.parametrize("name", ["Origin", "Host"])
def test_what_is_no_address_is_refused(api: Served, name: str) -> None:
    assert api.get("/whoami", headers={name: "http://["}).status_code in (400, 403)


def test_who_asks_too_often_waits(desk: Desk) -> None:
    desk.configure(more="[api]\nrate = 3\n")
    with desk.ledger() as ledger, served(desk.loaded, ledger) as api:
        codes = [api.get("/whoami").status_code for _ in range(4)]

    assert codes == [200, 200, 200, 429]


def test_who_asks_without_a_key_too_often_waits_and_who_has_one_does_not(desk: Desk) -> None:
    desk.configure(more="[api]\nrate = 3\n")
    with desk.ledger() as ledger, served(desk.loaded, ledger) as api:
        key = api.post("/keys", json={"name": "one", "role": "viewer"}).json()["secret"]

        refused = [api.get("/whoami") for _ in range(4)]
        page = requests.get(f"{api.url}/", allow_redirects=False, timeout=30)
        answered = api.get("/whoami", key=key)

    assert [one.status_code for one in refused] == [401, 401, 401, 429]
    assert int(refused[-1].headers["Retry-After"]) > 0
    assert (page.status_code, answered.status_code) == (429, 200)


def test_nobody_is_told_of_the_client_by_a_header(api: Served) -> None:
    said = api.get("/whoami", headers={"X-Forwarded-For": "8.8.8.8", "Forwarded": "for=8.8.8.8"})

    assert said.json()["name"] == getpass.getuser()
