"""
When a file may be taken: not while somebody may still be writing it.

Whoever writes a file does not say when it is finished. A file that has not changed
for the settle time is taken to be; what changes later is simply taken again.
"""

from __future__ import annotations

from dataclasses import dataclass

from docferry.model import FileState, Token

#: Linux stamps files with a clock that ticks every 1 to 10 ms. Two writes in one tick
#: leave the same token: a file is never taken before that tick is surely over.
CLOCK_TICK_S = 0.02

_SHORTEST_WAIT_S = 0.001


@dataclass(frozen=True, slots=True)
class Sighting:
    """A state of a file that was seen before it had settled."""

    token: Token
    changed_ns: int  #: as in FileState
    first_seen_s: float  #: monotonic clock


@dataclass(frozen=True, slots=True)
class Taken:
    """It is at rest."""


@dataclass(frozen=True, slots=True)
class Wait:
    """Look again after *for_s* seconds, and bring *sighting* along as the previous one."""

    for_s: float
    sighting: Sighting


def rest(
    state: FileState,
    previous: Sighting | None,
    *,
    now_ns: int,
    now_s: float,
    settle_s: float,
) -> Taken | Wait:
    """
    Tell whether the file has been at rest for the settle time.

    Its time stamp says so, or else having seen the same state for that long does: a
    stamp from a clock ahead of ours (a server's, or ours before it was set back) would
    let the file wait for ever.

    Args:
        state: A local state, just observed.
        previous: The sighting of the last `Wait` for this path; None: first look.
        now_ns: Wall clock, ns since the epoch.
        now_s: Monotonic clock.
    """
    sighting = Sighting(state.token, state.changed_ns, first_seen_s=now_s)
    if previous is not None and _is_of(previous, state):
        sighting = previous
    rested_s = now_s - sighting.first_seen_s
    if state.changed_ns > 0:  # some file systems have no time stamps
        rested_s = max(rested_s, (now_ns - state.changed_ns) / 1e9)
    missing_s = max(settle_s, CLOCK_TICK_S) - rested_s
    return Wait(max(missing_s, _SHORTEST_WAIT_S), sighting) if missing_s > 0 else Taken()


def _is_of(sighting: Sighting, state: FileState) -> bool:
    return sighting.token == state.token and sighting.changed_ns == state.changed_ns
