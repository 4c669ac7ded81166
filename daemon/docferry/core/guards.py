"""
Refuse what looks like a disaster. Deletions travel only past these guards.

Each side proves that it is itself: a marker file in the folder and its twin under
the prefix carry the same id, and the ledger remembers it. A folder that is not
mounted, a bucket that was emptied and a mistyped prefix all lack it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import TypeAlias

from docferry.core.words import counted
from docferry.model import MARKER_PATH, Side

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


@dataclass(frozen=True, slots=True)
class Moved:
    """A side is configured to be elsewhere than where it last proved itself."""

    was: str  #: how to name the place to a person
    keys: tuple[str, ...]  #: of the configuration


NOWHERE: Mapping[Side, Moved] = MappingProxyType({})
_PLACES = {Side.LOCAL: "the folder", Side.REMOTE: "the bucket"}
_OTHER = {Side.LOCAL: Side.REMOTE, Side.REMOTE: Side.LOCAL}
_JOIN = "have both sides joined anew, which deletes nothing"

Proof: TypeAlias = Proven | Unmarked | Refused


def prove(
    local: str | None,
    remote: str | None,
    known: str | None,
    *,
    where: tuple[str, str],
    moved: Mapping[Side, Moved] = NOWHERE,
) -> Proof:
    """
    Judge the ids found in both markers.

    Args:
        local, remote: The ids found; None: that side has no marker.
        known: The id the ledger remembers; None: this mirror never ran.
        where: How to name the two sides to a person.
        moved: The sides that are configured to be elsewhere than they were.
    """
    if known is None:
        return _prove_first_time(local, remote, where)
    for side, found, place in ((Side.LOCAL, local, where[0]), (Side.REMOTE, remote, where[1])):
        if found != known:
            what = _what_is_wrong(side, found, known)
            return Refused(f"the {side} side {place} {what}. {_remedy(side, found, moved)}")
    return Proven(known)


def _what_is_wrong(side: Side, found: str | None, known: str) -> str:
    if found is not None:
        return f"carries the marker of another mirror ({found}, expected {known})"
    return f"has no marker {MARKER_PATH}"


def _remedy(side: Side, found: str | None, moved: Mapping[Side, Moved]) -> str:
    if side in moved:
        move = moved[side]
        keys = ", ".join(f"`{key}`" for key in move.keys)
        return f"Until now this mirror was {move.was}: correct {keys}, or {_JOIN}"
    if found is not None:
        return f"Correct the configuration, or {_JOIN}"
    if side is Side.LOCAL:
        return f"It is empty, not mounted, or not the folder it was: bring it back, or {_JOIN}"
    return f"It was emptied, or is not the bucket it was: bring it back, or {_JOIN}"


def _prove_first_time(local: str | None, remote: str | None, where: tuple[str, str]) -> Proof:
    if local is not None and remote is not None and local != remote:
        return Refused(
            f"{where[0]} and {where[1]} belong to two different mirrors ({local}, {remote}). "
            f"Correct the configuration, or {_JOIN}"
        )
    if local is not None and remote is not None:
        return Proven(local)
    missing = tuple(
        side for side, found in ((Side.LOCAL, local), (Side.REMOTE, remote)) if found is None
    )
    return Unmarked(local or remote, missing)


def refuse_deletions(
    *,
    count: int,
    lost: int,
    gone_from: tuple[Side, ...],
    recent: int,
    limit: int,
    is_holding: bool,
    emptied: Side | None,
) -> str | None:
    """
    Say why these deletions must wait for a person; None: they may travel.

    Args:
        count: Deletions, planned or held.
        lost: Those of contents that no other path of the mirror holds (a rename deletes
            nothing).
        gone_from: The sides that do not have the files any more.
        recent: Deletions already carried out within DELETION_WINDOW (`counts_since`).
        limit: The mirror's `delete_limit`.
        is_holding: Is a hold of this mirror open? Then every further deletion waits.
        emptied: The side that holds nothing any more, if there is one.
    """
    what = _what_would_go(count, lost, gone_from)
    if emptied is not None:
        return f"{_PLACES[emptied]} holds no file any more: {what}"
    if lost + recent > limit:
        already = f", after {recent} within ten minutes" if recent else ""
        return f"{what}{already}; delete_limit is {limit}"
    if is_holding:
        return f"{what}, and what was held before is not decided yet"
    return None


def _what_would_go(count: int, lost: int, gone_from: tuple[Side, ...]) -> str:
    files = f"{counted(count, 'file')} {'is' if count == 1 else 'are'}"
    match gone_from:
        case (side,):
            where, goes_in = _PLACES[side], _PLACES[_OTHER[side]]
            what = f"{files} gone from {where} and would be deleted in {goes_in}"
        case _:
            what = f"{files} gone from one side and would be deleted on the other"
    return what if lost == count else f"{what} ({lost} of them nowhere else in the mirror)"


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
