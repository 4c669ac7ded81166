"""Put a content beside a path that holds another one: both are kept."""

from __future__ import annotations

from docferry.core.paths import conflict_copy_path
from docferry.engine.sides import LocalSide
from docferry.errors import StaleError, TemporaryError
from docferry.model import Attributes, FileState, Path, Sha256
from docferry.storage.base import Content


def put_beside(local: LocalSide, path: Path, content: Content, attributes: Attributes) -> Path:
    """
    Give *content* a name of its own next to *path*; one that holds it already will do.

    Args:
        attributes: With the content's SHA-256, which is in the name.

    Raises:
        StaleError: The content changed.
        TemporaryError: Every such name is taken by another content.
    """
    sha256 = attributes.sha256
    assert sha256 is not None
    for start in range(0, 64, 8):
        copy_path = conflict_copy_path(path, sha256[start:])
        if _holds(local, copy_path, sha256):
            return copy_path
        try:
            local.write(copy_path, content, attributes, expect=None)
        except StaleError:
            content.confirm()  # our own content moved: nothing to keep here
            continue  # the name is taken by another content
        return copy_path
    raise TemporaryError(f"no free name for the conflict copy of {path}")


def _holds(local: LocalSide, path: Path, sha256: Sha256) -> bool:
    state = local.stat(path)
    if not isinstance(state, FileState):
        return False
    with local.read(path, state.token) as content:
        if content.sha256() != sha256:
            return False
        local.make_last(path, content)
        return True
