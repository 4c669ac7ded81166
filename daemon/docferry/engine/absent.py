"""A last look at what is to be gone."""

from __future__ import annotations

from docferry.errors import StaleError
from docferry.model import Path
from docferry.storage.base import Storage


def require_absent(path: Path, *sides: Storage) -> None:
    """
    Ask each of *sides* for *path*: a listing may lack what is there, and a folder be away.

    Raises:
        StaleError: It is there after all, or nobody can say.
        UnreachableError: A side does not answer.
    """
    if any(side.stat(path) is not None for side in sides):
        raise StaleError(f"{path} is there after all")
