"""The lines of a comparison, each with what it means in a word: colour alone tells nobody."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

_MOST = 5000
_MOST_LETTERS = 256 * 1024  # of all lines together
_HEAD = 2  # lines that name both
#: Of a unified diff: what is more is not shown.
MOST_TOLD = _HEAD + _MOST


@dataclass(frozen=True, slots=True)
class Line:
    """*kind*: added, removed, same or place; numbers are those of the texts, from 1."""

    kind: str
    text: str
    before: int | None = None
    after: int | None = None


def lines_of(unified: Sequence[str], most: int = _MOST) -> tuple[list[Line], int]:
    """Read a unified diff; give its first lines, the last maybe cut, and the count of the rest."""
    told = unified[_HEAD:]
    left = _MOST_LETTERS
    lines: list[Line] = []
    before = after = 0
    for text in told[:most]:
        if left <= 0:
            break
        sign, rest = text[:1], text[1:]
        rest = rest if len(rest) <= left else f"{rest[:left]}…"
        left -= len(rest)
        if sign == "@":
            before, after = _begins(text)
            lines.append(Line("place", text))
        elif sign == "+":
            lines.append(Line("added", rest, None, after))
            after += 1
        elif sign == "-":
            lines.append(Line("removed", rest, before, None))
            before += 1
        else:
            lines.append(Line("same", rest, before, after))
            before, after = before + 1, after + 1
    return lines, len(told) - len(lines)


def _begins(place: str) -> tuple[int, int]:
    """Read `@@ -3,7 +3,9 @@`."""
    _, before, after, _ = place.split(" ", 3)
    return int(before[1:].partition(",")[0]), int(after[1:].partition(",")[0])
