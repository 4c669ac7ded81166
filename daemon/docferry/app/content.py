"""
The bytes of a version for who reads them as they come: from any offset, of any size.

What is promised: never another content than the version's. A small one is read whole, to the
disk, and checked first. A large one comes from where it lies, unchanged since docferry hashed
it as far as the file system, or the store, tells: that is asked with each part. All of it is
hashed besides while it goes, and its end is given only if that is right.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path as FilePath
from typing import IO, Protocol

from docferry.app.sides import UlidSource, open_sides
from docferry.app.version_bytes import SPOOL_BYTES, opened
from docferry.app.versions import let_go
from docferry.config import Config
from docferry.core.disk import Disk, fits, reserve_of
from docferry.engine.contents import gone
from docferry.engine.disk_guard import disk_of
from docferry.errors import DocferryError, FullError, PermanentError, StaleError
from docferry.ledger import Ledger
from docferry.model import VersionRow
from docferry.storage.base import Content
from docferry.storage.local_content import LocalContent

#: Up to here a content is read whole and checked before the first byte is given.
CHECKED_BYTES = 16 * 1024 * 1024
#: As many are in memory for each who reads, however slowly; of a store's those of one request.
PIECE_BYTES = 256 * 1024
_REQUEST_BYTES = 4 * 1024 * 1024


class Readable(Protocol):
    """The bytes of one version."""

    def pieces(self, start: int, stop: int) -> Iterator[bytes]:
        """
        Yield the bytes from *start* to before *stop*.

        Raises:
            StaleError: It has changed, or is gone: what was given is no whole.
            PermanentError: It is damaged: likewise.
            TemporaryError: A short or broken answer.
        """


@contextmanager
def readable(
    config: Config,
    ledger: Ledger,
    row: VersionRow,
    *,
    look: Callable[[FilePath], Disk | None] = disk_of,
) -> Iterator[Readable]:
    """
    Open the bytes of a version, wherever they are by now.

    Raises:
        ConflictError: They were let go, and the same were found nowhere else.
        PermanentError: They are nowhere, or damaged wherever they are.
        UnreachableError, TemporaryError: The place where they may be does not answer.
        FullError: There is no room to check them in.
    """
    with ExitStack() as stack:
        if row.size <= CHECKED_BYTES:
            if row.size > SPOOL_BYTES:  # a little stays in memory
                require_room(config, row, look)
            spooled = opened(config, ledger, row, folder=config.state_dir)
            yield _Checked(stack.enter_context(spooled))
        else:
            yield _AtRest(stack.enter_context(_found(config, ledger, row)), row)


def require_room(
    config: Config, row: VersionRow, look: Callable[[FilePath], Disk | None] = disk_of
) -> None:
    """
    Refuse to put the bytes of a version on the disk of the state.

    Raises:
        FullError: It has no room for them, or is to take no more.
    """
    disk = look(config.state_dir)
    if disk is not None and not fits(disk, reserve_of(disk, config.disk_reserve), row.size, 0):
        raise FullError(
            f"the disk of {config.state_dir} has no room for the bytes of version {row.id}: "
            f"{disk.free >> 20} MiB are left, of which `disk_reserve` are kept free"
        )


class _Checked:
    """A content that was read whole, and is right."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def pieces(self, start: int, stop: int) -> Iterator[bytes]:
        self._file.seek(start)
        while start < stop:
            piece = self._file.read(min(PIECE_BYTES, stop - start))
            start += len(piece)
            yield piece


class _AtRest:
    """A content where it lies."""

    def __init__(self, content: Content, row: VersionRow) -> None:
        self._content = content
        self._row = row

    def pieces(self, start: int, stop: int) -> Iterator[bytes]:
        if (start, stop) == (0, self._row.size):
            yield from self._whole()
            return
        yield from self._part(start, stop)

    def _part(self, start: int, stop: int) -> Iterator[bytes]:
        """Yield a part, one request to a store after the other: who reads slowly holds none up."""
        at_once = PIECE_BYTES if isinstance(self._content, LocalContent) else _REQUEST_BYTES
        for offset in range(start, stop, at_once):
            read = self._sound(self._content.part(offset, min(at_once, stop - offset)))
            for begin in range(0, len(read), PIECE_BYTES):
                yield read[begin : begin + PIECE_BYTES]

    def _whole(self) -> Iterator[bytes]:
        digest, left = hashlib.sha256(), self._row.size
        for piece in self._part(0, left):
            digest.update(piece)
            left -= len(piece)
            if left <= 0 and digest.hexdigest() != self._row.sha256:
                raise PermanentError(f"the bytes of version {self._row.id} are damaged")
            yield piece

    def _sound(self, piece: bytes) -> bytes:
        """
        Give what was read, if it is still what was opened; a store is asked with each request.

        That another file has the name by now does not matter: this one is still the version's.
        """
        if isinstance(self._content, LocalContent) and not self._content.is_as_opened():
            raise StaleError(f"{self._row.path} changed while it was read")
        return piece


def _found(config: Config, ledger: Ledger, row: VersionRow) -> Content:
    """Open the first place that has a content of that size under the version's name."""
    sides = open_sides(config, row.mirror, ledger, UlidSource(), connections=4)
    failure: DocferryError | None = None
    for opener in sides.contents.openers(row):
        try:
            content = opener()
        except StaleError:
            continue
        except DocferryError as error:
            failure = failure or error
            continue
        if content.size == row.size:
            return content
        content.close()
        failure = PermanentError(f"the bytes of version {row.id} are damaged")
    if row.gone_at is not None:
        raise let_go(row) from failure
    raise failure or gone(row)
