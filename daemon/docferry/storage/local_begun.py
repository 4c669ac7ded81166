"""
Large downloads that were cut off: what has come stays in the staging folder, for the next try.

    NAME.begun    the bytes, each piece where it belongs
    NAME.pieces   a line of JSON says what they are of; then 32 bytes a piece, its SHA-256

A piece counts only while its bytes hash to what was noted when they came. So neither file
has to be on the disk before the other: what a power cut has torn is fetched again. NAME is
made of the path and of what the object is, by its ETag: two objects are never mixed.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime

from docferry.core.going_on import is_to_be_gone_on_with
from docferry.model import Path
from docferry.storage.atomic import Place
from docferry.storage.base import PART_BYTES, Content, WantsDownload

BEGUN, _PIECES = ".begun", ".pieces"
_DIGEST_BYTES = 32
_HEAD_BYTES = 64 * 1024  # a path has at most 4 KiB, each byte at most six characters
_NAME_CHARS = 24


class Begun:
    """
    A download under way whose bytes outlive it if it is cut off. Made by `going_on` alone.

    `give` is for any thread, the rest for one.
    """

    def __init__(self, place: Place, notes_fd: int, content: Content, head_bytes: int) -> None:
        self.place = place
        self.had_bytes = 0  #: of what was written so far, what an earlier try had fetched
        self._notes_fd = notes_fd
        self._head_bytes = head_bytes
        self._size = content.size
        self._bytes_fd = place.open(os.O_RDONLY | os.O_CREAT, 0o666)
        found = os.fstat(self._bytes_fd)
        self.taken_bytes = found.st_blocks * 512  #: that it takes of the disk already
        self.end = found.st_size  #: beyond it nothing was ever written
        self._given: set[int] = set()  # offsets, handed out and not yet written
        self._came = 0
        self.has_gone_on = False  #: this try has fetched something

    @property
    def is_whole(self) -> bool:
        """Whether all of it has come."""
        return self._came >= self._size

    def give(self, offset: int, size: int) -> bytes | None:
        """Give a piece that an earlier try has fetched. None: it has not, or it is damaged."""
        noted = os.pread(self._notes_fd, _DIGEST_BYTES, self._note_at(offset))
        if offset % PART_BYTES or len(noted) < _DIGEST_BYTES or not any(noted):
            return None
        piece = os.pread(self._bytes_fd, size, offset).ljust(size, b"\0")  # it may end in a hole
        if hashlib.sha256(piece).digest() != noted:
            return None
        self._given.add(offset)
        return piece

    def has(self, offset: int) -> bool:
        """Say whether the piece that is to be written to *offset* was given, and so is there."""
        return offset in self._given

    def came(self, offset: int, piece: bytes) -> None:
        """Note a piece that is where it belongs by now."""
        self._came = offset + len(piece)
        if offset in self._given:
            self._given.discard(offset)
            self.had_bytes += len(piece)
        else:
            os.pwrite(self._notes_fd, hashlib.sha256(piece).digest(), self._note_at(offset))
            self.has_gone_on = True

    def close(self) -> None:
        os.close(self._bytes_fd)

    def _note_at(self, offset: int) -> int:
        return self._head_bytes + offset // PART_BYTES * _DIGEST_BYTES


@contextmanager
def going_on(
    staging_fd: int, path: Path, content: Content, finished: Callable[[], Place]
) -> Iterator[Begun | None]:
    """
    Go on with a download that was cut off, or begin one that can be gone on with.

    What is left of it at the end of the block stays if the next try can use it. Once it is
    whole it has the name that *finished* gives. What was begun of other contents for *path*
    goes.

    Yields:
        None: nobody can go on with this one: it is small, or nothing tells which content
        it is, or another thread is at it.
    """
    if content.identity is None or content.size <= PART_BYTES:
        yield None
        return
    name = f"{_short(path)}-{_short(content.identity)}"
    notes = Place(staging_fd, name + _PIECES)
    notes_fd = _lock(notes)
    if notes_fd is None:
        yield None
        return
    try:
        _remove_others(staging_fd, _short(path), name)
        head_bytes = _head(notes_fd, path, content)
        with _opened(Place(staging_fd, name + BEGUN), notes_fd, content, head_bytes) as begun:
            content.take_from(begun.give)
            with _kept_or_removed(begun, notes):
                yield begun
            # It is about to be seen: by its name another thread would find it, and write to it.
            place = finished()
            begun.place.rename_over(place)
            begun.place = place
            notes.unlink()
    finally:
        os.close(notes_fd)


def is_begun(name: str) -> bool:
    """
    Say whether a file in the staging folder is a part of a download that was cut off.

    What was displaced (`local_staging.Swap`) has dots in its name, and ends as its document does.
    """
    return name.count(".") == 1 and name.endswith((BEGUN, _PIECES))


def drop_begun(staging_fd: int, is_wanted: WantsDownload = lambda path, size, at: False) -> None:
    """
    Remove what came of downloads that nobody goes on with. What is under way stays.

    Args:
        is_wanted: Asked about each that can be gone on with: its path, its size, and when
            something last came of it.
    """
    names = set(filter(is_begun, os.listdir(staging_fd)))
    for name in sorted(names):
        if name.endswith(BEGUN) and name.removesuffix(BEGUN) + _PIECES not in names:
            Place(staging_fd, name).unlink()  # without notes nothing of it counts
        elif name.endswith(_PIECES):
            _drop(staging_fd, name.removesuffix(_PIECES), is_wanted)


def _drop(staging_fd: int, name: str, is_wanted: WantsDownload) -> None:
    notes = Place(staging_fd, name + _PIECES)
    fd = _lock(notes, flags=os.O_RDWR)
    if fd is None:
        return
    try:
        head, last_at = _read_head(fd), datetime.fromtimestamp(os.fstat(fd).st_mtime, UTC)
        if head is None or not is_wanted(*head, last_at):
            _remove(Place(staging_fd, name + BEGUN), notes)
    finally:
        os.close(fd)


@contextmanager
def _opened(place: Place, notes_fd: int, content: Content, head_bytes: int) -> Iterator[Begun]:
    begun = Begun(place, notes_fd, content, head_bytes)
    try:
        yield begun
    finally:
        begun.close()


@contextmanager
def _kept_or_removed(begun: Begun, notes: Place) -> Iterator[None]:
    try:
        yield
    except BaseException as error:
        if not is_to_be_gone_on_with(error, has_gone_on=begun.has_gone_on, is_whole=begun.is_whole):
            _remove(begun.place, notes)
        raise


def _remove_others(staging_fd: int, path: str, name: str) -> None:
    for entry in os.listdir(staging_fd):
        if entry.startswith(path) and entry.endswith(_PIECES) and not entry.startswith(name):
            _drop(staging_fd, entry.removesuffix(_PIECES), lambda path, size, at: False)


def _remove(begun: Place, notes: Place) -> None:
    for place in (begun, notes):  # notes without bytes say nothing; bytes without notes neither
        with suppress(FileNotFoundError):
            place.unlink()


def _lock(notes: Place, flags: int = os.O_RDWR | os.O_CREAT) -> int | None:
    """Open the notes for this thread alone. None: another has them, or there are no locks."""
    try:
        fd = notes.open(flags)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        found = notes.look()
        if found is not None and os.path.samestat(found, os.fstat(fd)):
            return fd
    except OSError:
        pass
    os.close(fd)  # whoever had it has removed it meanwhile, or still has it
    return None


def _head(notes_fd: int, path: Path, content: Content) -> int:
    """Say in the notes what they are of, if they do not; give the bytes that it takes."""
    told = {"path": path, "size": content.size, "piece": PART_BYTES}
    line = json.dumps(told).encode() + b"\n"
    if os.pread(notes_fd, len(line), 0) != line:
        os.ftruncate(notes_fd, 0)
        os.pwrite(notes_fd, line, 0)
    return len(line)


def _read_head(notes_fd: int) -> tuple[Path, int] | None:
    """Read for which path they are, and the size of the whole."""
    line = os.pread(notes_fd, _HEAD_BYTES, 0).partition(b"\n")[0]
    try:
        told = json.loads(line)
        return str(told["path"]), int(told["size"])
    except (ValueError, KeyError, TypeError):
        return None


def _short(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:_NAME_CHARS]
