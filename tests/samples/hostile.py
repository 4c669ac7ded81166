"""
Make documents that mean harm, and commands that do it: small, and the same bytes every time.

None of them is ever unpacked or run here.
"""

from __future__ import annotations

import random
import struct
import zipfile
import zlib
from collections.abc import Callable
from io import BytesIO

from samples import make

_WORD = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
_OPEN = "urn:oasis:names:tc:opendocument:xmlns"
_GIB = 1 << 30
_PIECE = bytes(1 << 20)


# Zips.


def zip_bomb_docx() -> bytes:
    """A text of a GiB of zeros in a MiB."""
    return _with_bomb(make.docx(), "word/document.xml")


def zip_bomb_xlsx() -> bytes:
    return _with_bomb(make.xlsx(), "xl/worksheets/sheet1.xml")


def nested_zips(depth: int = 30) -> bytes:
    """A zip with zips, in which there are zips."""
    content = b"x" * 1000
    for _ in range(depth):
        content = _zip({f"{number}.zip": content for number in range(2)})
    return content


def docx_of_many_parts(count: int = 20_000) -> bytes:
    """A list of parts that is larger than they are."""
    return _with_parts(make.docx(), {f"word/{number:06}": b"" for number in range(count)})


def zip_that_climbs() -> bytes:
    """With parts that lead out of the folder it is unpacked into, and a link to a secret."""
    link = zipfile.ZipInfo("word/media/link.png", date_time=(2026, 1, 1, 0, 0, 0))
    link.external_attr = 0o120777 << 16
    file = BytesIO(make.docx())
    with zipfile.ZipFile(file, "a") as archive:
        archive.writestr(_entry("../../../../climbed"), b"harm")
        archive.writestr(_entry("/tmp/climbed"), b"harm")
        archive.writestr(link, "/etc/passwd")
    return file.getvalue()


# XML.


def laughs_docx() -> bytes:
    """Ten entities, each of ten of the one before: ten milliards of words."""
    body = f'<w:document xmlns:w="{_WORD}"><w:body><w:p><w:r><w:t>&l9;</w:t></w:r></w:p></w:body>'
    xml = _laughs("w:document") + body + "</w:document>"
    return _with_parts(make.docx(), {"word/document.xml": xml.encode()})


def laughs_odt() -> bytes:
    return odt(_laughs("office:document-content"), "&l9;")


def laughs_odp() -> bytes:
    page = '<draw:page draw:name="1"><draw:frame><text:p>&l9;</text:p></draw:frame></draw:page>'
    body = f"<office:presentation>{page}</office:presentation>"
    return _open_document("presentation", body, _laughs("office:document-content"))


def laughs_svg() -> bytes:
    drawing = '<svg xmlns="http://www.w3.org/2000/svg"><text>&l9;</text></svg>'
    return (_laughs("svg") + drawing).encode()


def laughs_html() -> bytes:
    return (_laughs("html") + "<html><body><p>&l9;</p></body></html>").encode()


def docx_that_reads(path: str) -> bytes:
    """With an external entity: the content of another file."""
    start = f'<!DOCTYPE w:document [<!ENTITY secret SYSTEM "file://{path}">]>'
    body = f"<w:body><w:p><w:r><w:t>{make.SENTENCE} &secret;</w:t></w:r></w:p></w:body>"
    xml = f'{start}<w:document xmlns:w="{_WORD}">{body}</w:document>'
    return _with_parts(make.docx(), {"word/document.xml": xml.encode()})


def odt_that_reads(path: str) -> bytes:
    start = f'<!DOCTYPE office:document-content [<!ENTITY secret SYSTEM "file://{path}">]>'
    return odt(start, f"{make.SENTENCE} &secret;")


def odt(start: str = "", words: str = make.SENTENCE) -> bytes:
    body = f"<office:text><text:p>{words}</text:p></office:text>"
    return _open_document("text", body, start)


def odp() -> bytes:
    """A slide with a title, and a list in a list."""
    inner = "<text:list><text:list-item><text:p>Überfahrt</text:p></text:list-item></text:list>"
    items = f"<text:list-item><text:p>{make.SENTENCE}</text:p>{inner}</text:list-item>"
    box = "<draw:text-box>{}</draw:text-box></draw:frame>"
    title = '<draw:frame presentation:class="title">' + box.format("<text:p>Hafen</text:p>")
    body = "<draw:frame>" + box.format(f"<text:list>{items}</text:list>")
    page = f'<draw:page draw:name="1">{title}{body}</draw:page>'
    return _open_document("presentation", f"<office:presentation>{page}</office:presentation>")


def _open_document(name: str, body: str, start: str = "") -> bytes:
    kind = f"application/vnd.oasis.opendocument.{name}"
    parts = (("text", "text"), ("draw", "drawing"), ("presentation", "presentation"))
    names = " ".join(f'xmlns:{short}="{_OPEN}:{long}:1.0"' for short, long in parts)
    content = (
        f'{start}<office:document-content xmlns:office="{_OPEN}:office:1.0" {names} '
        f'office:version="1.3"><office:body>{body}</office:body></office:document-content>'
    )
    manifest = (
        f'<manifest:manifest xmlns:manifest="{_OPEN}:manifest:1.0" manifest:version="1.3">'
        f'<manifest:file-entry manifest:full-path="/" manifest:media-type="{kind}"/>'
        '<manifest:file-entry manifest:full-path="content.xml" manifest:media-type="text/xml"/>'
        "</manifest:manifest>"
    )
    file = BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(_entry("mimetype", zipfile.ZIP_STORED), kind)
        archive.writestr(_entry("content.xml"), content)
        archive.writestr(_entry("META-INF/manifest.xml"), manifest)
    return file.getvalue()


# PDFs.


def pdf_of_loops() -> bytes:
    """Its pages are their own parents and children, and its text draws itself."""
    return _pdf(
        "<< /Type /Catalog /Pages 2 0 R >>",
        "<< /Type /Pages /Kids [2 0 R 3 0 R 2 0 R] /Count 1000000 /Parent 2 0 R >>",
        "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents [4 0 R 4 0 R]"
        " /Resources << /XObject << /X 4 0 R >> >> >>",
        "<< /Type /XObject /Subtype /Form /BBox [0 0 9 9] /Length 5 0 R"
        " /Resources << /XObject << /X 4 0 R >> >> >>\nstream\n/X Do /X Do\nendstream",
        "5 0 R",
    )


def pdf_bomb() -> bytes:
    """A drawing of a GiB in 2 KiB: packed, and packed again."""
    packed = b"\x78\x9c" + _packed_zeros() + struct.pack(">I", _sum_of_zeros(zlib.adler32, 1))
    packed = zlib.compress(packed, 9)
    return _pdf(
        "<< /Type /Catalog /Pages 2 0 R >>",
        "<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R >>",
        f"<< /Length {len(packed)} /Filter [/FlateDecode /FlateDecode] >>\nstream\n"
        + packed.decode("latin-1")
        + "\nendstream",
    )


def encrypted_pdf() -> bytes:
    """As with a password that nobody has: RC4 of 40 bits, with keys that fit nothing."""
    key = "00" * 32
    return make.pdf().replace(
        b"/Root 1 0 R",
        b"/Root 1 0 R /ID [<00><00>] /Encrypt << /Filter /Standard /V 1 /R 2 /Length 40 /P -4"
        + f" /O <{key}> /U <{key}> >>".encode(),
    )


# OLE.


def encrypted_docx() -> bytes:
    """What Word writes when it is given a password: an OLE file, as far as one looks."""
    names = ("Root Entry", "EncryptionInfo", "EncryptedPackage")
    entries = b"".join(_ole_entry(name, is_root=not number) for number, name in enumerate(names))
    header = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(16)
    header += struct.pack("<HHHHH", 0x3E, 3, 0xFFFE, 9, 6) + bytes(6)
    header += struct.pack("<IIIIIIIII", 0, 1, 1, 0, 4096, 0xFFFFFFFE, 0, 0xFFFFFFFE, 0)
    header += struct.pack("<I", 0) + b"\xff" * (108 * 4)
    table = struct.pack("<II", 0xFFFFFFFD, 0xFFFFFFFE) + b"\xff" * (512 - 8)
    return header + table + entries.ljust(512, b"\0")


def _ole_entry(name: str, *, is_root: bool) -> bytes:
    words = name.encode("utf-16-le")
    entry = words.ljust(64, b"\0") + struct.pack("<H", len(words) + 2)
    entry += struct.pack("<BB", 5 if is_root else 2, 1) + b"\xff" * 12
    return entry.ljust(128, b"\0")


# Texts.


def deep_html(depth: int = 100_000) -> bytes:
    return b"<html><body>" + b"<div><b>" * depth + make.SENTENCE.encode()


def deep_json(depth: int = 100_000) -> bytes:
    return b"[" * depth + b"]" * depth


def html_that_calls(address: str) -> bytes:
    """With everything by which a page makes a program fetch something."""
    return (
        f'<html><head><base href="{address}/"><link rel="stylesheet" href="{address}/style.css">'
        f'<script src="{address}/script.js"></script><meta http-equiv="refresh" '
        f'content="0; url={address}/next"></head><body background="{address}/paper.png">'
        f'<p>{make.SENTENCE}</p><img src="{address}/picture.png"><iframe src="{address}/frame">'
        f'</iframe><object data="{address}/object"></object></body></html>'
    ).encode()


def noise(size: int = 20_000) -> bytes:
    return random.Random(7).randbytes(size)


def cut_short(content: bytes) -> bytes:
    return content[: len(content) // 2]


# Commands, for a shell.

SPINS = "while :; do :; done"
SLEEPS = "sleep 200"
CRASHES = "kill -SEGV $$"
# The bombs end by themselves, should nobody end them: a test that fails must not take the machine.
FORKS = """exec python3 -c '
import os, time
end = time.monotonic() + 30
while time.monotonic() < end:
    try:
        os.fork()
    except OSError:
        pass
'"""
#: None of them stays: each leaves two, in sessions of their own.
FORKS_AND_LEAVES = """exec python3 -c '
import os, time
first = os.getpid()
end = time.monotonic() + 30
while time.monotonic() < end:
    try:
        if os.fork() and os.fork() and os.getpid() != first:
            os._exit(0)
        if os.getpid() != first:
            os.setsid()
    except OSError:
        pass
'"""
FLOODS_STANDARD_OUTPUT = "yes"
FLOODS_ONE_FILE = "exec dd if=/dev/zero of=large bs=1M count=10240"
FLOODS_MANY_FILES = "n=0; while :; do n=$((n+1)); head -c 500000 /dev/zero > many.$n; done"
FLOODS_MEMORY = "exec python3 -c 'x = [bytearray(1 << 24) for _ in range(1 << 10)]'"
STAYS_BEHIND = "setsid sleep 200 > /dev/null 2>&1 & exit 0"


def _laughs(root: str) -> str:
    entities = '<!ENTITY l0 "ha">' + "".join(
        f'<!ENTITY l{number} "{f"&l{number - 1};" * 10}">' for number in range(1, 10)
    )
    return f'<?xml version="1.0"?><!DOCTYPE {root} [{entities}]>'


def _with_bomb(package: bytes, name: str) -> bytes:
    """Put a GiB of zeros in the place of a part, without ever having them."""
    packed = _packed_zeros()
    content = bytearray(_with_parts(package, {name: packed}, how=zipfile.ZIP_STORED))
    facts = struct.pack("<III", _sum_of_zeros(zlib.crc32, 0), len(packed), _GIB)
    for signature, name_at, method_at in ((b"PK\3\4", 30, 8), (b"PK\1\2", 46, 10)):
        at = content.find(name.encode())
        while content[at - name_at : at - name_at + 4] != signature:
            at = content.find(name.encode(), at + 1)
        method = at - name_at + method_at
        content[method : method + 2] = struct.pack("<H", zipfile.ZIP_DEFLATED)
        content[method + 6 : method + 18] = facts
    return bytes(content)


def _packed_zeros() -> bytes:
    """A GiB of them, deflated: the same piece again and again, which nothing before it alters."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    piece = packer.compress(_PIECE) + packer.flush(zlib.Z_FULL_FLUSH)
    return piece * (_GIB // len(_PIECE)) + zlib.compressobj(9, zlib.DEFLATED, -15).flush()


def _sum_of_zeros(add: Callable[[bytes, int], int], begin: int) -> int:
    for _ in range(_GIB // len(_PIECE)):
        begin = add(_PIECE, begin)
    return begin


def _with_parts(
    package: bytes, parts: dict[str, bytes], *, how: int = zipfile.ZIP_DEFLATED
) -> bytes:
    """Replace parts of a zip, or add them."""
    with zipfile.ZipFile(BytesIO(package)) as archive:
        content = {name: archive.read(name) for name in archive.namelist()}
    return _zip({**content, **parts}, how=how)


def _zip(parts: dict[str, bytes], *, how: int = zipfile.ZIP_DEFLATED) -> bytes:
    file = BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name, content in parts.items():
            archive.writestr(_entry(name, how), content)
    return file.getvalue()


def _entry(name: str, how: int = zipfile.ZIP_DEFLATED) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name, date_time=(2026, 1, 1, 0, 0, 0))
    entry.compress_type = how
    return entry


def _pdf(*objects: str) -> bytes:
    file, offsets = b"%PDF-1.4\n", []
    for number, content in enumerate(objects, start=1):
        offsets.append(len(file))
        file += f"{number} 0 obj\n{content}\nendobj\n".encode("latin-1")
    table = "".join(f"{offset:010} 00000 n \n" for offset in offsets)
    size = len(objects) + 1
    end = f"xref\n0 {size}\n0000000000 65535 f \n{table}trailer\n<< /Size {size} /Root 1 0 R >>\n"
    return file + f"{end}startxref\n{len(file)}\n%%EOF\n".encode()
