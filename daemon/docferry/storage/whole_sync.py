"""Bring many files to the disk at once, where that costs less than one after the other."""

from __future__ import annotations

import ctypes
import os
import time
from collections.abc import Callable

_libc = ctypes.CDLL(None, use_errno=True)

#: It waits for what others write, too. If that takes longer, it is file by file for a while.
_SLOW_S = 1.0
_SLOW_FOR_S = 60.0


class WholeSync:
    """Brings all that is on a folder's file system to the disk, as long as that is quick."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._not_before_s = 0.0  # monotonic

    def is_worth_it(self, dir_fd: int) -> bool:
        """
        Say whether to do so for many files.

        Not on a file system without a block device: of a network's, or of one in user
        space, the other end may hear of fsync only.
        """
        is_on_device = os.major(os.fstat(dir_fd).st_dev) != 0
        return is_on_device and self._clock() >= self._not_before_s

    def run(self, dir_fd: int) -> None:
        """
        Make all that is on the file system of *dir_fd* by now last through a power cut.

        Raises:
            OSError: The disk has failed to take some of it.
        """
        began_s = self._clock()
        _syncfs(dir_fd)
        ended_s = self._clock()
        if ended_s - began_s > _SLOW_S:
            self._not_before_s = ended_s + _SLOW_FOR_S


def _syncfs(fd: int) -> None:
    try:
        call = _libc.syncfs
    except AttributeError:  # a C library without it
        os.sync()
        return
    if call(fd) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
