"""
A mail as Outlook saves it, .msg: a compound file with a stream for each property.

After [MS-CFB] and [MS-OXMSG]; what a property is called is in [MS-OXPROPS].
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

_SECTOR, _SMALL_SECTOR, _SMALL = 512, 64, 4096  # smaller streams are in the small sectors
_FREE, _END, _FAT, _NONE = 0xFFFFFFFF, 0xFFFFFFFE, 0xFFFFFFFD, 0xFFFFFFFF
_STORAGE, _STREAM, _ROOT, _BLACK = 1, 2, 5, 1
_UNICODE, _TIME, _LONG, _BYTES = 0x001F, 0x0040, 0x0003, 0x0102

Folder: TypeAlias = "Mapping[str, bytes | Folder]"


def msg(
    *,
    subject: str,
    sender: tuple[str, str],
    body: str,
    to: tuple[str, str] = ("Bob", "bob@example.org"),
    attachment: tuple[str, bytes] | None = None,
) -> bytes:
    """Give a mail, sent on 25 January 2026; *sender* and *to* are names with addresses."""
    recipient = {0x3001: to[0], 0x39FE: to[1], 0x3003: to[1], 0x3002: "SMTP"}
    content = {
        0x001A: "IPM.Note",
        0x0037: subject,
        0x1000: body,
        0x0C1A: sender[0],
        0x0C1F: sender[1],
        0x0C1E: "SMTP",
        0x0042: sender[0],
        0x0065: sender[1],
        0x0E04: to[0],
    }
    count = 0 if attachment is None else 1
    head = struct.pack("<8xIIII8x", 1, count, 1, count)
    sent_at = 134_137_728_000_000_000  # in steps of 100 ns, since 1601
    fixed = [(0x0039, _TIME, sent_at), (0x0E06, _TIME, sent_at), (0x340D, _LONG, 0x40E79)]
    names = dict.fromkeys((f"__substg1.0_000{number}0102" for number in (2, 3, 4)), b"")
    parts: dict[str, bytes | Folder] = {
        **_properties(content, head, fixed),
        "__nameid_version1.0": names,
        "__recip_version1.0_#00000000": _properties(recipient, bytes(8), [(0x0C15, _LONG, 1)]),
    }
    if attachment is not None:
        name, attached = attachment
        named: dict[int, str | bytes] = {0x3707: name, 0x3704: name, 0x3701: attached}
        kept = _properties(named, bytes(8), [(0x3705, _LONG, 1)])
        parts["__attach_version1.0_#00000000"] = kept
    return compound_file(parts)


def _properties(
    values: Mapping[int, str] | Mapping[int, str | bytes],
    head: bytes,
    fixed: Sequence[tuple[int, int, int]],
) -> dict[str, bytes]:
    streams, rows = {}, head
    for number, value in values.items():
        kind, stored = (
            (_BYTES, value) if isinstance(value, bytes) else (_UNICODE, value.encode("utf-16-le"))
        )
        streams[f"__substg1.0_{number:04X}{kind:04X}"] = stored
        length = len(stored) + (2 if kind == _UNICODE else 0)
        rows += struct.pack("<HHIII", kind, number, 6, length, 0)
    for number, kind, amount in fixed:
        rows += struct.pack("<HHIQ", kind, number, 6, amount)
    return streams | {"__properties_version1.0": rows}


# The compound file.


@dataclass(slots=True)
class _Entry:
    name: str
    kind: int
    content: bytes = b""
    left: int = _NONE
    right: int = _NONE
    child: int = _NONE
    start: int = _END


@dataclass(slots=True)
class _Sectors:
    """Contents one after the other, and which sector follows on which."""

    size: int
    content: bytes = b""
    following: list[int] = field(default_factory=list)

    def add(self, content: bytes) -> int:
        first, count = len(self.following), -(-len(content) // self.size)
        if not count:
            return _END
        self.content += content.ljust(count * self.size, b"\0")
        self.following += [*range(first + 1, first + count), _END]
        return first


def compound_file(folder: Folder) -> bytes:
    """Make a file of version 3 with up to 109 sectors for its FAT, of folders and streams."""
    root = _Entry("Root Entry", _ROOT)
    entries = [root]
    root.child = _add_all(folder, entries)
    sectors, small = _Sectors(_SECTOR), _Sectors(_SMALL_SECTOR)
    for entry in entries[1:]:
        if entry.kind == _STREAM:
            kept = small if len(entry.content) < _SMALL else sectors
            entry.start = kept.add(entry.content)
    root.content = small.content
    root.start = sectors.add(small.content)
    small_table = _numbers(small.following)
    small_at = sectors.add(small_table)
    directory_at = sectors.add(b"".join(map(_entry, entries)).ljust(_SECTOR, b"\0"))
    fat_count = 1
    while (len(sectors.following) + fat_count) * 4 > fat_count * _SECTOR:
        fat_count += 1
    fat_at = len(sectors.following)
    fat = _numbers([*sectors.following, *[_FAT] * fat_count])
    header = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(16)
    header += struct.pack("<HHHHH6x", 0x3E, 3, 0xFFFE, 9, 6)
    header += struct.pack("<IIIIII", 0, fat_count, directory_at, 0, _SMALL, small_at)
    header += struct.pack("<III", len(small_table) // _SECTOR, _END, 0)
    header += _numbers(range(fat_at, fat_at + fat_count), 109)
    return header + sectors.content + fat


def _add_all(folder: Folder, entries: list[_Entry]) -> int:
    """Add what is in a folder, as a balanced tree in the order of names; give its top."""
    ordered = sorted(folder.items(), key=lambda item: (len(item[0]), item[0].upper()))
    return _add_tree(ordered, entries)


def _add_tree(ordered: Sequence[tuple[str, bytes | Folder]], entries: list[_Entry]) -> int:
    if not ordered:
        return _NONE
    middle = len(ordered) // 2
    name, content = ordered[middle]
    number = len(entries)
    if isinstance(content, bytes):
        entry = _Entry(name, _STREAM, content)
        entries.append(entry)
    else:
        entry = _Entry(name, _STORAGE)
        entries.append(entry)
        entry.child = _add_all(content, entries)
    entry.left = _add_tree(ordered[:middle], entries)
    entry.right = _add_tree(ordered[middle + 1 :], entries)
    return number


def _entry(entry: _Entry) -> bytes:
    words = entry.name.encode("utf-16-le")
    start = 0 if entry.kind == _STORAGE else entry.start
    row = words.ljust(64, b"\0") + struct.pack("<HBB", len(words) + 2, entry.kind, _BLACK)
    row += struct.pack("<III", entry.left, entry.right, entry.child) + bytes(36)
    return row + struct.pack("<IQ", start, len(entry.content))


def _numbers(numbers: Sequence[int], most: int | None = None) -> bytes:
    """Pack them, and fill up to a whole sector, or to so many."""
    count = most if most is not None else -(-len(numbers) // 128) * 128
    return struct.pack(f"<{count}I", *numbers, *[_FREE] * (count - len(numbers)))
