"""
One request: signed as Standard Webhooks has it, sent, and its answer judged.

The border to `http.client`, `ssl` and `standardwebhooks`: above it nobody knows their exceptions.
"""

from __future__ import annotations

import contextlib
import email.utils
import http.client
import pathlib
import ssl
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.message import Message
from functools import cache, lru_cache
from typing import Protocol
from urllib.parse import urlsplit

from standardwebhooks import Webhook

from docferry.core.webhooks import Answer, Missed, judged, origin_of
from docferry.deliver.wire import (
    Connection,
    Resolve,
    Wire,
    checked,
    connection,
    resolve,
)
from docferry.errors import UnreachableError, UserError
from docferry.metrics import release
from docferry.model import Ulid

_PORTS = {"http": 80, "https": 443}
_WORDS_BYTES = 4096  # of an answer; no more is read
_WORDS_SHOWN = 200
_FOREIGN = (OSError, http.client.HTTPException, ValueError)


@dataclass(frozen=True, slots=True)
class Receiver:
    """
    Where a webhook is sent, and how it is known to be ours.

    url: It may hold a key of the receiver's: nobody is shown more than `origin`.
    secrets: Each as Standard Webhooks writes it, "whsec_" and Base64; while they rotate there
        are two, and the receiver may know either.
    verify_tls: A text is the path of the CA's file.
    """

    name: str
    url: str = field(repr=False)
    secrets: tuple[str, ...] = field(repr=False)
    timeout_s: float = 15.0
    allows_private: bool = False
    verify_tls: bool | str = True

    @property
    def origin(self) -> str:
        """Give "https://host:8443", for people."""
        return origin_of(self.url)


class Sends(Protocol):
    """What sends a message: `send`, or what stands in its place."""

    def __call__(
        self, receiver: Receiver, message_id: Ulid, payload: str, at: datetime, wire: Wire
    ) -> Answer: ...


def headers_for(receiver: Receiver, message_id: Ulid, payload: str, at: datetime) -> dict[str, str]:
    """Give what a message is sent with; each secret has signed it."""
    signed = [Webhook(secret).sign(message_id, at, payload) for secret in receiver.secrets]
    return {
        "Content-Type": "application/json",
        "User-Agent": f"docferry/{release()}",
        "Connection": "close",
        "webhook-id": message_id,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": " ".join(signed),
    }


def send(
    receiver: Receiver,
    message_id: Ulid,
    payload: str,
    at: datetime,
    wire: Wire,
    *,
    resolve: Resolve = resolve,
) -> Answer:
    """
    Send a message, once.

    Args:
        at: The time of this try: receivers refuse what was signed long ago.
        wire: Entered; it says for how long.
    """
    target, headers = _target(receiver.url), headers_for(receiver, message_id, payload, at)
    was_sent = False
    try:
        with _connected(receiver, wire, resolve) as line:
            was_sent = True
            line.request("POST", target, payload.encode(), headers)
            return _answer(line.getresponse(), wire, at)
    except (UserError, UnreachableError) as error:
        return Missed(str(error), was_sent=False, is_outage=True)
    except _FOREIGN as error:
        return Missed(_reason(error, receiver, wire), was_sent=was_sent, is_outage=True)


def reach(receiver: Receiver, wire: Wire, *, resolve: Resolve = resolve) -> None:
    """
    Connect as `send` does, and send nothing.

    Raises:
        UserError: There nothing is sent, until the configuration or a certificate is another.
        UnreachableError: Nobody is there, just now.
    """
    try:
        with _connected(receiver, wire, resolve):
            pass
    except _FOREIGN as error:
        is_broken_off = isinstance(error, (ssl.SSLEOFError, ssl.SSLZeroReturnError))
        is_tls = isinstance(error, ssl.SSLError) and not is_broken_off
        kind = UserError if is_tls else UnreachableError
        raise kind(_reason(error, receiver, wire)) from error


@contextlib.contextmanager
def _connected(receiver: Receiver, wire: Wire, resolve: Resolve) -> Iterator[Connection]:
    parts = urlsplit(receiver.url)
    host, port = parts.hostname or "", parts.port or _PORTS[parts.scheme]
    found = checked(host, port, allows_private=receiver.allows_private, resolve=resolve)
    context = _context(receiver) if parts.scheme == "https" else None
    with connection(host, port, wire, found, context) as line:
        yield line


def _target(url: str) -> str:
    parts = urlsplit(url)
    return (parts.path or "/") + (f"?{parts.query}" if parts.query else "")


def _answer(answer: http.client.HTTPResponse, wire: Wire, at: datetime) -> Answer:
    """
    Read what came back.

    Raises:
        TimeoutError: It broke off as the time was up.
    """
    words = _words(answer)
    if wire.is_cut:  # the end of the headers is the cut: who knows what was to follow
        raise TimeoutError
    return judged(answer.status, words, _retry_after_s(answer.headers, at))


def _context(receiver: Receiver) -> ssl.SSLContext:
    """
    Trust the system's authorities, or the one that the configuration names.

    Raises:
        UserError: Its file cannot be read, or holds no certificate.
    """
    file = receiver.verify_tls
    if isinstance(file, str):
        try:
            return _trusting(file, _changed_ns(file))
        except OSError as error:
            why = "it holds no certificate" if isinstance(error, ssl.SSLError) else error.strerror
            raise UserError(f"the CA {file} that vouches for {receiver.origin}: {why}") from error
    return _trusting(None, 0) if receiver.verify_tls else _trusting_all()


def _changed_ns(file: str) -> int:
    return pathlib.Path(file).stat().st_mtime_ns


@lru_cache(maxsize=16)
def _trusting(ca: str | None, _changed_ns: int) -> ssl.SSLContext:
    """To read all of the system's takes 20 ms: more than all else of a request."""
    return ssl.create_default_context(cafile=ca)


@cache
def _trusting_all() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _words(answer: http.client.HTTPResponse) -> str:
    """Give the begin of what was said, as one line; what breaks off there says no more."""
    if 200 <= answer.status < 300:
        return ""
    try:
        said = answer.read(_WORDS_BYTES)
    except _FOREIGN:
        return ""
    line = " ".join(said.decode(errors="replace").split())
    return "".join(char for char in line if char.isprintable())[:_WORDS_SHOWN]


def _retry_after_s(headers: Message, at: datetime) -> float | None:
    """Read Retry-After: seconds, or a date. None: there is none, or it cannot be read."""
    text = headers.get("Retry-After", "").strip()
    if text.isascii() and text.isdigit():
        return float(text[:9])
    try:
        until = email.utils.parsedate_to_datetime(text)
    except (ValueError, OverflowError):  # the latter for a zone that is far away
        return None
    until = until if until.tzinfo is not None else until.replace(tzinfo=UTC)
    return max(0.0, (until - at).total_seconds())


def _reason(error: Exception, receiver: Receiver, wire: Wire) -> str:
    if wire.is_cut or isinstance(error, TimeoutError):
        return f"{receiver.origin} has not answered within {receiver.timeout_s:g} s"
    if isinstance(error, ssl.SSLError):
        why = getattr(error, "verify_message", "") or error.reason or error
        return f"{receiver.origin}: TLS: {why}"
    why = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return f"{receiver.origin} does not answer: {why}"
