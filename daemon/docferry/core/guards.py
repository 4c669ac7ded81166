"""
Refuse what looks like a disaster. Deletions travel only past these guards.

Each side proves that it is itself: a marker file in the folder and its twin under
the prefix carry the same id, and the ledger remembers it. A folder that is not
mounted, a bucket that was emptied and a mistyped prefix all lack it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeAlias

from docferry.model import Side

#: Deletions within this time count together against `delete_limit`: events arrive in
#: small groups, and a mass deletion must not slip through group by group.
DELETION_WINDOW = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class Proven:
    """Both sides are themselves."""

    marker_id: str


@dataclass(frozen=True, slots=True)
class Unmarked:
    """One side, or both, are new: write the marker there and go on."""

    marker_id: str | None  #: None: make a new id
    sides: tuple[Side, ...]


@dataclass(frozen=True, slots=True)
class Refused:
    """A side is not what it was. Nothing may travel until a person has looked."""

    reason: str


Proof: TypeAlias = Proven | Unmarked | Refused


def prove(
    local: str | None, remote: str | None, known: str | None, *, where: tuple[str, str]
) -> Proof:
    """
    Judge the ids found in both markers.

    Args:
        local, remote: The ids found; None: that side has no marker.
        known: The id the ledger remembers; None: this mirror never ran.
        where: How to name the two sides to a person.
    """
    if known is None:
        return _prove_first_time(local, remote, where)
    for side, found, place in ((Side.LOCAL, local, where[0]), (Side.REMOTE, remote, where[1])):
        if found is None:
            return Refused(
                f"the {side} side {place} has lost its marker .docferry/mirror.json: it is "
                "empty, not mounted, or not the place it was. Bring it back; or, if it is "
                "to be filled anew from the other side, approve this hold"
            )
        if found != known:
            return Refused(
                f"the {side} side {place} carries the marker of another mirror ({found}, "
                f"expected {known}). Correct the configuration; or, if the two are to be "
                "joined, approve this hold"
            )
    return Proven(known)


def _prove_first_time(local: str | None, remote: str | None, where: tuple[str, str]) -> Proof:
    if local is not None and remote is not None and local != remote:
        return Refused(
            f"{where[0]} and {where[1]} belong to two different mirrors ({local}, {remote}). "
            "Correct the configuration; or, if the two are to be joined, approve this hold"
        )
    if local is not None and remote is not None:
        return Proven(local)
    missing = tuple(
        side for side, found in ((Side.LOCAL, local), (Side.REMOTE, remote)) if found is None
    )
    return Unmarked(local or remote, missing)


def refuse_deletions(
    *, lost: int, recent: int, limit: int, is_holding: bool, emptied: Side | None
) -> str | None:
    """
    Say why these deletions must wait for a person; None: they may travel.

    Args:
        lost: Deletions, planned or held, of contents that no other path of the mirror
            holds (a rename deletes nothing).
        recent: Deletions already carried out within DELETION_WINDOW (`counts_since`).
        limit: The mirror's `delete_limit`.
        is_holding: Is a hold of this mirror open? Then every further deletion waits.
        emptied: The side that holds nothing any more, if there is one.
    """
    if emptied is not None:
        return f"the {emptied} side holds no file any more"
    what = "1 file would be deleted" if lost == 1 else f"{lost} files would be deleted"
    if lost + recent > limit:
        already = f", after {recent} within ten minutes" if recent else ""
        return f"{what}{already}; delete_limit is {limit}"
    if is_holding:
        return f"{what}, and what was held before is not decided yet"
    return None


def counts_since(now: datetime, held_since: datetime | None) -> datetime:
    """
    Give the time from which deletions count as recent.

    Args:
        held_since: When the mirror's open hold was opened; None: there is none. What it
            was opened for stays true while it waits, however long that takes.
    """
    return (held_since or now) - DELETION_WINDOW


def marker(marker_id: str) -> bytes:
    """Give the content of `.docferry/mirror.json`."""
    return json.dumps({"docferry": 1, "id": marker_id}).encode() + b"\n"


def marker_id(content: bytes | None) -> str | None:
    """
    Read the id out of a marker; None where there is no marker.

    An unreadable marker counts as another mirror's: its own text is the id.
    """
    if content is None:
        return None
    try:
        found = json.loads(content)["id"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return f"unreadable marker of {len(content)} bytes"
    return str(found)
