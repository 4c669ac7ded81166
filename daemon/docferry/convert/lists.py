"""Lists of office documents, made so that xberg 1.3.9 sees what kind they are, and how deep."""

from __future__ import annotations

import re

from docferry.convert import parts
from docferry.convert.parts import Parts

_LIST_STYLE = re.compile(rb"<text:list-style\b[^>]*[^/]>.*?</text:list-style>", re.DOTALL)
_LEVEL_STYLE = b"<text:list-level-style-"

_WORDS, _NUMBERS = "word/document.xml", "word/numbering.xml"
#: Where a paragraph begins, and which list it is in.
_STEP = re.compile(
    rb'<w:p[ >/]|<w:numPr>\s*<w:ilvl w:val="(\d)"\s*/>\s*<w:numId w:val="(\d+)"\s*/>'
)
_KIND = re.compile(rb'<w:abstractNum\b[^>]*w:abstractNumId="(\d+)".*?</w:abstractNum>', re.DOTALL)
_LEVEL = re.compile(rb'<w:lvl\b[^>]*w:ilvl="(\d)".*?<w:numFmt w:val="(\w+)"', re.DOTALL)
_LIST = re.compile(
    rb'<w:num\b[^>]*w:numId="(\d+)"[^>]*>\s*<w:abstractNumId w:val="(\d+)"', re.DOTALL
)


def of_open_document(content: bytes) -> bytes:
    """
    Leave of the style of each list what it says of the first level.

    A list is numbered if any of the ten levels of its style is, also those that it has not, as
    in what LibreOffice makes of documents of Word.
    """
    return parts.with_changed(
        content,
        ("content.xml", "styles.xml"),
        lambda found: {name: _LIST_STYLE.sub(_first_level, xml) for name, xml in found.items()},
    )


def _first_level(style: re.Match[bytes]) -> bytes:
    first = style[0].find(_LEVEL_STYLE)
    second = style[0].find(_LEVEL_STYLE, first + 1)
    return style[0] if second < 0 else style[0][:second] + b"</text:list-style>"


def of_word(content: bytes) -> bytes:
    """
    Give a list in a list the number of the outer one, if it looks the same at its depth.

    Word does so itself; LibreOffice and pandoc number both, and what has another number is taken
    for a list beside the other.
    """
    return parts.with_changed(content, (_WORDS, _NUMBERS), _joined)


def _joined(found: Parts) -> Parts:
    looks = _looks(found[_NUMBERS])
    outer, is_in_list = b"", False

    def step(at: re.Match[bytes]) -> bytes:
        nonlocal outer, is_in_list
        level, number = at[1], at[2]
        if level is None:
            outer, is_in_list = (outer if is_in_list else b""), False
            return at[0]
        is_in_list = True
        if level == b"0" or not outer:
            outer = number if level == b"0" else b""
            return at[0]
        if looks.get((outer, level)) != looks.get((number, level), b""):
            return at[0]
        return at[0].replace(b'<w:numId w:val="' + number, b'<w:numId w:val="' + outer)

    return {**found, _WORDS: _STEP.sub(step, found[_WORDS])}


def _looks(numbering: bytes) -> dict[tuple[bytes, bytes], bytes]:
    """Tell by list and level what stands before its items: a bullet, or which kind of number."""
    kinds = {kind[1]: dict(_LEVEL.findall(kind[0])) for kind in _KIND.finditer(numbering)}
    return {
        (number, level): look
        for number, kind in _LIST.findall(numbering)
        for level, look in kinds.get(kind, {}).items()
    }
