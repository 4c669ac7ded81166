"""What strangers send to the API that is no proper request: it is refused, and nothing waits."""

from __future__ import annotations

import json
import pathlib
import re
import socket
from collections.abc import Iterator

import pytest
import requests

from commands import Desk
from docferry.web.guard import MOST_BYTES
from serving import Served, served

INTRANET = "https://intranet.example.com"


@pytest.fixture
def desk(
    tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Desk:
    return Desk(tmp_path, capsys, monkeypatch)


@pytest.fixture
def api(desk: Desk) -> Iterator[Served]:
    with desk.ledger() as ledger, served(desk.loaded, ledger) as running:
        yield running


def sent(api: Served, *parts: bytes) -> bytes:
    """Send these bytes, and give all that comes back until the connection ends."""
    port = int(api.url.rpartition(":")[2])
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
        for part in parts:
            connection.sendall(part)
        return b"".join(iter(lambda: connection.recv(65536), b""))


def codes(answer: bytes) -> list[int]:
    return [int(code) for code in re.findall(rb"HTTP/1\.1 (\d+)", answer)]


def test_a_body_that_says_it_is_too_large_is_not_read(api: Served) -> None:
    said = api.post("/keys", headers={"Content-Length": str(MOST_BYTES + 1)}, data=b"")

    assert said.status_code == 413


def test_a_body_that_grows_too_large_is_not_read_on(api: Served) -> None:
    said = api.post("/keys", data=iter([b"x" * 65536] * 17))

    assert said.status_code == 413
    assert said.headers["Content-Type"] == "application/problem+json"


@pytest.mark.parametrize(
    "request_",
    [
        # Of two lengths, or a length and chunks, whoever is in between may believe the other one.
        b"POST /api/v1/keys HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\nContent-Length: 5"
        b"\r\n\r\nabcde",
        b"POST /api/v1/keys HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\n"
        b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /api/v1/keys HTTP/1.1\r\n\r\n",
        b"POST /api/v1/keys HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n"
        b"Transfer-Encoding: identity\r\n\r\n0\r\n\r\n",
        b"POST /api/v1/keys HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: xchunked\r\n\r\n",
        b"POST /api/v1/keys HTTP/1.1\r\nHost: localhost\r\nContent-Length: +3\r\n\r\nabc",
        b"POST /api/v1/keys HTTP/1.1\r\nHost: localhost\r\nContent-Length : 3\r\n\r\nabc",
        *(
            b"POST /api/v1/keys HTTP/1.1\r\nHost: localhost\r\nContent-Length:%s\r\n\r\nabcde"
            % length
            for length in (b" 3, 5", b" 0x3", b" -3", b"", b" 1" + b"0" * 30, b" 3 3", b" \xb2")
        ),
        b"POST /api/v1/keys HTTP/1.1\r\n Host: localhost\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX: a\rb\r\n\r\n",
        *(
            b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n%s\r\n\r\n" % line
            for line in (b"X: a\x00b", b"X\x00: a", b": a", b"no header", b"X y: a", b"X\xff: a")
        ),
        *(
            b"%s\r\nHost: localhost\r\n\r\n" % line
            for line in (
                b"GET /healthz HTTP/1.1 ",
                b"GET  /healthz HTTP/1.1",
                b"GET /health z HTTP/1.1",
                b"GET /healthz",
                b"GET /healthz HTTP/2.0",
                b"G\x00T /healthz HTTP/1.1",
            )
        ),
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"GET /healthz\x00 HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",  # TLS
    ],
)
def test_what_is_no_request_is_refused_and_ends_the_connection(
    api: Served, request_: bytes
) -> None:
    answer = sent(api, request_)

    assert codes(answer) == [400]


_SECOND = b"GET /api/v1/whoami HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"


@pytest.mark.parametrize(
    "header",
    [
        b"Transfer-Encoding: chunked\r\nContent-Length: %d",
        b"Content-Length: %d\r\nTransfer-Encoding: chunked",
        b"Content-Length: %d\r\ntransfer-encoding: CHUNKED",
        b"Content-Length: %d\r\nTransfer-Encoding : chunked",
        b"Content-Length: %d\r\nTransfer-Encoding\t: chunked",
        b"Content-Length: %d\r\nTransfer-Encoding:\x0bchunked",
        b"Content-Length: %d\r\nTransfer-Encoding: x, chunked",
        b"Content-Length: %d\r\nTransfer-Encoding: chunked, x",
        b"Content-Length: %d\r\nTransfer-Encoding: chunked, chunked",
        b"Content-Length: %d\r\nTransfer-Encoding: chunked;q=1",
        b"Content-Length: %d\r\nTransfer-Encoding:\r\n chunked",
        b"Content-Length: %d\r\nX: y\r\n Transfer-Encoding: chunked",
        b"Content-Length: %d\r\nX: y\rTransfer-Encoding: chunked",
        b"Content-Length: %d\nTransfer-Encoding: chunked",
        b"Content-Length: %d\r\nTransfer_Encoding: chunked",
        b"Content-Length: %d\r\nContent-Length: 5",
        b"Content-Length: 5\r\nContent-Length: %d",
    ],
)
def test_what_might_be_a_second_request_is_none(api: Served, header: bytes) -> None:
    """By one of two lengths it is the body's, by the other one a request of its own."""
    body = b"0\r\n\r\n" + _SECOND
    first = b"POST /api/v1/keys HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"

    answer = sent(api, first + header % len(body) + b"\r\n\r\n" + body)

    assert codes(answer) in ([400], [413], [422])
    assert b'"actor"' not in answer


@pytest.mark.parametrize(
    "chunks",
    [
        b"5\r\nabcdeX\r\n0\r\n\r\n",
        b"5\nabcde\n0\n\n",
        b"0x5\r\nabcde\r\n0\r\n\r\n",
        b"-5\r\nabcde\r\n0\r\n\r\n",
        b"+5\r\nabcde\r\n0\r\n\r\n",
        b"\r\n5\r\nabcde\r\n0\r\n\r\n",
        b"f" * 21 + b"\r\nabcde\r\n0\r\n\r\n",
    ],
)
def test_chunks_that_are_none_are_refused_with_all_that_follows(api: Served, chunks: bytes) -> None:
    first = b"POST /api/v1/keys HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"

    answer = sent(api, first + chunks + _SECOND)

    assert len(codes(answer)) <= 1
    assert 200 not in codes(answer)


@pytest.mark.parametrize("path", ["/healthz", "/api/v1/whoami", "/api/v1/nowhere", "/login"])
def test_the_body_of_a_request_that_needs_none_is_no_request(api: Served, path: str) -> None:
    first = f"GET {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(_SECOND)}\r\n\r\n"
    second = _SECOND.replace(b"/api/v1/whoami", b"/healthz")

    answer = sent(api, first.encode() + _SECOND + second)

    assert len(codes(answer)) == 2
    assert b'"alive"' in answer.rpartition(b"HTTP/1.1")[2]


@pytest.mark.parametrize("begin", [b"GET /", b"GET / HTTP/1.1\r\nHost: localhost\r\nX: "])
def test_headers_without_end_end_the_connection(api: Served, begin: bytes) -> None:
    try:
        answer = sent(api, begin + b"a" * 300_000)
    except ConnectionResetError:  # it was closed before all of it was read
        answer = b""

    assert codes(answer) in ([], [400])


def test_a_body_that_breaks_off_changes_nothing(api: Served) -> None:
    port = int(api.url.rpartition(":")[2])
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.sendall(
            b"POST /api/v1/keys HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n"
            b'Content-Type: application/json\r\n\r\n{"name": "a", "role": "admin"}'
        )

    assert api.get("/keys").json() == {"items": []}


@pytest.mark.parametrize(
    "path",
    [
        "/%2e%2e/%2e%2e/etc/passwd",
        "/keys/..%2f..%2f/revoke",
        "/keys/%00/revoke",
        "/keys/%0d%0aSet-Cookie:%20a=b/revoke",
        "//evil.example.com/",
        "/keys;x=1",
    ],
)
def test_a_strange_path_is_not_found_and_leads_nowhere(api: Served, path: str) -> None:
    method = "POST" if path.endswith("revoke") else "GET"
    said = sent(
        api,
        f"{method} /api/v1{path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
        "Content-Length: 2\r\nContent-Type: application/json\r\n\r\n{}".encode(),
    )

    assert codes(said)[0] in (404, 405)
    assert b"Set-Cookie" not in said.partition(b"\r\n\r\n")[0]
    assert b"location" not in said.lower()


def test_what_is_said_in_the_log_stays_one_line(
    api: Served, capsys: pytest.CaptureFixture[str]
) -> None:
    api.get("/whoami", key="dfk_\x1b[2J", headers={"User-Agent": "a\tb"})

    lines = capsys.readouterr().err.splitlines()
    assert all(json.loads(line)["event"] for line in lines if line.startswith("{"))
    assert "\x1b" not in "".join(lines)


def test_every_answer_tells_browsers_to_do_nothing_with_it(api: Served) -> None:
    for path in ("/whoami", "/nowhere", "/keys"):
        headers = api.get(path).headers

        assert headers["X-Content-Type-Options"] == "nosniff"
        assert "default-src 'none'" in headers["Content-Security-Policy"]
        assert headers["Cache-Control"] == "no-store"
        assert headers["X-Frame-Options"] == "DENY"
        assert "server" not in headers


def test_no_other_place_may_ask_from_a_browser(api: Served) -> None:
    said = api.ask("OPTIONS", "/keys", headers={"Origin": "http://localhost:1", **_PREFLIGHT})

    assert "access-control-allow-origin" not in said.headers


def test_a_place_that_is_configured_may_ask_from_a_browser(desk: Desk) -> None:
    desk.configure(more=f'[api]\norigins = ["{INTRANET}"]\n')
    with desk.ledger() as ledger, served(desk.loaded, ledger) as api:
        ours = api.ask("OPTIONS", "/keys", headers={"Origin": INTRANET, **_PREFLIGHT})
        other = api.ask(
            "OPTIONS", "/keys", headers={"Origin": "https://evil.example.com", **_PREFLIGHT}
        )

    assert ours.headers["access-control-allow-origin"] == INTRANET
    assert "access-control-allow-credentials" not in ours.headers
    assert "access-control-allow-origin" not in other.headers


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_who_balances_may_ask_without_wanting_a_body(api: Served, path: str) -> None:
    got, headed = (requests.request(how, f"{api.url}{path}", timeout=30) for how in ("GET", "HEAD"))

    assert (headed.status_code, headed.content) == (got.status_code, b"")


@pytest.fixture
def beyond(desk: Desk) -> Iterator[Served]:
    desk.configure(more=f'[api]\norigins = ["{INTRANET}"]\n')
    with desk.ledger() as ledger, served(desk.loaded, ledger) as running:
        yield running


def test_a_script_of_another_origin_may_send_every_header_that_is_documented(
    beyond: Served,
) -> None:
    taken = {
        parameter["name"]
        for operations in beyond.app.openapi()["paths"].values()
        for operation in operations.values()
        for parameter in operation.get("parameters", ())
        if parameter["in"] == "header"
    }

    said = beyond.ask(
        "OPTIONS",
        "/files",
        headers={
            "Origin": INTRANET,
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": ", ".join(sorted(taken | {"Authorization"})).lower(),
        },
    )

    assert said.status_code == 200, said.text
    assert taken >= {"if-match", "range", "last-event-id", "Idempotency-Key", "x-content-sha256"}


def test_a_script_of_another_origin_may_read_every_header_that_is_documented(
    beyond: Served,
) -> None:
    given = {
        name
        for operations in beyond.app.openapi()["paths"].values()
        for operation in operations.values()
        for answer in operation["responses"].values()
        for name in answer.get("headers", ())
    }

    said = beyond.get("/whoami", headers={"Origin": INTRANET})

    may_be_read = said.headers["Access-Control-Expose-Headers"].split(", ")
    assert given <= {*may_be_read, "Content-Type", "Content-Length", "Cache-Control"}
    assert {"Location", "Content-Range", "ETag", "Idempotent-Replayed", "Retry-After"} <= {
        *may_be_read
    }


_PREFLIGHT = {"Access-Control-Request-Method": "GET"}
