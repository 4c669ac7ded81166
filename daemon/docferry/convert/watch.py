"""What a running command uses, measured from outside while it runs."""

from __future__ import annotations

import os
from dataclasses import dataclass

from docferry.convert import confine_tree
from docferry.convert.base import Limits
from docferry.job import Failure

_MIB = 1024 * 1024
_OF_OURS = 2  # the launcher and the first process of its namespace


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
    # RLIMIT_DATA does not count what is shared, nor all of them together.
    if sum(memory) > 2 * most or max(memory, default=0) > most:
        return too_much_memory(limits)
    if size_of(folder, stop_at=limits.output_mib * _MIB) > limits.output_mib * _MIB:
        return too_large(limits)
    return None


def size_of(folder: str, *, stop_at: int) -> int:
    """Add up what lies below *folder*, until it is more than *stop_at* bytes."""
    total, waiting = 0, [folder]
    while waiting and total <= stop_at:
        try:
            with os.scandir(waiting.pop()) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(entry.path)
                    total += _size_of(entry)
        except OSError:  # it went meanwhile
            continue
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
    except OSError:
        return 0
    return max(found.st_size, found.st_blocks * 512)
