"""Something between docferry and its store, as proxies and gateways are, with moods of its own."""

from __future__ import annotations

import contextlib
import http.client
import http.server
import ssl
import threading
from collections.abc import Callable, Iterator
from typing import TypeAlias
from urllib.parse import urlsplit

import servers

#: Says whether it has answered a request itself; else the store does.
Mood: TypeAlias = Callable[["Request"], bool]

_HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "expect"}
_LOOK_EVERY_S = 0.02


class Proxy:
    """
    Hands every request on to a store, and its answer back, unless it is in a *mood*.

    mood: Asked first, for each request. None: none.
    headers: Said instead of the store's own.
    """

    def __init__(self, tls: ssl.SSLContext | None) -> None:
        self.url = ""
        self.mood: Mood | None = None
        self.headers: dict[str, str] = {}
        self.at_once = 0  #: requests under way
        self.most_at_once = 0
        self.refused = 0
        self._tls = tls
        self._lock = threading.Lock()

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


class Request(http.server.BaseHTTPRequestHandler):
    """One request on its way."""

    protocol_version = "HTTP/1.1"  # says "100 Continue": boto3 waits a second for that
    proxy: Proxy
    store: str
    body: bytes

    def do_GET(self) -> None:
        with self.proxy.counted():
            self.body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            mood = self.proxy.mood
            if mood is None or not mood(self):
                self._hand_on()
        self.close_connection = True

    do_HEAD = do_PUT = do_POST = do_DELETE = do_GET

    def refuse(self, status: int, code: str) -> bool:
        """Answer as a store does that refuses."""
        self.proxy.refused += 1
        self._answer(status, {}, f"<Error><Code>{code}</Code></Error>".encode())
        return True

    def hand_on(self, change: Callable[[bytes], bytes]) -> bool:
        """Hand the request on, and *change* the body of its answer on the way back."""
        self._hand_on(change)
        return True

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def _hand_on(self, change: Callable[[bytes], bytes] = lambda body: body) -> None:
        headers = {
            name: value for name, value in self.headers.items() if name.lower() not in _HOP_BY_HOP
        }
        with contextlib.closing(http.client.HTTPConnection(self.store, timeout=30)) as connection:
            try:
                connection.request(self.command, self.path, self.body, headers)
                answer = connection.getresponse()
                body = change(answer.read())
            except OSError:
                self.refuse(502, "BadGateway")
                return
        self._answer(answer.status, dict(answer.headers.items()), body)

    def _answer(self, status: int, headers: dict[str, str], body: bytes) -> None:
        said = {name.lower(): value for name, value in headers.items()}
        said = {name: value for name, value in said.items() if name not in _HOP_BY_HOP}
        said.setdefault("content-length", str(len(body)))
        said |= {"connection": "close"} | {k.lower(): v for k, v in self.proxy.headers.items()}
        self.send_response_only(status)
        for name, value in said.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


class _Server(http.server.ThreadingHTTPServer):
    request_queue_size = 128

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing: the client hung up."""


@contextlib.contextmanager
def in_front_of(
    server: servers.S3Server, certificate: servers.Certificate | None = None
) -> Iterator[Proxy]:
    """Run a proxy in front of *server*; with *certificate* it speaks TLS."""
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER) if certificate else None
    proxy = Proxy(tls)
    store = urlsplit(server.endpoint_url).netloc
    handler = type("OneRequest", (Request,), {"proxy": proxy, "store": store})
    with _Server(("127.0.0.1", 0), handler) as listening:
        if tls is not None and certificate is not None:
            proxy.show(certificate)
            # The handshake is for the request's own thread: a client may hang up in it.
            listening.socket = tls.wrap_socket(
                listening.socket, server_side=True, do_handshake_on_connect=False
            )
        proxy.url = f"{'https' if tls else 'http'}://127.0.0.1:{listening.server_port}"
        thread = threading.Thread(target=listening.serve_forever, args=(_LOOK_EVERY_S,))
        thread.start()
        try:
            yield proxy
        finally:
            listening.shutdown()
            thread.join()
