"""
Let threads that hand the interpreter to each other run on one processor for a while.

One thread at a time runs Python, and with many small files they change ten times a file. To
wake a thread on another processor costs more than what it then does: on one processor the
same work takes a fifth less time. What does without the interpreter has threads of its own
(TLS, the bytes of large files), and those run anywhere.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

#: The next processor after so long: this one may be busy with what can run nowhere else.
_TURN_S = 4.0


class _Here(threading.local):
    """Where this thread may run. One that was started meanwhile runs where its starter did."""

    processor: int | None = -1  #: None: anywhere; -1: nobody has said yet


_here = _Here()


def run_on_one_processor() -> None:
    """
    Run this thread where all others run that have asked for it, until `run_anywhere`.

    It must start no threads meanwhile: they would stay there. Where the system does not let us
    choose, nothing changes; nor for the main thread, which says where the others may run.
    """
    allowed = sorted(_allowed())
    if len(allowed) < 2 or threading.current_thread() is threading.main_thread():
        return
    turn = int(time.monotonic() / _TURN_S) + os.getpid()  # another daemon is elsewhere
    processor = allowed[turn % len(allowed)]
    if processor != _here.processor:
        _run_on({processor})
        _here.processor = processor


def run_anywhere() -> None:
    """Run this thread wherever the process may."""
    if _here.processor is not None:
        _run_on(_allowed())
        _here.processor = None


@contextmanager
def on_one_processor() -> Iterator[None]:
    """Do as `run_on_one_processor` for the length of a block."""
    run_on_one_processor()
    try:
        yield
    finally:
        run_anywhere()


def _allowed() -> set[int]:
    """Give where the main thread may run."""
    return os.sched_getaffinity(os.getpid())


def _run_on(processors: set[int]) -> None:
    with suppress(OSError):  # not allowed (seccomp), or one of them has just been taken away
        os.sched_setaffinity(0, processors)
