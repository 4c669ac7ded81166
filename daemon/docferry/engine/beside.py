"""Put a content beside a path that holds another one: both are kept."""

from __future__ import annotations

from collections.abc import Sequence

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
    return _put(local, _names_beside(path, attributes), content, attributes)


def put_at_or_beside(
    local: LocalSide, path: Path, content: Content, attributes: Attributes
) -> Path:
    """
    Do as `put_beside`, but for *path* itself if it is free.

    Raises:
        StaleError, TemporaryError: As there.
        BlockedPathError: A file stands where a folder is needed, or vice versa.
    """
    return _put(local, (path, *_names_beside(path, attributes)), content, attributes)


def _names_beside(path: Path, attributes: Attributes) -> tuple[Path, ...]:
    assert attributes.sha256 is not None
    starts = range(0, 64, 8)
    return tuple(conflict_copy_path(path, attributes.sha256[start:]) for start in starts)


def _put(local: LocalSide, names: Sequence[Path], content: Content, attributes: Attributes) -> Path:
    assert attributes.sha256 is not None
    for name in names:
        if _holds(local, name, attributes.sha256):
            return name
        try:
            local.write(name, content, attributes, expect=None)
        except StaleError:
            content.confirm()  # our own content moved: nothing to keep here
            continue  # the name is taken by another content
        return name
    raise TemporaryError(f"no free name for the conflict copy of {names[0]}")


def _holds(local: LocalSide, path: Path, sha256: Sha256) -> bool:
    state = local.stat(path)
    if not isinstance(state, FileState):
        return False
    with local.read(path, state.token) as content:
        if content.sha256() != sha256:
            return False
        local.make_last(path, content)
        return True
