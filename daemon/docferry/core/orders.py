"""What people order of a mirror: to rest, to go on, to look now."""

from __future__ import annotations

from docferry.model import OrderedRun, Pause


def answers(run: OrderedRun) -> tuple[OrderedRun, ...]:
    """Give the orders that *run* carries out: who walks and lists has done both."""
    return tuple(OrderedRun) if run is OrderedRun.FULL else (run,)


def why_paused(pause: Pause) -> str:
    """Say who has paused it, since when, and what for."""
    what_for = f": {pause.reason}" if pause.reason else ""
    return f"paused by {pause.actor} since {pause.since:%Y-%m-%d %H:%M} UTC{what_for}"
