"""Decide how far a patrol should have come by now, what is rotten, and who may mend it."""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum

from docferry.core.verify import Held, Sight, Unreadable
from docferry.model import Mode, Sha256, Side


class Phase(StrEnum):
    """What a patrol is at. One cycle goes through all of them, in this order."""

    CURRENT = "current"  # what paths hold; the cursor is a path
    ARCHIVED = "archived"  # what was displaced; the cursor is a version
    DONE = "done"  # until the next cycle begins


def target(total: int, began_at: datetime, now: datetime, period_s: float) -> int:
    """Give how many of *total* should be checked by now, so that all are within the period."""
    elapsed_s = max(0.0, (now - began_at).total_seconds())
    return total if elapsed_s >= period_s else int(total * elapsed_s / period_s)


def is_behind(checked: int, total: int, began_at: datetime, now: datetime, period_s: float) -> bool:
    """
    Say whether the next one is due.

    When the time is up it is, whatever the count: there may be more by now than there were.
    """
    is_over = now >= ends_at(began_at, period_s)
    return is_over or checked < target(total, began_at, now, period_s)


def ends_at(began_at: datetime, period_s: float) -> datetime:
    """Give the time by which a cycle should have ended, and the next one begins."""
    return began_at + timedelta(seconds=period_s)


def coverage(checked: int, total: int) -> float:
    """Give the part of a cycle that is done, from 0 to 1. Nothing to check is all of it."""
    return min(1.0, checked / total) if total else 1.0


def is_sound(sight: Sight, sha256: Sha256) -> bool:
    """Say whether the bytes were read, and are the right ones."""
    return isinstance(sight, Held) and sight.sha256 == sha256


def is_rotten(sight: Sight, sha256: Sha256) -> bool:
    """
    Say whether a side has lost a content that it should hold.

    What is absent, or another content by now, is the loop's business; what may not be
    read is a person's.
    """
    match sight:
        case Held(sha256=found):
            return found is not None and found != sha256
        case Unreadable(is_rot=is_rot):
            return is_rot
        case _:
            return False


def may_mend(mode: Mode, side: Side) -> bool:
    """Say whether the mode lets docferry write on a side."""
    return mode is not (Mode.PUSH if side is Side.LOCAL else Mode.PULL)
