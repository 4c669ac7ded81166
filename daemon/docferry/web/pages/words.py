"""Numbers, times and names the way a page shows them: short to read, exact on demand, harmless."""

from __future__ import annotations

import re
import unicodedata
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import groupby

from markupsafe import Markup, escape

#: Letters that are not seen, or change how others are: U+202E turns a name around.
_HIDDEN = ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")
_PLAIN = re.compile(r"[ -~]+|.", re.DOTALL)  # most of most names
_LONGEST_TITLE = 100
_LENGTHS = (("d", 86400), ("h", 3600), ("min", 60))


def visible(text: object) -> Markup:
    """
    Give any name as HTML: letters that hide or steer are shown by their numbers.

    In an isolate of its own, so that no name changes how its neighbours are read; and a line may
    be broken after each folder.
    """
    parts = (_shown(part, "") for part in str(text).split("/"))
    return Markup("<bdi>{}</bdi>").format(Markup("/<wbr>").join(parts))


def visible_text(text: str) -> Markup:
    """Give a whole text as HTML, its lines and tabs as they are."""
    return _shown(text, "\n\t")


def spelled(text: object) -> str:
    """Give a name as plain text, for titles of pages and attributes."""
    return "".join(f"⟨{_number(one)}⟩" if _is_hidden(one) else one for one in str(text))


def _shown(text: str, kept: str) -> Markup:
    """Escape a text; letters that hide stand in it by their numbers, a run of them in one frame."""
    parts: list[str] = []
    is_so = partial(_is_seen_by_number, kept=kept)
    for is_hidden, run in groupby(_PLAIN.findall(text), is_so):
        if is_hidden:
            numbers = " ".join(_number(one) for one in run)
            title = numbers if len(numbers) <= _LONGEST_TITLE else "letters that are not seen"
            parts.append(f'<span class="ctl" title="{title}">{numbers}</span>')
        else:
            parts.append(str(escape("".join(run))))
    return Markup("".join(parts))  # each part is escaped


def _is_seen_by_number(part: str, kept: str) -> bool:
    return len(part) == 1 and part not in kept and _is_hidden(part)


def _is_hidden(letter: str) -> bool:
    return unicodedata.category(letter) in _HIDDEN


def _number(letter: str) -> str:
    return f"U+{ord(letter):04X}"


def moment(at: datetime | None, never: str = "never") -> Markup:
    """Give how long ago *at* was, with the exact time behind it; a script keeps it up to date."""
    if at is None:
        return Markup('<span class="quiet">{}</span>').format(never)
    exact = at.astimezone(UTC)
    return Markup('<time datetime="{}" title="{}">{}</time>').format(
        exact.isoformat(timespec="seconds").replace("+00:00", "Z"),
        f"{exact:%Y-%m-%d %H:%M:%S} UTC",
        ago(at, datetime.now(UTC)),
    )


def ago(at: datetime, now: datetime) -> str:
    """Say how far from *now* a moment is."""
    seconds = (now - at).total_seconds()
    if seconds < 0:
        return f"in {lasted(timedelta(seconds=-seconds))}"
    return f"{lasted(timedelta(seconds=seconds))} ago" if seconds >= 1 else "just now"


def lasted(span: timedelta) -> str:
    """Say how long something took."""
    seconds = max(0.0, span.total_seconds())
    for unit, length_s in _LENGTHS:
        if seconds >= 2 * length_s:
            return f"{seconds / length_s:.0f} {unit}"
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"


def size(size_bytes: int | None) -> Markup:
    """Give a size with a unit people know, with the bytes behind it."""
    if size_bytes is None:
        return Markup('<span class="quiet">-</span>')
    return Markup('<data value="{}" title="{} bytes">{}</data>').format(
        size_bytes, f"{size_bytes:,}".replace(",", " "), short_size(size_bytes)
    )


def short_size(size_bytes: float) -> str:
    amount = float(size_bytes)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if amount < 1024:
            return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1024
    return f"{amount:.1f} TiB"


def number(value: int) -> str:
    """Give a number in groups of three, with spaces that do not break."""
    return f"{value:,}".replace(",", "\u202f")
