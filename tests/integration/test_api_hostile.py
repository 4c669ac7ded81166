"""Bodies and headers that mean harm: each is refused, and none is a bug of ours."""

from __future__ import annotations

import pathlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import pytest
import requests

import one_of_each
from commands import Desk
from docferry.web.api import PREFIX
from integration.test_api_routes import NEEDED
from serving import Served, served
from webhook_receiver import SECRET

_WRITING = [route for route in NEEDED if route.split()[0] in ("POST", "PUT", "PATCH")]
_HEADERS = {
    "Range": (f"bytes={'9' * 5000}-", f"bytes=0-{'9' * 5000}", f"bytes=-{'9' * 5000}"),
    "If-None-Match": ('"' * 5000, "\x80\xff"),
    "If-Match": ("\x80\xff",),
    "Last-Event-ID": ("9" * 5000, "\xb2", "-1"),
    "Idempotency-Key": ("\xff" * 200,),
    "Prefer": (f"wait={'9' * 5000}",),
}
_BODIES = [
    b'"\\ud800"',
    b"[" * 50_000,
    b'{"a":' * 20_000,
    b"9" * 20_000,
    b'{"to":"\\ud800","name":"\\ud800","paths":["\\ud800"],"reason":"\\u0000","path":"\\ud800"}',
    b'{"role":"admin","name":"a","mirrors":["\\ud800"],"expires":"9999-12-31T23:59:59-23:59"}',
    b'{"\\ud800":1}',
    b"\xff\xfe",
    b'{"a":NaN,"b":Infinity,"c":1e999}',
]


@dataclass(frozen=True, slots=True)
class Asked:
    """The API where there is one of everything, how that is named, and an administrator's key."""

    served: Served
    names: Mapping[str, str]
    key: str

    def __call__(
        self, route: str, body: bytes | None = None, **headers: bytes
    ) -> requests.Response:
        method, path = route.split()
        with requests.request(
            method,
            self.served.url + PREFIX + path.format_map(self.names),
            data=body,
            headers={"Authorization": f"Bearer {self.key}", **headers},
            stream="events" in path,
            timeout=30,
        ) as said:
            return said


@pytest.fixture
def desk(
    tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Desk:
    return Desk(tmp_path, capsys, monkeypatch)


@pytest.fixture
def api(tmp_path: pathlib.Path, desk: Desk, monkeypatch: pytest.MonkeyPatch) -> Iterator[Asked]:
    (tmp_path / "keys").mkdir()
    (tmp_path / "keys/crm.webhook").write_text(SECRET)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path / "keys"))
    desk.configure("docs", "processed", more=one_of_each.CONFIG)
    with desk.ledger() as ledger, served(desk.loaded, ledger) as running:
        names = one_of_each.fill(ledger, desk.loaded)
        key = running.post("/keys", json={"name": "boss", "role": "admin"}).json()["secret"]
        yield Asked(running, {**names, "key": "k"}, key)


def test_no_body_is_a_bug(api: Asked) -> None:
    sent = {"Content-Type": b"application/json"}
    said = {(route, body[:20]): api(route, body, **sent) for route in _WRITING for body in _BODIES}

    assert {asked: one.text for asked, one in said.items() if is_a_bug(one)} == {}


def test_no_header_is_a_bug(api: Asked) -> None:
    said = {
        (route, name, value[:20]): api(route, **{name: value.encode("latin-1")})
        for route in ("GET /files/{ulid}/content", "GET /events", "GET /files/{ulid}")
        for name, values in _HEADERS.items()
        for value in values
    }

    assert {asked: one.status_code for asked, one in said.items() if is_a_bug(one)} == {}


def is_a_bug(said: requests.Response) -> bool:
    return said.status_code == 500
