"""Who sends or takes too slowly for the API: ended in time, and nobody has to wait for them."""

from __future__ import annotations

import os
import pathlib
import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta

import pytest

from docferry.web.multipart import MOST_BESIDE
from docferry.web.patience import Patience
from docferry.web.seats import Seats
from file_faces import Faced, faced
from processes import wait_for
from servers import make_certificates
from serving import served

SHORT = Patience(
    headers_s=0.4, idle_s=1, body_s=0.4, document_s=0.4, document_bytes=1000, taken_s=1.0
)
EVERY_S = 0.05
MOST = 1 << 20
UPLOAD = b"POST /api/v1/files?mirror=docs&path=a.txt HTTP/1.1\r\nHost: localhost\r\n"
FORM = (
    b"POST /api/v1/files HTTP/1.1\r\nHost: localhost\r\n"
    b"Content-Type: multipart/form-data; boundary=x\r\n"
)
FIELDS = b"".join(
    b"--x\r\nContent-Disposition: form-data; name=" + name + b"\r\n\r\n" + text
    for name, text in ((b"mirror", b"docs\r\n"), (b"path", b"a.txt\r\n"), (b"file", b""))
)


@pytest.fixture
def desk(tmp_path: pathlib.Path) -> Iterator[Faced]:
    with faced(tmp_path, patience=SHORT, api_max_upload=MOST) as running:
        yield running


def connected(desk: Faced, *, takes_bytes: int | None = None) -> socket.socket:
    connection = socket.socket()
    if takes_bytes is not None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, takes_bytes)
    connection.settimeout(20)
    connection.connect(("127.0.0.1", int(desk.api.url.rpartition(":")[2])))
    return connection


def trickled(desk: Faced, begin: bytes, drop: bytes, count: int = 1000) -> bytes:
    """Send *drop* again and again; give what came until the connection ended."""
    answer, deadline_s = b"", time.monotonic() + 20
    with connected(desk) as connection, suppress(ConnectionError):
        connection.sendall(begin)
        while time.monotonic() < deadline_s:
            connection.settimeout(EVERY_S if count else 20)
            try:
                part = connection.recv(65536)
            except TimeoutError:
                connection.sendall(drop)
                count -= 1
                continue
            if not part:
                return answer
            answer += part
    assert time.monotonic() < deadline_s, "it was never ended"
    return answer


@pytest.mark.parametrize(
    ("begin", "drop"),
    [
        (b"", b""),
        (b"GET ", b"/"),
        (b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n", b"X: y\r\n"),
        (b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX: ", b"y"),
    ],
    ids=["nothing", "the request line", "headers", "one header"],
)
def test_a_request_that_does_not_come_ends(desk: Faced, begin: bytes, drop: bytes) -> None:
    assert trickled(desk, begin, drop) == b""


def test_the_second_request_of_a_connection_may_take_no_longer(desk: Faced) -> None:
    whole = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"

    answer = trickled(desk, whole + b"GET ", b"/")

    assert answer.count(b"HTTP/1.1 200") == 1


def test_who_asks_no_more_is_ended(desk: Faced) -> None:
    answer = trickled(desk, b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n", b"", 0)

    assert answer.count(b"HTTP/1.1 200") == 1


def test_a_small_body_that_does_not_come_is_told_so(desk: Faced) -> None:
    begin = b"POST /api/v1/keys HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n"

    answer = trickled(desk, begin, b" ")

    assert answer.startswith(b"HTTP/1.1 408")
    assert answer.count(b"HTTP/1.1") == 1


@pytest.mark.parametrize(
    "begin",
    [UPLOAD + b"Content-Length: 100000\r\n\r\n", FORM + b"Content-Length: 99999\r\n\r\n" + FIELDS],
    ids=["as it is", "in a form"],
)
def test_a_document_that_hardly_comes_is_not_waited_for(desk: Faced, begin: bytes) -> None:
    answer = trickled(desk, begin, b"x")

    assert answer.startswith(b"HTTP/1.1 408")
    assert desk.staged == []
    assert desk.mirror.files == {}


def test_a_document_that_comes_slowly_comes(desk: Faced) -> None:
    count, drop = 20, b"x" * 600
    assert count * EVERY_S > 2 * SHORT.document_s
    begin = UPLOAD + f"Content-Length: {count * len(drop)}\r\nConnection: close\r\n\r\n".encode()

    answer = trickled(desk, begin, drop, count)

    assert answer.startswith(b"HTTP/1.1 201")
    assert desk.mirror.files == {"a.txt": count * drop}


def test_who_waits_to_be_told_to_go_on_is_told(desk: Faced) -> None:
    with connected(desk) as connection:
        connection.sendall(UPLOAD + b"Content-Length: 4\r\nExpect: 100-continue\r\n\r\n")
        first = connection.recv(65536)
        connection.sendall(b"text")
        second = connection.recv(65536)

    assert first.startswith(b"HTTP/1.1 100")
    assert second.startswith(b"HTTP/1.1 201")


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        (UPLOAD + f"Content-Length: {MOST + 1}\r\n".encode(), b"413"),
        (UPLOAD + b"Content-Length: 4\r\nAuthorization: Bearer dfk_no\r\n", b"401"),
        (b"POST /api/v1/keys HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9999999\r\n", b"413"),
    ],
    ids=["a document too large", "a wrong key", "a body too large"],
)
def test_who_waits_to_be_told_to_go_on_is_refused_instead(
    desk: Faced, asked: bytes, code: bytes
) -> None:
    with connected(desk) as connection:
        connection.sendall(asked + b"Expect: 100-continue\r\n\r\n")
        answer = b"".join(iter(lambda: connection.recv(65536), b""))

    # Ended: the next request might be taken for the body that was refused.
    assert answer.startswith(b"HTTP/1.1 " + code)
    assert b"\r\nconnection: close\r\n" in answer.lower()
    assert answer.count(b"HTTP/1.1") == 1


def test_a_form_that_says_it_is_too_large_is_not_read(desk: Faced) -> None:
    size = MOST + MOST_BESIDE + 1

    with connected(desk) as connection:
        connection.sendall(FORM + f"Content-Length: {size}\r\n\r\n".encode() + FIELDS)
        answer = connection.recv(65536)

    assert answer.startswith(b"HTTP/1.1 413")
    assert desk.staged == []


def test_a_reader_who_takes_nothing_is_ended_and_leaves_a_place(desk: Faced) -> None:
    content = os.urandom(1 << 20) * 12
    version = desk.save("a.bin", content)
    desk.api.desk.contents = Seats("downloads", 1, 1)
    asked = f"GET /api/v1/files/{version}/content HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()

    with connected(desk, takes_bytes=4096) as silent:
        silent.sendall(asked)
        silent.recv(1)
        meanwhile = desk.api.get(f"/files/{version}/content")
        wait_for(lambda: desk.api.get(f"/files/{version}/content").status_code == 200)
        with suppress(ConnectionError):
            rest = sum(iter(lambda: len(silent.recv(1 << 20)), 0))
            assert rest < len(content)

    assert meanwhile.status_code == 503
    assert meanwhile.json()["code"] == "too-many-at-once"
    assert int(meanwhile.headers["Retry-After"]) > 0


def test_a_reader_who_takes_a_little_at_a_time_gets_it_all(desk: Faced) -> None:
    content = os.urandom(1 << 20) * 12
    version = desk.save("a.bin", content)
    asked = f"GET /api/v1/files/{version}/content HTTP/1.1\r\nHost: localhost\r\n"
    pause_s, drop = SHORT.taken_s / 4, 64 * 1024  # the server's next piece has room after a dozen
    came = bytearray()

    with connected(desk, takes_bytes=drop) as slow:
        slow.sendall(f"{asked}Connection: close\r\n\r\n".encode())
        for _ in range(10):
            came += slow.recv(drop, socket.MSG_WAITALL)
            due_s = time.monotonic() + pause_s
            wait_for(lambda until_s=due_s: time.monotonic() >= until_s)  # type: ignore[misc]
        while part := slow.recv(1 << 20):
            came += part

    assert came.endswith(content)


def test_over_tls_too_who_takes_a_little_at_a_time_gets_it_all(
    desk: Faced, tmp_path: pathlib.Path
) -> None:
    content = os.urandom(1 << 20) * 4
    version = desk.save("a.bin", content)
    [shown] = make_certificates(tmp_path, timedelta(days=1))
    config = replace(desk.api.desk.config, api_tls_cert=shown.certificate, api_tls_key=shown.key)
    trusted = ssl.create_default_context(cafile=shown.ca)
    asked = f"GET /api/v1/files/{version}/content HTTP/1.1\r\nHost: localhost\r\n"
    pause_s, drop, came = SHORT.taken_s / 4, 16384, bytearray()

    with (
        served(config, desk.mirror.ledger, patience=SHORT, sends_bytes=65536) as api,
        trusted.wrap_socket(
            connected(Faced(api, desk.mirror), takes_bytes=drop), server_hostname="127.0.0.1"
        ) as slow,
    ):
        slow.sendall(f"{asked}Connection: close\r\n\r\n".encode())
        for _ in range(16):
            came += slow.recv(drop)
            due_s = time.monotonic() + pause_s
            wait_for(lambda until_s=due_s: time.monotonic() >= until_s)  # type: ignore[misc]
        while part := slow.recv(1 << 20):
            came += part

    assert came.endswith(content)
