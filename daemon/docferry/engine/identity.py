"""Prove that both sides of a mirror are themselves, before anything travels."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from docferry.config import MirrorConfig
from docferry.core.guards import (
    NOWHERE,
    Moved,
    Proven,
    Refused,
    Unmarked,
    marker,
    marker_id,
    prove,
)
from docferry.engine.sides import LocalSide, RemoteSide
from docferry.ledger import MirrorRow
from docferry.model import Side, Ulid
from docferry.storage.base import Storage


@dataclass(frozen=True, slots=True)
class Places:
    """The two sides, with the names a person knows them by."""

    local: LocalSide
    remote: RemoteSide
    local_name: str  #: the folder
    remote_name: str  #: "bucket/prefix on store"

    @property
    def names(self) -> tuple[str, str]:
        return self.local_name, self.remote_name

    def side(self, side: Side) -> Storage:
        return self.local if side is Side.LOCAL else self.remote


def place_of(options: MirrorConfig) -> dict[str, str]:
    """Say where a mirror is, as the ledger remembers it."""
    return {
        "store": options.store,
        "bucket": options.bucket,
        "prefix": options.prefix,
        "local": str(options.local),
    }


def moves(row: MirrorRow | None, options: MirrorConfig) -> dict[Side, Moved]:
    """Name the sides that are configured to be elsewhere than where they last proved themselves."""
    if row is None or row.marker_id is None:
        return {}
    keys = [key for key, value in place_of(options).items() if getattr(row, key) != value]
    remote_keys = tuple(key for key in keys if key != "local")
    moved = {}
    if "local" in keys:
        moved[Side.LOCAL] = Moved(row.local, ("local",))
    if remote_keys:
        store = f" on {row.store}" if "store" in remote_keys else ""
        moved[Side.REMOTE] = Moved(f"s3://{row.bucket}/{row.prefix}{store}", remote_keys)
    return moved


def prove_sides(
    places: Places,
    known: Ulid | None,
    new_ulid: Callable[[], Ulid],
    moved: Mapping[Side, Moved] = NOWHERE,
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
        moved=moved,
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
