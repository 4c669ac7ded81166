"""Make the script of a history that fails as short as it can be, and still fail."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from simulation.acts import Act
from simulation.history import Lived, Room


def shortest(room: Room, failed: Lived) -> Lived:
    """
    Leave out acts, many at a time and then one by one, for as long as some promise is broken.

    Which one need not stay the same: the shortest history is the one to look at first.
    """
    size = max(1, len(failed.script.acts) // 2)
    while True:
        found = _without_some(room, failed, size)
        if found is not None:
            failed = found
        elif size > 1:
            size //= 2
        else:
            return failed
        size = max(1, min(size, len(failed.script.acts)))


def _without_some(room: Room, failed: Lived, size: int) -> Lived | None:
    acts = failed.script.acts
    for start in range(0, len(acts), size):
        fewer: Sequence[Act] = (*acts[:start], *acts[start + size :])
        lived = room.live(replace(failed.script, acts=tuple(fewer)))
        if lived.broken is not None:
            return lived
    return None


def told(lived: Lived) -> str:
    """Say which promise was broken, by what, and how to see it again."""
    acts = [f"  {act}" for act in lived.script.acts]
    script, seed = replace(lived.script, acts=()), lived.script.seed
    which = f"--seed {seed}" + (" --bursts" if lived.script.has_brake else "")
    return "\n".join(
        [
            f"seed {seed}: {lived.broken}",
            f"again: PYTHONPATH=daemon:tests python -m simulation {which} --trace",
            f"the shortest script that breaks a promise, of {script}:",
            *acts,
        ]
    )
