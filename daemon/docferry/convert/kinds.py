"""
What a document is: told by its content, and by its name only where that cannot tell.

Only its first and last few thousand bytes are read, and nothing is unpacked: it comes from
strangers, and this runs in the daemon itself.
"""

from __future__ import annotations

import pathlib
import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from docferry.convert.kind_names import BY_EXTENSION

_HEAD_BYTES = 8192
_ZIP_TAIL_BYTES = 22 + 65_535  # its last record, with the longest comment there can be
_ZIP_LISTING_BYTES = 262_144
_OLE_BYTES = 1 << 20
_OLE_LISTING_BYTES, _OLE_ENTRY = 65_536, 128
#: An extension that programs can be given: it may not hold a line's end, nor be 250 bytes long.
_PLAIN = re.compile(r"\.[a-z0-9][a-z0-9_+-]{0,15}")


@dataclass(frozen=True, slots=True)
class Kind:
    """What a document is."""

    media_type: str  #: "application/pdf"; "": nothing tells
    extension: str  #: with the dot, lower case; where nothing tells, the name's if plain
    mismatch: str | None = None  #: "named .pdf, but it is a Word document (docx)"


def tell_kind(path: pathlib.Path, name: str) -> Kind:
    """
    Tell what the file at *path* is, which has *name* in its mirror.

    Raises:
        OSError: It cannot be read.
    """
    named = pathlib.PurePosixPath(name).suffix.lower()
    if not _PLAIN.fullmatch(named):
        named = ""
    with path.open("rb") as file:
        head = file.read(_HEAD_BYTES)
        extension = _extension_in(head, file, named) if head else None
    if extension is None:
        return Kind("", named)
    return _kind(extension, named)


def _kind(extension: str, named: str) -> Kind:
    found, said = BY_EXTENSION[extension], BY_EXTENSION.get(named)
    if said is not None and said.family == found.family:
        return Kind(said.media_type, named)
    mismatch = None if said is None else f"named {named}, but it is {found.description}"
    return Kind(found.media_type, extension, mismatch)


def _extension_in(head: bytes, file: BinaryIO, named: str) -> str | None:
    for offset, signature, extension in _SIGNATURES:
        if head[offset:].startswith(signature):
            return extension
    if b"%PDF-" in head[:1024]:  # where readers look for it, too
        return ".pdf"
    if head.startswith(b"PK\x03\x04"):
        return _zip_extension(head, file, named)
    if head.startswith(b"PK\x05\x06"):
        return ".zip"
    if head.startswith(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"):
        return _ole_extension(head, file, named)
    if head.startswith(b"RIFF"):
        return {b"WEBP": ".webp", b"WAVE": ".wav", b"AVI ": ".avi"}.get(head[8:12])
    if head[4:8] == b"ftyp":
        return ".heic" if head[8:12] in (b"heic", b"heix", b"mif1", b"heim") else ".mp4"
    return _text_extension(head, named)


_SIGNATURES = (
    (0, b"\x89PNG\r\n\x1a\n", ".png"),
    (0, b"\xff\xd8\xff", ".jpg"),
    (0, b"GIF87a", ".gif"),
    (0, b"GIF89a", ".gif"),
    (0, b"II*\0", ".tiff"),
    (0, b"MM\0*", ".tiff"),
    (0, b"{\\rtf", ".rtf"),
    (0, b"\x1f\x8b", ".gz"),
    (0, b"BZh", ".bz2"),
    (0, b"\xfd7zXZ\0", ".xz"),
    (0, b"7z\xbc\xaf\x27\x1c", ".7z"),
    (0, b"Rar!\x1a\x07", ".rar"),
    (257, b"ustar", ".tar"),
    (0, b"ID3", ".mp3"),
    (0, b"OggS", ".ogg"),
    (0, b"\x1a\x45\xdf\xa3", ".mkv"),
    (0, b"\x7fELF", ".elf"),
    (0, b"MZ\x90\0", ".exe"),
    (0, b"SQLite format 3\0", ".sqlite"),
    (0, b"%!PS", ".ps"),
)


# Zips: the documents of Office and OpenDocument, and books.


def _zip_extension(head: bytes, file: BinaryIO, named: str) -> str:
    """By what says itself what it is, first in the file; else by the names of its parts."""
    declared = _declared_in(head)
    if declared is not None:
        return declared
    names = list(_names_in_zip(head, file))
    for folder, extension in (("word/", ".docx"), ("xl/", ".xlsx"), ("ppt/", ".pptx")):
        if any(name.startswith(folder) for name in names):
            return extension
    is_cut_short = "[Content_Types].xml" in names and named in (".docx", ".xlsx", ".pptx")
    return named if is_cut_short else ".zip"


def _declared_in(head: bytes) -> str | None:
    """Read the `mimetype` that OpenDocument and EPUB put first, as it is (ODF 1.3, part 2, 3.3)."""
    length, more = struct.unpack_from("<HH", head, 26) if len(head) >= 30 else (0, 0)
    if head[30 : 30 + length] != b"mimetype":
        return None
    content = head[30 + length + more :]
    for extension, known in BY_EXTENSION.items():
        declared = known.media_type.encode()
        if known.is_declared and content.startswith((declared + b"PK", declared + b"-template")):
            return extension
    return None


def _names_in_zip(head: bytes, file: BinaryIO) -> Iterator[str]:
    """The names in its listing, as far as they are looked at; without one those in its head."""
    listing = _zip_listing(file)
    at = 0
    while listing[at : at + 4] == b"PK\x01\x02" and at + 46 <= len(listing):
        length, more, comment = struct.unpack_from("<HHH", listing, at + 28)
        yield listing[at + 46 : at + 46 + length].decode(errors="replace")
        at += 46 + length + more + comment
    if not listing:
        for begin in re.finditer(rb"PK\x03\x04", head):
            length = int.from_bytes(head[begin.start() + 26 : begin.start() + 28], "little")
            yield head[begin.start() + 30 : begin.start() + 30 + length].decode(errors="replace")


def _zip_listing(file: BinaryIO) -> bytes:
    size = file.seek(0, 2)
    file.seek(max(0, size - _ZIP_TAIL_BYTES))
    tail = file.read(_ZIP_TAIL_BYTES)
    at = tail.rfind(b"PK\x05\x06")
    if at < 0 or at + 22 > len(tail):
        return b""
    length, begin = struct.unpack_from("<II", tail, at + 12)
    file.seek(min(begin, size))
    return file.read(min(length, _ZIP_LISTING_BYTES))


# OLE: the documents of Office before 2007, Outlook's mails, and what is encrypted since.


def _ole_extension(head: bytes, file: BinaryIO, named: str) -> str:
    file.seek(0)
    content = file.read(_OLE_BYTES)
    sector = 1 << min(struct.unpack_from("<H", head, 30)[0] if len(head) > 32 else 9, 12)
    first = struct.unpack_from("<I", head, 48)[0] if len(head) >= 52 else 0
    file.seek(min((first + 1) * sector, 1 << 40))
    directory = file.read(_OLE_LISTING_BYTES)
    content += directory
    # What is attached, or embedded, has such names too.
    at_the_top = _names_at_the_top(directory)
    for stream, extension in _STREAMS:
        if stream in at_the_top:
            return extension
    for stream, extension in _STREAMS:  # where its directory is in pieces, or damaged
        if stream.encode("utf-16-le") in content:
            return extension
    if "EncryptedPackage".encode("utf-16-le") in content:
        return named if named in (".docx", ".xlsx", ".pptx") else ".ole"
    return ".ole"


def _names_at_the_top(directory: bytes) -> set[str]:
    """Read the names of what is in no folder of a compound file ([MS-CFB], 2.6)."""
    names: set[str] = set()
    seen: set[int] = set()
    waiting = [struct.unpack_from("<I", directory, 76)[0]] if len(directory) >= _OLE_ENTRY else []
    while waiting:
        number = waiting.pop()
        entry = directory[number * _OLE_ENTRY : (number + 1) * _OLE_ENTRY]
        if number in seen or len(entry) < _OLE_ENTRY:
            continue
        seen.add(number)
        length, *_, left, right = struct.unpack_from("<HBBII", entry, 64)
        names.add(entry[: min(max(0, length - 2), 64)].decode("utf-16-le", errors="replace"))
        waiting += [left, right]
    return names


_STREAMS = (
    ("WordDocument", ".doc"),
    ("PowerPoint Document", ".ppt"),
    ("Workbook", ".xls"),
    ("__properties_version1.0", ".msg"),
)


# Texts.

_TEXT_MARKS = (b"\xff\xfe", b"\xfe\xff")
_NO_TEXT = re.compile(rb"[\x00-\x06\x0e-\x1a\x1c-\x1f\x7f]")
_PASSED_OVER = ((b"<!--", b"-->"), (b"<?", b"?>"))  # comments and instructions
_HTML = re.compile(rb"<(!doctype\s+html|html|head|body)\b", re.I)
_DOCTYPE = re.compile(rb"<!doctype[^>\[]*(\[.*?\]\s*)?>", re.I | re.S)
_SVG = re.compile(rb"<svg\b", re.I)
_XML = re.compile(rb"\s*<\?xml\b")


def _text_extension(head: bytes, named: str) -> str | None:
    """Among texts the name decides, as nothing in them does."""
    text = head.removeprefix(b"\xef\xbb\xbf")
    if not text.startswith(_TEXT_MARKS) and _NO_TEXT.search(text):
        return None
    said = BY_EXTENSION.get(named)
    if said is not None and said.is_text:
        return named
    begin = _after_comments(text)
    if _HTML.match(begin):
        return ".html"
    declared = _DOCTYPE.match(begin)
    if _SVG.match(_after_comments(begin[declared.end() :]) if declared else begin):
        return ".svg"
    return ".xml" if _XML.match(text) else ".txt"


def _after_comments(text: bytes) -> bytes:
    """
    Give what begins where comments and instructions end.

    Not by a pattern: one that may divide 30 comments in any way takes minutes to find that
    nothing follows them, and no other thread of the daemon runs meanwhile (measured).
    """
    text = text.lstrip()
    while closing := next((end for begin, end in _PASSED_OVER if text.startswith(begin)), b""):
        text = text.partition(closing)[2].lstrip()
    return text
