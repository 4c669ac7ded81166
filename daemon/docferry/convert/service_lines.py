"""
Connections that cannot outlive their time, their work or the daemon.

A read timeout of requests ends a service that is silent; one that says a byte a second
is never over it. So each conversion has a `Line`, which knows its sockets and can cut
them from another thread: when its time is up, and when the daemon stops.
"""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any, ClassVar

import requests
from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, PoolManager
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import ConnectTimeoutError, NameResolutionError, NewConnectionError

from docferry.convert.base import ConversionStoppedError

#: To reach a service at all. It is near; who is silent for so long is not there.
CONNECT_TIMEOUT_S = 10.0
#: Once it is connected, a line is cut before a single read or write gives up.
GRACE_S = 5.0
_SHORTEST_S = 0.01  # none at all would mean for ever


class Line:
    """The connections of one conversion."""

    def __init__(self, timeout_s: float) -> None:
        self.is_overdue = False
        self._ends_at_s = time.monotonic() + timeout_s
        self._is_cut = threading.Event()
        self._lock = threading.Lock()
        self._sockets: set[socket.socket] = set()

    @property
    def left_s(self) -> float:
        """Give what is left of its time."""
        return max(0.0, self._ends_at_s - time.monotonic())

    @property
    def is_cut(self) -> bool:
        return self._is_cut.is_set()

    def pause(self, for_s: float) -> None:
        """Let some time go by, unless it is cut meanwhile."""
        self._is_cut.wait(min(for_s, self.left_s))

    def cut(self, *, is_overdue: bool = False) -> None:
        """End what it is at: reads find the end, writes fail, and nothing new connects."""
        with self._lock:
            self.is_overdue = is_overdue and not self.is_cut
            self._is_cut.set()
            for known in self._sockets:
                with contextlib.suppress(OSError):
                    known.shutdown(socket.SHUT_RDWR)

    def watch(self, connection: socket.socket) -> socket.socket:
        """
        Have *connection* cut with the others. Give what `forget` takes.

        It is a second name for the same connection: the first is closed by others, at any
        time, and its number given to a stranger; and TLS takes it over.
        """
        known = connection.dup()
        with self._lock:
            self._sockets.add(known)
            if self.is_cut:
                with contextlib.suppress(OSError):
                    known.shutdown(socket.SHUT_RDWR)
        return known

    def forget(self, known: socket.socket) -> None:
        with self._lock:
            self._sockets.discard(known)
            known.close()

    def close(self) -> None:
        with self._lock:
            while self._sockets:
                self._sockets.pop().close()


class Lines:
    """The lines of all conversions under way. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._open: set[Line] = set()
        self._is_stopped = False

    @contextlib.contextmanager
    def line(self, timeout_s: float) -> Iterator[Line]:
        """
        Open a line that is cut after *timeout_s*.

        Raises:
            ConversionStoppedError: `stop` was called before.
        """
        line = Line(timeout_s)
        with self._lock:
            if self._is_stopped:
                raise ConversionStoppedError("no conversion is started: the daemon stops")
            self._open.add(line)
        timer = threading.Timer(timeout_s, line.cut, kwargs={"is_overdue": True})
        timer.daemon = True
        try:
            timer.start()
            yield line
        finally:
            timer.cancel()
            with self._lock:
                self._open.discard(line)
            line.close()

    def stop(self) -> None:
        """Cut all lines at once; open no more."""
        with self._lock:
            self._is_stopped = True
            for line in self._open:
                line.cut()


def session_on(line: Line) -> requests.Session:
    """Make a session all of whose connections are on *line*; it knows no environment."""
    session = requests.Session()
    # Neither proxies nor a .netrc: only what the configuration says.
    session.trust_env = False
    session.mount("http://", _OnLine(line))
    session.mount("https://", _OnLine(line))
    return session


class _OnLine(HTTPAdapter):
    def __init__(self, line: Line) -> None:
        self._line = line
        super().__init__(pool_connections=1, pool_maxsize=1, max_retries=0)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        _put_on(self._line, self.poolmanager)

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> Any:
        manager = super().proxy_manager_for(proxy, **kwargs)
        _put_on(self._line, manager)
        return manager


class _Watched(HTTPConnection):
    line: ClassVar[Line]
    _known: socket.socket | None = None

    def connect(self) -> None:
        super().connect()
        # A service that does not read for a while is not one that cannot be reached.
        self.sock.settimeout(self.line.left_s + GRACE_S)

    def _new_conn(self) -> socket.socket:
        # Only now is the one before of no use: an answer that ends with its connection is
        # still being read when the connection says that it is closed.
        if self._known is not None:
            self.line.forget(self._known)
            self._known = None
        connection, self._known = _connected(self.line, self)
        return connection


class _WatchedTls(_Watched, HTTPSConnection):
    pass


def _put_on(line: Line, manager: PoolManager) -> None:
    """Have all connections of *manager* on *line*."""
    plain = type("Plain", (_Watched,), {"line": line})
    tls = type("Tls", (_WatchedTls,), {"line": line})
    manager.pool_classes_by_scheme = {
        "http": type("PlainPool", (HTTPConnectionPool,), {"ConnectionCls": plain}),
        "https": type("TlsPool", (HTTPSConnectionPool,), {"ConnectionCls": tls}),
    }


def _connected(line: Line, to: HTTPConnection) -> tuple[socket.socket, socket.socket]:
    """
    Connect, in a way that can be cut while it waits.

    Gives the connection, and its second name. Raises what urllib3 raises.
    """
    try:
        addresses = socket.getaddrinfo(to.host.strip("[]"), to.port, type=socket.SOCK_STREAM)
    except (socket.gaierror, UnicodeError) as error:
        raise NameResolutionError(to.host, to, _as_gaierror(error)) from error
    failure: OSError = OSError("it has no address")
    for family, kind, protocol, _, address in addresses:
        connection = socket.socket(family, kind, protocol)
        known = line.watch(connection)
        try:
            _connect(line, connection, address)
        except OSError as error:
            failure = error
            line.forget(known)
            connection.close()
        else:
            return connection, known
    if isinstance(failure, TimeoutError):
        raise ConnectTimeoutError(to, f"no connection to {to.host} in time") from failure
    raise NewConnectionError(to, str(failure)) from failure


def _connect(line: Line, connection: socket.socket, address: Any) -> None:
    connection.settimeout(min(CONNECT_TIMEOUT_S, max(line.left_s, _SHORTEST_S)))
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    _ensure_whole(line)  # to cut what is not connected does nothing
    connection.connect(address)
    _ensure_whole(line)


def _ensure_whole(line: Line) -> None:
    if line.is_cut:
        raise OSError("it was cut")


def _as_gaierror(error: Exception) -> socket.gaierror:
    return error if isinstance(error, socket.gaierror) else socket.gaierror(str(error))
