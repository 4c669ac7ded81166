"""Write a content beside its future place: whole, checked, dressed and on the disk."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from contextlib import suppress

from docferry.errors import TemporaryError
from docferry.model import Attributes, Sha256, Written
from docferry.storage.atomic import Place
from docferry.storage.base import PART_BYTES, Content
from docferry.storage.local_begun import Begun
from docferry.storage.local_content import token_of

#: So many zeros in a row become a hole.
_ZEROS = bytes(64 * 1024)
#: What file systems and Python agree to be a time at all (year 2262). An mtime comes
#: from an object's metadata: a stranger may have written anything there.
_LATEST_NS = 2**63 - 1


def stage(
    place: Place,
    content: Content,
    attributes: Attributes,
    replaced: os.stat_result | None,
    *,
    lasts: bool = True,
    mode: int = 0o666,
    begun: Begun | None = None,
    moved: Callable[[int], object] = lambda count: None,
    took: Callable[[int], object] = lambda count: None,
) -> Written:
    """
    Write *content* to *place*, which must be free unless it is *begun*'s.

    A rename will not change its token.

    It gets the mtime of *attributes*, and the mode and, as far as we may, the owner of
    the file that it is to replace.

    Args:
        lasts: Bring it to the disk. Else the caller does, before it gets its name.
        mode: Of a content that replaces none, less the umask. As any program makes a document:
            where people share a folder, its group may change it.
        begun: What an earlier try has brought, and this one goes on with.
        moved: Told of each number of bytes that is where it belongs.
        took: Told of those that were not there before.

    Raises:
        StaleError: The content changed while it was read.
        TemporaryError: It is not of the promised length, or not `attributes.sha256`.
    """
    fd = place.open(os.O_WRONLY | os.O_CREAT | (os.O_EXCL if begun is None else 0), mode)
    try:
        sha256, size = _copy(content, fd, begun, moved, took)
        content.confirm()
        if size != content.size:
            raise TemporaryError(f"{size} bytes came of a content of {content.size}")
        if attributes.sha256 not in (None, sha256):
            raise TemporaryError(
                f"the content came damaged: its SHA-256 is {sha256}, not {attributes.sha256}"
            )
        dress(fd, attributes, replaced)
        if lasts:
            os.fsync(fd)
        token = token_of(os.fstat(fd))
    finally:
        os.close(fd)
    assert token is not None  # O_CREAT makes regular files
    return Written(token, sha256, size, 0 if begun is None else begun.had_bytes)


def _copy(
    content: Content,
    fd: int,
    begun: Begun | None,
    moved: Callable[[int], object],
    took: Callable[[int], object],
) -> tuple[Sha256, int]:
    size = 0
    # Up to here an earlier try may have left anything: there also zeros are written.
    old_end = 0 if begun is None else begun.end

    def write(part: bytes) -> None:
        nonlocal size
        if begun is None or not begun.has(size):
            _write_at(fd, size, part, leaves_holes=content.size > PART_BYTES and size >= old_end)
            took(len(part))
        if begun is not None:
            begun.came(size, part)
        moved(len(part))
        if content.size > PART_BYTES:
            # The disk begins now, and not when fsync waits for all of it. What it has by now
            # gives its memory to what comes next: else a large file pushes all else out of it.
            os.posix_fadvise(fd, 0, size + len(part), os.POSIX_FADV_DONTNEED)
        size += len(part)
        if size > content.size:
            raise TemporaryError(f"{size} bytes came of a content of {content.size}")

    sha256 = content.read_into(write)
    if content.size > PART_BYTES or old_end > size:
        os.ftruncate(fd, size)  # it may end in a hole, or in what an earlier try has left
    return sha256, size


def _write_at(fd: int, at: int, part: bytes, *, leaves_holes: bool) -> None:
    """Write *part*; with *leaves_holes* long runs of zeros, where nothing is yet, take no room."""
    for start, end in _filled(part) if leaves_holes else ((0, len(part)),):
        rest = memoryview(part)[start:end]
        while rest:
            count = os.pwrite(fd, rest, at + end - len(rest))
            rest = rest[count:]


def _filled(part: bytes) -> Iterator[tuple[int, int]]:
    """Give start and end of each stretch that is not all zeros."""
    start = None
    for at in range(0, len(part), len(_ZEROS)):
        is_empty = part.startswith(_ZEROS, at)
        if is_empty and start is not None:
            yield start, at
            start = None
        elif not is_empty and start is None:
            start = at
    if start is not None:
        yield start, len(part)


def dress(fd: int, attributes: Attributes, replaced: os.stat_result | None) -> None:
    """Give a new file the owner and the mode of the one that it is to replace, and its mtime."""
    if replaced is not None:
        # Not ours to give away, or no owners on this file system: the content matters more.
        with suppress(PermissionError):
            os.fchown(fd, replaced.st_uid, replaced.st_gid)
        with suppress(PermissionError):
            # No set-user-ID: that was granted to the old content.
            os.fchmod(fd, stat.S_IMODE(replaced.st_mode) & 0o777)
    if attributes.mtime_ns is not None:
        mtime_ns = max(-_LATEST_NS, min(attributes.mtime_ns, _LATEST_NS))
        os.utime(fd, ns=(mtime_ns, mtime_ns))
