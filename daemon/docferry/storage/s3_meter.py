"""
What passes between docferry and one store: counted, and kept within limits.

Each try of a request passes here, whichever client sends it: boto3 tells of its own by its
events (`watch`), and obstore, which makes one try of each, is asked by `storage.s3_lean`.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import IO, TYPE_CHECKING, Any, cast

from docferry.core.concurrency import Rise, Usual
from docferry.core.traffic import LastHour, Limits
from docferry.storage.base import PARTS_AT_ONCE
from docferry.storage.pacer import Pacer, SlowBody, size_of

if TYPE_CHECKING:
    from botocore.awsrequest import AWSPreparedRequest
    from botocore.hooks import BaseEventHooks

#: Answers to these say how the store does: of larger bodies they say how large they are.
_SMALL_BYTES = 64 * 1024
_ASKS_FOR_LESS = (429, 503)


class Ask(StrEnum):
    """What a request is for; what it costs goes by that."""

    LIST = "list"
    HEAD = "head"
    GET = "get"
    PUT = "put"
    COPY = "copy"
    DELETE = "delete"
    BEGIN_PARTS = "begin_parts"
    PART = "part"
    COPY_PART = "copy_part"
    LIST_PARTS = "list_parts"
    COMPLETE_PARTS = "complete_parts"
    ABORT_PARTS = "abort_parts"
    LIST_VERSIONS = "list_versions"
    VERSIONING = "versioning"
    OTHER = "other"


_OPERATIONS: Mapping[str, Ask] = {
    "ListObjectsV2": Ask.LIST,
    "HeadObject": Ask.HEAD,
    "GetObject": Ask.GET,
    "PutObject": Ask.PUT,
    "CopyObject": Ask.COPY,
    "DeleteObject": Ask.DELETE,
    "CreateMultipartUpload": Ask.BEGIN_PARTS,
    "UploadPart": Ask.PART,
    "UploadPartCopy": Ask.COPY_PART,
    "ListParts": Ask.LIST_PARTS,
    "CompleteMultipartUpload": Ask.COMPLETE_PARTS,
    "AbortMultipartUpload": Ask.ABORT_PARTS,
    "ListObjectVersions": Ask.LIST_VERSIONS,
    "GetBucketVersioning": Ask.VERSIONING,
}
_TELLING = frozenset({Ask.HEAD, Ask.GET, Ask.PUT, Ask.DELETE})


class Meter:
    """
    One store, as all its mirrors use it. Thread-safe.

    on_refusal, on_rise: Told where the store asks for less, or is slow. They must not wait.
    """

    def __init__(
        self,
        limits: Limits = Limits(),  # noqa: B008  a value
        *,
        clock: Callable[[], float] = time.monotonic,
        wait: Callable[[float], object] = time.sleep,
        local: Callable[[], datetime] = datetime.now,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.limits = limits  #: may be changed at any time
        self.on_refusal: Callable[[], None] = lambda: None
        self.on_rise: Callable[[Rise], None] = lambda rise: None
        self.requests = Pacer(lambda: self.limits.requests_per_s, clock, wait)
        self.up = Pacer(lambda: self.limits.up.bytes_per_s(local()), clock, wait)
        self.down = Pacer(lambda: self.limits.down.bytes_per_s(local()), clock, wait)
        #: One for each part of a large content that is in memory, over all its transfers. Another
        #: store's do not wait for them: this one may be limited, or hang.
        self.part_permits = threading.BoundedSemaphore(2 * PARTS_AT_ONCE)
        self._clock = clock
        self._now = now
        self._lock = threading.Lock()
        self._counts: Counter[tuple[str, Ask]] = Counter()
        self._last_hour = LastHour(now())
        self._usual: dict[Ask, Usual] = {}

    def of(self, mirror: str) -> MirrorMeter:
        """Give what counts for *mirror*."""
        return MirrorMeter(self, mirror)

    def begin(self, mirror: str, ask: Ask) -> float:
        """Wait for a request's turn and count it; give when it began, for `end`."""
        self.requests.take(1)
        with self._lock:
            self._counts[mirror, ask] += 1
            self._last_hour.add(ask, self._now())
        return self._clock()

    def end(self, ask: Ask, began_s: float, *, status: int | None, size: int = 0) -> None:
        """
        Hear of an answer.

        Args:
            status: None: none came.
            size: Bytes of the body that went with it.
        """
        if status in _ASKS_FOR_LESS:
            self.on_refusal()
        is_slowed = size > 0 and self.up.rate is not None
        is_telling = ask in _TELLING and size <= _SMALL_BYTES and not is_slowed
        if status is None or status >= 500 or not is_telling:
            return
        now_s = self._clock()
        with self._lock:
            rise = self._usual.setdefault(ask, Usual()).took(now_s - began_s, now_s)
        if rise is not None:
            self.on_rise(rise)

    def counts(self) -> dict[tuple[str, Ask], int]:
        """Give all requests since the process began, by mirror and kind."""
        with self._lock:
            return dict(self._counts)

    def last_hour(self) -> tuple[datetime, Counter[str]]:
        """Give since when requests are counted, and those of the last hour by kind."""
        with self._lock:
            counts = self._last_hour.counts(self._now())
            return self._last_hour.since, counts


@dataclass(frozen=True, slots=True)
class MirrorMeter:
    """A store's meter, as one mirror uses it."""

    store: Meter
    mirror: str

    @contextmanager
    def sending(self) -> Iterator[None]:
        """Count what boto3 sends meanwhile, in this thread, for the mirror."""
        before = getattr(_sending, "meter", None)
        _sending.meter = self
        try:
            yield
        finally:
            _sending.meter = before

    def begin(self, ask: Ask) -> float:
        return self.store.begin(self.mirror, ask)

    def end(self, ask: Ask, began_s: float, *, status: int | None, size: int = 0) -> None:
        self.store.end(ask, began_s, status=status, size=size)


_sending = threading.local()


def watch(events: BaseEventHooks) -> None:
    """Have a boto3 client tell of each try of each request: whose it is, its thread says."""
    events.register("before-send.s3", _before_send)
    events.register("before-parse.s3", _before_parse)
    events.register("response-received.s3", _response_received)


def _before_send(request: AWSPreparedRequest, event_name: str, **_: Any) -> None:
    meter: MirrorMeter | None = getattr(_sending, "meter", None)
    if meter is None:
        return
    ask = _ask_in(event_name)
    size = size_of(request.body)
    if size and meter.store.up.rate is not None:
        request.body = cast("IO[bytes]", SlowBody(request.body, meter.store.up))
    _sending.size = size
    _sending.began_s = meter.begin(ask)


def _before_parse(response_dict: Mapping[str, Any], **_: Any) -> None:
    """What came as a whole has passed already: who asks next waits for it."""
    meter: MirrorMeter | None = getattr(_sending, "meter", None)
    body = response_dict.get("body")
    if meter is not None and isinstance(body, bytes):
        meter.store.down.take(len(body))


def _response_received(response_dict: Mapping[str, Any] | None, event_name: str, **_: Any) -> None:
    meter: MirrorMeter | None = getattr(_sending, "meter", None)
    if meter is None:
        return
    status = None if response_dict is None else int(response_dict["status_code"])
    meter.end(_ask_in(event_name), _sending.began_s, status=status, size=_sending.size)


def _ask_in(event_name: str) -> Ask:
    return _OPERATIONS.get(event_name.rpartition(".")[2], Ask.OTHER)
