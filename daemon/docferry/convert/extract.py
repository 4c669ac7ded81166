"""
What xberg is asked to do with a document. Runs in the child alone (child.py).

What is set here decides the result: a change must raise `REVISION`.
"""

from __future__ import annotations

import codecs
import os
import pathlib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from docferry.convert import lists, page_head, slides
from docferry.convert.kind_names import BY_EXTENSION

if TYPE_CHECKING:
    from xberg import ExtractedDocument, ExtractionConfig, OcrConfig

REVISION = 3

_PDF = "application/pdf"
_PAGE = "text/html"
_SLIDES = "application/vnd.openxmlformats-officedocument.presentationml.presentation"
_WORD = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
_OPEN_TEXT = "application/vnd.oasis.opendocument.text"
_RICH_TEXT = "application/rtf"
_PROTECTED = "it is protected by a password"
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
#: They are what they shall become: the library joins their lines, and escapes their marks.
_AS_THEY_ARE = ("text/plain", "text/markdown")
#: What is neither UTF-8 nor UTF-16 and does not say what it is: most likely of Windows.
_WINDOWS = "cp1252"
_CHARSET = re.compile(rb"""charset\s*=\s*["']?\s*([\w:.-]+)""", re.IGNORECASE)
_BYTE_ORDER_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
#: Templates are read as what they are templates of.
_TAKEN_AS = {
    f"application/vnd.oasis.opendocument.{kind}-template": BY_EXTENSION[extension].media_type
    for kind, extension in (("text", ".odt"), ("spreadsheet", ".ods"), ("presentation", ".odp"))
}
_EXTENSIONS = {kind.media_type: extension for extension, kind in BY_EXTENSION.items()}
#: A page takes a second or two.
_MOST_PAGES_BY_OCR = 20
#: Bullets of the symbol fonts of office programs, which have no meaning of their own.
_BULLET = re.compile(r"(?:^- )?[ \t]*[\uf095\uf0a7\uf0b7\uf0d8\uf0fc][ \t]*")
#: Warnings that say nothing is lost: "no language could be told", "no EXIF", "a | in a cell".
_HARMLESS = ("ocr", "exif", "csv")
_MOST_TABLE_CELLS = 20_000_000
_MOST_PACKED = 1_000  # to one; our limit of memory is the one that holds
_FOOTNOTE = re.compile(r"\[\^(\d+)\](?=\[\^\d+\])")


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


async def extract(content: bytes, media_type: str, name: str, wanted: Wanted) -> Extracted:
    """
    Turn *content* into text.

    Args:
        media_type: "": as the extension of *name* says.

    Raises:
        ValueError: It cannot be read, nobody can tell what it is, or it is protected.
    """
    kind = media_type or _kind_by(name)
    kind = _TAKEN_AS.get(kind, kind)
    _refuse_if_protected(content, kind)
    if kind == _PDF:
        return await _pdf(content, wanted)
    if kind.startswith("image/") and kind != "image/svg+xml":
        return await _image(content, kind, wanted)
    if kind in slides.MEDIA_TYPES:
        return Extracted(slides.slides_text(content, is_markdown=wanted.to == "markdown"))
    if kind.startswith("text/"):
        content = _as_utf8(content, _encoding_of(content) if kind == _PAGE else _WINDOWS)
    if kind in _AS_THEY_ARE:
        return Extracted(content.decode("utf-8-sig").replace("\r\n", "\n"))
    if kind == _OPEN_TEXT:
        content = lists.of_open_document(content)
    if kind == _WORD:
        content = lists.of_word(content)
    found = await _run(content, kind, _config(wanted))
    return Extracted(_mended(found.content, content, kind, wanted), _warnings(found))


def _kind_by(name: str) -> str:
    extension = pathlib.PurePosixPath(name).suffix.lower()
    if not extension:
        raise ValueError("Could not determine MIME type: it is no text, and has no extension")
    if extension not in BY_EXTENSION:
        raise ValueError(f"Unknown extension {extension}: nothing tells what it is")
    return BY_EXTENSION[extension].media_type


def _refuse_if_protected(content: bytes, kind: str) -> None:
    if content.startswith(_OLE) and "openxmlformats" in kind:
        raise ValueError(_PROTECTED)


def _mended(text: str, content: bytes, kind: str, wanted: Wanted) -> str:
    """Put right what the library does to some kinds (seen with 1.3.9)."""
    is_markdown = wanted.to == "markdown"
    if kind == _PAGE and is_markdown:
        return page_head.front_matter(content.decode()) + text
    if kind == _SLIDES:
        return text.replace("\\![", "![")
    if kind == _RICH_TEXT and is_markdown:
        return re.sub("^[•·] ", "- ", text, flags=re.MULTILINE)
    if kind == _WORD and is_markdown:
        # The number a footnote has in the file, before the one it has in the text.
        return _FOOTNOTE.sub(lambda at: at[0] if f"\n[^{at[1]}]:" in text else "", text)
    if kind == _WORD:
        return re.sub(r" \(style_name: [^()\n]*\)$", "", text, flags=re.MULTILINE)
    return text


def _warnings(found: ExtractedDocument) -> str:
    """Tell what the library says it left out, or could not read."""
    told = [each.message for each in found.processing_warnings if each.source not in _HARMLESS]
    return "; ".join(dict.fromkeys(told))


async def _pdf(content: bytes, wanted: Wanted) -> Extracted:
    """
    Read the text that is in it, and by OCR the pages that have none.

    In two goes: with OCR switched on the library also reads pictures on pages with text, and
    rasters pages whose text is short.
    """
    found = await _run(content, _PDF, _config(wanted, pages=True))
    text = _with_bullets(found.content, wanted)
    blank = [page.page_number for page in found.pages or () if not page.content.strip()]
    if not blank:
        return Extracted(text, _warnings(found))
    if not wanted.languages or len(blank) > _MOST_PAGES_BY_OCR < len(found.pages or ()):
        return Extracted(text, f"no text was found on {_pages(blank)}; scans need OCR first")
    if not text.strip():
        scanned = await _run(
            content, _PDF, _config(wanted, ocr=True, format_="plain", all_pages=True)
        )
    else:
        scanned = await _run(content, _PDF, _config(wanted, ocr=True, pages=True, ocr_pages=blank))
    read = _with_bullets(scanned.content, wanted)
    if len(read.split()) <= len(text.split()):  # they are blank
        return Extracted(text)
    note = f"{_pages(blank)} read by OCR ({'+'.join(wanted.languages)})"
    return Extracted(read, "; ".join(filter(None, (note, _warnings(scanned)))))


def _with_bullets(text: str, wanted: Wanted) -> str:
    """Begin a line with every bullet; the library joins the lines of a list that has such."""
    mark = "- " if wanted.to == "markdown" else "• "
    lines = text.split("\n")
    for number, line in enumerate(lines):
        is_row = line.startswith("|")
        lines[number] = _BULLET.sub(" • " if is_row else f"\n{mark}", line).lstrip("\n")
    return "\n".join(lines)


async def _image(content: bytes, kind: str, wanted: Wanted) -> Extracted:
    if not wanted.languages:
        return Extracted("")
    # Not as Markdown: that joins all lines of a picture to one.
    found = await _run(content, kind, _config(wanted, ocr=True, format_="plain"))
    note = f"read by OCR ({'+'.join(wanted.languages)})"
    return Extracted(found.content, "; ".join(filter(None, (note, _warnings(found)))))


async def _run(content: bytes, kind: str, config: ExtractionConfig) -> ExtractedDocument:
    """Raises: ValueError: The library refuses it."""
    from xberg import ExtractInput, XbergError, extract

    given = ExtractInput(
        kind="bytes", bytes=content, mime_type=kind, filename=f"document{_EXTENSIONS.get(kind, '')}"
    )
    try:
        found = await extract(given, config)
    except (XbergError, RuntimeError) as error:  # 1.3.9 raises the latter where it says the former
        raise ValueError(_PROTECTED if "encrypted" in str(error) else str(error)) from error
    if not found.results:
        raise ValueError("; ".join(each.message for each in found.errors) or "nothing came of it")
    return found.results[0]


def _config(
    wanted: Wanted,
    *,
    format_: str = "",
    pages: bool = False,
    ocr: bool = False,
    all_pages: bool = False,
    ocr_pages: list[int] | None = None,
) -> ExtractionConfig:
    from xberg import (
        ConcurrencyConfig,
        ContentFilterConfig,
        ConversionOptions,
        ExtractionConfig,
        PageConfig,
        PreprocessingOptions,
        SecurityLimits,
    )

    return ExtractionConfig(
        use_cache=False,
        output_format=format_ or wanted.output_format,
        # Our limits end it, and free what it has; its own leaves the thread running.
        extraction_timeout_secs=None,
        # One thread: several documents are converted at a time.
        concurrency=ConcurrencyConfig(max_threads=1, max_concurrent_ocr=1),
        # Everything: by default headers, footers and notes are left out, without a word.
        content_filter=ContentFilterConfig(
            include_headers=True,
            include_footers=True,
            include_footnotes=True,
            include_watermarks=True,
            strip_repeating_text=False,
        ),
        # By default menus, forms, headers and footers of a page are left out.
        html_options=ConversionOptions(
            extract_metadata=False,
            bullets="-",
            inline_data_media="alt_text_only",
            preprocessing=PreprocessingOptions(enabled=False),
        ),
        pages=PageConfig(extract_pages=True) if pages else None,
        # Attachments are named, and not read: their text would come in one line each.
        max_archive_depth=0,
        # A sheet of some size has more cells, and repeats itself more, than it allows.
        security_limits=SecurityLimits(
            max_compression_ratio=_MOST_PACKED, max_table_cells=_MOST_TABLE_CELLS
        ),
        disable_ocr=not ocr,
        ocr=_ocr(wanted) if ocr else None,
        force_ocr=all_pages,
        force_ocr_pages=ocr_pages,
    )


def _ocr(wanted: Wanted) -> OcrConfig:
    from xberg import OcrConfig, TesseractConfig

    languages = list(wanted.languages)
    engine = TesseractConfig(
        use_cache=False,
        language=languages,
        enable_table_detection=False,
        # As Markdown it leaves out lines whose words are in no dictionary.
        output_format="text",
    )
    return OcrConfig(
        backend="tesseract",
        language=languages,
        tessdata_path=os.environ.get("TESSDATA_PREFIX"),
        tesseract_config=engine,
    )


def _pages(numbers: list[int]) -> str:
    return ("page " if len(numbers) == 1 else "pages ") + ", ".join(map(str, numbers))


def _as_utf8(text: bytes, otherwise: str) -> bytes:
    """
    Recode a text that is not UTF-8.

    The library puts U+FFFD for every byte it cannot read, without a word, whatever a page
    says of itself (seen with 1.3.9).
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
