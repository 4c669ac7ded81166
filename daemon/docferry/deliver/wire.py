"""
The connection of one request: to an address that was looked at, and never for too long.

The name is resolved once, and what was looked at is connected to: a name that leads elsewhere a
moment later (DNS rebinding) leads nowhere. No proxy, no .netrc and no redirect comes into it, as
`http.client` knows none of them. A timeout of a socket ends a receiver that is silent; one that
says a byte a second is cut when the time for all of it is up.
"""

from __future__ import annotations

import contextlib
import http.client
import ipaddress
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeAlias

from docferry.core.addresses import why_refused
from docferry.errors import UnreachableError, UserError

#: What `socket.getaddrinfo` gives.
Found: TypeAlias = tuple[Any, ...]
Resolve: TypeAlias = Callable[[str, int], Sequence[Found]]

_CONNECT_S = 10.0
_SHORTEST_S = 0.01  # none at all would mean for ever


class RefusedAddressError(UserError):
    """The receiver's name leads to where no webhook is sent."""


def resolve(host: str, port: int) -> Sequence[Found]:
    """Ask the system for the addresses of *host*."""
    return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)


class Wire:
    """
    What one request may use: so many seconds, and the connection, which others may cut.

    A context manager: it is cut when its time is up.
    """

    def __init__(self, timeout_s: float) -> None:
        self._ends_s = time.monotonic() + timeout_s
        self._lock = threading.Lock()
        self._known: socket.socket | None = None
        self._timer = threading.Timer(timeout_s, self.cut)
        self._timer.daemon = True
        self.is_cut = False

    def __enter__(self) -> Wire:
        self._timer.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._timer.cancel()
        with self._lock:
            if self._known is not None:
                self._known.close()
                self._known = None

    @property
    def left_s(self) -> float:
        return max(_SHORTEST_S, self._ends_s - time.monotonic())

    @property
    def is_connected(self) -> bool:
        """Whether there is a connection to be cut, or one is being made."""
        return self._known is not None

    def cut(self) -> None:
        """End what it is at: reads find the end, and nothing new connects. For any thread."""
        with self._lock:
            self.is_cut = True
            if self._known is not None:
                with contextlib.suppress(OSError):
                    self._known.shutdown(socket.SHUT_RDWR)

    def connected(self, found: Sequence[Found]) -> socket.socket:
        """
        Connect to the first of *found* that answers.

        Raises:
            OSError: None does.
        """
        failure: OSError = OSError("its name has no address")
        for family, kind, protocol, _, address in found:
            connection = socket.socket(family, kind, protocol)
            try:
                self._watch(connection)
                connection.settimeout(min(_CONNECT_S, self.left_s))
                connection.connect(address)
                connection.settimeout(self.left_s)
            except OSError as error:
                failure = error
                connection.close()
            else:
                return connection
        raise failure

    def _watch(self, connection: socket.socket) -> None:
        """Know *connection* by a second name: TLS takes over the first, and others close it."""
        with self._lock:
            if self._known is not None:
                self._known.close()
            self._known = connection.dup()
            if self.is_cut:
                raise OSError("it was cut")


def checked(host: str, port: int, *, allows_private: bool, resolve: Resolve) -> Sequence[Found]:
    """
    Give the addresses of *host*, all of which may be sent to.

    Raises:
        RefusedAddressError: One of them may not: whoever mixes them is up to something.
        UnreachableError: It has none, just now.
    """
    try:
        found = resolve(host, port)
    except (OSError, UnicodeError) as error:
        raise UnreachableError(f"the name {host} leads nowhere: {error}") from error
    for *_, address in found:
        why = why_refused(ipaddress.ip_address(str(address[0])), allows_private=allows_private)
        if why is not None:
            raise RefusedAddressError(
                f"{host} leads to {address[0]}, and nothing is sent there: {why}; where that is "
                "meant, allow_private = true"
            )
    return found


class Connection(http.client.HTTPConnection):
    """
    HTTP over a wire.

    Args:
        context: For TLS; None: without. It checks the name, not the address.
    """

    def __init__(
        self,
        host: str,
        port: int,
        wire: Wire,
        found: Sequence[Found],
        context: ssl.SSLContext | None,
    ) -> None:
        if context is not None:
            self.default_port = 443  # of which Host says nothing
        super().__init__(host, port)
        self._wire = wire
        self._found = found
        self._context = context

    def connect(self) -> None:
        self.sock = self._wire.connected(self._found)
        if self._context is not None:
            self.sock = self._context.wrap_socket(self.sock, server_hostname=self.host)


@contextlib.contextmanager
def connection(
    host: str, port: int, wire: Wire, found: Sequence[Found], context: ssl.SSLContext | None
) -> Iterator[Connection]:
    """
    Connect, and close it at the end.

    Raises:
        OSError: Nobody is there, or its certificate is not right.
    """
    made = Connection(host, port, wire, found, context)
    try:
        made.connect()
        yield made
    finally:
        made.close()
