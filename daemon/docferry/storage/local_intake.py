"""Take in a content bit by bit, beside its future place, and put it there once it is whole."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from threading import Lock

from docferry.errors import StaleError
from docferry.model import Attributes, Path, Sha256, Token, Written
from docferry.storage.atomic import Place, Renames, hold
from docferry.storage.base import PART_BYTES
from docferry.storage.local_batch import look_first, refuse_if_taken, swap_of
from docferry.storage.local_content import token_of
from docferry.storage.local_folder import Folder
from docferry.storage.local_staging import Staging
from docferry.storage.local_write import dress


@dataclass(frozen=True, slots=True)
class Opened:
    """A folder, opened to be written to."""

    folder: Folder
    root_fd: int
    staging: Staging
    renames: Renames
    changing: Lock


class Intake:
    """A content on its way in. For one thread at a time."""

    def __init__(self, opened: Opened, place: Place, fd: int) -> None:
        self._opened = opened
        self._place = place
        self._fd = fd
        self._digest = hashlib.sha256()
        self._flushed = 0
        self._token: Token | None = None  # once it lasts
        self.size = 0  #: bytes so far

    @property
    def sha256(self) -> Sha256:
        """The hash of what has come so far."""
        return self._digest.hexdigest()

    def write(self, part: bytes) -> None:
        """
        Take in the next bytes.

        Raises:
            FullError: There is no room for them.
        """
        rest = memoryview(part)
        with self._opened.folder.translated("."):
            while rest:
                rest = rest[os.write(self._fd, rest) :]
        self._digest.update(part)
        self.size += len(part)
        if self.size - self._flushed >= PART_BYTES:
            # As `local_write` does: else a large file pushes all else out of memory.
            os.posix_fadvise(self._fd, 0, self.size, os.POSIX_FADV_DONTNEED)
            self._flushed = self.size

    def put(
        self,
        path: Path,
        *,
        expect: Token | None,
        archive: Attributes | None,
        about_to: Callable[[Token], None] = lambda token: None,
    ) -> Written:
        """
        Give it its name, so that it outlives a power cut. Where that is stale, it can be put again.

        Args:
            expect: What it displaces; None: nothing may be there.
            archive: Under which version what is displaced goes to the archive.
            about_to: Called right before, with the token that it will have there.

        Raises:
            StaleError: There is something, or another content than *expect*.
            BlockedPathError: A file stands where a folder is needed, or a folder there.
        """
        opened = self._opened
        with opened.folder.translated(path):
            replaced = None
            if expect is not None:
                replaced = look_first(opened.folder, opened.root_fd, path, expect)
            token = self._token = self._token or self._make_last(replaced)
            about_to(token)
            self._appear(path, token, expect, archive)
        return Written(token, self.sha256, self.size)

    def _make_last(self, replaced: os.stat_result | None) -> Token:
        dress(self._fd, Attributes(), replaced)
        os.fsync(self._fd)
        token = token_of(os.fstat(self._fd))
        assert token is not None  # O_CREAT makes regular files
        self.close()  # a file that is open for writing is taken for one that somebody saves
        return token

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
        self._fd = -1

    def _appear(
        self, path: Path, token: Token, expect: Token | None, archive: Attributes | None
    ) -> None:
        opened, is_new = self._opened, expect is None
        with opened.changing:
            found = opened.folder.parent(opened.root_fd, path, create=is_new)
            with _there(path), found as parent:
                if expect is None:
                    self._take_free_name(parent.place, path)
                else:
                    swap = swap_of(path, expect, archive).by(token)
                    opened.staging.replace(self._place, parent.place, swap)
                    opened.staging.fsync()
                parent.fsync()

    def _take_free_name(self, target: Place, path: Path) -> None:
        try:
            self._opened.renames.to_free_name(self._place, target)
        except FileExistsError:
            refuse_if_taken(target.look(), path)
            raise  # gone again already: TemporaryError


@contextmanager
def incoming(opened: Opened) -> Iterator[Intake]:
    """Begin to take in a content; what is left of it at the end of the block is removed."""
    with opened.staging.newcomer() as place:
        fd, held_fd = _open_held(place)
        intake = Intake(opened, place, fd)
        try:
            yield intake
        finally:
            intake.close()
            os.close(held_fd)
            with suppress(FileNotFoundError):
                place.unlink()


def _open_held(place: Place) -> tuple[int, int]:
    """Make the file, and hold it: a mirror that begins anew meanwhile is to leave it alone."""
    while True:
        with ExitStack() as opened:
            # As any program makes one: where people share a folder, its group may change it.
            fd = place.open(os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
            opened.callback(os.close, fd)
            with suppress(FileNotFoundError):  # swept away before it was held
                held_fd = hold(place)
                opened.callback(os.close, held_fd)
                if place.look() is not None:
                    opened.pop_all()
                    return fd, held_fd


@contextmanager
def _there(path: Path) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as error:
        raise StaleError(f"{path} is gone") from error
