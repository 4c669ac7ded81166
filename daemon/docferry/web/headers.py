"""Headers about contents, read and written: ranges, ETags, names of files."""

from __future__ import annotations

import mimetypes
import re
from dataclasses import dataclass
from urllib.parse import quote

from docferry.model import Path, Sha256

_RANGE = re.compile(r"bytes\s*=\s*([0-9]*)\s*-\s*([0-9]*)", re.IGNORECASE)
_MOST_DIGITS = 4000
_TAG = re.compile(r'(?:W/)?"([^"]*)"')
_NOT_PLAIN = re.compile(r"[^ !#$&+\-.0-9;=@A-Z^_`a-z{}~]")  # in a quoted string, for old programs
_SAFE_TYPES = frozenset(
    {
        "application/gzip",
        "application/json",
        "application/msword",
        "application/pdf",
        "application/vnd.ms-excel",
        "application/vnd.ms-powerpoint",
        "application/zip",
        "audio/mpeg",
        "image/gif",
        "image/jpeg",
        "image/png",
        "image/webp",
        "text/csv",
        "text/markdown",
        "text/plain",
        "video/mp4",
    }
)
_SAFE_FAMILIES = (
    "application/vnd.openxmlformats-officedocument.",
    "application/vnd.oasis.opendocument.",
)
_BYTES = "application/octet-stream"


@dataclass(frozen=True, slots=True)
class Part:
    """The bytes from *start* to before *stop*."""

    start: int
    stop: int


class Unsatisfiable(ValueError):
    """The range begins behind the end."""


def part_of(header: str | None, size: int) -> Part | None:
    """
    Read a Range header (RFC 9110, 14.1.2).

    None: all is to be given; also for several ranges, which may be ignored.

    Raises:
        Unsatisfiable: Nothing of it is in the content.
    """
    found = None if header is None else _RANGE.fullmatch(header.strip())
    if found is None or not (found[1] or found[2]):
        return None
    if not found[1]:
        return _last(_number(found[2]), size)
    start, end = _number(found[1]), _number(found[2]) if found[2] else None
    if end is not None and end < start:
        return None  # no range at all
    if start >= size:
        raise Unsatisfiable(header)
    return Part(start, size if end is None else min(end + 1, size))


def _number(digits: str) -> int:
    # Of more digits than any size has the first tell enough; of 4301 Python makes no number at all.
    return int((digits.lstrip("0") or "0")[:_MOST_DIGITS])


def _last(length: int, size: int) -> Part | None:
    if not length:
        raise Unsatisfiable("nothing")
    # Of an empty content the last bytes are all of it, which no Content-Range can say.
    return Part(max(0, size - length), size) if size else None


def etag_of(sha256: Sha256) -> str:
    return f'"{sha256}"'


def names(header: str | None, tag: str) -> bool:
    """Say whether an If-Match or If-None-Match header names what has this *tag*, in no quotes."""
    return header is not None and (header.strip() == "*" or tag in _TAG.findall(header))


def disposition(path: Path, *, is_shown: bool = False) -> str:
    """
    Give a Content-Disposition for the file at *path*, whatever it is called (RFC 6266).

    Args:
        is_shown: Let a browser show it, rather than save it.
    """
    name = path.rpartition("/")[2]
    plain = _NOT_PLAIN.sub("_", name)
    whole = quote(name.encode("utf-8", "replace"), safe="")
    how = "inline" if is_shown else "attachment"
    return f"{how}; filename=\"{plain}\"; filename*=UTF-8''{whole}"


def safe_type(path: Path) -> str:
    """Say of which type a file is by its name; of what a browser might run: of none."""
    found, encoding = mimetypes.guess_type(path)
    if found is None or encoding is not None:
        return _BYTES
    if found in _SAFE_TYPES or found.startswith(_SAFE_FAMILIES):
        return f"{found}; charset=utf-8" if found.startswith("text/") else found
    return _BYTES
