"""Give memory that is free back to the system."""

from __future__ import annotations

import ctypes

#: Rarely enough to cost nothing (1 ms, 20 where much is free), soon enough after a peak.
GIVE_BACK_EVERY_S = 30.0

#: None: not glibc, whose arenas alone keep what is free.
_trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
if _trim is not None:
    _trim.argtypes = [ctypes.c_size_t]


def give_back() -> None:
    """
    Give back what is free. For any thread, at any time; others wait for a moment at most.

    By itself glibc gives back what is free at the end of an arena. Below a single block that
    is in use it kept all of the 64 MiB that SQLite's cache had taken for a snapshot.
    """
    if _trim is not None:
        _trim(0)
