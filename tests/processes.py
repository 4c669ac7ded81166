"""What tests ask about other processes. Nobody tells of their doings: one has to look."""

from __future__ import annotations

import os
import pathlib
import threading
import time
from collections.abc import Callable
from contextlib import suppress

_SERVERS = (b"weed", b"rclone", b"moto_server")


def wait_for(what: Callable[[], bool], timeout_s: float = 30.0, *, every_s: float = 0.01) -> None:
    """Look until it is so, *every_s* seconds."""
    deadline = time.monotonic() + timeout_s
    while not what():
        assert time.monotonic() < deadline, "it never came to be"
        threading.Event().wait(every_s)


def children_of(parent: int | None = None) -> list[int]:
    """Give the living children of *parent*; None: of this process."""
    wanted = parent or os.getpid()
    return [pid for pid, state, above in _processes() if above == wanted and state != "Z"]


def converting() -> list[int]:
    """Give the living children of this process, but for the session's test servers."""
    return [pid for pid in children_of() if not any(name in _command_of(pid) for name in _SERVERS)]


def is_gone(wanted: int) -> bool:
    return not any(pid == wanted and state != "Z" for pid, state, _ in _processes())


def _command_of(pid: int) -> bytes:
    try:
        return pathlib.Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:  # it ended meanwhile
        return b""


def _processes() -> list[tuple[int, str, int]]:
    """Id, state and parent of every process there is."""
    found = []
    for stat in pathlib.Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):  # it ended meanwhile
            state, parent, *_ = stat.read_text().rpartition(")")[2].split()
            found.append((int(stat.parent.name), state, int(parent)))
    return found
