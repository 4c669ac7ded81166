"""Give memory that is free back to the system; look seldom for what nobody knows to be free."""

from __future__ import annotations

import ctypes
import gc

#: Rarely enough to cost nothing (1 ms, 20 where much is free), soon enough after a peak.
GIVE_BACK_EVERY_S = 30.0

#: When rings are looked for, as `gc.set_threshold` takes it. By default: 700, 10, 10.
SELDOM = 5_000, 10, 10
#: The same where others wait for an answer.
RARELY = 20_000, 20, 100

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


def collect_seldom(thresholds: tuple[int, int, int] = SELDOM) -> None:
    """
    Look for rings of what nobody needs when there may be many, and not in what is there now.

    To be called once all modules are loaded, and before there is anything that ends: a ring of
    what is there now is never found. Everybody waits while rings are looked for. By default a
    first push of small files spent 4 % of its CPU time on that, a first pull 8, most of it on
    what is there from start to end.

    Args:
        thresholds: As `gc.set_threshold` takes them.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*thresholds)
