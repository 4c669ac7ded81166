"""What the answers of services mean: whose failure one is, and when to ask again. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

from docferry.convert.base import ConversionError, ConverterDownError
from docferry.errors import DocferryError, UserError
from docferry.job import Failure

LONGEST_WAIT_S = 3600.0  #: whatever a service asks for
WORDS_BYTES = 4096  #: of what a service says about a failure; the rest is not read

#: Us: what we ask for is not there, or not for us. 407 and 511 are of what stands between.
_CONFIGURATION = {
    *(401, 402, 403, 404, 405, 406, 407, 411, 417, 421, 426, 431),
    *(501, 505, 510),
}
#: It, and certainly not the document: it did not take it up.
_BUSY = {425, 429, 511}
#: A request that was too slow to come is nothing that a document does.
_SLOW = {408}
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]+")
_PAGE = re.compile(rb"\s*(<!doctype\s+html|<html[\s>])", re.I)
_LONGEST_KIND = 80
_PAGES = {".html", ".htm", ".xhtml"}
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class Refusal:
    """An answer that is no result."""

    service: str  #: "gotenberg http://host:3000", for messages
    document: str  #: its name, for messages
    status: int
    words: str  #: what it said, made plain
    headers: Mapping[str, str]  #: their names in any case


def error_for(refusal: Refusal, now: datetime) -> DocferryError:
    """
    Tell whose failure it is: the document's, the service's, or ours.

    Where the service had the document and fell over itself (5xx) it is in doubt: the
    document may have been the reason.
    """
    said = f"{refusal.service} answered {refusal.status}"
    said += f": {first_line(refusal.words)}" if refusal.words else ""
    status = refusal.status
    if 300 <= status < 400:
        return UserError(f"{said}, and sends us {_elsewhere(refusal.headers)}; correct its url")
    if status in _CONFIGURATION:
        return UserError(f"{said}; check its url and its credentials")
    if status in _BUSY or status in _SLOW or status >= 500:
        return ConverterDownError(
            said,
            retry_after_s=retry_after_s(refusal.headers.get("Retry-After"), now),
            is_in_doubt=status not in _BUSY,
            output=refusal.words,
        )
    if status == 204:
        message = f"{refusal.service} found nothing in {refusal.document}"
        return ConversionError(message, failure=Failure.EMPTY)
    if 200 <= status < 300:
        return ConversionError(
            f"{said}, which is no result", failure=Failure.WRONG_TYPE, output=refusal.words
        )
    return ConversionError(f"cannot convert {refusal.document}: {said}", output=refusal.words)


def retry_after_s(value: str | None, now: datetime) -> float | None:
    """Read a Retry-After (RFC 9110, 10.2.3): seconds, or a date. None: it says nothing."""
    if value is None:
        return None
    value = value.strip()
    if value.isascii() and value.isdigit():
        return min(float(value[:9]), LONGEST_WAIT_S)
    try:
        at = parsedate_to_datetime(value)
    except (ValueError, OverflowError):  # the latter for a zone that is far away
        return None
    if at.tzinfo is None:
        at = at.replace(tzinfo=UTC)
    return min(max((at - now).total_seconds(), 0.0), LONGEST_WAIT_S)


def in_words(said: bytes) -> str:
    """Make plain text of what a service said: bounded, without what steers a terminal."""
    return _CONTROL.sub(" ", said[:WORDS_BYTES].decode(errors="replace")).strip()


def first_line(words: str, most: int = 300) -> str:
    """Give what fits into a message."""
    line = next(filter(None, map(str.strip, words.splitlines())), "")
    return line if len(line) <= most else line[: most - 1] + "…"


def why_not(produces: str, content_type: str, head: bytes) -> str | None:
    """
    Say why an answer with status 200 cannot be the promised result; None: it can.

    Log-in pages of proxies and error messages come with 200 too. A type of text is no
    reason by itself: small services send any text as HTML. What passes here is looked at
    again as a file.

    Args:
        produces: What results end with: ".pdf".
        head: How the answer begins.
    """
    kind = content_type.partition(";")[0].strip().lower()
    head = head.removeprefix(_BYTE_ORDER_MARK)
    if produces not in _PAGES and _PAGE.match(head):
        return "a web page"
    if kind == "application/json" and produces not in {".json", ".ipynb"}:
        return "JSON"
    if produces == ".pdf" and kind.startswith(("text/", "image/")):
        return _CONTROL.sub(" ", kind)[:_LONGEST_KIND]
    if kind == "application/zip" and produces in {".pdf", ".md", ".txt", ".html"}:
        return "a ZIP archive"
    return None


def _elsewhere(headers: Mapping[str, str]) -> str:
    """Name the target of a redirect, without what may be a secret in it."""
    target = headers.get("Location", "")
    try:
        parts = urlsplit(target)
        host, port = parts.hostname, parts.port
    except ValueError:
        return "elsewhere"
    path = _CONTROL.sub(" ", parts.path)[:200]
    if not host:
        return f"to {path}" if path else "elsewhere"
    host = _CONTROL.sub(" ", host)[:200]
    return f"to {parts.scheme}://{host}{f':{port}' if port else ''}{path}"
