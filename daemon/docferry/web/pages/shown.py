"""What the page of a file shows of its content: itself, or what was made of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from docferry.app.content import readable
from docferry.app.renditions import RenditionEntry
from docferry.convert.drawing import Drawn
from docferry.errors import DocferryError
from docferry.model import Path, Side, VersionRow
from docferry.web.pages.visit import Visitor
from docferry.web.preview import (
    MOST_TEXT,
    DrawnPage,
    NotShown,
    PlainText,
    Preview,
    UndrawnPage,
    is_for_programs,
    is_pdf,
    preview_of,
)

FAR = NotShown("its bytes are in the bucket alone")
_NOTHING = NotShown("nothing has come to rest here yet")


@dataclass(frozen=True, slots=True)
class Shown:
    """
    What is shown of a version.

    of: which version it is: this one, or what was made of it; None: there is none.
    why_not: why it is not the version itself, where that is worth a word.
    """

    preview: Preview
    of: VersionRow | None
    why_not: str = ""


def shown(
    visitor: Visitor, row: VersionRow | None, renditions: Sequence[RenditionEntry], number: int
) -> Shown:
    """
    Show a version.

    Args:
        number: Of the page, where it has pages; from 1.
    """
    if row is None:
        return Shown(_NOTHING, None)
    preview = _preview(visitor, row, number)
    if not isinstance(preview, NotShown) and not _is_source(preview, row.path):
        return Shown(preview, row)
    for one in renditions:
        made = _made(visitor, one)
        instead = NotShown("") if made is None else _preview(visitor, made, number)
        if not isinstance(instead, NotShown):
            return Shown(instead, made, _why_not(preview))
    return Shown(preview, row)


def is_near(row: VersionRow, sides: Sequence[Side]) -> bool:
    """Say whether its bytes are in the folder: no page is to wait for a store, unasked."""
    return row.archived_local or (row.is_current and Side.LOCAL in sides)


def _is_source(preview: Preview, path: Path) -> bool:
    return isinstance(preview, PlainText) and is_for_programs(path)


def _why_not(preview: Preview) -> str:
    return preview.why if isinstance(preview, NotShown) and preview.is_told else ""


def _made(visitor: Visitor, rendition: RenditionEntry) -> VersionRow | None:
    if rendition.result is None or rendition.result.version is None:
        return None
    return visitor.asker.ledger.versions.get(rendition.result.version)


def _preview(visitor: Visitor, row: VersionRow, number: int) -> Preview:
    asker = visitor.asker
    try:
        with visitor.desk.turns.taken(row.mirror):
            with readable(asker.config, asker.ledger, row) as content:
                head = b"".join(content.pieces(0, min(MOST_TEXT, row.size)))
            if is_pdf(head):
                return _page(visitor, row, number)
        return preview_of(row.path, head, row.size)
    except DocferryError as error:
        return NotShown(str(error), is_told=True)


def _page(visitor: Visitor, row: VersionRow, number: int) -> Preview:
    """
    Raises:
        DocferryError: No page of it is shown now, or at all.
    """
    asker = visitor.asker
    drawn = visitor.desk.drawings.page(asker.config, asker.ledger, row, number)
    if isinstance(drawn, Drawn):
        return DrawnPage(drawn.number, drawn.pages, drawn.size)
    return UndrawnPage(drawn.number, drawn.pages, drawn.why)
