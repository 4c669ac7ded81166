"""What a running command uses, measured from outside while it runs."""

from __future__ import annotations

import errno
import os
from dataclasses import dataclass

from docferry.convert import confine_tree, watch_hidden
from docferry.convert.base import Limits
from docferry.job import Failure

_MIB = 1024 * 1024
_OF_OURS = 2  # the launcher and the first process of its namespace
_LEAST_BYTES = 4096  # that a file is counted for: one with nothing in it takes an inode
_DEEPEST = 64  # folders in each other: what walks through them calls itself for each
_NEVER = 1 << 62


@dataclass(frozen=True, slots=True)
class Excess:
    """A limit that was broken."""

    failure: Failure
    message: str


def excess_of(launcher: int, folder: str, limits: Limits) -> Excess | None:
    """Find the limit that what runs below *launcher*, or lies below *folder*, breaks."""
    running = confine_tree.below(launcher)
    tasks = sum(process.tasks for process in running)
    if tasks > limits.processes + _OF_OURS:
        return too_many(limits)
    most = limits.memory_mib * _MIB
    memory = [process.memory for process in running]
    hidden = watch_hidden.hidden((process.pid for process in running), folder)
    # RLIMIT_DATA does not count what is shared, nor all of them together.
    if sum(memory) + hidden.in_memory > 2 * most or max(memory, default=0) > most:
        return too_much_memory(limits)
    return excess_in(folder, limits, besides=hidden.on_disk)


def excess_in(folder: str, limits: Limits, *, besides: int = 0) -> Excess | None:
    """Find whether what lies below *folder* is too much, with *besides*: bytes elsewhere."""
    most = limits.output_mib * _MIB
    if besides + size_of(folder, stop_at=most - besides) > most:
        return too_large(limits)
    return None


def size_of(folder: str, *, stop_at: int) -> int:
    """
    Add up what lies below *folder*, until it is more than *stop_at* bytes.

    What hides from being measured is more than any limit.
    """
    total, waiting = 0, [(folder, 0)]
    while waiting and total <= stop_at:
        path, depth = waiting.pop()
        try:
            with os.scandir(path) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append((entry.path, depth + 1))
                    total += _size_of(entry)
        except OSError as error:  # it went meanwhile, mostly
            if _hides(path, error):
                return _NEVER
        if depth > _DEEPEST:
            return _NEVER
    return total


def too_slow(limits: Limits) -> Excess:
    return Excess(Failure.TIMEOUT, f"it took longer than {limits.timeout_s:g} s (timeout)")


def too_much_memory(limits: Limits) -> Excess:
    return Excess(Failure.MEMORY, f"it needed more than {limits.memory_mib} MiB of memory (memory)")


def too_many(limits: Limits) -> Excess:
    return Excess(Failure.PROCESSES, f"it ran more than {limits.processes} processes (processes)")


def too_large(limits: Limits) -> Excess:
    return Excess(
        Failure.TOO_LARGE, f"what it wrote is larger than {limits.output_mib} MiB (output)"
    )


def _size_of(entry: os.DirEntry[str]) -> int:
    try:
        found = entry.stat(follow_symlinks=False)
    except PermissionError:  # its folder lets nobody by
        return _NEVER
    except OSError:
        return 0
    return max(found.st_size, found.st_blocks * 512, _LEAST_BYTES)


def _hides(path: str, error: OSError) -> bool:
    """Tell whether a folder cannot be read because its owner, who we are, made it so."""
    if error.errno == errno.ENAMETOOLONG:
        return True
    if error.errno != errno.EACCES:
        return False
    try:
        return os.lstat(path).st_uid == os.geteuid()
    except OSError as around:
        return around.errno == errno.EACCES
