"""Prove that both sides of a mirror are themselves, before anything travels."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from docferry.core.guards import Proven, Refused, Unmarked, marker, marker_id, prove
from docferry.engine.sides import LocalSide, RemoteSide
from docferry.model import Side, Ulid
from docferry.storage.base import Storage


@dataclass(frozen=True, slots=True)
class Places:
    """The two sides, with the names a person knows them by."""

    local: LocalSide
    remote: RemoteSide
    local_name: str  #: the folder
    remote_name: str  #: "bucket/prefix on store"

    def side(self, side: Side) -> Storage:
        return self.local if side is Side.LOCAL else self.remote


def prove_sides(
    places: Places, known: Ulid | None, new_ulid: Callable[[], Ulid]
) -> Proven | Refused:
    """
    Look at both markers; write those that a new side lacks.

    Raises:
        UnreachableError: A side does not answer, so nothing is proven.
    """
    found = prove(
        marker_id(places.local.read_marker()),
        marker_id(places.remote.read_marker()),
        known,
        where=(places.local_name, places.remote_name),
    )
    if isinstance(found, Unmarked):
        chosen = found.marker_id or new_ulid()
        mark_sides(places, chosen, found.sides)
        return Proven(chosen)
    return found


def mark_sides(
    places: Places, chosen: Ulid, sides: tuple[Side, ...] = (Side.REMOTE, Side.LOCAL)
) -> None:
    """Write the marker on *sides*, the remote first: a lone local one means another mirror."""
    for side in sorted(sides, reverse=True):
        places.side(side).write_marker(marker(chosen))
