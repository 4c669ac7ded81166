"""
What an object is besides its bytes; `Attributes` as user metadata, and back.

Header names are plain ones ("Content-Type") for what HTTP knows and lower-case ones
without "x-amz-meta-" for user metadata (rclone gives them back in Title-Case).
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote, unquote

from docferry.model import Attributes, Path, Provenance, Sha256, Token

Headers = Mapping[str, str]

#: As a condition of a write: nothing may be there. Any other condition is the ETag of
#: what must be there; None: whatever is there.
ABSENT: Token = "*"

CONTENT_HEADERS = {
    "Content-Type": "ContentType",
    "Content-Encoding": "ContentEncoding",
    "Content-Disposition": "ContentDisposition",
    "Content-Language": "ContentLanguage",
    "Cache-Control": "CacheControl",
}

_OURS = "docferry-"
VERSION, _SHA256, _MTIME_NS = "docferry-version", "docferry-sha256", "docferry-mtime-ns"
_PARENT, _WRITER = "docferry-parent", "docferry-writer"
_PATH, _PATH_BASE64 = "docferry-path", "docferry-path-base64"
_BYTES_OF, _SIZE = "docferry-bytes-of", "docferry-size"
_SOURCE, _SOURCE_SHA256 = "docferry-source", "docferry-source-sha256"
_RULE, _CONVERTER = "docferry-rule", "docferry-converter"
_OF_RESULT = frozenset({_SOURCE, _SOURCE_SHA256, _RULE, _CONVERTER})
#: Of an archived object alone: an ordinary one that has it was copied from an archive.
_OF_ARCHIVED = frozenset({_PATH, _PATH_BASE64, _BYTES_OF, _SIZE})
#: S3 takes 2 KB of metadata. Base 64 makes less of a long path that is not ASCII.
_LONG_PATH_CHARS = 1000

_IS_ULID = re.compile(r"[0-9A-HJKMNP-TV-Z]{26}")
_IS_SHA256 = re.compile(r"[0-9a-f]{64}")
_IS_NUMBER = re.compile(r"-?[0-9]{1,19}")
_IS_SIZE = re.compile(r"[0-9]{1,19}")
#: What databases take for a whole number.
_MOST_WHOLE = 2**63 - 1
_IS_RULE = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
_LONGEST_CONVERTER, _PLAIN = 100, " /:;+(),"
_IS_WRITER = re.compile(r"[!-~]{1,64}")


@dataclass(frozen=True, slots=True)
class ObjectHead:
    """An object without its body."""

    token: Token  #: the ETag without its quotes
    size: int  #: bytes
    headers: Headers
    modified_ns: int | None  #: Last-Modified, ns since the epoch

    @property
    def is_reference(self) -> bool:
        """Of an archived object: it only says under which other version its bytes are."""
        return self.size == 0 and self.attributes.bytes_of is not None

    @property
    def attributes(self) -> Attributes:
        """What the object says about itself: claims. What reads like nonsense is left out."""
        headers = self.headers
        mtime_ns = _number(headers, _MTIME_NS, _IS_NUMBER)
        return Attributes(
            version=_claim(headers, VERSION, _IS_ULID),
            sha256=_claim(headers, _SHA256, _IS_SHA256),
            mtime_ns=_whole(self.modified_ns) if mtime_ns is None else mtime_ns,
            parent=_claim(headers, _PARENT, _IS_ULID),
            writer=_claim(headers, _WRITER, _IS_WRITER),
            path=_path_of(headers),
            content_type=headers.get("Content-Type"),
            bytes_of=_claim(headers, _BYTES_OF, _IS_ULID),
            size=_number(headers, _SIZE, _IS_SIZE),
            made_from=_provenance_of(headers),
        )


@dataclass(frozen=True, slots=True)
class Fetched:
    """A whole object, or only its head where it is larger than PART_BYTES."""

    head: ObjectHead
    body: bytes | None


def token_of(etag: str) -> Token:
    """Give the ETag without quotes: rclone lists it without and answers with them."""
    return etag.removeprefix("W/").strip('"')


def size_of(said: str | int) -> int:
    """
    Read a size in bytes, as a listing has it.

    Raises:
        ValueError: No object can have it.
    """
    size = int(said)
    if not 0 <= size <= _MOST_WHOLE:
        raise ValueError(f"no object has {said} bytes")
    return size


def headers_of(attributes: Attributes) -> dict[str, str]:
    """Give the headers that carry *attributes*. ASCII alone comes back from every store."""
    values = {
        "Content-Type": attributes.content_type,
        VERSION: attributes.version,
        _SHA256: attributes.sha256,
        _MTIME_NS: None if attributes.mtime_ns is None else str(attributes.mtime_ns),
        _PARENT: attributes.parent,
        _WRITER: attributes.writer,
        _BYTES_OF: attributes.bytes_of,
        _SIZE: None if attributes.size is None else str(attributes.size),
    }
    headers = {name: value for name, value in values.items() if value is not None}
    if attributes.made_from is not None:
        headers |= _provenance_headers(attributes.made_from)
    return headers if attributes.path is None else headers | _path_headers(attributes.path)


def archive_headers(displaced: ObjectHead, archive: Attributes) -> dict[str, str]:
    """Give the headers of *displaced* once it is archived: all it has, and what names it."""
    headers = {
        name: value
        for name, value in _that_can_be_sent(displaced.headers).items()
        if name not in _OF_ARCHIVED
    }
    if displaced.modified_ns is not None:
        headers.setdefault(_MTIME_NS, str(displaced.modified_ns))  # a copy has a later one
    return headers | headers_of(archive)


def copy_headers(source: ObjectHead, attributes: Attributes) -> dict[str, str]:
    """Give the headers of a second object with the content of *source*."""
    headers = _that_can_be_sent(source.headers)
    theirs = {
        name: value
        for name, value in headers.items()
        # What made the content did so wherever it lies.
        if not name.startswith(_OURS) or name in _OF_RESULT
    }
    return theirs | headers_of(attributes)


def is_same_content(held: ObjectHead, size: int, sha256: Sha256 | None) -> bool:
    """Compare an archived object, or what its reference stands for, as far as can be known."""
    claims = held.attributes
    held_size = claims.size if held.is_reference else held.size
    return held_size == size and (None in (sha256, claims.sha256) or sha256 == claims.sha256)


def clean(headers: Headers) -> dict[str, str]:
    """Take out of *headers* what a store has put there by mistake."""
    encodings = headers.get("Content-Encoding", "")
    # SeaweedFS and versitygw (its issue 2398) keep the transport's token as the content's.
    kept = [
        each for each in map(str.strip, encodings.split(",")) if each not in ("", "aws-chunked")
    ]
    cleaned = {name: value for name, value in headers.items() if name != "Content-Encoding"}
    return cleaned | ({"Content-Encoding": ", ".join(kept)} if kept else {})


def _that_can_be_sent(headers: Headers) -> dict[str, str]:
    return {
        name: value
        for name, value in headers.items()
        if value.isascii() and (name in CONTENT_HEADERS or name == name.lower())
    }


def _claim(headers: Headers, name: str, form: re.Pattern[str]) -> str | None:
    value = headers.get(name)
    return value if value is not None and form.fullmatch(value) else None


def _number(headers: Headers, name: str, form: re.Pattern[str]) -> int | None:
    text = _claim(headers, name, form)
    return _whole(None if text is None else int(text))


def _whole(number: int | None) -> int | None:
    """Give what can be written down: neither a size nor a time (year 2262) is more."""
    return number if number is not None and abs(number) <= _MOST_WHOLE else None


def _provenance_headers(made_from: Provenance) -> dict[str, str]:
    return {
        _SOURCE: made_from.source,
        _SOURCE_SHA256: made_from.source_sha256,
        _RULE: made_from.rule,
        _CONVERTER: quote(made_from.converter[:_LONGEST_CONVERTER], safe=_PLAIN),
    }


def _provenance_of(headers: Headers) -> Provenance | None:
    source = _claim(headers, _SOURCE, _IS_ULID)
    sha256 = _claim(headers, _SOURCE_SHA256, _IS_SHA256)
    rule = _claim(headers, _RULE, _IS_RULE)
    converter = unquote(headers.get(_CONVERTER, ""))
    if source is None or sha256 is None or rule is None or "\0" in converter:
        return None
    return Provenance(source, sha256, rule, converter)


def _path_headers(path: Path) -> dict[str, str]:
    encoded = quote(path)
    if len(encoded) <= _LONG_PATH_CHARS:
        return {_PATH: encoded}
    return {_PATH_BASE64: base64.urlsafe_b64encode(path.encode()).decode()}


def _path_of(headers: Headers) -> Path | None:
    try:
        if _PATH_BASE64 in headers:
            path = base64.urlsafe_b64decode(headers[_PATH_BASE64]).decode()
        else:
            path = unquote(headers.get(_PATH, ""), errors="strict")
    except ValueError:
        return None
    return path if path and "\0" not in path else None
