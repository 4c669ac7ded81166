"""
Walk a folder in the order of its paths' UTF-8 bytes, one directory in memory per depth.

"In order" needs one trick: a folder's name sorts as if it ended in "/", because
"a/b" comes after "a-b" and "a.b" though "a" comes before both.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Generator, Iterator
from dataclasses import dataclass, field

from docferry.core.paths import fault_in_name, is_odd, is_reserved, printable
from docferry.model import RESERVED, Entry, FileState, Unknown
from docferry.storage.atomic import open_folder

_KINDS = {
    stat.S_IFLNK: "a symbolic link: docferry does not follow it",
    stat.S_IFSOCK: "a socket: not a document",
    stat.S_IFIFO: "a named pipe: not a document",
    stat.S_IFCHR: "a device: not a document",
    stat.S_IFBLK: "a device: not a document",
}
MOUNT = "another file system is mounted here: make a mirror of its own for it"


def kind_of(mode: int) -> str:
    """Say why a thing that is not a regular file is not mirrored."""
    return _KINDS.get(stat.S_IFMT(mode), "not a regular file")


def walk(root_fd: int, odd: list[Entry]) -> Iterator[Entry]:
    """
    Yield every file below *root_fd*, and what cannot be told.

    An Unknown with *below* comes where the first path below it would; a thing that is
    neither file nor folder gets one for itself and one for what might be below it.
    Odd entries (`core.paths.is_odd`) go to *odd* instead, in no order; an Unknown with
    *below* goes there as well. A folder or file that vanishes meanwhile is left out.

    Raises:
        OSError: The root itself cannot be listed.
    """
    device = os.fstat(root_fd).st_dev
    levels = [_Level(os.dup(root_fd), "")]
    try:
        levels[0].list(odd, device)
        while levels:
            level = levels[-1]
            folder = yield from _files(level, odd)
            if folder is None:
                os.close(levels.pop().fd)
                continue
            try:
                _enter(levels, folder, device, odd)
            except FileNotFoundError:
                continue
            except OSError as error:
                # Never "empty": what was agreed on below it would look deleted.
                path = level.prefix + folder
                unknown = Unknown(path, why_unreadable(error), below=True)
                odd.append(unknown)  # there may be odd names below it
                if not is_odd(path):
                    yield unknown
    finally:
        for level in levels:
            os.close(level.fd)


@dataclass(slots=True)
class _Level:
    """An open folder on the way down, and which of its names are still to be visited."""

    fd: int
    prefix: str  #: its path and "/"; "" for the root
    names: Iterator[str] = field(default_factory=lambda: iter(()))  #: sorted; folders end in "/"
    has_odd: bool = False

    def list(self, odd: list[Entry], device: int) -> None:
        if os.fstat(self.fd).st_dev != device:
            raise OSError(errno.EXDEV, MOUNT)
        names = []
        with os.scandir(self.fd) as entries:
            for entry in entries:
                if entry.is_file(follow_symlinks=False):
                    names.append(entry.name)
                elif entry.is_dir(follow_symlinks=False):
                    names.append(entry.name + "/")
                else:
                    names += (entry.name, entry.name + "/")
        if not self.prefix:
            names = [name for name in names if name not in (RESERVED, RESERVED + "/")]
        joined = "/".join(names)
        try:
            joined.encode()
        except UnicodeEncodeError:
            names = _without_faults(self.prefix, names, odd)
        names.sort()
        self.names = iter(names)
        self.has_odd = is_odd(self.prefix + joined)


def _files(level: _Level, odd: list[Entry]) -> Generator[Entry, None, str | None]:
    """Yield files up to the next folder; return its name without "/", None at the end."""
    fd, prefix, has_odd = level.fd, level.prefix, level.has_odd
    for name in level.names:
        if name[-1] == "/":
            return name[:-1]
        # From here to the yield is what each file costs: keep it lean (0.35 s for 100,000).
        entry: Entry
        path = prefix + name
        try:
            found = os.stat(name, dir_fd=fd, follow_symlinks=False)
        except FileNotFoundError:
            continue
        except OSError as error:
            entry = Unknown(path, f"cannot be looked at: {error.strerror}")
        else:
            if found.st_mode & 0o170000 == 0o100000:  # a regular file
                size, mtime, ctime = found.st_size, found.st_mtime_ns, found.st_ctime_ns
                token = f"{size}-{mtime}-{found.st_ino}"
                entry = path, FileState(token, None, size, mtime if mtime > ctime else ctime)
            else:
                entry = Unknown(path, kind_of(found.st_mode))
        if has_odd and is_odd(path):
            odd.append(entry)
        else:
            yield entry
    return None


def _enter(levels: list[_Level], folder: str, device: int, odd: list[Entry]) -> None:
    above = levels[-1]
    level = _Level(open_folder(folder, dir_fd=above.fd), f"{above.prefix}{folder}/")
    levels.append(level)
    try:
        level.list(odd, device)
    except OSError:
        os.close(levels.pop().fd)
        raise


def why_unreadable(error: OSError) -> str:
    """Say why nothing is known about what is below a folder."""
    if error.errno == errno.EXDEV:
        return MOUNT
    if error.errno in (errno.ENOTDIR, errno.ELOOP):
        return "not a folder: docferry does not look behind it"
    return f"the folder cannot be read: {error.strerror}"


def _without_faults(prefix: str, names: list[str], odd: list[Entry]) -> list[str]:
    """Report the names that no key can spell (not UTF-8) and give the others."""
    good = []
    for name in names:
        bare = name.removesuffix("/")
        if (fault := fault_in_name(bare)) is None:
            good.append(name)
        else:
            # The backslashes make the printable path odd, whatever else is in it.
            odd.append(Unknown(printable(prefix + bare), fault, below=name != bare))
    return good


def in_order(odd: list[Entry]) -> list[Entry]:
    """
    Sort odd entries; where two share a place, nothing is known there.

    (A printable path may read like the name of another file.) What stands for a
    reserved key is left out.
    """
    placed: dict[str, Entry] = {}
    for entry in odd:
        if isinstance(entry, Unknown):
            placed[entry.path + "/" if entry.below else entry.path] = entry
        else:
            placed.setdefault(entry[0], entry)
    return [placed[place] for place in sorted(placed) if not is_reserved(place)]
