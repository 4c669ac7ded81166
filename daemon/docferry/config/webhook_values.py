"""What a value of a webhook may be; see `values`."""

from __future__ import annotations

import base64
import binascii
import re
from fnmatch import fnmatchcase
from urllib.parse import urlsplit

from docferry.config.faults import shown
from docferry.config.values import Check, Wrong, read_list, read_name
from docferry.core.webhooks import EventType

#: Such as a person asks for comes whatever is wanted.
_TOLD = tuple(event for event in EventType if event is not EventType.TEST)
_URL = re.compile(r"[\x21-\x7e]+")
_PREFIX = "whsec_"
_LEAST_BYTES, _MOST_BYTES = 24, 64


def _url(value: object) -> str:
    """Read a URL without ever showing it: it may hold a key of the receiver's."""
    wrong = Wrong("is no address of a server, or has characters that no URL may have")
    if not isinstance(value, str) or not _URL.fullmatch(value):
        raise wrong
    try:
        parts = urlsplit(value)
        is_reached = bool(parts.hostname) and parts.port != 0
    except ValueError as error:  # a port or an IPv6 address that is none
        raise Wrong("cannot be read") from error
    if parts.username is not None or parts.password is not None:
        raise Wrong("has a user or a password in it")
    if parts.scheme not in ("http", "https") or not is_reached:
        raise wrong
    if parts.fragment:
        raise Wrong('has a "#" in it')
    return value


def _events(value: object) -> tuple[str, ...]:
    patterns = read_list(value)
    if not patterns:
        raise Wrong("is empty")
    for pattern in patterns:
        is_known = isinstance(pattern, str) and any(fnmatchcase(one, pattern) for one in _TOLD)
        if not is_known:
            raise Wrong(f"has {shown(pattern)} in it, and no event is called so")
    return tuple(str(pattern) for pattern in patterns)


def _mirrors(value: object) -> tuple[str, ...]:
    return tuple(read_name(one) for one in read_list(value))


def _flag(value: object) -> bool:
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.casefold() in ("true", "false"):
        return value.casefold() == "true"
    raise Wrong(f"is {shown(value)}")


def is_secret(text: str) -> bool:
    """Say whether *text* is a secret as Standard Webhooks has them."""
    try:
        key = base64.b64decode(text.removeprefix(_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        return False
    return _LEAST_BYTES <= len(key) <= _MOST_BYTES


SECRET = (
    f'"{_PREFIX}" and {_LEAST_BYTES} to {_MOST_BYTES} bytes in Base64, such as of '
    "`openssl rand -base64 32`"
)
URL = Check(_url, 'where to send it, such as "https://crm.example.com/hooks/docferry"')
EVENTS = Check(
    _events, f'a list such as ["file.*", "conversion.done"], of: {", ".join(_TOLD)}, "*" for any'
)
MIRRORS = Check(_mirrors, 'a list of mirrors, such as ["docs"]; []: all')
FLAG = Check(_flag, "true or false")
