"""Texts, read as what wrote them meant: whatever their bytes, their line ends are the same."""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass

#: By how they begin. UTF-32 begins as UTF-16 does, and is nobody's.
_MARKS = (
    (codecs.BOM_UTF8, "utf-8", "UTF-8 with a mark"),
    (codecs.BOM_UTF32_LE, None, ""),
    (codecs.BOM_UTF16_LE, "utf-16-le", "UTF-16"),
    (codecs.BOM_UTF16_BE, "utf-16-be", "UTF-16"),
)
_UTF_8, _WINDOWS = "UTF-8", "Windows-1252"
_LINE_END = re.compile(r"\r\n|\r|\n")
#: What no text of one byte a letter has; such a text may have any byte else.
_NO_TEXT = re.compile(rb"[\x00-\x08\x0e-\x19\x1c-\x1f\x7f]")
_NAMES = {"\n": "LF", "\r\n": "CRLF", "\r": "CR"}


@dataclass(frozen=True, slots=True)
class Text:
    """
    A text.

    text: its lines end with "\\n".
    encoding: for a person.
    line_ends: as they were, for a person; "": it has none.
    is_guessed: its bytes do not say what they are; it is what old programs of Windows write.
    """

    text: str
    encoding: str
    line_ends: str
    is_guessed: bool = False

    @property
    def lines(self) -> list[str]:
        lines = self.text.split("\n")
        return lines if lines[-1] else lines[:-1]


def read_text(content: bytes, *, is_whole: bool = True) -> Text | None:
    """
    Read a text that is UTF-8, UTF-16 with its mark, or else Windows-1252. None: it is no text.

    Args:
        is_whole: Else its last letter may be cut, and is left out.
    """
    for mark, codec, name in _MARKS:
        if content.startswith(mark):
            if codec is None:
                return None
            return _read(content[len(mark) :], codec, name, is_whole=is_whole)
    found = _read(content, "utf-8", _UTF_8, is_whole=is_whole)
    if found is None and not _NO_TEXT.search(content):
        found = _read(content, "cp1252", _WINDOWS, is_whole=is_whole)
    return found


def apart_from_lines(before: Text, after: Text) -> list[str]:
    """Say in what two texts differ besides their lines."""
    ends = [one.text.endswith("\n") or not one.text for one in (before, after)]
    pairs = [
        ("encoding", before.encoding, after.encoding),
        ("line ends", before.line_ends or "none", after.line_ends or "none"),
        ("end of the last line", *("there" if one else "missing" for one in ends)),
    ]
    return [f"{what}: {was} before, {now} after" for what, was, now in pairs if was != now]


def _read(content: bytes, codec: str, name: str, *, is_whole: bool) -> Text | None:
    try:
        text = codecs.getincrementaldecoder(codec)().decode(content, final=is_whole)
    except UnicodeDecodeError:
        return None
    if "\0" in text:
        return None
    found = dict.fromkeys(_LINE_END.findall(text))
    line_ends = " and ".join(_NAMES[one] for one in sorted(found))
    return Text(_LINE_END.sub("\n", text), name, line_ends, is_guessed=name == _WINDOWS)
