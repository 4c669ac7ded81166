"""What is left of a document in a folder, `.docferry` included; and what is staged goes."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

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
    with folder.open() as root_fd:
        levels = [_Level(os.dup(root_fd), "")]
        try:
            while levels:
                level = levels[-1]
                if level.folders is None:
                    with _told(folder, level.prefix):
                        files = level.read()
                    yield from (level.prefix + name for name in files)
                elif level.folders:
                    with _told(folder, level.prefix), suppress(FileNotFoundError):
                        levels.append(level.enter(level.folders.pop()))
                else:
                    os.close(levels.pop().fd)
        finally:
            for level in levels:
                os.close(level.fd)


@dataclass(slots=True)
class _Level:
    """
    An open folder on the way down.

    Entered from the one above, never by its path: a folder on the way may be a link by now.
    """

    fd: int
    prefix: str  #: its path and "/"; "" for the root
    folders: list[str] | None = None  #: those still to be entered; None: not listed yet

    def read(self) -> list[str]:
        """Take down the folders in it, and give the names of all else."""
        with os.scandir(self.fd) as entries:
            found = [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in entries]
        self.folders = [name for name, is_folder in found if is_folder]
        return [name for name, is_folder in found if not is_folder]

    def enter(self, name: str) -> _Level:
        return _Level(open_folder(name, dir_fd=self.fd), f"{self.prefix}{name}/")


@contextmanager
def _told(folder: Folder, prefix: str) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        raise
    except OSError as error:
        where = folder.root / prefix
        raise UnreachableError(f"cannot list {where}: {error.strerror}") from error


def _version_of(name: str) -> Ulid:
    """Give the version in the name of an archived, staged or kept file."""
    last = name.rpartition("/")[2]
    swap = Swap.of(last)
    return last.partition(".")[0] if swap is None else swap.version
