"""The API when strangers hold what they can: connections. Others are answered."""

from __future__ import annotations

import pathlib
import socket
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from http.client import HTTPConnection

import pytest

from commands import Desk
from docferry.core.crowd import Bounds
from file_faces import faced
from serving import Served, served

BOUNDS = Bounds(most=20, of_one=5, of_kind=15)


@pytest.fixture
def api(
    tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Served]:
    desk = Desk(tmp_path, capsys, monkeypatch)
    with desk.ledger() as ledger, served(desk.loaded, ledger, bounds=BOUNDS) as running:
        yield running


def connected(api: Served, address: str = "127.0.0.1") -> socket.socket:
    there = ("127.0.0.1", int(api.url.rpartition(":")[2]))
    return socket.create_connection(there, timeout=10, source_address=(address, 0))


def asked(api: Served, path: str, connection: socket.socket) -> int:
    """Ask by a connection that is there already."""
    by = HTTPConnection("localhost")
    by.sock = connection
    by.request("GET", path)
    answer = by.getresponse()
    answer.read()
    return answer.status


def is_open(connection: socket.socket) -> bool:
    connection.settimeout(0)
    with suppress(BlockingIOError):
        while connection.recv(65536):
            pass
        return False
    return True


def is_told_to_go_on(connection: socket.socket) -> bool:
    """Wait until somebody waits for the body of its request."""
    came = b""
    while b"HTTP/1.1 100" not in came and (part := connection.recv(65536)):
        came += part
    return b"HTTP/1.1 100" in came


def _expected(path: str) -> bytes:
    """Give the headers of a request whose body follows once it is wanted."""
    return (
        f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n"
        "Expect: 100-continue\r\n\r\n"
    ).encode()


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/api/v1/whoami"])
def test_silent_connections_of_one_keep_no_other_out(api: Served, path: str) -> None:
    with ExitStack() as silent:
        for _ in range(3 * BOUNDS.most):
            silent.enter_context(connected(api, "127.0.0.2"))
        others = [silent.enter_context(connected(api, "127.0.0.3")) for _ in range(5)]
        codes = [asked(api, path, one) for one in others]

    assert codes == [200] * 5


def test_the_longest_silent_goes_and_who_is_answered_stays(api: Served) -> None:
    with ExitStack() as many:
        busy, first = (many.enter_context(connected(api, "127.0.0.2")) for _ in range(2))
        busy.sendall(b"GET /api/v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert busy.recv(15) == b"HTTP/1.1 200 OK"
        others = [
            many.enter_context(connected(api, "127.0.0.2")) for _ in range(BOUNDS.of_kind - 1)
        ]

        assert first.recv(1) == b""
        assert asked(api, "/healthz", others[-1]) == 200
        assert is_open(busy)


def test_who_keeps_a_connection_after_an_answer_is_silent(api: Served) -> None:
    with ExitStack() as many:
        for _ in range(2 * BOUNDS.of_kind):
            assert asked(api, "/healthz", many.enter_context(connected(api))) == 200


@pytest.mark.parametrize(
    "before", [b"", b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"], ids=["first", "second"]
)
def test_who_does_not_send_the_body_is_silent(api: Served, before: bytes) -> None:
    with ExitStack() as many:
        for _ in range(BOUNDS.of_kind):
            slow = many.enter_context(connected(api))
            slow.sendall(before + _expected("/api/v1/keys"))
            assert is_told_to_go_on(slow)
        other = many.enter_context(connected(api))

        assert asked(api, "/healthz", other) == 200


def test_who_sends_a_document_is_not_silent(tmp_path: pathlib.Path) -> None:
    with faced(tmp_path) as desk, ExitStack() as many:
        config, ledger = desk.api.desk.config, desk.mirror.ledger
        api = many.enter_context(served(config, ledger, bounds=BOUNDS))
        sending = many.enter_context(connected(api))
        sending.sendall(_expected("/api/v1/files?mirror=docs&path=a.txt"))
        assert is_told_to_go_on(sending)
        silent = [many.enter_context(connected(api)) for _ in range(2 * BOUNDS.of_kind)]

        assert asked(api, "/healthz", silent[-1]) == 200
        assert is_open(sending)


def test_who_comes_by_the_socket_is_let_in_when_all_others_are_busy(api: Served) -> None:
    with ExitStack() as many:
        for _ in range(BOUNDS.of_kind):
            busy = many.enter_context(connected(api))
            busy.sendall(b"GET /api/v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert busy.recv(15) == b"HTTP/1.1 200 OK"
        refused = many.enter_context(connected(api))
        by_socket = many.enter_context(socket.socket(socket.AF_UNIX))
        by_socket.connect(str(api.socket))

        assert refused.recv(1) == b""
        assert asked(api, "/healthz", by_socket) == 200


def test_a_place_is_free_once_its_connection_has_ended(api: Served) -> None:
    for _ in range(3 * BOUNDS.most):
        with connected(api) as connection:
            assert asked(api, "/healthz", connection) == 200
