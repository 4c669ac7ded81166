"""Every request that a store gets was counted, by its kind; and limits hold for all clients."""

from __future__ import annotations

import itertools
import os
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from urllib.parse import parse_qs, urlsplit

import pytest

import proxy
import servers
from contract.backends import s3_options
from contract.test_s3_uploads import Notes
from docferry.core.traffic import ALL_DAY, Hours, Limits, Timetable
from docferry.errors import DocferryError
from docferry.model import Attributes, Token
from docferry.storage.base import PART_BYTES
from docferry.storage.memory import BytesContent, sha256_of
from docferry.storage.part_reader import PartReader
from docferry.storage.s3 import S3Storage
from docferry.storage.s3_client import S3Client
from docferry.storage.s3_meter import Ask, Meter
from docferry.storage.s3_multipart import MultipartUpload
from processes import wait_for

LARGE = os.urandom(PART_BYTES) + b"and a second part"
KIB = 1024


def kind_of(request: proxy.Request) -> Ask:
    """Tell what a request is for by what went over the line."""
    url = urlsplit(request.path)
    query = parse_qs(url.query, keep_blank_values=True)
    is_copy = request.headers.get("x-amz-copy-source") is not None
    match request.command:
        case "HEAD":
            return Ask.HEAD
        case "DELETE":
            return Ask.ABORT_PARTS if "uploadId" in query else Ask.DELETE
        case "POST":
            return Ask.BEGIN_PARTS if "uploads" in query else Ask.COMPLETE_PARTS
        case "PUT" if "uploadId" in query:
            return Ask.COPY_PART if is_copy else Ask.PART
        case "PUT":
            return Ask.COPY if is_copy else Ask.PUT
        case _:
            assert request.command == "GET"
    marks = {
        "list-type": Ask.LIST,
        "versions": Ask.LIST_VERSIONS,
        "versioning": Ask.VERSIONING,
        "uploadId": Ask.LIST_PARTS,
    }
    return next((ask for mark, ask in marks.items() if mark in query), Ask.GET)


class Line:
    """Two prefixes of a store, and what goes over the line to it."""

    def __init__(self, server: servers.S3Server, between: proxy.Proxy) -> None:
        self.meter = Meter()
        self.seen: Counter[Ask] = Counter()
        self.refuses: Callable[[proxy.Request], bool] = lambda request: False
        self._lock = threading.Lock()
        self._options = replace(s3_options(server), endpoint_url=between.url)
        between.mood = self._look

    def storage(self, mirror: str, notes: Notes | None = None) -> S3Storage:
        found = S3Storage(
            self._options,
            servers.BUCKET,
            f"{mirror}/{time.monotonic_ns()}/",
            notes=notes,
            meter=self.meter.of(mirror),
        )
        found.probe()
        return found

    def client(self) -> S3Client:
        return S3Client(self._options, servers.BUCKET, meter=self.meter.of("docs"))

    def counted(self) -> Counter[Ask]:
        found: Counter[Ask] = Counter()
        for (_, ask), count in self.meter.counts().items():
            found[ask] += count
        return found

    def _look(self, request: proxy.Request) -> bool:
        with self._lock:
            self.seen[kind_of(request)] += 1
        return self.refuses(request)


@pytest.fixture
def line(seaweedfs: servers.S3Server) -> Iterator[Line]:
    with proxy.in_front_of(seaweedfs) as between:
        yield Line(seaweedfs, between)


def attributes(number: int, body: bytes) -> Attributes:
    version, parent = f"{number:026}", "0" * 26
    return Attributes(version=version, sha256=sha256_of(body), mtime_ns=1, parent=parent)


def write(storage: S3Storage, path: str, body: bytes, expect: Token | None = None) -> Token:
    written = storage.write(
        path, BytesContent(body), attributes(1, body), expect=expect, archive=attributes(2, b"")
    )
    return written.token


def do_everything(storage: S3Storage) -> None:
    """Use all that a mirror asks of a store, small and large, through both clients."""
    storage.check_bucket()
    small = write(storage, "a", b"small")
    small = write(storage, "a", b"another", small)
    write(storage, "a\tb", b"through boto3 alone")
    large = write(storage, "large", LARGE)
    for path in ("a", "large", "missing"):
        storage.stat(path)
    list(storage.scan())
    for path, token in (("a", small), ("large", large)):
        with storage.read(path, token) as content:
            content.sha256()
    storage.delete("large", expect=large, archive=attributes(3, LARGE))


def test_every_request_that_a_store_gets_is_counted_by_its_kind(line: Line) -> None:
    for mirror in ("docs", "processed"):
        do_everything(line.storage(mirror))

    assert line.counted() == line.seen
    assert {Ask.LIST, Ask.HEAD, Ask.GET, Ask.PUT, Ask.COPY, Ask.DELETE} <= set(line.seen)
    assert {Ask.BEGIN_PARTS, Ask.PART, Ask.COMPLETE_PARTS, Ask.VERSIONING} <= set(line.seen)
    docs = sum(count for (mirror, _), count in line.meter.counts().items() if mirror == "docs")
    assert docs * 2 == line.seen.total()


def test_each_try_of_a_request_counts_that_the_store_refuses(line: Line) -> None:
    storage = line.storage("docs")
    turns, refused = itertools.count(), 0
    refusals: list[float] = []
    line.meter.on_refusal = lambda: refusals.append(time.monotonic())

    def refuse_some(request: proxy.Request) -> bool:
        nonlocal refused
        if next(turns) % 5 >= 2:  # the second one is of boto3, and it tries again
            return False
        refused += 1
        return request.refuse(503, "SlowDown")

    line.refuses = refuse_some

    for number in range(6):
        with suppress(DocferryError):
            write(storage, f"{number}", b"small")
        with suppress(DocferryError):
            list(storage.scan())

    assert line.counted() == line.seen
    assert len(refusals) == refused


def always(kib_per_s: int) -> Timetable:
    return Timetable((Hours(*ALL_DAY, kib_per_s * KIB),))


def took_s(work: Callable[[], object]) -> float:
    began_s = time.monotonic()
    work()
    return time.monotonic() - began_s


@pytest.mark.parametrize("size", [40 * KIB, 600 * KIB], ids=["obstore", "boto3"])
def test_what_goes_up_takes_the_time_that_its_limit_says(line: Line, size: int) -> None:
    one, other = line.storage("docs"), line.storage("processed")
    line.meter.limits = Limits(up=always(800))
    count = 1_200 * KIB // size

    def send(number: int) -> None:
        write((one, other)[number % 2], f"{number}", os.urandom(size))

    with ThreadPoolExecutor(4) as pool:
        needed_s = took_s(lambda: list(pool.map(send, range(count))))

    assert needed_s > 0.9 * (count * size / (800 * KIB)) - 0.1


def test_a_part_too_large_for_memory_takes_the_time_that_its_limit_says(line: Line) -> None:
    whole, client = BytesContent(os.urandom(800 * KIB)), line.client()
    part = PartReader(whole, 0, whole.size, lambda piece: None)
    line.meter.limits = Limits(up=always(800))

    def send() -> None:
        client.call("write", client.connections.boto.put_object, Key="part", Body=part)

    assert took_s(send) > 0.8
    part.check()


def test_a_store_that_is_limited_does_not_keep_another_waiting(seaweedfs: servers.S3Server) -> None:
    options, limited, other = s3_options(seaweedfs), Meter(), Meter()
    limited.limits = Limits(up=always(64))

    def send(meter: Meter, key: str, body: bytes) -> None:
        client = S3Client(options, servers.BUCKET, meter=meter.of("docs"))
        with MultipartUpload(client, key, {}) as upload:
            upload.send(BytesContent(body))
            upload.complete(None)

    with ThreadPoolExecutor(2) as pool:
        body = os.urandom(4 * PART_BYTES)
        coming = [pool.submit(send, limited, f"limited {number}", body) for number in range(2)]
        wait_for(lambda: limited.counts().get(("docs", Ask.PART), 0) == 8)

        send(other, "large", LARGE)

        assert not any(future.done() for future in coming)
        limited.limits = Limits()


@pytest.mark.parametrize("size", [200 * KIB, PART_BYTES + 1], ids=["obstore", "boto3"])
def test_what_comes_down_takes_the_time_that_its_limit_says(line: Line, size: int) -> None:
    storage = line.storage("docs")
    body = os.urandom(size)
    token = write(storage, "a", body)
    rate_kib = size // KIB
    line.meter.limits = Limits(down=always(rate_kib))

    def read() -> None:
        with storage.read("a", token) as content:
            assert content.sha256() == sha256_of(body)

    assert took_s(read) > 0.8


def test_no_more_requests_a_second_are_sent_than_may_be(line: Line) -> None:
    one, other = line.storage("docs"), line.storage("processed")
    line.meter.limits = Limits(requests_per_s=40)
    before = line.seen.total()

    with ThreadPoolExecutor(8) as pool:
        needed_s = took_s(
            lambda: list(pool.map(lambda n: (one, other)[n % 2].stat(f"{n}"), range(50)))
        )

    assert line.seen.total() - before <= 40 * (needed_s + 0.1) + 1
    assert needed_s > 0.9
