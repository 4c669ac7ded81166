"""Sockets that let no more in than there is room for, whatever those say, or do not."""

from __future__ import annotations

import contextlib
import math
import socket
import time
from typing import Any

from docferry.core.crowd import BY_SOCKET, ELSEWHERE, THIS_MACHINE, Bounds, Crowd, Whose
from docferry.logs import get_logger
from docferry.web import peers
from docferry.web.limits import network_of

log = get_logger(__name__)

#: Then what they have sent is looked at before more are let in: who is to go needs a turn to go.
_AT_A_TIME = 32
_TELL_EVERY_S = 60.0


class Door:
    """Who is connected to any of the sockets of this process. For its event loop alone."""

    def __init__(self, bounds: Bounds = Bounds()) -> None:  # noqa: B008 - it is frozen
        self.crowd = Crowd(bounds)
        self._connections: dict[int, socket.socket] = {}
        self._told_s = -math.inf

    def let_in(self, connection: socket.socket, whose: Whose) -> bool:
        """Say whether it may stay; another one may have to go for it."""
        number = connection.fileno()
        self._connections[number] = connection
        goes = self.crowd.enter(number, whose)
        if goes is None:
            return True
        self._tell(whose)
        if goes == number:
            return False
        self._send_away(goes)
        return True

    def forget(self, number: int) -> None:
        """Take note that a connection is about to be closed."""
        self.crowd.leave(number)
        self._connections.pop(number, None)

    def _tell(self, whose: Whose) -> None:
        """Say that there are too many; seldom, as strangers decide how often it is so."""
        if time.monotonic() - self._told_s < _TELL_EVERY_S:
            return
        self._told_s = time.monotonic()
        log.warning("faces.crowded", address=whose.name, connections=self.crowd.of(whose))

    def _send_away(self, number: int) -> None:
        """End it in a way that its protocol, and a handshake of TLS, takes for its end."""
        with contextlib.suppress(OSError):  # it is gone already
            self._connections.pop(number).shutdown(socket.SHUT_RDWR)


class Listening(socket.socket):
    """One that is listened on, at *door*."""

    def __init__(self, door: Door, fileno: int) -> None:
        super().__init__(fileno=fileno)
        self._door = door
        self._in_a_row = 0

    def accept(self) -> tuple[socket.socket, Any]:
        """
        Raises:
            BlockingIOError: Nobody is to be let in for the moment.
        """
        self._in_a_row += 1
        if self._in_a_row > _AT_A_TIME:
            self._in_a_row = 0
            raise BlockingIOError
        try:
            accepted, address = super().accept()
        except BlockingIOError:
            self._in_a_row = 0
            raise
        connection = _Connection(self._door, accepted.detach())
        if not self._door.let_in(connection, _whose(connection, address)):
            connection.close()
            raise BlockingIOError
        return connection, address


class _Connection(socket.socket):
    """One that tells the door when it is closed, by whomever."""

    def __init__(self, door: Door, fileno: int) -> None:
        super().__init__(fileno=fileno)
        self._door = door

    def close(self) -> None:
        if self.fileno() >= 0:
            self._door.forget(self.fileno())
        super().close()


def _whose(connection: socket.socket, address: Any) -> Whose:
    if connection.family == socket.AF_UNIX:
        return Whose(f"{peers.UNIX}{peers.of_unix(connection).uid}", BY_SOCKET)
    kind = THIS_MACHINE if peers.is_loopback(address[0]) else ELSEWHERE
    return Whose(network_of(address[0]), kind)
