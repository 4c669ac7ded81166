"""
Write documents by the programs that people write them with: Word-like, spreadsheets, scans.

Beside `make.py`, whose small documents need nothing: these need python-docx, openpyxl,
python-pptx, Pillow and typst, and for the old formats LibreOffice. Every document contains SENTENCE
and UMLAUTS, so that a test can look for them in what was made of it.

    python tests/samples/real.py FOLDER
"""

from __future__ import annotations

import importlib
import subprocess
import sys
from email.message import EmailMessage
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

SENTENCE = "The ferry leaves at seven."
UMLAUTS = "Grüße aus Warnemünde"
ROWS = (("port", "crossings"), ("Rostock", "1204"), ("Trelleborg", "1198"))
ITEMS = ("Tickets", "Lifeboats", "Tea")

_NOTE = "Unless there is fog."
_FOOTNOTE = (
    '<w:footnotes xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main">'
    '<w:footnote w:id="2"><w:p><w:r><w:t>{}</w:t></w:r></w:p></w:footnote></w:footnotes>'
)


def docx() -> bytes:
    """Make a report: headings, nested lists, a table, a picture, a footnote, umlauts."""
    document = _module("docx").Document()
    document.core_properties.title = "Ferry report"
    document.add_heading("Ferry report", 1)
    paragraph = document.add_paragraph(f"{SENTENCE} {UMLAUTS}.")
    _add_footnote(document, paragraph)
    document.add_heading("What to take", 2)
    for item in ITEMS:
        document.add_paragraph(item, style="List Bullet")
        document.add_paragraph(f"more {item.lower()}", style="List Bullet 2")
    document.add_heading("Crossings", 2)
    table = document.add_table(rows=0, cols=2, style="Table Grid")
    for row in ROWS:
        for cell, value in zip(table.add_row().cells, row, strict=True):
            cell.text = value
    document.add_picture(BytesIO(picture()))
    return _saved(document)


def long_docx(sections: int) -> bytes:
    """Make a report that takes its time: about 0.1 s for a section."""
    document = _module("docx").Document()
    for number in range(sections):
        document.add_heading(f"Section {number}", 1)
        for _ in range(20):
            document.add_paragraph(f"{SENTENCE} " * 20)
    return _saved(document)


def xlsx() -> bytes:
    """Make a workbook of two sheets, with a formula and a date."""
    openpyxl = _module("openpyxl")
    book = openpyxl.Workbook()
    sheet = book.active
    sheet.title = "Crossings"
    for port, crossings in ROWS:
        sheet.append([port, int(crossings) if crossings.isdigit() else crossings])
    sheet.append(["all", "=SUM(B2:B3)"])
    notes = book.create_sheet("Notes")
    notes.append([SENTENCE, UMLAUTS])
    return _saved(book)


def pptx() -> bytes:
    """Make two slides: a list, and a table with a picture."""
    inches = _module("pptx.util").Inches
    show = _module("pptx").Presentation()
    slide = show.slides.add_slide(show.slide_layouts[1])
    slide.shapes.title.text = "Harbour"
    slide.placeholders[1].text = "\n".join((SENTENCE, UMLAUTS, *ITEMS))
    slide = show.slides.add_slide(show.slide_layouts[5])
    slide.shapes.title.text = "Crossings"
    shape = slide.shapes.add_table(len(ROWS), 2, inches(1), inches(2), inches(6), inches(1.5))
    for number, row in enumerate(ROWS):
        for column, value in enumerate(row):
            shape.table.cell(number, column).text = value
    slide.shapes.add_picture(BytesIO(picture()), inches(1), inches(5))
    return _saved(show)


def picture(text: str = "FERRY") -> bytes:
    """Draw a PNG with a few letters on it."""
    return _as_file(_drawn(text), "PNG")


def scan() -> bytes:
    """Make a PDF without text: a page as a scanner saw it, 150 dots an inch."""
    return _as_file(_page(), "PDF", resolution=150)


def scanned_picture() -> bytes:
    """Make the same page as a PNG that does not say how many dots an inch has."""
    return _as_file(_page(), "PNG")


def eml() -> bytes:
    """Write a mail with a report attached."""
    message = EmailMessage()
    message["From"] = "Harbour office <office@harbour.example>"
    message["To"] = "Ada <ada@crossing.example>"
    message["Subject"] = f"Report: {UMLAUTS}"
    message["Date"] = "Mon, 02 Feb 2026 07:00:00 +0000"
    message["Message-ID"] = "<report-1@harbour.example>"
    message.set_content(f"Dear Ada,\n\n{SENTENCE} {UMLAUTS}.\n")
    message.add_attachment(
        docx(),
        maintype="application",
        subtype="vnd.openxmlformats-officedocument.wordprocessingml.document",
        filename="report.docx",
    )
    return message.as_bytes()


def html() -> bytes:
    """Write a page as the web has them: links to nowhere, the same id twice, remote pictures."""
    return (
        f'<!doctype html><html lang="de"><head><meta charset="utf-8"><title>Fähre</title></head>'
        f'<body><h1 id="top">Fähre</h1><p id="top">{SENTENCE} {UMLAUTS} <a href="#top">up</a> '
        '<a href="#nowhere">dangling</a> <a href="">empty</a> <a href="/wiki/Ferry">inside</a>'
        '<sup id="cite_ref-1"><a href="#cite_note-1">[1]</a></sup></p>'
        '<p><img src="http://harbour.example/ferry.png" alt="a ferry">'
        '<img src="/etc/passwd" alt="no"></p>'
        "<table><caption>Crossings</caption>"
        + "".join("<tr>" + "".join(f"<td>{c}</td>" for c in row) + "</tr>" for row in ROWS)
        + '</table><ol><li id="cite_note-1">#hash $dollar @at &lt;angle&gt; \\back</li></ol>'
        "</body></html>"
    ).encode()


def by_office(content: bytes, suffix: str, to: str) -> bytes:
    """Have LibreOffice save *content* in another format: doc, xls, ppt, odt, ods, odp, rtf."""
    with TemporaryDirectory() as folder:
        source = Path(folder, f"document{suffix}")
        source.write_bytes(content)
        command = ["soffice", "--headless", f"-env:UserInstallation=file://{folder}/profile"]
        command += ["--convert-to", to, "--outdir", folder, str(source)]
        subprocess.run(command, check=True, capture_output=True, timeout=120)
        return source.with_suffix(f".{to}").read_bytes()


def by_pandoc(pandoc: Path, content: bytes, suffix: str, to: str) -> bytes:
    """Have *pandoc* write *content* in another format, such as epub."""
    with TemporaryDirectory() as folder:
        source = Path(folder, f"document{suffix}")
        source.write_bytes(content)
        result = source.with_suffix(f".{to}")
        command = [str(pandoc), str(source), "-o", str(result), "--metadata", "title=Ferry report"]
        subprocess.run(command, check=True, capture_output=True, timeout=120)
        return result.read_bytes()


def make_all(folder: Path) -> list[Path]:
    """Write one document of every format that needs no other program into *folder*."""
    folder.mkdir(parents=True, exist_ok=True)
    contents = {
        "report.docx": docx(),
        "crossings.xlsx": xlsx(),
        "harbour.pptx": pptx(),
        "page.html": html(),
        "scan.pdf": scan(),
        "scan.png": scanned_picture(),
        "report.eml": eml(),
    }
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    return [folder / name for name in contents]


def _module(name: str) -> Any:
    # Some of them have no types, and which of them do differs from release to release.
    return importlib.import_module(name)


def _saved(document: Any) -> bytes:
    file = BytesIO()
    document.save(file)
    return file.getvalue()


def _add_footnote(document: Any, paragraph: Any) -> None:
    """Add what python-docx has no call for."""
    parts, uris, oxml = _module("docx.opc.part"), _module("docx.opc.packuri"), _module("docx.oxml")
    name = uris.PackURI("/word/footnotes.xml")
    kind = "application/vnd.openxmlformats-officedocument.wordprocessingml.footnotes+xml"
    part = parts.Part(name, kind, _FOOTNOTE.format(_NOTE).encode(), document.part.package)
    relation = "http://schemas.openxmlformats.org/officeDocument/2006/relationships/footnotes"
    document.part.relate_to(part, relation)
    run = paragraph.add_run()
    reference = oxml.OxmlElement("w:footnoteReference")
    reference.set(_module("docx.oxml.ns").qn("w:id"), "2")
    run._r.append(reference)


def _page() -> Any:
    """Let typst set it: its fonts are the same on any machine, and have umlauts."""
    text = " \\ ".join(("Log book", SENTENCE, UMLAUTS, "Fog over the Baltic"))
    source = f'#set page("a4")\n#set text(size: 20pt)\n{text}'.encode()
    drawn = _module("typst").compile(source, format="png", ppi=150)
    return _module("PIL.Image").open(BytesIO(drawn)).convert("L")


def _drawn(text: str) -> Any:
    image = _module("PIL.Image").new("L", (600, 200), 255)
    font = _module("PIL.ImageFont").load_default(48)
    _module("PIL.ImageDraw").Draw(image).text((100, 60), text, fill=0, font=font)
    return image


def _as_file(image: Any, kind: str, **options: object) -> bytes:
    file = BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


if __name__ == "__main__":
    for path in make_all(Path(sys.argv[1])):
        print(path)  # noqa: T201
