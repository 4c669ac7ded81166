"""
The port for machines: is it alive, is it ready, and what does Prometheus scrape.

    /metrics   Prometheus' text format, or OpenMetrics if the scraper asks for it
    /healthz   200: the loops go round; 503: one of them is stuck, restart the process
    /readyz    200: every mirror has finished its first full run; 503: not yet. Says
               of each mirror how it is, and why

No authentication: it tells nothing about documents, and listens on loopback by default.
"""

from __future__ import annotations

import errno
import json
import socket
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from socketserver import TCPServer, ThreadingMixIn
from typing import TYPE_CHECKING
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

from docferry import metrics
from docferry.errors import TakenError, UserError
from docferry.logs import get_logger
from docferry.model import MirrorHealth

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

log = get_logger(__name__)

#: Another program ends, an address comes up.
MAY_COME_FREE = (errno.EADDRINUSE, errno.EADDRNOTAVAIL)
_TIMEOUT_S = 10.0  # for one request: a client that says nothing does not hold a thread for ever
_TEXT = "text/plain; charset=utf-8"
_JSON = "application/json"


@dataclass(frozen=True, slots=True)
class Readiness:
    """How one mirror is."""

    is_ready: bool  #: it has finished its first full run
    health: MirrorHealth
    reason: str | None = None  #: for a person


class Probes:
    """
    An HTTP server in a thread of its own, for /metrics, /healthz and /readyz.

    Args:
        port: 0: any free one; `port` tells which.
        is_alive: Have the loops gone round lately?
        readiness: By mirror's name.
    """

    def __init__(
        self,
        address: str,
        port: int,
        is_alive: Callable[[], bool],
        readiness: Callable[[], Mapping[str, Readiness]],
    ) -> None:
        self._address = address
        self._wanted_port = port
        self._app = _Application(is_alive, readiness)
        self._server: _Server | None = None
        self._thread: threading.Thread | None = None

    @property
    def port(self) -> int:
        """The port it listens on, once started."""
        return self._server.server_port if self._server else self._wanted_port

    def start(self) -> None:
        """
        Listen.

        Raises:
            UserError: The address or the port cannot be had.
        """
        self._server = _listen(self._address, self._wanted_port)
        self._server.set_app(self._app)
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.05,), name="probes", daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        """Stop listening. Answers under way are not waited for."""
        if self._server is None or self._thread is None:
            return
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
        self._server = self._thread = None


class _Application:
    def __init__(
        self,
        is_alive: Callable[[], bool],
        readiness: Callable[[], Mapping[str, Readiness]],
    ) -> None:
        self._is_alive = is_alive
        self._readiness = readiness
        self._pages: dict[str, WSGIApplication] = {
            "/metrics": metrics.exposition(),
            "/healthz": self._healthz,
            "/readyz": self._readyz,
        }

    def __call__(self, environ: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
        if environ["REQUEST_METHOD"] not in ("GET", "HEAD"):
            return _answer(environ, start, HTTPStatus.METHOD_NOT_ALLOWED, _TEXT, "GET or HEAD\n")
        page = self._pages.get(environ["PATH_INFO"])
        if page is None:
            known = "there is /metrics, /healthz and /readyz\n"
            return _answer(environ, start, HTTPStatus.NOT_FOUND, _TEXT, known)
        try:
            return page(environ, start)
        except Exception:  # the one request: a bug here must not look like a dead daemon's silence
            log.exception("request.failed", path=environ["PATH_INFO"])
            return _answer(environ, start, HTTPStatus.INTERNAL_SERVER_ERROR, _TEXT, "see the log\n")

    def _healthz(self, environ: WSGIEnvironment, start: StartResponse) -> list[bytes]:
        if self._is_alive():
            return _answer(environ, start, HTTPStatus.OK, _TEXT, "alive\n")
        return _answer(environ, start, HTTPStatus.SERVICE_UNAVAILABLE, _TEXT, "a loop is stuck\n")

    def _readyz(self, environ: WSGIEnvironment, start: StartResponse) -> list[bytes]:
        mirrors = self._readiness()
        is_ready = all(mirror.is_ready for mirror in mirrors.values())
        status = HTTPStatus.OK if is_ready else HTTPStatus.SERVICE_UNAVAILABLE
        body = {
            "ready": is_ready,
            "mirrors": {
                name: {"ready": mirror.is_ready, "health": mirror.health, "reason": mirror.reason}
                for name, mirror in mirrors.items()
            },
        }
        return _answer(environ, start, status, _JSON, json.dumps(body, indent=2) + "\n")


def _answer(
    environ: WSGIEnvironment, start: StartResponse, status: HTTPStatus, kind: str, text: str
) -> list[bytes]:
    body = text.encode()
    start(
        f"{status.value} {status.phrase}",
        [
            ("Content-Type", kind),
            ("Content-Length", str(len(body))),
            ("Cache-Control", "no-store"),
        ],
    )
    return [] if environ["REQUEST_METHOD"] == "HEAD" else [body]


class _Request(WSGIRequestHandler):
    timeout = _TIMEOUT_S

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: a scrape every few seconds is no event."""


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True
    block_on_close = False

    def server_bind(self) -> None:
        # HTTPServer's own looks the address up in the DNS, which can take seconds.
        TCPServer.server_bind(self)
        self.server_name = str(self.server_address[0])
        self.server_port = int(self.server_address[1])
        self.setup_environ()

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing: the client hung up, or was too slow."""


def require_port(address: str, port: int) -> None:
    """
    Raises:
        UserError: The address or the port cannot be had.
    """
    _listen(address, port).server_close()


def _listen(address: str, port: int) -> _Server:
    try:
        return _server(address, port)
    except OSError as error:
        kind = TakenError if error.errno in MAY_COME_FREE else UserError
        raise kind(
            f"cannot listen on {address} port {port}: {error.strerror}; choose another `address` "
            "or `port` in [metrics], or port 0 for none"
        ) from error


def _server(address: str, port: int) -> _Server:
    family, *_, where = socket.getaddrinfo(address, port, type=socket.SOCK_STREAM)[0]

    class Server(_Server):
        address_family = family

    return Server((str(where[0]), int(where[1])), _Request)
