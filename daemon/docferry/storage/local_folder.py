"""
A mirror's folder, entered step by step: never through a symbolic link, never out of it.

Also the border at which an OSError becomes one of docferry's errors.
"""

from __future__ import annotations

import errno
import os
import pathlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field

from docferry.core.paths import is_reserved
from docferry.errors import (
    BlockedPathError,
    DocferryError,
    FullError,
    PermanentError,
    ReadOnlyError,
    TemporaryError,
    UnreachableError,
)
from docferry.model import MARKER_PATH, Path
from docferry.storage.atomic import Place, fsync_folder, open_folder

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
_REFUSED = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})
_MOST_OPEN = frozenset({errno.EMFILE, errno.ENFILE})
_MORE_FILES = (
    "Docferry has as many files open as it may: raise LimitNOFILE= of its unit, or `ulimit -n`"
)
_GONE = frozenset({errno.ESTALE, errno.ENOTCONN, errno.EHOSTDOWN, errno.ETIMEDOUT, errno.ENODEV})

#: A file in there keeps its own mode, though it may have come from a folder closed to others.
_OWN_MODE = 0o700


@dataclass(slots=True)
class Parent:
    """The open folder that a path is in, as a place, and the folders that lead to it."""

    place: Place
    fds: list[int]  #: the root first
    names: list[str]  #: the names of fds[1:]
    changed: set[int] = field(default_factory=set)  #: those that gained or lost a folder
    made_in: set[int] = field(default_factory=set)  #: those in which we made one on the way

    def fsync(self) -> None:
        """Make it last through a power cut: the path's name, and folders made or removed."""
        for fd in {*self.changed, self.place.dir_fd}:
            fsync_folder(fd)

    def prune(self) -> None:
        """Remove the folder, and those above it, as far as they are empty; never the root."""
        for fd, name in zip(self.fds[-2::-1], self.names[::-1], strict=True):
            try:
                os.rmdir(name, dir_fd=fd)
            except OSError:  # not empty, or not ours to remove: it stays
                return
            self.changed.add(fd)

    def unmake(self) -> None:
        """Remove again the folders that were made on the way; nobody else's, empty or not."""
        for fd, name in zip(self.fds[-2::-1], self.names[::-1], strict=True):
            if fd not in self.made_in:
                return
            try:
                os.rmdir(name, dir_fd=fd)
            except OSError:  # somebody has put something there
                return


class Folder:
    """The root of a mirror. It is opened anew each time: what is mounted there may change."""

    def __init__(self, root: pathlib.Path) -> None:
        self.root = root

    @contextmanager
    def open(self) -> Iterator[int]:
        """
        Open the root.

        Raises:
            UnreachableError: It is not there, or not a folder, or not ours to read.
        """
        try:
            fd = os.open(self.root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            is_mounted = "Is it mounted, and may docferry read it?"
            remedy = _MORE_FILES if error.errno in _MOST_OPEN else is_mounted
            raise UnreachableError(
                f"cannot open the folder {self.root}: {error.strerror}. {remedy}"
            ) from error
        try:
            yield fd
        finally:
            os.close(fd)

    @contextmanager
    def parent(
        self, root_fd: int, path: Path, *, create: bool = False, own: bool = False
    ) -> Iterator[Parent]:
        """
        Open the folders that lead from the root to *path*; with *own*, below `.docferry` too.

        Raises:
            FileNotFoundError: One of them is not there (and *create* is not given).
            BlockedPathError: Something else stands where a folder is needed.
        """
        *names, name = _segments(path, own=own)
        with ExitStack() as stack:
            fds = [root_fd]
            parent = Parent(Place(root_fd, name), fds, names)
            device = os.fstat(root_fd).st_dev if names else 0
            for depth, folder in enumerate(names):
                above = "/".join(names[: depth + 1])
                try:
                    fd = _enter(folder, fds[-1], above, device)
                except FileNotFoundError:
                    if not create:
                        raise
                    if _make(folder, fds[-1], _OWN_MODE if own else 0o777):
                        parent.made_in.add(fds[-1])
                    parent.changed.add(fds[-1])
                    fd = _enter(folder, fds[-1], above, device)
                fds.append(fd)
                stack.callback(os.close, fd)
            parent.place = Place(fds[-1], name)
            yield parent

    @contextmanager
    def translated(self, path: Path) -> Iterator[None]:
        """Turn an OSError about *path* into the error that says what to do about it."""
        try:
            yield
        except OSError as error:
            raise self.translate(error, path) from error

    def translate(self, error: OSError, path: Path) -> DocferryError:
        what, why, number = self.root / path, error.strerror, error.errno
        if number in _FULL:
            disk = f"the disk of {self.root} is full ({why})"
            return FullError(f"{disk}: make room there{_without_inodes(self.root)}")
        if number == errno.EROFS:
            return ReadOnlyError(
                f"{self.root} is mounted read-only: mount it read-write, or, if it is so for the "
                "service alone: docferry check --systemd"
            )
        if number in _REFUSED:
            return PermanentError(
                f"{what}: {why}. Give docferry's user the rights to read and write "
                "it and its folder"
            )
        if number == errno.ENAMETOOLONG:
            return PermanentError(f"{what}: the name is too long for this file system; shorten it")
        if number == errno.EXDEV:
            return PermanentError(
                f"{what} is not on the file system of {self.root}: make a mirror of its own for it"
            )
        if number in _GONE:
            return UnreachableError(f"{self.root} does not answer ({why}): is it mounted?")
        if number in _MOST_OPEN:
            return TemporaryError(f"{what}: {why}. {_MORE_FILES}")
        if number == errno.EIO:
            return TemporaryError(f"{what}: {why}. Look at the disk, and at the kernel's log")
        return TemporaryError(f"{what}: {why}")


def _without_inodes(folder: pathlib.Path) -> str:
    """Say so where a disk has room, and no inodes: `df` shows nothing of it."""
    try:
        found = os.statvfs(folder)
    except OSError:
        return ""
    is_without = found.f_files > 0 and found.f_favail == 0
    return "; it has no inodes left (df -i): delete files" if is_without else ""


def has_marker(root_fd: int) -> bool:
    """Say whether the open root has a marker: of its own, not behind a link."""
    own, _, name = MARKER_PATH.partition("/")
    try:
        fd = open_folder(own, dir_fd=root_fd)
    except (FileNotFoundError, NotADirectoryError):
        return False
    try:
        return Place(fd, name).look() is not None
    finally:
        os.close(fd)


def _segments(path: Path, *, own: bool) -> list[str]:
    segments = path.split("/")
    if "" in segments or "." in segments or ".." in segments or "\0" in path:
        raise PermanentError(f"{path!r} is not a path inside a mirror")
    if is_reserved(path) and not own:
        raise PermanentError(f"{path!r} belongs to docferry itself: it is not mirrored")
    return segments


def _make(name: str, dir_fd: int, mode: int) -> bool:
    with suppress(FileExistsError):
        os.mkdir(name, mode, dir_fd=dir_fd)
        return True
    return False


def _enter(name: str, dir_fd: int, path: Path, device: int) -> int:
    try:
        fd = open_folder(name, dir_fd=dir_fd)
    except OSError as error:
        if error.errno in (errno.ENOTDIR, errno.ELOOP):
            raise BlockedPathError(
                f"{path} is not a folder, and a folder is needed there: rename one of the two",
                blocked_by=path,
            ) from error
        raise
    if os.fstat(fd).st_dev != device:
        os.close(fd)
        raise BlockedPathError(
            f"another file system is mounted at {path}: make a mirror of its own for it",
            blocked_by=path,
        )
    return fd
