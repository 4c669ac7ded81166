"""Who is at the other end of a connection, as the kernel lists it."""

from __future__ import annotations

import os
import socket

import pytest

from docferry.web import peers


@pytest.mark.parametrize(
    ("family", "listens", "connects"),
    [
        (socket.AF_INET, "127.0.0.1", "127.0.0.1"),
        (socket.AF_INET, "127.0.0.1", "127.0.0.2"),
        (socket.AF_INET6, "::1", "::1"),
        (socket.AF_INET6, "::", "::ffff:127.0.0.1"),  # a socket for both
    ],
)
def test_a_connection_of_this_machine_has_its_user(
    family: socket.AddressFamily, listens: str, connects: str
) -> None:
    with socket.socket(family) as listening:
        if family == socket.AF_INET6:
            listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        listening.bind((listens, 0))
        listening.listen()
        port = listening.getsockname()[1]
        with socket.socket(family) as client:
            if connects == "127.0.0.2":
                client.bind((connects, 0))
                connects = listens
            client.connect((connects, port))
            accepted, (host, from_port, *_) = listening.accept()
            with accepted:
                found = peers.of_loopback((host, from_port), accepted.getsockname()[:2])

    assert found == peers.User(os.getuid())


def test_a_plain_client_of_a_socket_for_both_has_its_user() -> None:
    with (
        socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True) as listening,
        socket.create_connection(("127.0.0.1", listening.getsockname()[1])),
    ):
        accepted, (host, port, *_) = listening.accept()
        with accepted:
            found = peers.of_loopback((host, port), accepted.getsockname()[:2])

    assert host == "::ffff:127.0.0.1"
    assert found == peers.User(os.getuid())


@pytest.mark.parametrize("address", ["192.0.2.1", "2001:db8::1", "::ffff:192.0.2.1", "unix:0", ""])
def test_another_machine_has_none(address: str) -> None:
    assert peers.of_loopback((address, 1), ("127.0.0.1", 2)) is None


def test_a_connection_that_is_gone_has_none() -> None:
    assert peers.of_loopback(("127.0.0.1", 1), ("127.0.0.1", 2)) is None
