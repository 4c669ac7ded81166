"""Processes and their descendants, read from /proc; standard library only."""

from __future__ import annotations

import os
import signal
import time
from typing import NamedTuple

_PAGE = os.sysconf("SC_PAGE_SIZE")


class Process(NamedTuple):
    """What is asked about a process."""

    pid: int
    parent: int
    state: str
    tasks: int  #: its threads
    memory: int  #: bytes that are really there


def processes() -> dict[int, Process]:
    """Give all that /proc shows. One that ends meanwhile may be there or not."""
    found = {}
    for name in os.listdir("/proc"):  # noqa: PTH208
        if name.isdigit() and (process := _read(int(name))) is not None:
            found[process.pid] = process
    return found


def below(root: int) -> list[Process]:
    """Give the descendants of *root*, also those that ended and are not reaped ("Z")."""
    everything = processes()
    children: dict[int, list[Process]] = {}
    for process in everything.values():
        children.setdefault(process.parent, []).append(process)
    found, waiting = [], [root]
    while waiting:
        for child in children.get(waiting.pop(), ()):
            waiting.append(child.pid)
            found.append(child)
    return found


def tasks_of(uid: int) -> int:
    """Count the threads of a user's processes."""
    return sum(process.tasks for process in processes().values() if _owner(process.pid) == uid)


def threads_of(pid: int) -> list[int]:
    """Number the threads of a process that it has by now; none, where /proc does not tell."""
    try:
        return sorted(map(int, os.listdir(f"/proc/{pid}/task")))  # noqa: PTH208
    except OSError:
        return []


def reap() -> tuple[dict[int, int], bool]:
    """Reap what ended of this process's children: the status of each, and whether any is left."""
    found: dict[int, int] = {}
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return found, False
        if not pid:
            return found, True
        found[pid] = status


def end_all_below(root: int) -> dict[int, int]:
    """
    End every descendant of *root*, this process, and give how those reaped here ended.

    Where there is no PID namespace; *root* is a subreaper. All are stopped before the first
    is ended: otherwise one could start another for each that goes. That no child is left is
    the only proof: a look at /proc misses those whose parents end meanwhile, and a bomb
    lived on by that (seen).
    """
    ended: dict[int, int] = {}
    stopped: set[int] = set()
    while True:
        reaped, is_any_left = reap()
        ended |= reaped
        if not is_any_left:
            return ended
        alive = {process.pid for process in below(root) if process.state not in "ZX"}
        fresh = alive - stopped
        for pid in fresh or alive:
            _signal(pid, signal.SIGSTOP if fresh else signal.SIGKILL)
        stopped = alive
        time.sleep(0.001)


def _signal(pid: int, number: int) -> None:
    try:
        os.kill(pid, number)
    except (ProcessLookupError, PermissionError):
        return


def _read(pid: int) -> Process | None:
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:  # noqa: PTH123
            fields = file.read().rpartition(b")")[2].split()
    except OSError:
        return None
    # proc(5), counted from the state, the third field of the file
    state, parent, tasks, pages = fields[0], fields[1], fields[17], fields[21]
    return Process(pid, int(parent), state.decode(), int(tasks), int(pages) * _PAGE)


def _owner(pid: int) -> int:
    try:
        return os.stat(f"/proc/{pid}").st_uid  # noqa: PTH116
    except OSError:
        return -1
