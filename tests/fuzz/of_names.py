"""What people and strangers call things."""

from __future__ import annotations

from docferry.core.cursors import cursor_of, key_in
from docferry.core.paths import (
    alias_for,
    conflict_copy_path,
    is_alias,
    is_plain,
    is_reserved,
    key_of,
    path_of,
    printable,
)
from docferry.errors import UserError
from docferry.model import RESERVED
from docferry.web.headers import disposition, safe_type

_LONGEST_NAME_BYTES = 255


def keys(data: bytes) -> None:
    """A key and its path: there and back, inside of the folder, never docferry's own."""
    key = data.decode(errors="replace")
    if not key or len(key.encode()) > 1024:
        return
    path = path_of(key)
    assert key_of(path) == key
    segments = path.split("/")
    assert not {"", ".", ".."} & set(segments)
    assert "\0" not in path
    assert all(len(segment.encode()) <= _LONGEST_NAME_BYTES for segment in segments)
    assert is_plain(path) != is_reserved(path)
    assert is_reserved(path) == (path.split("/")[0] == RESERVED)


def two_keys(data: bytes) -> None:
    """Two keys never share a path."""
    one, _, other = data.decode(errors="replace").partition("\n")
    if one and other and one != other:
        assert path_of(one) != path_of(other)


def local_names(data: bytes) -> None:
    """A name in a folder: there and back, and names made of it can be made."""
    path = data.decode(errors="surrogateescape")
    printable(path).encode()
    try:
        path.encode()
    except UnicodeEncodeError:
        return
    segments = path.split("/")
    if {"", ".", ".."} & set(segments) or "\0" in path or is_alias(path):
        return
    if any(len(segment.encode()) > _LONGEST_NAME_BYTES for segment in segments):
        return
    assert path_of(key_of(path)) == path
    copy = conflict_copy_path(path, "0123456789abcdef" * 4)
    assert copy != path
    assert len(copy.rpartition("/")[2].encode()) <= _LONGEST_NAME_BYTES
    assert copy.rpartition("/")[0] == path.rpartition("/")[0]


def aliases(data: bytes) -> None:
    """A detour is inside of the folder too."""
    key = data.decode(errors="replace")
    if not key or len(key.encode()) > 1024:
        return
    path = path_of(key)
    if "/" in path:
        found = alias_for(key, blocked_by=path.partition("/")[0])
        assert not {"", ".", ".."} & set(found.split("/"))
        assert not is_reserved(found)


def headers(data: bytes) -> None:
    """A file's name in a header: ASCII, one line, and quoted to its end."""
    path = data.decode(errors="surrogateescape")
    for is_shown in (False, True):
        said = disposition(path, is_shown=is_shown)
        assert said.isascii()
        assert said.isprintable()
        assert said.count('"') == 2
    assert safe_type(path).isprintable()


def cursors(data: bytes) -> None:
    """A cursor that somebody made up is refused; one of ours comes back as it was."""
    text = data.decode(errors="surrogateescape")
    try:
        words = key_in(text, "list", 2)
    except UserError:
        pass
    else:
        assert len(words) == 2
    try:
        text.encode()
    except UnicodeEncodeError:
        return
    if "\0" not in text and len(text) < 1000:
        assert key_in(cursor_of("list", ["a", text]), "list", 2) == ("a", text)
