"""
Conversion services for tests: real servers on the loopback, which fail on command.

`FailingServer` turns text into Markdown by making its letters capital, whatever it is asked
for. `stand_ins` has those that speak as Gotenberg, docling-serve and Tika do.
"""

from __future__ import annotations

import contextlib
import hashlib
import http.server
import io
import random
import socket
import ssl
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from types import TracebackType
from typing import ClassVar, Self

from werkzeug.formparser import parse_form_data

import servers

_LOOK_EVERY_S = 0.02
_KEPT_BYTES = 8 * 1024 * 1024  # of a request; what is larger is only counted and hashed
_PART_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class Asked:
    """A request, as a server got it."""

    method: str
    path: str  #: with what follows the "?"
    headers: Mapping[str, str]  #: their names in small letters
    size: int  #: bytes of its body that arrived
    sha256: str  #: of them
    body: bytes = field(repr=False)  #: b"": it was larger than is kept

    @property
    def fields(self) -> dict[str, str]:
        """Give what stands in its form, besides files."""
        return self._form()[0]

    @property
    def files(self) -> dict[str, tuple[str, bytes]]:
        """Give the name and the content of each file in its form, by the part's name."""
        return self._form()[1]

    @property
    def document(self) -> bytes:
        """Give what is to be converted: the one file of its form, or else its body."""
        files = self.files
        return next(iter(files.values()))[1] if files else self.body

    def _form(self) -> tuple[dict[str, str], dict[str, tuple[str, bytes]]]:
        kind = self.headers.get("content-type", "")
        if not kind.startswith("multipart/form-data"):
            return {}, {}
        environ = {
            "REQUEST_METHOD": "POST",
            "CONTENT_TYPE": kind,
            "CONTENT_LENGTH": str(len(self.body)),
            "wsgi.input": io.BytesIO(self.body),
        }
        _, fields, files = parse_form_data(environ)
        texts = {name: ",".join(fields.getlist(name)) for name in fields}
        contents = {}
        for name, file in files.items():
            contents[name] = (file.filename or "", file.read())
            file.close()
        return texts, contents


@dataclass(frozen=True, slots=True)
class Said:
    """One answer. What is not set goes the usual way."""

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = field(default=b"", repr=False)
    delay_s: float = 0.0  #: before the first byte
    repeats: int = 1  #: how often the body is said, one after the other
    cut_after: int | None = None  #: bytes of the body after which the connection breaks
    trickle_s: float = 0.0  #: between one byte of the body and the next
    hangs: bool = False  #: not a word, and the connection stays
    is_deaf: bool = False  #: the request's body is not read
    is_endless: bool = False  #: the body again and again, for ever
    says_length: int | None = None  #: a Content-Length that is not the true one
    hides_length: bool = False  #: no Content-Length: the end of the connection is the end


#: Breaks the connection before a word is said.
CUT = Said(cut_after=0, status=0)
HANGS = Said(hangs=True)
PAGE = Said(
    headers={"Content-Type": "text/html; charset=utf-8"},
    body=b"<!DOCTYPE html>\n<html><head><title>Log in</title></head><body>Who?</body></html>",
)


class FailingServer:
    """
    A conversion service that does as it is told.

    calls, received: What arrived so far, in order of arrival.
    delay_s: How long each conversion takes.
    fail_rate: How many of the answers, of 1, are `failure` instead. The seed decides which.
    demands: Headers (in small letters) without which the answer is 401.
    under_way, most_at_once: Requests at the same time, now and at most.
    """

    def __init__(
        self,
        *,
        seed: int = 1,
        certificate: servers.Certificate | None = None,
        wants_certificates: bool = False,
    ) -> None:
        """
        Args:
            certificate: With one it speaks TLS.
            wants_certificates: Only with those for whom the same CA vouches.
        """
        self.received: list[Asked] = []
        self.delay_s = 0.0
        self.fail_rate = 0.0
        self.failure = Said(status=500, body=b"something went wrong")
        self.demands: dict[str, str] = {}
        self.under_way = 0
        self.most_at_once = 0
        self._random = random.Random(seed)
        self._script: list[Said] = []
        self._lock = threading.Lock()
        self._came = threading.Condition(self._lock)
        self._closes = threading.Event()
        self._listening = _Listening(
            self, certificate and _tls(certificate, wants=wants_certificates)
        )

    @property
    def url(self) -> str:
        return self._listening.url

    @property
    def calls(self) -> int:
        return len(self.received)

    def answers(self, *script: Said) -> None:
        """Give these next, one to each request; then what is usual."""
        with self._lock:
            self._script.extend(script)

    def go_down(self) -> None:
        """Refuse every connection, and break those that are there."""
        self._listening.close()

    def come_back(self) -> None:
        """Listen again, at the same URL."""
        self._listening.open()

    def wait_for_calls(self, count: int, timeout_s: float = 20.0) -> None:
        """Wait until so many requests have arrived, each with all of its body."""
        with self._came:
            assert self._came.wait_for(lambda: len(self.received) >= count, timeout_s)

    def convert(self, asked: Asked) -> Said:
        """Give the usual answer to a request. For servers that are made from this one."""
        text = asked.document.decode(errors="replace")
        markdown = {"Content-Type": "text/markdown; charset=utf-8"}
        return Said(headers=markdown, body=f"# Converted\n\n{text.upper()}".encode())

    def __enter__(self) -> Self:
        self._listening.open()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._closes.set()
        self._listening.end()

    # What the handler of a request asks.

    def next_answer(self) -> Said | None:
        with self._lock:
            if self._script:
                return self._script.pop(0)
            return self.failure if self._random.random() < self.fail_rate else None

    def usual(self, asked: Asked) -> Said:
        for name, value in self.demands.items():
            if asked.headers.get(name) != value:
                return Said(status=401, body=f"no {name}: {asked.headers.get(name)}".encode())
        return self.convert(asked)

    def note(self, asked: Asked) -> None:
        with self._came:
            self.received.append(asked)
            self._came.notify_all()

    def pause(self, for_s: float | None) -> None:
        """Let *for_s* go by; None: until the server ends."""
        if for_s is None or for_s > 0:
            self._closes.wait(for_s)

    @contextlib.contextmanager
    def counted(self) -> Iterator[None]:
        with self._lock:
            self.under_way += 1
            self.most_at_once = max(self.most_at_once, self.under_way)
        try:
            yield
        finally:
            with self._lock:
                self.under_way -= 1

    @property
    def is_closing(self) -> bool:
        return self._closes.is_set()


class _Request(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    owner: ClassVar[FailingServer]

    def do_GET(self) -> None:
        with self.owner.counted(), contextlib.suppress(OSError):
            scripted = self.owner.next_answer()
            asked = self._asked(b"", 0) if scripted and scripted.is_deaf else self._read()
            if asked is None:
                return
            self.owner.note(asked)
            if scripted is None:
                usual = self.owner.usual(asked)
                scripted = replace(usual, delay_s=usual.delay_s + self.owner.delay_s)
            self._say(scripted)

    do_HEAD = do_PUT = do_POST = do_DELETE = do_GET

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def _read(self) -> Asked | None:
        """Give the request; None: its body broke off."""
        self.seen = hashlib.sha256()
        left = size = int(self.headers.get("Content-Length", 0))
        kept = bytearray()
        while left:
            part = self.rfile.read(min(left, _PART_BYTES))
            if not part:
                self.close_connection = True
                return None
            left -= len(part)
            self.seen.update(part)
            if size <= _KEPT_BYTES:
                kept += part
        return self._asked(bytes(kept), size)

    def _asked(self, body: bytes, size: int) -> Asked:
        headers = {name.lower(): value for name, value in self.headers.items()}
        digest = self.seen.hexdigest() if size else hashlib.sha256().hexdigest()
        return Asked(self.command, self.path, headers, size, digest, body)

    def _say(self, said: Said) -> None:
        if said.is_deaf or said.hangs or said.cut_after is not None or said.hides_length:
            self.close_connection = True
        if said.hangs:
            self.owner.pause(None)
            return
        self.owner.pause(said.delay_s)
        if said.status == 0:
            return
        self._say_headers(said)
        if self.command != "HEAD":
            self._say_body(said)

    def _say_headers(self, said: Said) -> None:
        length = len(said.body) * said.repeats if said.says_length is None else said.says_length
        self.send_response_only(said.status)
        for name, value in said.headers.items():
            self.send_header(name, value)
        if said.is_endless:
            self.send_header("Transfer-Encoding", "chunked")
        elif not said.hides_length and said.status != 204:
            self.send_header("Content-Length", str(length))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()

    def _say_body(self, said: Said) -> None:
        if said.is_endless:
            while not self.owner.is_closing:
                self.wfile.write(b"%x\r\n%b\r\n" % (len(said.body), said.body))
        elif said.trickle_s:
            for byte in said.body:
                self.wfile.write(bytes([byte]))
                self.owner.pause(said.trickle_s)
        else:
            for _ in range(said.repeats):
                self.wfile.write(said.body[: said.cut_after])
        if said.says_length is not None:
            self.close_connection = True


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, handler: type[_Request], tls: ssl.SSLContext | None) -> None:
        super().__init__(("127.0.0.1", 0), handler, bind_and_activate=False)
        self.server_bind()
        self._open: set[socket.socket] = set()
        self._guard = threading.Lock()
        self._tls = tls

    def get_request(self) -> tuple[socket.socket, object]:
        connection, address = super().get_request()
        if self._tls is not None:
            # The handshake is for the request's own thread: a client may hang up in it.
            connection = self._tls.wrap_socket(
                connection, server_side=True, do_handshake_on_connect=False
            )
        with self._guard:
            self._open.add(connection)
        return connection, address

    def shutdown_request(self, request: object) -> None:
        with self._guard:
            self._open.discard(request)
        super().shutdown_request(request)  # type: ignore[arg-type]

    def keep_port(self) -> None:
        """Have a socket at the port that does not listen: nobody else can take it."""
        self.socket.close()
        self.socket = socket.socket()
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(("127.0.0.1", self.server_port))

    def break_all(self) -> None:
        with self._guard:
            for connection in self._open:
                with contextlib.suppress(OSError):
                    socket.socket.shutdown(connection, socket.SHUT_RDWR)

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing: the client hung up."""


class _Listening:
    """A port that is ours all the time, and listened at some of the time."""

    def __init__(self, owner: FailingServer, tls: ssl.SSLContext | None) -> None:
        handler = type("OneRequest", (_Request,), {"owner": owner})
        self._server = _Server(handler, tls)
        self._thread: threading.Thread | None = None
        scheme = "https" if tls else "http"
        self.url = f"{scheme}://127.0.0.1:{self._server.server_port}"

    def open(self) -> None:
        assert self._thread is None
        self._server.server_activate()
        self._thread = threading.Thread(target=self._server.serve_forever, args=(_LOOK_EVERY_S,))
        self._thread.start()

    def close(self) -> None:
        """Stop listening but keep the port: whoever connects is refused."""
        if self._thread is None:
            return
        self._server.shutdown()
        self._thread.join()
        self._thread = None
        self._server.keep_port()
        self._server.break_all()

    def end(self) -> None:
        self.close()
        self._server.server_close()


def _tls(certificate: servers.Certificate, *, wants: bool) -> ssl.SSLContext:
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate.certificate, certificate.key)
    if wants:
        tls.load_verify_locations(certificate.ca)
        tls.verify_mode = ssl.CERT_REQUIRED
    return tls
