"""
Threads of which it is known how long they may stand still, for `app.supervision`.

Not among them: who rests until there is something to do, and who waits for a converter, which
has its own limit of time.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Going:
    """A thread that has to run now and then, if only to look at the clock."""

    name: str
    thread_id: int  #: the kernel's
    is_slow: bool  #: it may be in the middle of a body, which obstore sends without it


_going: dict[int, Going] = {}


@contextmanager
def going_round(name: str, *, is_slow: bool = False) -> Iterator[None]:
    """
    Say that this thread runs every few seconds for as long as the block lasts.

    It stays said where the block fails: then the thread has ended, and does not run any more.
    """
    thread_id = threading.get_native_id()
    _going[thread_id] = Going(name, thread_id, is_slow)
    yield
    del _going[thread_id]


def all_going() -> list[Going]:
    """Give those threads that are to run now."""
    return list(_going.values())
