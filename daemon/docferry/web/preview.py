"""
What can be shown of a document: never anything that a browser would run, or fetch for it.

Whoever puts a file into a folder writes what is read here. So Markdown becomes a few harmless
elements, text stays text, pictures are those that are only pixels, the pages of a PDF are drawn
here (not by the browser), and all else is not shown.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any, TypeAlias
from urllib.parse import urlsplit

from markdown_it import MarkdownIt
from markdown_it.token import Token
from markupsafe import Markup

from docferry.core.texts import read_text

#: Of a text; and of a Markdown text, for which the page's process works 3 s a MiB.
MOST_TEXT, MOST_MARKDOWN = 256 * 1024, 128 * 1024
MOST_PICTURE = 32 * 1024 * 1024
MOST_PAGES = 999_999_999
_MARKDOWN = (".md", ".markdown")
#: Texts whose words stand between what is meant for programs; most need another one to be read.
_FOR_PROGRAMS = (".eml", ".htm", ".html", ".ipynb", ".mht", ".mhtml", ".rtf", ".xhtml", ".xml")
#: As a browser shows them, by how they begin. SVG is a program, and not among them.
_PICTURES = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
)
_PDF, _PDF_BEGINS_WITHIN = b"%PDF-", 1024  # bytes: as readers of PDF have it
_SCHEMES = ("http", "https", "mailto")
_ALIGNED = ("left", "center", "right")
_MOST_CELLS = 10_000  # of tables; with more, they are shown as the text that they are
_LINE_END = re.compile(r"\r\n|\r|\n")  # as Markdown has it
_DEEPER = 2  # its own headings stand below those of the page


@dataclass(frozen=True, slots=True)
class Rendered:
    """Markdown, as HTML of our own making; *guessed*: as for a text."""

    html: Markup
    is_cut: bool
    guessed: str = ""


@dataclass(frozen=True, slots=True)
class PlainText:
    """*guessed*: as what its bytes were read, where they do not say what they are; ""."""

    text: str
    is_cut: bool
    guessed: str = ""


@dataclass(frozen=True, slots=True)
class Picture:
    media_type: str


@dataclass(frozen=True, slots=True)
class DrawnPage:
    """
    Page *number*, from 1, of a document that has so many *pages*, as a picture.

    size: its width and height, in pixels.
    """

    number: int
    pages: int
    size: tuple[int, int]


@dataclass(frozen=True, slots=True)
class UndrawnPage:
    """A page that cannot be drawn; others of the document may be."""

    number: int
    pages: int
    why: str


@dataclass(frozen=True, slots=True)
class NotShown:
    """*is_told*: the reason is told also where something else is shown instead."""

    why: str
    is_told: bool = False


Preview: TypeAlias = Rendered | PlainText | Picture | DrawnPage | UndrawnPage | NotShown


def preview_of(name: str, head: bytes, size: int) -> Preview:
    """
    Say what is shown of a document.

    Args:
        head: How it begins, up to `MOST_TEXT` bytes.
        size: All of it.
    """
    if size == 0:
        return NotShown("the file is empty")
    media_type = picture_type(head)
    if media_type is not None:
        if size > MOST_PICTURE:
            return NotShown("the picture is too large to be shown here")
        return Picture(media_type)
    is_markdown = PurePosixPath(name).suffix.lower() in _MARKDOWN
    most = MOST_MARKDOWN if is_markdown else MOST_TEXT
    found = read_text(head[:most], is_whole=size <= most)
    if found is None:
        return NotShown("it is neither text nor a picture that is shown here")
    guessed = found.encoding if found.is_guessed else ""
    if is_markdown:
        return Rendered(rendered(found.text), is_cut=size > most, guessed=guessed)
    return PlainText(found.text, is_cut=size > most, guessed=guessed)


def is_for_programs(name: str) -> bool:
    """Say whether a document is a text that programs read, so that what is made of it is shown."""
    return PurePosixPath(name).suffix.lower() in _FOR_PROGRAMS


def picture_type(head: bytes) -> str | None:
    """Say what kind of picture begins so; None: none that is shown."""
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "image/webp"
    return next((kind for begin, kind in _PICTURES if head.startswith(begin)), None)


def is_pdf(head: bytes) -> bool:
    """Say whether a PDF document begins so."""
    return _PDF in head[:_PDF_BEGINS_WITHIN]


def rendered(text: str) -> Markup:
    """Give Markdown as HTML; what is HTML in it already is shown as the text that it is."""
    maker = _MAKER if _cells_in(text) <= _MOST_CELLS else _MAKER_WITHOUT_TABLES
    return Markup(maker.render(text))  # it escapes what it did not make


def _cells_in(text: str) -> int:
    """
    Say how many cells the tables of a Markdown text may have, at the most.

    A row is filled up to the width of its table: few letters can make very many cells.
    """
    cells = rows = width = 0
    for line in [*_LINE_END.split(text), ""]:
        row = line.strip()
        if not row:  # no table goes on after it
            cells, rows, width = cells + rows * width, 0, 0
            continue
        rows += 1
        if "|" in row:
            width = max(width, row.removeprefix("|").removesuffix("|").count("|") + 1)
    return cells


def _maker(rules: list[str]) -> MarkdownIt:
    maker = MarkdownIt("commonmark", {"html": False}).enable(rules)
    maker.validateLink = _is_harmless  # type: ignore[method-assign]
    maker.add_render_rule("image", _image)
    maker.add_render_rule("link_open", _link)
    maker.core.ruler.push("fitted", _fit_in)
    return maker


def _is_harmless(url: str) -> bool:
    try:
        return urlsplit(url).scheme.lower() in _SCHEMES
    except ValueError:
        return False


def _image(renderer: Any, tokens: Sequence[Token], index: int, options: Any, env: Any) -> str:
    """Show what a picture is about: to fetch it would tell somebody who reads this."""
    about = renderer.renderInlineAsText(tokens[index].children or [], options, env)
    return str(Markup('<span class="picture">{}</span>').format(about or "picture"))


def _link(renderer: Any, tokens: Sequence[Token], index: int, options: Any, env: Any) -> str:
    tokens[index].attrSet("rel", "noopener noreferrer nofollow")
    return str(renderer.renderToken(tokens, index, options, env))


def _fit_in(state: Any) -> None:
    for token in state.tokens:
        if token.type in ("heading_open", "heading_close"):
            token.tag = f"h{min(6, int(token.tag[1:]) + _DEEPER)}"
        align = str(token.attrs.pop("style", "")).removeprefix("text-align:")
        if align in _ALIGNED:  # styles that stand in a page are refused by its policy
            token.attrs["class"] = align


_MAKER = _maker(["table", "strikethrough"])
_MAKER_WITHOUT_TABLES = _maker(["strikethrough"])
