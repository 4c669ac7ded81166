"""
What a single value may be: each check reads what is written into what it means.

A variable is always text, so numbers, true and false and lists are read from text too.
"""

from __future__ import annotations

import ipaddress
import pathlib
import re
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

from docferry.config.faults import shown
from docferry.core.filters import DEFAULT_EXCLUDES, Filter
from docferry.errors import UserError
from docferry.model import RESERVED

_DAY_S = 86400.0
_UNITS_S = {
    "": 1.0,
    "ms": 0.001,
    "s": 1.0,
    "m": 60.0,
    "h": 3600.0,
    "d": _DAY_S,
    "w": 7 * _DAY_S,
}
_DURATION = re.compile(r"(\d+(?:\.\d+)?) ?([a-z]*)")
_UNITS_MIB = {"": 1, "mib": 1, "gib": 1024}
_UNITS_BYTES = {"": 1, "b": 1, "kib": 1 << 10, "mib": 1 << 20, "gib": 1 << 30}
_MEMORY = re.compile(r"(\d+) ?([a-z]*)")
_YEAR_S = 366 * _DAY_S

#: A key has at most 1024 bytes: this leaves some for the file's own path.
_LONGEST_PREFIX_BYTES = 900
_LONGEST_SEGMENT_BYTES = 255
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
# docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_BUCKET_BEGINNINGS = ("xn--", "sthree-")
_BUCKET_ENDS = ("-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3")


class Wrong(ValueError):
    """What is wrong with a value; goes on after its key: `is missing`."""


@dataclass(frozen=True, slots=True)
class Check:
    """How a value is read, and what would be right for any that is refused."""

    read: Callable[[object], object]  #: raises Wrong
    right: str


# What makes a check.


def text(right: str) -> Check:
    """Any text of one line."""
    return Check(read_text, right)


def maybe_text(right: str) -> Check:
    """The same, or ""."""
    return Check(lambda value: "" if value == "" else read_text(value), right)


def choice(*allowed: str) -> Check:
    """One of a few words, in any case. Members of a StrEnum stay members."""

    def read(value: object) -> str:
        for word in allowed:
            if isinstance(value, str) and value.casefold() == word:
                return word
        raise Wrong(f"is {shown(value)}")

    *others, last = (shown(word) for word in allowed)
    return Check(read, f"{', '.join(others)} or {last}" if others else last)


def whole(least: int, most: int, what: str) -> Check:
    def read(value: object) -> int:
        if isinstance(value, str) and re.fullmatch(r"-?\d{1,18}", value):
            value = int(value)
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
            raise Wrong(f"is {shown(value)}")
        return value

    return Check(read, f"{what}: a whole number from {least} to {most}")


def duration(least_s: float = 0.0) -> Check:
    """Seconds, as a number or with a unit."""
    limits = f"from {least_s:g} s to a year" if least_s else "at most a year"
    return Check(
        lambda value: _seconds_between(least_s, _YEAR_S, value),
        f'a number of seconds, or text such as "500ms", "30s", "5m", "1h"; {limits}',
    )


def age() -> Check:
    """Seconds too, but many."""
    return Check(
        lambda value: _seconds_between(0.0, 100 * _YEAR_S, value),
        'text such as "36h", "90d" or "52w"; at most a hundred years',
    )


def memory(least_mib: int) -> Check:
    """MiB, as a number or with a unit."""

    def read(value: object) -> int:
        written = str(value) if isinstance(value, str | int) else ""
        match = _MEMORY.fullmatch(written.lower())
        if isinstance(value, bool) or not match or match[2] not in _UNITS_MIB:
            raise Wrong(f"is {shown(value)}")
        mib = int(match[1]) * _UNITS_MIB[match[2]]
        if not least_mib <= mib < 1 << 30:
            raise Wrong(f"is {shown(value)}")
        return mib

    return Check(read, f'text such as "512MiB" or "2GiB"; at least {least_mib} MiB')


def amount() -> Check:
    """Bytes, as a number or with a unit."""

    def read(value: object) -> int:
        written = str(value) if isinstance(value, str | int) else ""
        match = _MEMORY.fullmatch(written.lower())
        if isinstance(value, bool) or not match or match[2] not in _UNITS_BYTES:
            raise Wrong(f"is {shown(value)}")
        return int(match[1]) * _UNITS_BYTES[match[2]]

    return Check(read, 'a number of bytes, or text such as "20MiB", "500KiB", "1GiB"')


def words(pattern: str, right: str) -> Check:
    """A list of texts of one kind, without repetitions."""

    def read(value: object) -> tuple[str, ...]:
        listed = read_list(value)
        for word in listed:
            if not isinstance(word, str) or not re.fullmatch(pattern, word):
                raise Wrong(f"has {shown(word)} in it")
        if len(set(map(str, listed))) < len(listed):
            raise Wrong("names something twice")
        return tuple(str(word) for word in listed)

    return Check(read, right)


# How values are read.


def read_text(value: object) -> str:
    if not isinstance(value, str) or not value.strip():
        raise Wrong(f"is {shown(value)}")
    if _CONTROL.search(value):
        raise Wrong(f"has a control character in it: {shown(value)}")
    if not _is_utf8(value):
        raise Wrong(f"is not valid UTF-8: {shown(value)}")
    return value


def _seconds_between(least_s: float, most_s: float, value: object) -> float:
    seconds = _seconds(value)
    if not least_s <= seconds <= most_s:
        raise Wrong(f"is {shown(value)}")
    return seconds


def _seconds(value: object) -> float:
    if isinstance(value, str):
        match = _DURATION.fullmatch(value.strip().lower())
        if match and match[2] in _UNITS_S:
            return float(match[1]) * _UNITS_S[match[2]]
    elif isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    raise Wrong(f"is {shown(value)}")


def read_name(value: object) -> str:
    if not isinstance(value, str) or not _NAME.fullmatch(value):
        raise Wrong(f"is {shown(value)}")
    return value


def read_absolute(value: object) -> pathlib.Path:
    path = read_text(value)
    if not path.startswith("/"):
        raise Wrong(f"is {shown(value)}, which does not begin with /")
    if not path.strip("/"):
        raise Wrong("is the whole machine")
    return pathlib.Path("/" + path.lstrip("/"))  # pathlib keeps two slashes as another root


def _bucket(value: object) -> str:
    bucket = read_text(value)
    if not _BUCKET.fullmatch(bucket) or ".." in bucket:
        raise Wrong(f"is {shown(bucket)}")
    if bucket.startswith(_BUCKET_BEGINNINGS) or bucket.endswith(_BUCKET_ENDS):
        raise Wrong(f"is {shown(bucket)}, which begins or ends as S3 keeps for itself")
    if re.fullmatch(r"[\d.]+", bucket) and bucket.count(".") == 3:
        raise Wrong(f"is {shown(bucket)}, which looks like an IP address")
    return bucket


def _prefix(value: object) -> str:
    """Give the prefix with one "/" at its end and none at its beginning; "" is the whole bucket."""
    if value in ("", "/"):
        return ""
    prefix = read_text(value).removeprefix("/").removesuffix("/")
    segments = prefix.split("/")
    if "" in segments:
        raise Wrong(f'is {shown(value)}, which has "//" in it')
    for forbidden in (".", "..", RESERVED):
        if forbidden in segments:
            raise Wrong(f"is {shown(value)}, which has the segment {shown(forbidden)}")
    if len(prefix.encode()) >= _LONGEST_PREFIX_BYTES:
        raise Wrong(f"has {len(prefix.encode())} bytes")
    return prefix + "/"


def _target_mirror(value: object) -> str:
    mirror = read_text(value).partition("/")[0]
    if not _NAME.fullmatch(mirror):
        raise Wrong(f"is {shown(value)}")
    return mirror


def _target_folder(value: object) -> str:
    target = read_text(value)
    if "//" in target:
        raise Wrong(f'is {shown(value)}, which has "//" in it')
    folder = _prefix(target.partition("/")[2])
    if any(len(segment.encode()) > _LONGEST_SEGMENT_BYTES for segment in folder.split("/")):
        raise Wrong(f"has a folder's name of more than {_LONGEST_SEGMENT_BYTES} bytes")
    return folder


def read_file(value: object) -> pathlib.Path:
    file = read_absolute(value)
    try:
        is_there = file.is_file()
    except OSError as error:
        raise Wrong(f"is {shown(value)}, which cannot be looked at: {error.strerror}") from error
    if not is_there:
        raise Wrong(f"is {shown(value)}, and there is no such file")
    return file


def _patterns(value: object) -> tuple[str, ...]:
    lines = read_list(value)
    for line in lines:
        if not isinstance(line, str):
            raise Wrong(f"has {shown(line)} in it, which is no text")
        if not line.strip() or line.startswith("#"):
            raise Wrong(f"has {shown(line)} in it, which is a blank line or a comment")
        try:
            Filter([line])
        except UserError as error:
            raise Wrong(f"has {shown(line)} in it: {error}") from error
    return tuple(str(line) for line in lines)


def _some_patterns(value: object) -> tuple[str, ...]:
    patterns = _patterns(value)
    if not patterns:
        raise Wrong("is empty")
    return patterns


def _excludes(value: object) -> tuple[str, ...]:
    return (*DEFAULT_EXCLUDES, *_patterns(value))


def read_list(value: object) -> list[object]:
    if isinstance(value, str) and value.startswith("["):
        try:
            value = tomllib.loads(f"list = {value}")["list"]
        except (tomllib.TOMLDecodeError, RecursionError) as error:
            raise Wrong(f"is {shown(value)}: {error}") from error
    if not isinstance(value, list):
        raise Wrong(f"is {shown(value)}")
    return value


def read_endpoint(value: object) -> str:
    endpoint = read_text(value)
    try:
        url = urlsplit(endpoint)
        has_host = bool(url.hostname) and url.port != 0
    except ValueError as error:  # a port or an IPv6 address that is none
        raise Wrong(f"is {shown(value)}: {error}") from error
    if url.username is not None or url.password is not None:
        raise Wrong("has a user or a password in it")  # not shown: it is a secret
    if url.scheme not in ("http", "https") or not has_host or re.search(r"\s", endpoint):
        raise Wrong(f"is {shown(value)}")
    if url.query or url.fragment:
        raise Wrong(f'is {shown(value)}, which has a "?" or "#" in it')
    return endpoint.rstrip("/")


def _queue_url(value: object) -> str:
    url = read_endpoint(value)
    if len(urlsplit(url).path.strip("/").split("/")) < 2:
        raise Wrong(f"is {shown(value)}, which has no account and no queue in it")
    return url


def _verify_tls(value: object) -> bool | str:
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.casefold() in ("true", "false"):
        return value.casefold() == "true"
    return str(read_file(value))


def _address(value: object) -> str:
    address = read_text(value)
    if address != "localhost":
        try:
            ipaddress.ip_address(address)
        except ValueError as error:
            raise Wrong(f"is {shown(value)}") from error
    return address


def _is_utf8(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


# The checks that need no more than themselves.

NAME = Check(
    read_name, 'letters a-z, digits, "-" and "_", at most 63, beginning with neither of those'
)
FOLDER = Check(
    read_absolute,
    'an absolute path, such as "/srv/docs": "~" is another folder to a service than to you',
)
WRITTEN_FILE = Check(read_absolute, "the absolute path of a file, in a folder that is there")
ENDPOINT = Check(
    read_endpoint,
    'the store\'s address, such as "https://s3.example.org" or "http://127.0.0.1:8333"',
)
QUEUE_URL = Check(
    _queue_url,
    "the queue's address, as AWS shows it: "
    '"https://sqs.eu-central-1.amazonaws.com/123456789012/documents"',
)
VERIFY_TLS = Check(_verify_tls, "true, false, or the absolute path of a file with the CA")
BUCKET = Check(
    _bucket,
    'a name as S3 allows it: 3 to 63 of a-z, 0-9, "-" and ".", no ".." in it, '
    "a letter or digit at both ends",
)
PREFIX = Check(
    _prefix,
    'a prefix such as "team/docs/", or "" for the whole bucket: no "//", no "." or ".." '
    f'and no "{RESERVED}" between slashes, at most {_LONGEST_PREFIX_BYTES} bytes',
)
PATTERNS = Check(_patterns, 'a list of patterns as in .gitignore, such as ["*.pdf", "drafts/"]')
SOME_PATTERNS = Check(_some_patterns, PATTERNS.right)
EXCLUDES = Check(_excludes, PATTERNS.right)
ADDRESS = Check(_address, 'the IP address to listen on, such as "127.0.0.1", or "0.0.0.0" for all')
_TARGET = '"MIRROR", or "MIRROR/a/folder" in it: no "//", no "." or ".." between slashes'
TARGET_MIRROR = Check(_target_mirror, _TARGET)
TARGET_FOLDER = Check(_target_folder, _TARGET)
