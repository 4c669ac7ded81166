"""Documents staged as a worker stages them, and what is asked about those that convert them."""

from __future__ import annotations

import os
import pathlib

from docferry.convert import confine_tree
from docferry.convert.base import Converter, Document, Limits
from docferry.convert.kinds import tell_kind


def staged(
    folder: pathlib.Path, name: str, content: bytes, *, media_type: str | None = None
) -> Document:
    """
    Put a document into a folder of its own below *folder*.

    Args:
        media_type: None: told by its content.
    """
    place = folder / f"staged-{len(list(folder.iterdir()))}"
    place.mkdir(mode=0o700)
    probe = place / "document"
    probe.write_bytes(content)
    kind = tell_kind(probe, name)
    extension = kind.extension if media_type is None else pathlib.PurePosixPath(name).suffix
    path = probe.rename(place / f"document{extension}")
    told = kind.media_type if media_type is None else media_type
    return Document(path=path, name=name, media_type=told, size=len(content))


def converted(converter: Converter, document: Document, limits: Limits) -> str:
    """Convert it as a worker does, and read the result."""
    folder = document.path.parent / "out"
    folder.mkdir(mode=0o700)
    return converter.convert(document, folder, limits=limits).path.read_text()


def running() -> set[int]:
    """Give the living descendants of this process."""
    return {each.pid for each in confine_tree.below(os.getpid()) if each.state not in "ZX"}
