"""Something between docferry and its store, as proxies and gateways are, with moods of its own."""

from __future__ import annotations

import contextlib
import http.client
import http.server
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TypeAlias
from urllib.parse import urlsplit

import servers

#: Says whether it has answered a request itself; else the store does.
Mood: TypeAlias = Callable[["Request"], bool]

_HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "expect"}
_LOOK_EVERY_S = 0.02
#: A socket that is closed so sends a RST: what was not read yet is thrown away.
_AT_ONCE = struct.pack("ii", 1, 0)


class Proxy:
    """
    Hands every request on to a store, and its answer back, unless it is in a *mood*.

    mood: Asked first, for each request, once its body has come. None: none.
    first: Asked before, when only the head of the request has come. None: none.
    headers: Said instead of the store's own.
    """

    def __init__(self, store: str, tls: ssl.SSLContext | None) -> None:
        self.url = ""
        self.store = store  #: host and port
        self.mood: Mood | None = None
        self.first: Mood | None = None
        self.headers: dict[str, str] = {}
        self.takes_connections = True  #: False: each is closed before a word, or a handshake
        self.says_continue = True  #: False: not a word to `Expect: 100-continue`
        self.at_once = 0  #: requests under way
        self.most_at_once = 0
        self.refused = 0
        self._tls = tls
        self._lock = threading.Lock()
        self._listening: _Server | None = None
        self._thread: threading.Thread | None = None
        self._port = 0

    def show(self, certificate: servers.Certificate) -> None:
        """Show *certificate* to whoever connects from now on."""
        assert self._tls is not None
        self._tls.load_cert_chain(certificate.certificate, certificate.key)

    @contextlib.contextmanager
    def counted(self) -> Iterator[None]:
        with self._lock:
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            yield
        finally:
            with self._lock:
                self.at_once -= 1

    def start(self) -> None:
        """Listen, again where it has listened before."""
        handler = type("OneRequest", (Request,), {"proxy": self})
        listening = _Server(("127.0.0.1", self._port), handler)
        listening.proxy = self
        if self._tls is not None:
            # The handshake is for the request's own thread: a client may hang up in it.
            listening.socket = self._tls.wrap_socket(
                listening.socket, server_side=True, do_handshake_on_connect=False
            )
        self._port = listening.server_port
        self.url = f"{'https' if self._tls else 'http'}://127.0.0.1:{self._port}"
        self._thread = threading.Thread(target=listening.serve_forever, args=(_LOOK_EVERY_S,))
        self._listening = listening
        self._thread.start()

    def stop(self) -> None:
        """Listen no more: who connects is refused. What is under way goes on."""
        if self._listening is not None and self._thread is not None:
            self._listening.shutdown()
            self._listening.server_close()
            self._thread.join()
            self._listening = None


@dataclass(frozen=True, slots=True)
class Answer:
    """What a store has said."""

    status: int
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)  #: names in lower case


class Request(http.server.BaseHTTPRequestHandler):
    """One request on its way."""

    protocol_version = "HTTP/1.1"  # says "100 Continue": boto3 waits a second for that
    proxy: Proxy
    body: bytes

    def do_GET(self) -> None:
        self.close_connection = True
        with self.proxy.counted():
            first, self.body = self.proxy.first, b""
            if first is not None and first(self):
                return
            self.body = self.rfile.read(self.size)
            mood = self.proxy.mood
            if mood is None or not mood(self):
                self.give(self.ask())

    do_HEAD = do_PUT = do_POST = do_DELETE = do_GET

    def handle_expect_100(self) -> bool:
        return super().handle_expect_100() if self.proxy.says_continue else True

    @property
    def size(self) -> int:
        """Of its body, as announced."""
        return int(self.headers.get("Content-Length", 0))

    # What a mood may do. Each says that the request is answered.

    def refuse(self, status: int, code: str) -> bool:
        """Answer as a store does that refuses."""
        self.proxy.refused += 1
        return self.give(Answer(status, f"<Error><Code>{code}</Code></Error>".encode()))

    def hand_on(self, change: Callable[[bytes], bytes]) -> bool:
        """Hand the request on, and *change* the body of its answer on the way back."""
        answer = self.ask()
        return self.give(Answer(answer.status, change(answer.body), answer.headers))

    def ask(self) -> Answer:
        """Hand the request on and give the store's answer, or that of a gateway without one."""
        headers = {
            name: value for name, value in self.headers.items() if name.lower() not in _HOP_BY_HOP
        }
        store = http.client.HTTPConnection(self.proxy.store, timeout=30)
        with contextlib.closing(store) as connection:
            try:
                connection.request(self.command, self.path, self.body, headers)
                answer = connection.getresponse()
                said = {name.lower(): value for name, value in answer.headers.items()}
                return Answer(answer.status, answer.read(), said)
            except OSError:
                self.proxy.refused += 1
                return Answer(502, b"<Error><Code>BadGateway</Code></Error>")

    def give(self, answer: Answer, *, sends: bytes | None = None) -> bool:
        """
        Give *answer*.

        Args:
            sends: Bytes that are sent instead of its body, whatever its head says.
        """
        said = {name: value for name, value in answer.headers.items() if name not in _HOP_BY_HOP}
        said.setdefault("content-length", str(len(answer.body)))
        said["connection"] = "close" if self.close_connection else "keep-alive"
        said |= {name.lower(): value for name, value in self.proxy.headers.items()}
        self.send_response_only(answer.status)
        for name, value in said.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer.body if sends is None else sends)
        return True

    def reset(self) -> bool:
        """Break the connection off as a machine does that has forgotten it."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)
        self.rfile.close()
        self.connection.close()
        return True

    def log_message(self, *_: object) -> None:
        """Say nothing."""


class _Server(http.server.ThreadingHTTPServer):
    request_queue_size = 128
    proxy: Proxy

    def verify_request(self, request: object, client_address: object) -> bool:
        return self.proxy.takes_connections

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing: the client hung up."""


@contextlib.contextmanager
def in_front_of(
    server: servers.S3Server, certificate: servers.Certificate | None = None
) -> Iterator[Proxy]:
    """Run a proxy in front of *server*; with *certificate* it speaks TLS."""
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER) if certificate else None
    proxy = Proxy(urlsplit(server.endpoint_url).netloc, tls)
    if certificate is not None:
        proxy.show(certificate)
    proxy.start()
    try:
        yield proxy
    finally:
        proxy.stop()
