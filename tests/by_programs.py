"""What the tests of converters by programs share: a staged document, and what a result says."""

from __future__ import annotations

import asyncio
import pathlib

import xberg
from xberg import ExtractInput, ExtractionConfig, extract

from docferry.convert.base import Converted, Converter, Document, Limits

PATIENT = Limits(timeout_s=120)


def staged(
    folder: pathlib.Path, suffix: str, content: bytes, *, name: str | None = None
) -> Document:
    """Put a document where the daemon would: alone in a folder of its own."""
    place = folder / "document"
    place.mkdir(parents=True)
    path = place / f"document{suffix}"
    path.write_bytes(content)
    return Document(path, name or f"report{suffix}", "", len(content))


def converted(
    converter: Converter, document: Document, folder: pathlib.Path, *, limits: Limits = PATIENT
) -> Converted:
    """Convert *document* in a new folder below *folder*."""
    place = folder / "work"
    place.mkdir(parents=True)
    result = converter.convert(document, place, limits=limits)
    assert result.path.is_relative_to(place)
    assert result.path.name.endswith(converter.produces)
    return result


def words_of(path: pathlib.Path) -> str:
    """Read what is said in a result, whatever its format, with single spaces."""
    if path.suffix in (".md", ".txt"):
        return " ".join(path.read_text().split())
    given = ExtractInput(kind="bytes", bytes=path.read_bytes(), filename=path.name)
    found = asyncio.run(extract(given, ExtractionConfig(use_cache=False, disable_ocr=True)))
    return " ".join(found.results[0].content.split())


def picture_of_the_machine() -> pathlib.Path:
    """Find a picture that any converter may read, as it lies among the installed packages."""
    packages = pathlib.Path(xberg.__file__).parents[1]
    return next(packages.rglob("*.png"))
