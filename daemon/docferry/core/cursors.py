"""Cursors: where a list goes on, as a word that means something to docferry alone."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections.abc import Sequence

from docferry.errors import UserError

_FORM = 1  # of what is inside: a cursor of another docferry is refused, not misread
_MOST_CHARS = 16_384  # four times the longest path
_FAULT = "that is no cursor of this list: take the one that came with its last page, as it is"


def cursor_of(listed: object, key: Sequence[str]) -> str:
    """
    Write down where a list goes on.

    Args:
        listed: What the list is of; with anything else in it the cursor means nothing.
        key: Of the last entry that was given.
    """
    told = json.dumps([_FORM, _digest(listed), *key], separators=(",", ":"))
    return base64.urlsafe_b64encode(told.encode()).decode().rstrip("=")


def key_in(cursor: str, listed: object, length: int) -> tuple[str, ...]:
    """
    Read what `cursor_of` has written.

    Args:
        length: How many words the key has.

    Raises:
        UserError: It is none of this list: cut off, of other filters, or made up.
    """
    try:
        found = json.loads(_decoded(cursor))
        is_ours = isinstance(found, list) and found[:2] == [_FORM, _digest(listed)]
    except (ValueError, RecursionError) as error:
        raise UserError(_FAULT) from error
    if not is_ours or len(found) != 2 + length or not all(map(_is_word, found[2:])):
        raise UserError(_FAULT)
    return tuple(found[2:])


def _decoded(cursor: str) -> bytes:
    if len(cursor) > _MOST_CHARS:
        raise ValueError("too long")
    try:
        padded = cursor.encode("ascii") + b"=" * (-len(cursor) % 4)
        return base64.b64decode(padded, altchars=b"-_", validate=True)
    except binascii.Error as error:
        raise ValueError("not base64") from error


def _is_word(value: object) -> bool:
    """Say whether the ledger can be asked for it: no half of a character, no end in the middle."""
    if not isinstance(value, str) or "\0" in value:
        return False
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _digest(listed: object) -> str:
    return hashlib.sha256(repr(listed).encode("utf-8", "backslashreplace")).hexdigest()[:16]
