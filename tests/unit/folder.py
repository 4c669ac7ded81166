"""A folder, the changes that docferry makes to it, and a look at all that is left."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from docferry.model import Attributes, FileState
from docferry.storage.atomic import Renames
from docferry.storage.local import LocalStorage
from docferry.storage.memory import BytesContent

VERSION = "01JD0000000000000000000001"
ARCHIVE = Attributes(version=VERSION)
OLD, NEW, THEIRS = b"old content", b"new content", b"somebody's own work"

FILE_SYSTEMS: dict[str, Callable[[], Renames]] = {
    "all": lambda: Renames(),
    "without flags": lambda: Renames(with_flags=False),
    "without flags and links": lambda: Renames(with_flags=False, with_links=False),
}


def token(storage: LocalStorage, path: str) -> str:
    state = storage.stat(path)
    assert isinstance(state, FileState)
    return state.token


def replace(storage: LocalStorage, path: str, expect: str) -> None:
    storage.write(path, BytesContent(NEW), Attributes(), expect=expect, archive=ARCHIVE)


def staged(root: Path) -> list[str]:
    folder = root / ".docferry" / "staging"
    return [path.name for path in folder.iterdir()] if folder.exists() else []


def archived(root: Path) -> bytes | None:
    file = root / ".docferry" / "versions" / VERSION
    return file.read_bytes() if file.exists() else None


def everything(root: Path) -> list[bytes]:
    """Every content below *root*, docferry's own folder included."""
    files = (path for path in root.rglob("*") if path.is_file() and not path.is_symlink())
    return [path.read_bytes() for path in files]


@contextmanager
def without_privileges() -> Iterator[Path]:
    """Give a folder and be nobody in it: permissions do not bind root."""
    user = os.geteuid()
    with tempfile.TemporaryDirectory() as name:
        root = Path(name) / "mirror"
        (root / ".docferry").mkdir(parents=True)
        for folder in (root.parent, root, root / ".docferry"):
            folder.chmod(0o777)
        if user == 0:
            os.seteuid(65534)
        try:
            yield root
        finally:
            os.seteuid(user)
            for path in root.rglob("*"):
                path.chmod(0o777)


def edit_in_place(file: Path) -> None:
    file.write_bytes(THEIRS)


def rename_over(file: Path) -> None:
    file.with_name("draft").write_bytes(THEIRS)
    file.with_name("draft").rename(file)
