"""The canary: what it says, where it flies, and when it is late."""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum

from docferry.core.retention import Policy
from docferry.model import Mode, Path, Ulid

#: In every mirror that has one. The end is nobody's: no rule takes it that is not meant to.
CANARY_PATH: Path = "docferry.canary"
#: Of its own versions the last one stays besides the current one.
CANARY_POLICY = Policy(last=1)
#: A canary has less than half of it; what is larger is not read to see what it is.
MOST_BYTES = 512
#: So many late ones in a row, and the daemon is not ready.
LATE_IN_A_ROW = 2

_FIRST = "docferry canary "


class Leg(StrEnum):
    """A part of the way."""

    UP = "up"  # from the folder to the object
    DOWN = "down"  # from an object that others have changed to the file
    CONVERT = "convert"  # from the version to its results


def legs_of(mode: Mode, *, is_converted: bool) -> tuple[Leg, ...]:
    """Give the legs of the way in a mirror, in their order."""
    moves = {
        Mode.TWO_WAY: (Leg.UP, Leg.DOWN),
        Mode.PUSH: (Leg.UP,),
        Mode.PULL: (Leg.DOWN,),
    }[mode]
    return (*moves, Leg.CONVERT) if is_converted else moves


def text_for(leg: Leg, flight: Ulid, every: timedelta) -> bytes:
    """Give the canary's content for one leg of one flight: no other has the same."""
    return (
        f"{_FIRST}{flight} {leg}\n"
        f"docferry writes this file every {every} to prove that documents come through.\n"
        "Do not edit it. Without `canary` in the configuration it can be deleted.\n"
    ).encode()


def is_canary(content: bytes) -> bool:
    """Say whether a content is a canary, and no document of somebody's."""
    return len(content) <= MOST_BYTES and content.startswith(_FIRST.encode())
