"""A log file that docferry rotates itself: FILE, then FILE.1 and so on, the oldest last."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from pathlib import Path

_MODE = 0o640  # for a group that reads logs: they name documents


class RotatedFile:
    """
    Text that is appended to *path*. Not thread-safe.

    The standard library's handler asks the disk before each line where it stands, opens
    the file for the world to read, and prints its own troubles.

    Args:
        size: Bytes, from which on the next text begins a new file.
        count: Older files that are kept.
    """

    def __init__(self, path: Path, size: int, count: int) -> None:
        self._path = path
        self._size = size
        self._count = count
        self._file: int | None = None
        self._written = 0  # bytes in it
        self._is_torn = False  # it ends with a part of a line

    def write(self, text: str) -> None:
        """
        Append whole lines.

        Raises:
            OSError: They could not be written, or only a part of them. The next ones can be.
        """
        lines = text.encode("utf-8", "backslashreplace")
        if self._file is not None and self._written and self._written + len(lines) > self._size:
            self._rotate()
        if self._file is None:
            self._open()
        if self._is_torn:
            lines = b"\n" + lines
        self._append(lines)

    def _append(self, lines: bytes) -> None:
        assert self._file is not None
        while lines:
            written = os.write(self._file, lines)
            self._written += written
            lines = lines[written:]
            self._is_torn = bool(lines)

    def _open(self) -> None:
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
        # To open a pipe that nobody reads would wait for ever, and a link leads anywhere.
        fd = os.open(self._path, flags | os.O_NONBLOCK | os.O_NOFOLLOW, _MODE)
        found = os.fstat(fd)
        if not stat.S_ISREG(found.st_mode):
            os.close(fd)
            raise OSError(errno.EINVAL, "is not a plain file", str(self._path))
        self._file, self._written = fd, found.st_size
        self._is_torn = self._is_cut_off()

    def _is_cut_off(self) -> bool:
        """Say whether an earlier process was cut off there: by a full disk, a lost machine."""
        try:
            fd = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOFOLLOW)
        except OSError:  # it may be there to be written only
            return False
        try:
            return os.pread(fd, 1, max(0, self._written - 1)) not in (b"", b"\n")
        finally:
            os.close(fd)

    def _rotate(self) -> None:
        """Make room. Where the folder does not let it, the file goes on as it is."""
        assert self._file is not None
        names = [self._path, *(Path(f"{self._path}.{one}") for one in range(1, self._count + 1))]
        with contextlib.suppress(OSError):
            for older, newer in reversed([*zip(names[1:], names, strict=False)]):
                with contextlib.suppress(FileNotFoundError):
                    newer.replace(older)
            if self._count == 0:
                self._path.unlink()
            os.close(self._file)
            self._file = None
