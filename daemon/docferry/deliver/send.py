"""
One request: signed as Standard Webhooks has it, sent, and its answer judged.

The border to `http.client`, `ssl` and `standardwebhooks`: above it nobody knows their exceptions.
"""

from __future__ import annotations

import email.utils
import http.client
import pathlib
import ssl
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.message import Message
from functools import cache, lru_cache
from typing import Protocol
from urllib.parse import urlsplit

from standardwebhooks import Webhook

from docferry.core.webhooks import Answer, Missed, judged, origin_of
from docferry.deliver.wire import RefusedAddressError, Resolve, Wire, checked, connection, resolve
from docferry.errors import UnreachableError
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
    parts = urlsplit(receiver.url)
    host, port = parts.hostname or "", parts.port or _PORTS[parts.scheme]
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    headers = headers_for(receiver, message_id, payload, at)
    was_sent = False
    try:
        found = checked(host, port, allows_private=receiver.allows_private, resolve=resolve)
        context = _context(receiver) if parts.scheme == "https" else None
        with connection(host, port, wire, found, context) as line:
            was_sent = True
            line.request("POST", target, payload.encode(), headers)
            answer = line.getresponse()
            words = _words(answer)
            if wire.is_cut:  # the end of the headers is the cut: who knows what was to follow
                raise TimeoutError
            wait_s = _retry_after_s(answer.headers, at)
            return judged(answer.status, words, wait_s)
    except (RefusedAddressError, UnreachableError) as error:
        return Missed(str(error), was_sent=False, is_outage=True)
    except _FOREIGN as error:
        return Missed(_reason(error, receiver, wire), was_sent=was_sent, is_outage=True)


def _context(receiver: Receiver) -> ssl.SSLContext:
    """Trust the system's authorities, or the one that the configuration names."""
    if isinstance(receiver.verify_tls, str):
        return _trusting(receiver.verify_tls, _changed_ns(receiver.verify_tls))
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
    except ValueError:
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
