"""
A small S3 in the test's own process, whose state of any moment can be had, and had back.

One bucket, all in memory, and as S3 should be: conditions hold, listings are in order. It asks
for no credentials. For tests that have to know exactly what the store had at a moment.
"""

from __future__ import annotations

import hashlib
import http.server
import threading
import time
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime
from itertools import count
from typing import TypeAlias
from urllib.parse import parse_qs, quote, unquote, urlsplit
from xml.etree import ElementTree
from xml.sax.saxutils import escape

import servers

_NAMESPACE = 'xmlns="http://s3.amazonaws.com/doc/2006-03-01/"'
_KEPT = ("content-type", "content-encoding", "content-disposition", "cache-control")
_LOOK_EVERY_S = 0.02


@dataclass(frozen=True, slots=True)
class Object:
    """An object; never changed, only replaced."""

    body: bytes
    headers: Mapping[str, str]
    etag: str  #: without quotes
    modified_at: datetime


#: What the bucket holds, by key.
Objects: TypeAlias = Mapping[str, Object]


@dataclass
class SmallStore:
    """
    What the server has.

    on_request: Called with each request, before it is looked at and again when it was carried out
        and is to be answered (True). What it raises ends the connection.
    history: The time (`time.monotonic_ns`) and the state after each change.
    requests: The time of each.
    """

    objects: dict[str, Object] = field(default_factory=dict)
    history: list[tuple[int, Objects]] = field(default_factory=list)
    requests: list[int] = field(default_factory=list)
    on_request: Callable[[bool], None] = lambda is_done: None
    endpoint_url: str = ""
    _uploads: dict[str, dict[int, Object]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _numbers: Iterator[int] = field(default_factory=lambda: count(1))

    def at(self, time_ns: int) -> Objects:
        """Give what it held at a moment."""
        states = [objects for changed_ns, objects in self.history if changed_ns <= time_ns]
        return states[-1] if states else {}

    def put(self, key: str, body: bytes) -> None:
        """Put an object, as a stranger does."""
        with self._lock:
            self._set(key, _object(body, {"content-type": "binary/octet-stream"}))

    def remove(self, key: str) -> None:
        with self._lock:
            self._set(key, None)

    def _set(self, key: str, value: Object | None) -> None:
        if value is None:
            self.objects.pop(key, None)
        else:
            self.objects[key] = value
        self.history.append((time.monotonic_ns(), dict(self.objects)))

    # Requests. Each gives a status, headers and a body.

    def answer(self, request: _Request) -> _Answer:
        with self._lock:
            if not request.key:
                return self._of_the_bucket(request)
            match request.method:
                case "PUT" if "partNumber" in request.query:
                    return self._part(request)
                case "PUT":
                    return self._put(request)
                case "POST" | "DELETE" if {"uploads", "uploadId"} & request.query.keys():
                    return self._upload(request)
                case "DELETE":
                    return self._delete(request)
                case _:
                    return self._get(request)

    def _of_the_bucket(self, request: _Request) -> _Answer:
        if "versioning" in request.query:
            return _xml("VersioningConfiguration", "")
        if "uploads" in request.query:
            return _xml("ListMultipartUploadsResult", "<IsTruncated>false</IsTruncated>")
        if request.method != "GET":
            return _Answer(200)
        prefix = request.query.get("prefix", "")
        after = request.query.get("continuation-token") or request.query.get("start-after", "")
        most = int(request.query.get("max-keys", "1000"))
        found = [key for key in sorted(self.objects, key=str.encode) if key.startswith(prefix)]
        found = [key for key in found if key.encode() > after.encode()]
        page, rest = found[:most], found[most:]
        told = [f"<Name>{servers.BUCKET}</Name><Prefix>{escape(prefix)}</Prefix>"]
        told.append(f"<KeyCount>{len(page)}</KeyCount><MaxKeys>{most}</MaxKeys>")
        told.append(f"<IsTruncated>{'true' if rest else 'false'}</IsTruncated>")
        if rest:
            told.append(f"<NextContinuationToken>{escape(page[-1])}</NextContinuationToken>")
        is_url = "encoding-type" in request.query
        told.append("<EncodingType>url</EncodingType>" if is_url else "")
        for key in page:
            it = self.objects[key]
            name = quote(key) if is_url else escape(key)
            told.append(f"<Contents><Key>{name}</Key><ETag>&quot;{it.etag}&quot;</ETag>")
            told.append(f"<LastModified>{it.modified_at:%Y-%m-%dT%H:%M:%S}.000Z</LastModified>")
            told.append(f"<Size>{len(it.body)}</Size></Contents>")
        return _xml("ListBucketResult", "".join(told))

    def _put(self, request: _Request) -> _Answer:
        headers, source = request.headers, request.headers.get("x-amz-copy-source")
        if refused := self._refused(request, request.key):
            return refused
        if source is None:
            said = headers.get("x-amz-checksum-sha256")
            if said and b64decode(said) != hashlib.sha256(request.body).digest():
                return _error(400, "BadDigest")
            made = _object(request.body, headers)
            self._set(request.key, made)
            return _Answer(200, {"ETag": f'"{made.etag}"'})
        found = self.objects.get(unquote(source).lstrip("/").partition("/")[2])
        if found is None:
            return _error(404, "NoSuchKey")
        if headers.get("x-amz-copy-source-if-match", found.etag).strip('"') != found.etag:
            return _error(412, "PreconditionFailed")
        is_new = headers.get("x-amz-metadata-directive") == "REPLACE"
        made = _object(found.body, headers if is_new else found.headers)
        self._set(request.key, made)
        told = f"<ETag>&quot;{made.etag}&quot;</ETag>"
        told += f"<LastModified>{made.modified_at:%Y-%m-%dT%H:%M:%S}.000Z</LastModified>"
        return _xml("CopyObjectResult", told)

    def _part(self, request: _Request) -> _Answer:
        parts = self._uploads.get(request.query["uploadId"])
        if parts is None:
            return _error(404, "NoSuchUpload")
        made = _object(request.body, {})
        parts[int(request.query["partNumber"])] = made
        return _Answer(200, {"ETag": f'"{made.etag}"'})

    def _upload(self, request: _Request) -> _Answer:
        if "uploads" in request.query:
            upload_id = str(next(self._numbers))
            self._uploads[upload_id] = {0: _object(b"", request.headers)}
            return _xml("InitiateMultipartUploadResult", f"<UploadId>{upload_id}</UploadId>")
        if request.method == "POST" and (refused := self._refused(request, request.key)):
            return refused
        parts = self._uploads.pop(request.query["uploadId"], None)
        if parts is None:
            return _error(404, "NoSuchUpload")
        if request.method == "DELETE":
            return _Answer(204)
        wanted = [int(each.text or "") for each in ElementTree.fromstring(request.body).iter()
                  if each.tag.endswith("PartNumber")]  # fmt: skip
        made = _object(b"".join(parts[number].body for number in wanted), parts[0].headers)
        self._set(request.key, made)
        return _xml("CompleteMultipartUploadResult", f"<ETag>&quot;{made.etag}&quot;</ETag>")

    def _delete(self, request: _Request) -> _Answer:
        if request.key in self.objects:
            if refused := self._refused(request, request.key):
                return refused
            self._set(request.key, None)
        return _Answer(204)

    def _get(self, request: _Request) -> _Answer:
        found = self.objects.get(request.key)
        if found is None:
            return _error(404, "NoSuchKey")
        if refused := self._refused(request, request.key):
            return refused
        headers = {**found.headers, "ETag": f'"{found.etag}"', "Accept-Ranges": "bytes"}
        headers["Last-Modified"] = format_datetime(found.modified_at, usegmt=True)
        asked = request.headers.get("range")
        if asked is None:
            return _Answer(200, headers, found.body)
        first, _, last = asked.removeprefix("bytes=").partition("-")
        body = found.body[int(first) : int(last) + 1 if last else None]
        end = int(first) + len(body) - 1
        headers["Content-Range"] = f"bytes {first}-{end}/{len(found.body)}"
        return _Answer(206, headers, body)

    def _refused(self, request: _Request, key: str) -> _Answer | None:
        found = self.objects.get(key)
        none, match = request.headers.get("if-none-match"), request.headers.get("if-match")
        if none is not None and found is not None:
            return _error(412, "PreconditionFailed")
        if match is not None and (found is None or match.strip('"') != found.etag):
            return _error(412, "PreconditionFailed")
        return None


@dataclass(frozen=True, slots=True)
class _Request:
    method: str
    key: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


@contextmanager
def small_s3() -> Iterator[SmallStore]:
    """Run one on a free port of the loopback."""
    store = SmallStore()

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True
        wbufsize = -1  # head and body in one packet

        def do_GET(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            url = urlsplit(self.path)
            query = {name: each[0] for name, each in parse_qs(url.query, True).items()}  # noqa: FBT003
            key = unquote(url.path).lstrip("/").partition("/")[2]
            headers = {name.lower(): value for name, value in self.headers.items()}
            store.requests.append(time.monotonic_ns())
            store.on_request(False)  # noqa: FBT003
            answer = store.answer(_Request(self.command, key, query, headers, body))
            store.on_request(True)  # noqa: FBT003
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            if answer.status != 204:
                self.send_header("Content-Length", str(len(answer.body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(answer.body)

        do_HEAD = do_PUT = do_POST = do_DELETE = do_GET

        def handle_expect_100(self) -> bool:
            go_on = super().handle_expect_100()
            self.wfile.flush()
            return go_on

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    class Server(http.server.ThreadingHTTPServer):
        daemon_threads = True  # whoever keeps a connection open keeps no test
        request_queue_size = 128

        def handle_error(self, request: object, client_address: object) -> None:
            """Say nothing: the client was killed."""

    with Server(("127.0.0.1", 0), Handler) as server:
        store.endpoint_url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, args=(_LOOK_EVERY_S,))
        thread.start()
        try:
            yield store
        finally:
            server.shutdown()
            thread.join()


def _object(body: bytes, headers: Mapping[str, str]) -> Object:
    kept = {k: v for k, v in headers.items() if k.startswith("x-amz-meta-") or k in _KEPT}
    kept["x-amz-checksum-sha256"] = b64encode(hashlib.sha256(body).digest()).decode()
    etag = hashlib.md5(body, usedforsecurity=False).hexdigest()
    return Object(body, kept, etag, datetime.now(UTC))


def _xml(name: str, inner: str) -> _Answer:
    text = f'<?xml version="1.0" encoding="UTF-8"?><{name} {_NAMESPACE}>{inner}</{name}>'
    return _Answer(200, {"Content-Type": "application/xml"}, text.encode())


def _error(status: int, code: str) -> _Answer:
    text = f"<Error><Code>{code}</Code><Message>{code}</Message></Error>"
    return _Answer(status, {"Content-Type": "application/xml"}, text.encode())
