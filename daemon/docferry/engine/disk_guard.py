"""
Take nothing in while a disk has no more than its reserve.

A disk that is full stops more than docferry: people cannot save, and the ledger cannot be
written. So what comes down, is converted or put back waits before that; what goes up and
what is deleted needs no room, and goes on.
"""

from __future__ import annotations

import os
import threading
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

from docferry.core.disk import Disk, fits, is_short, reserve_of
from docferry.errors import FullError
from docferry.logs import get_logger

log = get_logger(__name__)

#: For so small a content a look at the disk need not be newer than this. What comes in meanwhile
#: comes out of the reserve.
_SMALL_BYTES = 64 * 1024
_YOUNG_S = 0.05


def disk_of(folder: Path) -> Disk | None:
    """Look at the file system of *folder*; None: it cannot be looked at."""
    try:
        found, device = os.statvfs(folder), folder.stat().st_dev
    except OSError:
        return None
    return Disk(device, found.f_bavail * found.f_frsize, found.f_blocks * found.f_frsize)


class DiskGuard:
    """
    Knows which disks are short of room. Thread-safe.

    Args:
        reserve: Bytes to be kept free of each disk, as `core.disk` has it.
        folders: Gives those whose disks are watched.
        tell: Called by `check` with a folder, and why its disk takes nothing in any more; None:
            it does again.
        monotonic: Seconds.
    """

    def __init__(
        self,
        reserve: int,
        folders: Callable[[], Collection[Path]],
        tell: Callable[[Path, str | None], None],
        *,
        look: Callable[[Path], Disk | None] = disk_of,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._reserve = reserve
        self._folders = folders
        self._tell = tell
        self._look = look
        self._monotonic = monotonic
        self._looked: dict[Path, tuple[float, Disk | None]] = {}  # when, and what was found
        self._short: frozenset[Path] = frozenset()
        self._promised: Counter[int] = Counter()  # bytes on their way in, by device
        self._lock = threading.Lock()

    @contextmanager
    def taking(self, folder: Path, size: int) -> Iterator[Callable[[int], None]]:
        """
        Let *size* bytes come into *folder* while the block lasts.

        Yields:
            What is to be told of each number of bytes that has come: the disk says so itself
            from then on, and others need not leave that much free once more.

        Raises:
            FullError: They would not leave what is to be kept free.
        """
        disk = self._disk_for(folder, size)
        if disk is None:  # whoever writes there will hear why
            yield lambda count: None
            return
        reserve = reserve_of(disk, self._reserve)
        with self._lock:
            promised = self._promised[disk.device]
            if folder in self._short or not fits(disk, reserve, size, promised):
                raise FullError(f"{_shortage(folder, disk, reserve)}: {_bytes(size)} must wait")
            self._promised[disk.device] += size
        left = size

        def came(count: int) -> None:
            nonlocal left
            with self._lock:
                count = min(count, left)
                left -= count
                self._promised[disk.device] -= count

        try:
            yield came
        finally:
            came(left)

    def _disk_for(self, folder: Path, size: int) -> Disk | None:
        if size <= _SMALL_BYTES and folder in self._looked:
            looked_s, disk = self._looked[folder]
            if self._monotonic() - looked_s < _YOUNG_S:
                return disk
        return self._newly(folder)

    def _newly(self, folder: Path) -> Disk | None:
        disk = self._look(folder)
        self._looked[folder] = (self._monotonic(), disk)
        return disk

    def check(self) -> None:
        """Look at all disks, and tell of those that became short of room, or have some again."""
        for folder in self._folders():
            disk = self._newly(folder)
            if disk is None:
                continue
            was_short = folder in self._short
            reserve = reserve_of(disk, self._reserve)
            is_now = is_short(disk, reserve, was_short=was_short)
            if is_now == was_short:
                continue
            self._short = self._short ^ {folder}
            why = _shortage(folder, disk, reserve)
            if is_now:
                log.error("disk.short", folder=str(folder), free_bytes=disk.free, reason=why)
            else:
                log.info("disk.recovered", folder=str(folder), free_bytes=disk.free)
            self._tell(folder, why if is_now else None)


def _shortage(folder: Path, disk: Disk, reserve: int) -> str:
    return (
        f"the disk of {folder} has {_bytes(disk.free)} left, and {_bytes(reserve)} are kept free "
        "(`disk_reserve`); make room there"
    )


def _bytes(size: int) -> str:
    return f"{size >> 20} MiB" if size >= 1 << 20 else f"{size} bytes"
