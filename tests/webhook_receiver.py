"""A receiver of webhooks: a real server on the loopback, which answers as it is told to."""

from __future__ import annotations

import http.server
import json
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from docferry.deliver.send import Receiver
from servers import Certificate

SECRET = "whsec_" + "QUFB" * 8
OLDER = "whsec_" + "QkJC" * 8


@dataclass(frozen=True, slots=True)
class Got:
    """A request, as it came."""

    path: str
    headers: Mapping[str, str]  #: their names in small letters
    body: bytes

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    @property
    def told(self) -> dict[str, Any]:
        """Give the payload."""
        told: dict[str, Any] = json.loads(self.body)
        return told

    @property
    def about(self) -> tuple[str, str]:
        """Give what it is about: the event and the file's version."""
        return self.told["type"], self.told["data"].get("version", "")


@dataclass(frozen=True, slots=True)
class Said:
    status: int = 204
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


Answers: TypeAlias = Callable[[Got], Said]


class ReceiverServer:
    """
    What came is in `got`. Until `open` is called connections are refused.

    answers: Says what to answer; 204 unless it is set.
    """

    def __init__(self, tls: Certificate | None = None) -> None:
        self.got: list[Got] = []
        self.answers: Answers = lambda _: Said()
        self._server = http.server.ThreadingHTTPServer(
            ("127.0.0.1", 0), self._handler(), bind_and_activate=False
        )
        self._server.daemon_threads = True
        self._server.server_bind()
        self._scheme = "http"
        if tls is not None:
            self._scheme = "https"
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(tls.certificate, tls.key)
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.01,), daemon=True
        )

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    @property
    def url(self) -> str:
        return f"{self._scheme}://127.0.0.1:{self.port}/hooks?key=k"

    @property
    def told(self) -> list[tuple[str, str]]:
        """Give what each request was about, in their order."""
        return [one.about for one in self.got]

    def receiver(self, name: str = "crm", **more: Any) -> Receiver:
        """Give the receiver as docferry knows it."""
        usual: dict[str, Any] = {"url": self.url, "secrets": (SECRET,)}
        usual |= {"allows_private": True, "timeout_s": 5.0}
        return Receiver(name, **usual | more)

    def open(self) -> None:
        """Take connections from now on."""
        self._server.server_activate()
        self._thread.start()

    def close(self) -> None:
        if self._thread.is_alive():
            self._server.shutdown()
        self._server.server_close()

    def _handler(self) -> type[http.server.BaseHTTPRequestHandler]:
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                headers = {name.lower(): value for name, value in self.headers.items()}
                got = Got(self.path, headers, body)
                outer.got.append(got)
                said = outer.answers(got)
                self.send_response(said.status)
                for name, value in said.headers.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(said.body)

            def log_message(self, *_: object) -> None:
                pass

        return Handler


@contextmanager
def receiving(*, is_open: bool = True, tls: Certificate | None = None) -> Iterator[ReceiverServer]:
    server = ReceiverServer(tls)
    try:
        if is_open:
            server.open()
        yield server
    finally:
        server.close()
