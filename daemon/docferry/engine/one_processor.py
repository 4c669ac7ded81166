"""
Let threads that hand the interpreter to each other run on one processor for a while.

One thread at a time runs Python, and with many small files they change ten times a file. To
wake a thread on another processor costs more than what it then does: on one processor the
same work takes a fifth less time. What does without the interpreter has threads of its own
(TLS, the bytes of large files), and those run anywhere.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

#: The next processor after so long: this one may be busy with what can run nowhere else.
_TURN_S = 4.0


@contextmanager
def on_one_processor() -> Iterator[None]:
    """
    Run this thread where all others run that are in such a block.

    It must start no threads inside: they would stay there. Afterwards it may run wherever the
    process may. Where the system does not let us choose, nothing changes.
    """
    allowed = sorted(os.sched_getaffinity(os.getpid()))  # the main thread's: it chooses nothing
    if len(allowed) < 2:
        yield
        return
    turn = int(time.monotonic() / _TURN_S) + os.getpid()  # another daemon is elsewhere
    _run_on({allowed[turn % len(allowed)]})
    try:
        yield
    finally:
        _run_on(set(allowed))


def _run_on(processors: set[int]) -> None:
    with suppress(OSError):  # not allowed (seccomp), or one of them has just been taken away
        os.sched_setaffinity(0, processors)
