"""
The map between an object's key and the local name of the same file.

Wherever a key is a usable local name, the path is the key. The rest follows from
four rules, and makes the map a bijection between all keys and all local names that
are not detours (rule 4): nothing collides, nothing escapes, nothing is left out.

1. Swap. A control character or a backslash is good in local names, but stores and
   terminals break on it (SeaweedFS turns a backslash into "/"). So it changes places with
   its escape: key `a\\b` is path `a%_5Cb`, path `a\\b` is key `a%_5Cb`. Its own inverse.
2. Escape. A key that no file can bear is spelled out: an empty segment as `%_`, the
   dots of `.` and `..` as `%_2E`, NUL as `%_00`, the "%" of every "%_" as `%_25`; a
   segment over 255 bytes goes on in the next one after `%_+`. So `a//b` is `a/%_/b`.
3. Give way. A key that reads like the escaped name of another key is escaped too
   (key `a/%_/b` is path `a/%_25_/b`), and so on; every other name stays as it is. This
   is the Schröder-Bernstein construction, and why no local name lacks a key: `50%_off`,
   `x%_41` and `x%_25_` are their own keys.
4. Detour. A store can hold both `a` and `a/b`; a folder cannot. The newcomer takes a
   detour through a folder `%_~` put before the name that is taken: `%_~/a/b`. Rules
   1 to 3 never give such a name, and leaving the detours out gives the key's own
   path: so an alias never collides with another key's path or alias.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping

from docferry.errors import NameTakenError
from docferry.model import RESERVED, Key, Path

#: What Linux file systems take as one name, in bytes (NAME_MAX).
SEGMENT_BYTES = 255

_EMPTY = "%_"
_UNNAMEABLE = {"": _EMPTY, ".": "%_2E", "..": "%_2E%_2E"}
_GOES_ON = "%_+"  # at the end of a segment: the name goes on in the next one
_DETOUR = "%_~"
_ESCAPES = {"%_25": "%", "%_2E": ".", "%_00": "\0"}
_SWAPPED = [chr(code) for code in (*range(0x01, 0x20), 0x5C, 0x7F)]
_SWAPS = {char: f"%_{ord(char):02X}" for char in _SWAPPED}
_SWAPS |= {escape: char for char, escape in _SWAPS.items()}

_ANY_CONTROL = re.compile(r"[\x01-\x1f\x7f]")
_ANY_SWAP = re.compile(r"[\x01-\x1f\\\x7f]|%_(?:0[1-9A-F]|1[0-9A-F]|5C|7F)")
_ANY_ESCAPE = re.compile("|".join(_ESCAPES))
_ANY_DETOUR = re.compile(r"(?<![^/])%_~+/")
_ONLY_DETOUR = re.compile(r"%_~+")
_UNUSABLE = re.compile(r"\0|(?<![^/])(?:\.{0,2}(?![^/])|%_~+/)")
_RESERVED = re.compile(rf"(?:%_~+/)*{re.escape(RESERVED)}(?![^/])")
_LONGEST_SUFFIX_BYTES = 32


def path_of(key: Key) -> Path:
    """
    Give the local name of *key*: valid on Linux, inside the root, no other key's.

    Total over valid UTF-8, the empty key (the object named like the prefix itself)
    included. A key of n bytes gives at most about 4 n bytes.
    """
    # A million keys come through here, nearly all of them plain: 0.5 us each. A regular
    # expression that says the same takes twice as long.
    if (
        "%_" not in key
        and "//" not in key
        and "/." not in key
        and "\\" not in key
        and key.isprintable()
        and not key.startswith(("/", "."))
        and not key.endswith("/")
        and 0 < len(key.encode()) <= SEGMENT_BYTES
    ):
        return key
    name = _swap(key)
    return name if _is_usable(name) and not _belongs_to_another(name) else _escape(name)


def key_of(path: Path) -> Key:
    """
    Give the key of the file at *path*: the inverse of `path_of`, total over local names.

    A path with detours has the key of the path without them.
    """
    if not is_odd(path):
        return path
    name = _ANY_DETOUR.sub("", path)
    return _swap(_unescape(name) if _belongs_to_another(name) else name)


def is_odd(path: Path) -> bool:
    """
    Tell whether *path* may differ from its key. True for every path that does.

    Ask it of paths only: the key `a//b` has an odd path and does not show it.
    """
    return (
        "%_" in path
        or "\\" in path
        or (not path.isprintable() and _ANY_CONTROL.search(path) is not None)
    )


def is_alias(path: Path) -> bool:
    """Tell whether *path* is a second name: one that only `alias_for` gives."""
    return "%_~" in path and _ANY_DETOUR.search(path) is not None


def name_instead_of(path: Path, aliases: Mapping[Key, Path]) -> Path | None:
    """
    Give the local name that the object with this path's key has; None: it is *path*.

    Args:
        aliases: The keys whose objects go by a second name.
    """
    if not aliases and not is_alias(path):
        return None  # nearly all there are: each path of a mirror comes through here
    key = key_of(path)
    name = aliases.get(key) or path_of(key)
    return None if name == path else name


def require_own_name(path: Path, aliases: Mapping[Key, Path]) -> None:
    """
    Refuse to do anything to an object by a name that it does not have here.

    Raises:
        NameTakenError: The object with this path's key goes by another local name.
    """
    name = name_instead_of(path, aliases)
    if name is not None:
        message = f"{path} has the key of the object that is kept here as {name}"
        raise NameTakenError(message, blocked_by=name)


def is_reserved(path: Path) -> bool:
    """
    Tell whether *path*, or the key that it stands for, is docferry's own.

    Never to be mirrored. A key is reserved where `path_of(key)` is.
    """
    return _RESERVED.match(path) is not None


def is_plain(path: Path) -> bool:
    """Tell whether *path* is relative, goes by no "." or "..", and is not docferry's own."""
    return not is_reserved(path) and not any(part in ("", ".", "..") for part in path.split("/"))


def alias_for(key: Key, *, blocked_by: Path) -> Path:
    """
    Give another local name for *key*: a file or folder at *blocked_by* is in its way.

    *blocked_by* is the path of *key*, or of an alias of it, or a folder above one of
    these. The alias does not lead through it. If the alias is blocked as well, ask
    again with what blocks it: that ends, because each alias is a longer detour.

    Raises:
        ValueError: *blocked_by* is not in the way of *key*.
    """
    above, slash, blocked = blocked_by.rpartition("/")
    passed, whole = _ANY_DETOUR.sub("", blocked_by + "/"), path_of(key) + "/"
    if not whole.startswith(passed):
        raise ValueError(f"{blocked_by!r} is not in the way of the key {key!r}")
    # A file that is itself named like a detour: take another one.
    is_detour = _ONLY_DETOUR.fullmatch(blocked) is not None
    detour = f"{blocked}~/" if is_detour else f"{_DETOUR}/{blocked}/"
    return (above + slash + detour + whole.removeprefix(passed)).removesuffix("/")


def conflict_copy_path(path: Path, sha256: str) -> Path:
    """
    Name the local content after itself: "a/b.pdf" -> "a/b.conflict-1f2e3d4c.pdf".

    The name depends on path and content only, so that a run repeated after a crash
    arrives at the same file instead of leaving a second copy. A name that would
    become too long loses the end of its stem.
    """
    folder, slash, name = path.rpartition("/")
    stem, suffix = posixpath.splitext(name)
    if len(suffix.encode()) > _LONGEST_SUFFIX_BYTES:  # a dot in a sentence, not a file type
        stem, suffix = name, ""
    end = f".conflict-{sha256[:8]}{suffix}"
    return folder + slash + _head(stem, SEGMENT_BYTES - len(end.encode())) + end


def fault_in_name(name: str) -> str | None:
    """Say why a local name cannot be mirrored, for a person. None: it can."""
    if name.isascii():
        return None
    try:
        name.encode()
    except UnicodeEncodeError:  # bytes that are not UTF-8 reach Python as lone surrogates
        return "the name is not valid UTF-8: rename the file"
    return None


def first_fault(path: Path) -> tuple[Path, str, bool]:
    """
    Find the first name in a local path that cannot be mirrored: there must be one.

    Args:
        path: As Python reads it; a folder may end in "/".

    Returns:
        The path up to that name, why, and whether it is a folder's.
    """
    names = path.split("/")
    for number, name in enumerate(names, 1):
        if (fault := fault_in_name(name)) is not None:
            return "/".join(names[:number]), fault, number < len(names)
    raise ValueError(f"{path!r} can be mirrored")


def printable(path: Path) -> Path:
    """Spell a path that is not UTF-8 with backslash escapes, so that it can be shown."""
    return path.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def _swap(name: str) -> str:
    # Its own inverse: no two of the strings exchanged can overlap.
    return _ANY_SWAP.sub(lambda found: _SWAPS[found[0]], name)


def _is_usable(name: str) -> bool:
    """Tell whether *name* is a local name as it stands, and no alias."""
    return _UNUSABLE.search(name) is None and (
        len(name.encode()) <= SEGMENT_BYTES
        or all(len(segment.encode()) <= SEGMENT_BYTES for segment in name.split("/"))
    )


def _belongs_to_another(name: str) -> bool:
    """
    Tell whether *name* is the escaped name of another key.

    It is if unescaping it, step by step, leads to a name that no file can bear: that
    one needs its escaped name, whose owner therefore gives way to its own, and so on.
    """
    while (shorter := _unescape(name)) != name and _escape(shorter) == name:
        if not _is_usable(shorter):
            return True
        name = shorter
    return False


def _unescape(name: str) -> str:
    """Undo `_escape`. What else looks like an escape gives something else: compare."""
    if "%_" not in name:
        return name
    segments = name.replace(f"{_GOES_ON}/", "").split("/")
    return "/".join("" if segment == _EMPTY else _unescape_chars(segment) for segment in segments)


def _unescape_chars(segment: str) -> str:
    return _ANY_ESCAPE.sub(lambda found: _ESCAPES[found[0]], segment)


def _escape(name: str) -> str:
    return "/".join(map(_escape_segment, name.split("/")))


def _escape_segment(segment: str) -> str:
    if segment in _UNNAMEABLE:
        return _UNNAMEABLE[segment]
    rest = segment.replace("%_", "%_25_").replace("\0", "%_00")
    written = ""
    while len(rest.encode()) > SEGMENT_BYTES:
        head = _head(rest, SEGMENT_BYTES - len(_GOES_ON))
        written += f"{head}{_GOES_ON}/"
        rest = rest[len(head) :]
    return written + rest  # at least 4 bytes after a cut: never a "." or ".."


def _head(text: str, size: int) -> str:
    """Cut *text* down to at most *size* bytes of UTF-8, between two characters."""
    return text.encode()[:size].decode(errors="ignore")
