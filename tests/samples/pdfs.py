"""PDF documents for the tests of the preview: sound ones, and some that nobody should open."""

from __future__ import annotations

import zlib
from collections.abc import Sequence

A4 = (0, 0, 595, 842)
_FONT = b"<< /Font << /F1 << /Type /Font /Subtype /Type1 /BaseFont /Helvetica >> >> >>"
_LINE = b"0 0 m 500 800 l S\n"
_AT_ONCE = 1024 * 1024


def pages(number: int, box: Sequence[int] = A4) -> bytes:
    """Give so many pages that have the same words on them; *box* in points."""
    return _document(_stream(b"BT /F1 24 Tf 72 720 Td (A page) Tj ET"), [_FONT] * number, box)


def without_end(lines: int = 30_000_000) -> bytes:
    """Give two pages that take minutes to draw, of 1.3 MB."""
    packer = zlib.compressobj(9)
    piece = _LINE * _AT_ONCE
    parts = [packer.compress(piece) for _ in range(lines // _AT_ONCE + 1)]
    packed = b"".join([*parts, packer.flush()])
    return _document(_stream(packed, b"/Filter /FlateDecode"), [_FONT] * 2)


def locked() -> bytes:
    """Give a page that is protected by a password, and nobody knows which."""
    lock = b"/Filter /Standard /V 1 /R 2 /P -4 /O <%s> /U <%s>" % (b"00" * 32, b"11" * 32)
    more = b"/Encrypt << %s >> /ID [<00> <00>] >>\nstartxref" % lock
    return pages(1).replace(b">>\nstartxref", more)


def _document(drawing: bytes, resources: Sequence[bytes], box: Sequence[int] = A4) -> bytes:
    kids = b" ".join(b"%d 0 R" % (4 + number) for number in range(len(resources)))
    edges = b" ".join(b"%d" % edge for edge in box)
    page = b"<< /Type /Page /Parent 2 0 R /MediaBox [%s] /Contents 3 0 R /Resources %s >>"
    return _file(
        [
            b"<< /Type /Catalog /Pages 2 0 R >>",
            b"<< /Type /Pages /Count %d /Kids [%s] >>" % (len(resources), kids),
            drawing,
            *(page % (edges, one) for one in resources),
        ]
    )


def _stream(content: bytes, more: bytes = b"") -> bytes:
    return b"<< /Length %d %s >>\nstream\n%s\nendstream" % (len(content), more, content)


def _file(objects: Sequence[bytes]) -> bytes:
    parts, offset, table = [b"%PDF-1.7\n"], 9, b""
    for number, content in enumerate(objects, start=1):
        table += b"%010d 00000 n \n" % offset
        parts.append(b"%d 0 obj\n%s\nendobj\n" % (number, content))
        offset += len(parts[-1])
    size = len(objects) + 1
    trailer = b"trailer << /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (size, offset)
    return b"".join([*parts, b"xref\n0 %d\n0000000000 65535 f \n" % size, table, trailer])
