"""Text from OpenDocument presentations and drawings, without the words of their masters."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Iterator
from io import BytesIO
from xml.etree import ElementTree

MEDIA_TYPES = (
    "application/vnd.oasis.opendocument.presentation",
    "application/vnd.oasis.opendocument.graphics",
)

_MOST_BYTES = 100 * 1024 * 1024  # unpacked; as much as xberg takes
_UNREADABLE = (
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    KeyError,
    RuntimeError,
    ElementTree.ParseError,
)
_TEXT = "{urn:oasis:names:tc:opendocument:xmlns:text:1.0}"
_DRAWING = "{urn:oasis:names:tc:opendocument:xmlns:drawing:1.0}"
_SHOW = "{urn:oasis:names:tc:opendocument:xmlns:presentation:1.0}"
_TABLE = "{urn:oasis:names:tc:opendocument:xmlns:table:1.0}"


def slides_text(content: bytes, *, is_markdown: bool) -> str:
    """
    Give the text of every page, notes too, as Markdown or plain.

    Raises:
        ValueError: It cannot be read.
    """
    try:
        with zipfile.ZipFile(BytesIO(content)) as archive, archive.open("content.xml") as part:
            xml = part.read(_MOST_BYTES + 1)
        if len(xml) > _MOST_BYTES:
            raise ValueError(f"its content is larger than {_MOST_BYTES} bytes")
        if b"<!DOCTYPE" in xml or b"<!ENTITY" in xml:
            raise ValueError("it declares entities, as no office program does")
        root = ElementTree.fromstring(xml)
    except _UNREADABLE as error:
        raise ValueError(f"not an OpenDocument file: {error}") from error
    pages = ("\n".join(_lines(page, is_markdown)) for page in root.iter(_DRAWING + "page"))
    return "\n\n".join(page for page in pages if page)


def _lines(page: ElementTree.Element, is_markdown: bool) -> Iterator[str]:  # noqa: FBT001
    for frame in page:
        is_title = frame.get(_SHOW + "class") == "title"
        yield from _of(frame, "## " if is_title and is_markdown else "", is_markdown, 0)


def _of(
    element: ElementTree.Element,
    mark: str,
    is_markdown: bool,  # noqa: FBT001
    depth: int,
) -> Iterator[str]:
    for child in element:
        if child.tag in (_TEXT + "p", _TEXT + "h"):
            words = " ".join("".join(child.itertext()).split())
            if words:
                yield mark + words
                yield from ("",) * (is_markdown and not mark.strip().startswith("-"))
        elif child.tag == _TEXT + "list":
            item = "  " * depth + "- " if is_markdown else ""
            yield from _of(child, item, is_markdown, depth + 1)
        elif child.tag == _TABLE + "table":
            yield from _rows(child, is_markdown)
        else:
            yield from _of(child, mark, is_markdown, depth)


def _rows(table: ElementTree.Element, is_markdown: bool) -> Iterator[str]:  # noqa: FBT001
    for number, row in enumerate(table.iter(_TABLE + "table-row")):
        cells = [" ".join("".join(cell.itertext()).split()) for cell in row]
        if not is_markdown:
            yield "\t".join(cells)
            continue
        yield "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
        if not number:
            yield "|" + " --- |" * len(cells)
