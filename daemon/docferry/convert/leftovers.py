"""Removing what a command left, however deep it lies and whoever may not read it."""

from __future__ import annotations

import os
import pathlib
import stat
from contextlib import suppress

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def clear(folder: str) -> None:
    """
    Remove all that is in *folder*, which nobody else works in. What cannot be is left.

    Folders are taken to the top and emptied there: a path of all their names could be
    longer than any path may be, and `shutil.rmtree` calls itself for each (Python 3.11).
    """
    with suppress(OSError):
        os.chmod(folder, 0o700)  # noqa: PTH101
        top = os.open(folder, _FOLDER)
        try:
            _clear(top)
        finally:
            os.close(top)


def remove(folder: pathlib.Path) -> None:
    """Remove *folder* with all that is in it, as `clear` does. It need not be there."""
    clear(str(folder))
    with suppress(OSError):
        folder.rmdir()


def _clear(top: int) -> None:
    moved = 0
    waiting = _folders_left_in(top)
    while waiting:
        name = waiting.pop()
        with suppress(OSError):
            below = os.open(name, _FOLDER, dir_fd=top)
            try:
                for inner in _folders_left_in(below):
                    moved += 1
                    to = f".docferry-{moved}"
                    os.rename(inner, to, src_dir_fd=below, dst_dir_fd=top)
                    waiting.append(to)
            finally:
                os.close(below)
            os.rmdir(name, dir_fd=top)


def _folders_left_in(folder: int) -> list[str]:
    """Remove the files of a folder, and give the folders in it, which can be opened from now on."""
    found = []
    for name in os.listdir(folder):
        with suppress(OSError):
            if stat.S_ISDIR(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode):
                os.chmod(name, 0o700, dir_fd=folder)
                found.append(name)
            else:
                os.unlink(name, dir_fd=folder)
    return found
