"""
Write small, valid documents of the formats that people drop: the samples of tests and demo.

Standard library only. The same call writes the same bytes, on any machine. Every
document contains SENTENCE, so that a test can look for it in what was made of it.

    python tests/samples/make.py FOLDER
"""

from __future__ import annotations

import sys
import zipfile
from collections.abc import Mapping, Sequence
from email.message import EmailMessage
from io import BytesIO
from pathlib import Path
from typing import TypeAlias

Row: TypeAlias = tuple[str, str, str]

SENTENCE = "The ferry leaves at seven."
ROWS = (("port", "crossings", "berths"), ("Rostock", "1204", "7"), ("Trelleborg", "1198", "5"))

_XML = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
_PACKAGE = "http://schemas.openxmlformats.org/package/2006"
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_WORD = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
_SHEET = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_SLIDE = "http://schemas.openxmlformats.org/presentationml/2006/main"
_DRAWING = "http://schemas.openxmlformats.org/drawingml/2006/main"
_KIND = "application/vnd.openxmlformats-officedocument."


def make_all(folder: Path) -> list[Path]:
    """Write one document of every format into *folder*, which is made if need be."""
    folder.mkdir(parents=True, exist_ok=True)
    contents = {
        "timetable.docx": docx(),
        "crossings.xlsx": xlsx(),
        "harbour.pptx": pptx(),
        "notice.html": html(),
        "ticket.pdf": pdf(),
        "booking.eml": eml(),
        "crossings.csv": csv(),
        "readme.md": markdown(),
        "log book.txt": text(),
    }
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    return [folder / name for name in contents]


def text() -> bytes:
    return f"Log book\n\n{SENTENCE} Fog over the Baltic, wind 3 from the west.\n".encode()


def markdown() -> bytes:
    return f"# Ferry\n\n{SENTENCE}\n\n- mind the gap\n- Grüße aus Rostock\n".encode()


def csv() -> bytes:
    rows = [*ROWS, (SENTENCE, "", "")]
    return "".join(",".join(row) + "\r\n" for row in rows).encode()


def html() -> bytes:
    cells = "".join("<tr>" + "".join(f"<td>{c}</td>" for c in row) + "</tr>" for row in ROWS)
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Notice</title></head>'
        f"<body><h1>Notice</h1><p>{SENTENCE}</p><table>{cells}</table></body></html>\n"
    ).encode()


def eml() -> bytes:
    message = EmailMessage()
    message["From"] = "Harbour office <office@harbour.example>"
    message["To"] = "Ada <ada@crossing.example>"
    message["Subject"] = "Your booking"
    message["Date"] = "Mon, 02 Feb 2026 07:00:00 +0000"
    message["Message-ID"] = "<booking-1@harbour.example>"
    message.set_content(f"Dear Ada,\n\n{SENTENCE}\n\nThe harbour office\n")
    return message.as_bytes()


def docx() -> bytes:
    table = "".join(
        "<w:tr>" + "".join(f"<w:tc>{_word_line(cell)}</w:tc>" for cell in row) + "</w:tr>"
        for row in ROWS
    )
    body = _word_line("Timetable", style="Heading1") + _word_line(SENTENCE)
    document = f'<w:document xmlns:w="{_WORD}"><w:body>{body}<w:tbl>{table}</w:tbl></w:body>'
    styles = (
        f'<w:styles xmlns:w="{_WORD}"><w:style w:type="paragraph" w:styleId="Heading1">'
        '<w:name w:val="heading 1"/></w:style></w:styles>'
    )
    return _office_file(
        main="word/document.xml",
        kinds={
            "word/document.xml": _KIND + "wordprocessingml.document.main+xml",
            "word/styles.xml": _KIND + "wordprocessingml.styles+xml",
        },
        parts={
            "word/document.xml": document + "</w:document>",
            "word/styles.xml": styles,
            "word/_rels/document.xml.rels": _relations(("styles", "styles.xml")),
        },
    )


def xlsx(rows: Sequence[Row] = (*ROWS, (SENTENCE, "", ""))) -> bytes:
    cells = "".join(
        f'<row r="{number}">' + "".join(_sheet_cell(cell) for cell in row) + "</row>"
        for number, row in enumerate(rows, start=1)
    )
    sheets = '<sheets><sheet name="Crossings" sheetId="1" r:id="rId1"/></sheets>'
    book = f'<workbook xmlns="{_SHEET}" xmlns:r="{_OFFICE}">{sheets}</workbook>'
    return _office_file(
        main="xl/workbook.xml",
        kinds={
            "xl/workbook.xml": _KIND + "spreadsheetml.sheet.main+xml",
            "xl/worksheets/sheet1.xml": _KIND + "spreadsheetml.worksheet+xml",
        },
        parts={
            "xl/workbook.xml": book,
            "xl/_rels/workbook.xml.rels": _relations(("worksheet", "worksheets/sheet1.xml")),
            "xl/worksheets/sheet1.xml": (
                f'<worksheet xmlns="{_SHEET}"><sheetData>{cells}</sheetData></worksheet>'
            ),
        },
    )


def pptx() -> bytes:
    names = f'xmlns:a="{_DRAWING}" xmlns:p="{_SLIDE}" xmlns:r="{_OFFICE}"'
    shapes = _slide_text(2, "title", "Harbour") + _slide_text(3, "body", SENTENCE)
    group = '<p:nvGrpSpPr><p:cNvPr id="1" name=""/><p:cNvGrpSpPr/><p:nvPr/></p:nvGrpSpPr>'
    slide = f"<p:cSld><p:spTree>{group}<p:grpSpPr/>{shapes}</p:spTree></p:cSld>"
    slides = '<p:sldIdLst><p:sldId id="256" r:id="rId1"/></p:sldIdLst>'
    return _office_file(
        main="ppt/presentation.xml",
        kinds={
            "ppt/presentation.xml": _KIND + "presentationml.presentation.main+xml",
            "ppt/slides/slide1.xml": _KIND + "presentationml.slide+xml",
        },
        parts={
            "ppt/presentation.xml": f"<p:presentation {names}>{slides}</p:presentation>",
            "ppt/_rels/presentation.xml.rels": _relations(("slide", "slides/slide1.xml")),
            "ppt/slides/slide1.xml": f"<p:sld {names}>{slide}</p:sld>",
        },
    )


def pdf() -> bytes:
    """One page of text, without compression."""
    drawing = f"BT /F1 24 Tf 72 720 Td (Ticket) Tj /F1 12 Tf 0 -36 Td ({SENTENCE}) Tj ET"
    objects = (
        "<< /Type /Catalog /Pages 2 0 R >>",
        "<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R"
        " /Resources << /Font << /F1 5 0 R >> >> >>",
        f"<< /Length {len(drawing)} >>\nstream\n{drawing}\nendstream",
        "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    )
    file, offsets = b"%PDF-1.4\n", []
    for number, content in enumerate(objects, start=1):
        offsets.append(len(file))
        file += f"{number} 0 obj\n{content}\nendobj\n".encode()
    table = "".join(f"{offset:010} 00000 n \n" for offset in offsets)
    size = len(objects) + 1
    return (
        file
        + (
            f"xref\n0 {size}\n0000000000 65535 f \n{table}"
            f"trailer\n<< /Size {size} /Root 1 0 R >>\nstartxref\n{len(file)}\n%%EOF\n"
        ).encode()
    )


def _word_line(line: str, *, style: str = "") -> str:
    properties = f'<w:pPr><w:pStyle w:val="{style}"/></w:pPr>' if style else ""
    return f"<w:p>{properties}<w:r><w:t>{line}</w:t></w:r></w:p>"


def _slide_text(number: int, place: str, line: str) -> str:
    return (
        f'<p:sp><p:nvSpPr><p:cNvPr id="{number}" name="{place}"/><p:cNvSpPr/>'
        f'<p:nvPr><p:ph type="{place}"/></p:nvPr></p:nvSpPr><p:spPr/>'
        f"<p:txBody><a:bodyPr/><a:p><a:r><a:t>{line}</a:t></a:r></a:p></p:txBody></p:sp>"
    )


def _sheet_cell(cell: str) -> str:
    if cell.isdigit():
        return f"<c><v>{cell}</v></c>"
    return f'<c t="inlineStr"><is><t>{cell}</t></is></c>'


def _relations(*targets: tuple[str, str]) -> str:
    links = "".join(
        f'<Relationship Id="rId{number}" Type="{_OFFICE}/{kind}" Target="{target}"/>'
        for number, (kind, target) in enumerate(targets, start=1)
    )
    return f'<Relationships xmlns="{_PACKAGE}/relationships">{links}</Relationships>'


def _office_file(*, main: str, kinds: Mapping[str, str], parts: Mapping[str, str]) -> bytes:
    """An Office Open XML package: a zip whose first entries say what the others are."""
    overrides = "".join(
        f'<Override PartName="/{part}" ContentType="{kind}"/>' for part, kind in kinds.items()
    )
    rels = "application/vnd.openxmlformats-package.relationships+xml"
    default = f'<Default Extension="rels" ContentType="{rels}"/>'
    types = f'<Types xmlns="{_PACKAGE}/content-types">{default}{overrides}</Types>'
    package = {"[Content_Types].xml": types, "_rels/.rels": _relations(("officeDocument", main))}
    return _zip({**package, **parts})


def _zip(parts: Mapping[str, str]) -> bytes:
    file = BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            # A fixed date: the same sample has the same SHA-256 everywhere.
            entry = zipfile.ZipInfo(name, date_time=(2026, 1, 1, 0, 0, 0))
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, _XML + content)
    return file.getvalue()


if __name__ == "__main__":
    for path in make_all(Path(sys.argv[1])):
        print(path)  # noqa: T201
