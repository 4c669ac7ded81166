"""
What kreuzberg is asked to do with a document. Runs in the child alone (child.py).

What is set here decides the result: a change must raise `REVISION`.
"""

from __future__ import annotations

import codecs
import pathlib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from docferry.convert import slides
from docferry.convert.kind_names import BY_EXTENSION

if TYPE_CHECKING:
    from kreuzberg import ExtractionConfig, ExtractionResult

REVISION = 2

_PDF = "application/pdf"
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_WORD_97 = "application/msword"
#: What is neither UTF-8 nor UTF-16 and does not say what it is: most likely of Windows.
_WINDOWS = "cp1252"
_CHARSET = re.compile(rb"""charset\s*=\s*["']?\s*([\w:.-]+)""", re.IGNORECASE)
_BYTE_ORDER_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
#: Templates are read as what they are templates of.
_TAKEN_AS = {
    f"application/vnd.oasis.opendocument.{kind}-template": BY_EXTENSION[extension].media_type
    for kind, extension in (("text", ".odt"), ("spreadsheet", ".ods"), ("presentation", ".odp"))
}
#: A page takes a second or two.
_MOST_PAGES_BY_OCR = 20
#: Bullets of the symbol fonts of office programs, which have no meaning of their own.
_BULLETS = str.maketrans(dict.fromkeys("\uf095\uf0a7\uf0b7\uf0d8\uf0fc", "•"))
# What a page says of itself. The library writes it down as YAML and then reads it as Markdown:
# a rule, and a heading (seen with 4.10.4).
_FRONT_MATTER = re.compile(r"\A---\n+((?:[\w:.-]+: .*\n+)*)## ([\w:.-]+: .*\n)")


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is made of documents."""

    to: str  #: "markdown" or "text"
    languages: tuple[str, ...]  #: of OCR; (): none

    @property
    def output_format(self) -> str:
        return "markdown" if self.to == "markdown" else "plain"


@dataclass(frozen=True, slots=True)
class Extracted:
    text: str
    note: str = ""


def extract(content: bytes, media_type: str, name: str, wanted: Wanted) -> Extracted:
    """
    Turn *content* into text.

    Args:
        media_type: "": as the extension of *name* says.

    Raises:
        KreuzbergError: It cannot be read.
        ValueError: Nobody can tell what it is, or it is protected.
    """
    kind = media_type or _kind_by(name)
    kind = _TAKEN_AS.get(kind, kind)
    _refuse_if_protected(content, kind)
    if kind == _PDF:
        return _pdf(content, wanted)
    if kind.startswith("image/") and kind != "image/svg+xml":
        return _image(content, kind, wanted)
    if kind in slides.MEDIA_TYPES:
        return Extracted(slides.slides_text(content, is_markdown=wanted.to == "markdown"))
    if kind.startswith("text/"):
        content = _as_utf8(content, _encoding_of(content) if kind == "text/html" else _WINDOWS)
    text = _run(content, kind, _config(wanted)).content
    if kind == _WORD_97:
        text = text.replace("&#9;", "\t")
    if kind == "text/html" and wanted.to == "markdown":
        text = _FRONT_MATTER.sub(_as_front_matter, text)
    return Extracted(text)


def _kind_by(name: str) -> str:
    extension = pathlib.PurePosixPath(name).suffix.lower()
    if not extension:
        raise ValueError("Could not determine MIME type: it is no text, and has no extension")
    if extension not in BY_EXTENSION:
        raise ValueError(f"Unknown extension {extension}: nothing tells what it is")
    return BY_EXTENSION[extension].media_type


def _refuse_if_protected(content: bytes, kind: str) -> None:
    if content.startswith(_OLE) and "openxmlformats" in kind:
        raise ValueError("it is protected by a password")


def _pdf(content: bytes, wanted: Wanted) -> Extracted:
    """
    Read the text that is in it, and by OCR the pages that have none.

    In two goes: with OCR switched on the library rasters also pages whose text is short
    (4.10.4: 1 s instead of 3 ms, and worse), and leaves out scanned pages among others.
    """
    found = _run(content, _PDF, _config(wanted, pages=True))
    text = found.content.translate(_BULLETS)
    blank = [page["page_number"] for page in found.pages or () if not page["content"].strip()]
    if not blank:
        return Extracted(text)
    if not wanted.languages or len(blank) > _MOST_PAGES_BY_OCR < len(found.pages or ()):
        return Extracted(text, f"no text was found on {_pages(blank)}; scans need OCR first")
    if not text.strip():
        scanned = _run(content, _PDF, _config(wanted, ocr=True, format_="plain", all_pages=True))
    else:
        scanned = _run(content, _PDF, _config(wanted, ocr=True, pages=True, ocr_pages=blank))
    read = scanned.content.translate(_BULLETS)
    if len(read.split()) <= len(text.split()):  # they are blank
        return Extracted(text)
    return Extracted(read, f"{_pages(blank)} read by OCR ({'+'.join(wanted.languages)})")


def _image(content: bytes, kind: str, wanted: Wanted) -> Extracted:
    if not wanted.languages:
        return Extracted("")
    # Not as Markdown: that joins all lines of a picture to one.
    text = _run(content, kind, _config(wanted, ocr=True, format_="plain")).content
    return Extracted(text, f"read by OCR ({'+'.join(wanted.languages)})")


def _as_front_matter(found: re.Match[str]) -> str:
    lines = [line for line in (found[1] + found[2]).splitlines() if line]
    return "\n".join(["---", *lines, "---", ""])


def _run(content: bytes, kind: str, config: ExtractionConfig) -> ExtractionResult:
    from kreuzberg import extract_bytes_sync

    return extract_bytes_sync(content, kind, config)


def _config(
    wanted: Wanted,
    *,
    format_: str = "",
    pages: bool = False,
    ocr: bool = False,
    all_pages: bool = False,
    ocr_pages: list[int] | None = None,
) -> ExtractionConfig:
    from kreuzberg import (
        ConcurrencyConfig,
        ContentFilterConfig,
        ExtractionConfig,
        OcrConfig,
        PageConfig,
        TesseractConfig,
    )

    language = "+".join(wanted.languages)
    engine = TesseractConfig(use_cache=False, language=language, enable_table_detection=False)
    return ExtractionConfig(
        use_cache=False,
        output_format=format_ or wanted.output_format,
        # One thread: several documents are converted at a time.
        concurrency=ConcurrencyConfig(max_threads=1),
        # Everything: by default the first line of a page is taken for a running header and
        # left out, without a word (seen with 4.10.4).
        content_filter=ContentFilterConfig(
            include_headers=True,
            include_footers=True,
            include_watermarks=True,
            strip_repeating_text=False,
        ),
        pages=PageConfig(extract_pages=True) if pages else None,
        ocr=OcrConfig(backend="tesseract", language=language, tesseract_config=engine)
        if ocr
        else None,
        force_ocr=all_pages,
        force_ocr_pages=ocr_pages,
    )


def _pages(numbers: list[int]) -> str:
    return ("page " if len(numbers) == 1 else "pages ") + ", ".join(map(str, numbers))


def _as_utf8(text: bytes, otherwise: str) -> bytes:
    """
    Recode a text that is not UTF-8.

    The library puts U+FFFD for every byte it cannot read, without a word, whatever a page
    says of itself (seen with 4.10.4).
    """
    if text.startswith(_BYTE_ORDER_MARKS):
        return text.decode("utf-16", errors="replace").encode()
    try:
        text.decode("utf-8")
    except UnicodeDecodeError:
        return text.decode(otherwise, errors="replace").encode()
    return text


def _encoding_of(page: bytes) -> str:
    said = _CHARSET.search(page[:4096])
    try:
        name = codecs.lookup(said[1].decode() if said else _WINDOWS).name
    except LookupError:
        return _WINDOWS
    # Who says the one means the other (Encoding Standard, 4.2).
    return _WINDOWS if name in ("iso8859-1", "ascii", "utf-8") else name
