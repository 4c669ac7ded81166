"""
Who goes first when the processors are taken: whoever waits for an answer, not what is carried.

A first sync keeps two processors busy for an hour, and a request is a few milliseconds. What
runs as SCHED_BATCH gets the same time as all others, yet puts nobody off the processor the
moment it has something to do (sched(7)). No right is needed for it.
"""

from __future__ import annotations

import os
from contextlib import suppress


def give_way() -> None:
    """Let others go first, from this thread and all that it begins. Not where somebody chose."""
    _change(os.SCHED_OTHER, os.SCHED_BATCH)


def go_first() -> None:
    """Be as others are: this thread and all that it begins answer somebody."""
    _change(os.SCHED_BATCH, os.SCHED_OTHER)


def _change(usual: int, wanted: int) -> None:
    with suppress(OSError):  # a sandbox forbids it: it is a courtesy
        if os.sched_getscheduler(0) == usual:
            os.sched_setscheduler(0, wanted, os.sched_param(0))
