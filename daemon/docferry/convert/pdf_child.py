"""
The child process of the PDF converter: sets pages with typst.

    python -P -m docferry.convert.pdf_child SET     document.typ FILE
    python -P -m docferry.convert.pdf_child TEXT    FILE FILE
    python -P -m docferry.convert.pdf_child TABLE   FILE FILE

It works in the folder of its conversion, and reads pictures from there alone. With exit code
REFUSED the reason is on standard output; with 0 how many pictures had to be left out.
"""

from __future__ import annotations

import codecs
import csv
import importlib
import io
import pathlib
import sys
from typing import Any

REFUSED = 65  # EX_DATAERR: the document cannot be set
NOT_INSTALLED = 69  # EX_UNAVAILABLE: typst cannot be imported

_PICTURES = "picture-*"
_PAGE = (
    '#set page(paper: "a4", margin: (x: 2cm, top: 2cm, bottom: 2.3cm), numbering: "1")\n'
    "#set document(date: none)\n"
)
_STAND_IN_NAME = "stand-in.svg"
_STAND_IN = (
    '<svg xmlns="http://www.w3.org/2000/svg" width="160" height="40">'
    '<rect x="1" y="1" width="158" height="38" fill="#eee" stroke="#999"/></svg>'
)
_BYTE_ORDER_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_DELIMITERS = ";\t,|"
_SAMPLE_CHARACTERS = 20_000
_UPRIGHT_COLUMNS = 8  # more of them: the page lies on its side


def main(arguments: list[str]) -> int:
    how, source, target = arguments[0], pathlib.Path(arguments[1]), pathlib.Path(arguments[2])
    try:
        typst: Any = importlib.import_module("typst")
    except ImportError as error:
        print(error)  # noqa: T201
        return NOT_INSTALLED
    try:
        said = _set(typst, how, source, target)
    except (typst.TypstError, OSError, ValueError, csv.Error, MemoryError) as error:
        print(str(error).strip() or type(error).__name__)  # noqa: T201
        return REFUSED
    print(said)  # noqa: T201
    return 0


def _set(typst: Any, how: str, source: pathlib.Path, target: pathlib.Path) -> int:
    if how == "SET":
        return _set_with_pictures(typst, source, target)
    text = _decoded(source.read_bytes())
    markup = _text_page(text) if how == "TEXT" else _table_page(text)
    prepared = pathlib.Path("prepared.typ")
    prepared.write_text(markup, encoding="utf-8")
    _compile(typst, prepared, target)
    return 0


def _set_with_pictures(typst: Any, source: pathlib.Path, target: pathlib.Path) -> int:
    try:
        _compile(typst, source, target)
    except typst.TypstError:
        damaged = [path for path in sorted(pathlib.Path().glob(_PICTURES)) if _fails(typst, path)]
        if not damaged:
            raise
        markup = source.read_text(encoding="utf-8")
        for path in damaged:
            markup = markup.replace(f'image("{path.name}"', f'image("{_STAND_IN_NAME}"')
        pathlib.Path(_STAND_IN_NAME).write_text(_STAND_IN, encoding="utf-8")
        repaired = pathlib.Path("repaired.typ")
        repaired.write_text(markup, encoding="utf-8")
        _compile(typst, repaired, target)
        return len(damaged)
    return 0


def _fails(typst: Any, picture: pathlib.Path) -> bool:
    """Tell whether typst cannot show *picture*: it stops at the first, and tells it by its line."""
    alone = pathlib.Path("alone.typ")
    alone.write_text(f'#image("{picture.name}", width: 1cm)', encoding="utf-8")
    try:
        _compile(typst, alone, None)
    except typst.TypstError:
        return True
    return False


def _compile(typst: Any, source: pathlib.Path, target: pathlib.Path | None) -> None:
    here = pathlib.Path().absolute()
    done = typst.compile(str(source.absolute()), root=str(here), format="pdf")
    if target is not None:
        target.write_bytes(done)


def _text_page(text: str) -> str:
    lines = text.replace("\f", "\n").expandtabs(8)
    return (
        f"{_PAGE}#set text(size: 9.5pt)\n#set par(leading: 0.6em)\n"
        f"#show raw: set text(size: 1.1em)\n#raw({_quoted(lines)}, block: true)\n"
    )


def _table_page(text: str) -> str:
    """Lay out a table; its delimiter is told by what divides the first lines alike."""
    rows = [
        row for row in csv.reader(io.StringIO(text), _dialect(text[:_SAMPLE_CHARACTERS])) if row
    ]
    columns = max((len(row) for row in rows), default=1)
    cells = ",\n".join(
        ", ".join(_quoted(cell) for cell in row + [""] * (columns - len(row))) for row in rows
    )
    flipped = ", flipped: true" if columns > _UPRIGHT_COLUMNS else ""
    size = "9pt" if columns <= _UPRIGHT_COLUMNS else "7pt"
    return (
        f"{_PAGE}#set page(margin: 1.5cm{flipped})\n#set text(size: {size})\n"
        f"#table(columns: {columns}, inset: 4pt, stroke: 0.5pt + luma(160),\n{cells}\n)\n"
    )


def _dialect(sample: str) -> type[csv.Dialect] | csv.Dialect:
    try:
        return csv.Sniffer().sniff(sample, _DELIMITERS)
    except csv.Error:
        return csv.excel  # one column, or no system in it


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped.replace(chr(13), "")}"'


def _decoded(content: bytes) -> str:
    """Read a text as UTF-8 or UTF-16; what is neither is most likely what Windows writes."""
    if content.startswith(_BYTE_ORDER_MARKS):
        return content.decode("utf-16", errors="replace")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("cp1252", errors="replace")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
