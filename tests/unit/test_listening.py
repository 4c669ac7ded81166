"""Sockets that let in no more than there is room for."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from docferry.core.crowd import THIS_MACHINE, Bounds, Whose
from docferry.web.listening import Door, Listening

HERE = Whose("127.0.0.1", THIS_MACHINE)


@pytest.fixture
def door() -> Door:
    return Door(Bounds(most=2, of_one=2, of_kind=2))


@pytest.fixture
def listening(door: Door) -> Iterator[Listening]:
    plain = socket.create_server(("127.0.0.1", 0))
    with Listening(door, plain.detach()) as made:
        yield made


def connected(listening: Listening) -> socket.socket:
    return socket.create_connection(listening.getsockname(), timeout=10)


def test_a_connection_that_is_closed_is_not_counted(door: Door, listening: Listening) -> None:
    with connected(listening):
        accepted, _ = listening.accept()
        before = door.crowd.of(HERE)
        accepted.close()
        accepted.close()

    assert (before, door.crowd.of(HERE)) == (1, 0)


def test_who_comes_from_this_machine_by_ipv6_is_of_this_machine(door: Door) -> None:
    plain = socket.create_server(("::1", 0), family=socket.AF_INET6)
    with Listening(door, plain.detach()) as listening, ExitStack() as many:
        many.enter_context(socket.create_connection(listening.getsockname()[:2], timeout=10))
        many.enter_context(listening.accept()[0])

        assert door.crowd.of(Whose("::/64", THIS_MACHINE)) == 1


def test_who_has_to_go_hears_of_it(door: Door, listening: Listening) -> None:
    with ExitStack() as many:
        first, *_ = [many.enter_context(connected(listening)) for _ in range(3)]
        for _ in range(3):
            many.enter_context(listening.accept()[0])

        assert first.recv(1) == b""
        assert door.crowd.of(HERE) == 2


def test_who_is_not_let_in_hears_of_it(door: Door, listening: Listening) -> None:
    with ExitStack() as many:
        for _ in range(2):
            many.enter_context(connected(listening))
            door.crowd.speaks(many.enter_context(listening.accept()[0]).fileno())
        refused = many.enter_context(connected(listening))

        with pytest.raises(BlockingIOError):
            listening.accept()
        assert refused.recv(1) == b""


def test_after_many_in_a_row_those_who_are_in_have_a_turn(listening: Listening) -> None:
    turns = 0
    with ExitStack() as many:
        for _ in range(40):
            many.enter_context(connected(listening))
            try:
                many.enter_context(listening.accept()[0])
            except BlockingIOError:
                turns += 1
                many.enter_context(listening.accept()[0])

    assert turns == 1
