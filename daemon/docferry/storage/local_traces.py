"""What is left of a document in a folder, `.docferry` included; and what is staged goes."""

from __future__ import annotations

import os
import pathlib
from collections.abc import Collection, Iterator
from contextlib import suppress

from docferry.errors import UnreachableError
from docferry.model import RESERVED, Path, Ulid
from docferry.storage.atomic import Place, fsync_folder, open_folder
from docferry.storage.local_begun import drop_begun
from docferry.storage.local_folder import Folder
from docferry.storage.local_staging import Swap


def traces(folder: Folder, path: Path, versions: Collection[Ulid]) -> Iterator[str]:
    """Name every file that is at *path*, or is docferry's own and named after a version."""
    for name in _all_files(folder):
        if name == path or (name.startswith(f"{RESERVED}/") and _version_of(name) in versions):
            yield name


def drop_staged(folder: Folder, versions: Collection[Ulid]) -> None:
    """
    Remove what was displaced as one of *versions* and is not in the archive, or not only.

    What came of large downloads that were cut off goes, too: of all, for they come again.
    """
    with folder.translated(RESERVED), folder.open() as root_fd:
        for name in ("staging", "kept"):
            with suppress(FileNotFoundError):
                _drop(root_fd, name, versions)


def _drop(root_fd: int, name: str, versions: Collection[Ulid]) -> None:
    own_fd = open_folder(RESERVED, dir_fd=root_fd)
    try:
        fd = open_folder(name, dir_fd=own_fd)
    finally:
        os.close(own_fd)
    try:
        with os.scandir(fd) as entries:
            names = [entry.name for entry in entries]
        for entry in names:
            swap = Swap.of(entry)
            if swap is not None and swap.version in versions:
                Place(fd, entry).unlink()
        drop_begun(fd)  # of which path they are is not told by a version
        fsync_folder(fd)
    finally:
        os.close(fd)


def _all_files(folder: Folder) -> Iterator[str]:
    def refuse(error: OSError) -> None:
        raise UnreachableError(f"cannot list {error.filename}: {error.strerror}") from error

    for above, _, names in os.walk(folder.root, onerror=refuse):
        for name in names:
            yield str((pathlib.Path(above) / name).relative_to(folder.root))


def _version_of(name: str) -> Ulid:
    """Give the version in the name of an archived, staged or kept file."""
    last = name.rpartition("/")[2]
    swap = Swap.of(last)
    return last.partition(".")[0] if swap is None else swap.version
