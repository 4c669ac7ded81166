"""A local file's content, read through a descriptor that no rename can turn."""

from __future__ import annotations

import mimetypes
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import NoReturn

from docferry.errors import StaleError, TemporaryError
from docferry.model import Attributes, FileState, Token
from docferry.storage.atomic import fsync, has_writer
from docferry.storage.base import PART_BYTES, Content


def token_of(found: os.stat_result | None) -> Token | None:
    """Give a regular file's token; None: nothing is there, or something else."""
    if found is None or not stat.S_ISREG(found.st_mode):
        return None
    return f"{found.st_size}-{found.st_mtime_ns}-{found.st_ino}"


def state_of(found: os.stat_result) -> FileState:
    """Describe a regular file. The change time tells also of an mtime that was set back."""
    changed_ns = max(found.st_mtime_ns, found.st_ctime_ns)
    token = f"{found.st_size}-{found.st_mtime_ns}-{found.st_ino}"
    return FileState(token, None, found.st_size, changed_ns)


class LocalContent(Content):
    """
    An open file. *look* stats its name anew, so that a replaced file is noticed too.

    It owns *fd* from the first line on, and closes with it what *look* needs.
    """

    def __init__(
        self,
        fd: int,
        name: str,
        token: Token,
        look: Callable[[], os.stat_result | None],
        looks_in: ExitStack | None = None,
    ) -> None:
        self._fd = fd
        self._name = name
        self._token = token
        self._look = look
        self._looks_in = looks_in
        found = os.fstat(fd)
        self.was_as_expected = token_of(found) == token  #: when it was opened
        self.size = found.st_size
        self.attributes = Attributes(
            mtime_ns=found.st_mtime_ns, content_type=mimetypes.guess_type(name)[0]
        )

    def part(self, offset: int, size: int) -> bytes:
        pieces = []
        while size:
            try:
                piece = os.pread(self._fd, size, offset)
            except OSError as error:
                raise TemporaryError(f"cannot read {self._name}: {error.strerror}") from error
            if not piece:
                self._changed()
            pieces.append(piece)
            offset += len(piece)
            size -= len(piece)
        if not self.is_as_opened():  # at once: a log that grows is not sent to its end in vain
            self._changed()
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def parts(self, part_bytes: int = PART_BYTES) -> Iterator[bytes]:
        for offset in range(0, self.size, part_bytes):
            yield self.part(offset, min(part_bytes, self.size - offset))

    def confirm(self) -> None:
        if not self.is_as_opened() or token_of(self._look()) != self._token:
            self._changed()

    def is_as_opened(self) -> bool:
        """Say whether the open file still is the one that was looked at."""
        return token_of(os.fstat(self._fd)) == self._token

    def is_being_written(self) -> bool:
        """Say whether somebody is known to have the file open for writing."""
        return has_writer(self._fd) is True

    def make_last(self) -> None:
        """Let the disk have it: whoever saved the file may have left that to the kernel."""
        fsync(self._fd)

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
        self._fd = -1
        if self._looks_in is not None:
            self._looks_in.close()

    def _changed(self) -> NoReturn:
        raise StaleError(f"{self._name} changed while it was read")
