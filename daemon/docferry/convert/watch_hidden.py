"""
What processes hold that is in no folder and in no count of the kernel's.

A file that has no name any more takes its place on the disk as long as somebody holds it;
memory of memfd_create(2), and what is shared between processes, belongs to none of them.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterable, Iterator
from typing import NamedTuple

#: proc_pid_maps(5): its addresses, "s" for shared, its device and inode, and that it has no name.
_SHARED = re.compile(
    rb"^([0-9a-f]+)-([0-9a-f]+) ...s \S+ ([0-9a-f]+):([0-9a-f]+) (\d+) .*\(deleted\)$", re.M
)


class Hidden(NamedTuple):
    """Bytes."""

    on_disk: int
    in_memory: int


class _File(NamedTuple):
    device: int
    inode: int
    size: int


def hidden(pids: Iterable[int], folder: str) -> Hidden:
    """Add up what *pids* hold and nobody else sees; on disk is what is on that of *folder*."""
    try:
        disk = os.stat(folder).st_dev  # noqa: PTH116
    except OSError:
        disk = -1
    sizes: dict[tuple[int, int], int] = {}
    for pid in pids:
        for file in (*_open(pid), *_mapped(pid)):
            key = (file.device, file.inode)
            sizes[key] = max(sizes.get(key, 0), file.size)
    on_disk = sum(size for (device, _), size in sizes.items() if device == disk)
    return Hidden(on_disk, sum(sizes.values()) - on_disk)


def _open(pid: int) -> Iterator[_File]:
    try:
        names = os.listdir(f"/proc/{pid}/fd")  # noqa: PTH208
    except OSError:  # it ended meanwhile
        return
    for name in names:
        try:
            found = os.stat(f"/proc/{pid}/fd/{name}")  # noqa: PTH116
        except OSError:
            continue
        if stat.S_ISREG(found.st_mode) and not found.st_nlink:
            yield _File(found.st_dev, found.st_ino, found.st_blocks * 512)


def _mapped(pid: int) -> Iterator[_File]:
    """The whole range: which of its pages are there, whoever touched them, is not told."""
    try:
        with open(f"/proc/{pid}/maps", "rb") as file:  # noqa: PTH123
            maps = file.read()
    except OSError:
        return
    for begin, end, major, minor, inode in _SHARED.findall(maps):
        device = os.makedev(int(major, 16), int(minor, 16))
        yield _File(device, int(inode), int(end, 16) - int(begin, 16))
