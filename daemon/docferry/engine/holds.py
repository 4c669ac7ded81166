"""Carry out what a person decided about a hold."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Protocol

from docferry.config import MirrorConfig
from docferry.core.guards import Proven, Refused
from docferry.engine.identity import Places, mark_sides, moves, place_of, prove_sides
from docferry.ledger import HoldRow, Ledger
from docferry.ledger.holds import DECIDED, Kind
from docferry.logs import get_logger
from docferry.model import Deletion, Forget, HoldState, Outcome, Path, Ulid

log = get_logger(__name__)

_AT_ONCE = 500


class Marks(Protocol):
    def mark(self, path: Path) -> None: ...


def prove_or_hold(
    options: MirrorConfig, ledger: Ledger, places: Places, new_ulid: Callable[[], Ulid]
) -> Proven | Refused:
    """
    Look whether both sides are themselves. If one is not, everything is held; else the
    ledger remembers who and where they are.

    Raises:
        UnreachableError: A side does not answer, so nothing is proven.
    """
    row = ledger.mirrors.get(options.name)
    known = row.marker_id if row is not None else None
    moved = moves(row, options)
    proof = prove_sides(places, known, new_ulid, moved)
    if isinstance(proof, Refused):
        hold_identity(options.name, ledger, proof)
        return proof
    if moved or proof.marker_id != known:
        ledger.mirrors.put(options.name, marker_id=proof.marker_id, **place_of(options))
    release_identity(options.name, ledger)
    return proof


def hold_identity(mirror: str, ledger: Ledger, refused: Refused) -> None:
    """Open a hold for a side that is not itself, unless there is one already."""
    hold = ledger.holds.hold_identity(mirror, refused.reason, datetime.now(UTC))
    if hold is not None:
        log.error(
            "hold.opened",
            mirror=mirror,
            hold=hold,
            reason=refused.reason,
            remedy=f"mend what the reason says, or docferry holds approve {hold}",
        )


def release_identity(mirror: str, ledger: Ledger) -> None:
    """End the hold of a side that is itself again."""
    for hold in ledger.holds.all(mirror, (HoldState.OPEN,), kind="identity"):
        ledger.holds.finish(hold.id, datetime.now(UTC))
        log.info("hold.resolved", mirror=mirror, hold=hold.id)


def decided_holds(mirror: str, ledger: Ledger, kind: Kind) -> list[HoldRow]:
    """Give the holds about which people have decided, and nothing was done yet."""
    return ledger.holds.all(mirror, DECIDED, kind=kind)


def join_decided(mirror: str, ledger: Ledger, places: Places, new_ulid: Callable[[], Ulid]) -> bool:
    """
    Do what people decided about holds of identity; say whether there was any.

    An approved one joins both sides anew: nothing is deleted. A discarded one changes
    nothing: while a side is not itself, the next look at it opens another.
    """
    decided = decided_holds(mirror, ledger, "identity")
    for hold in decided:
        _tell(mirror, hold)
        _join_anew(mirror, hold, ledger, places, new_ulid)
        ledger.holds.finish(hold.id, datetime.now(UTC))
    return bool(decided)


def carry_out_decided(
    mirror: str, ledger: Ledger, marks: Marks, carry: Callable[[list[Deletion]], None]
) -> None:
    """
    Do what people decided about holds of deletions, once both sides have proven themselves.

    Approved deletions travel if the trees still call for them. Discarded ones are
    forgotten as agreements, so that the file comes back from the side that has it.
    """
    for hold in decided_holds(mirror, ledger, "deletions"):
        _tell(mirror, hold)
        _carry_out(mirror, hold, ledger, marks, carry)
        ledger.holds.finish(hold.id, datetime.now(UTC))


def _tell(mirror: str, hold: HoldRow) -> None:
    if hold.state is HoldState.APPROVED:
        log.info("hold.approved", mirror=mirror, hold=hold.id, deletions=hold.count)
    else:
        log.info("hold.discarded", mirror=mirror, hold=hold.id, deletions=hold.count)


def _carry_out(
    mirror: str,
    hold: HoldRow,
    ledger: Ledger,
    marks: Marks,
    carry: Callable[[list[Deletion]], None],
) -> None:
    while group := ledger.holds.take_items(hold.id, _AT_ONCE):
        if hold.state is HoldState.APPROVED:
            carry(group)
            continue
        ledger.record(
            mirror,
            [Outcome(Forget(deletion.path), synced=None) for deletion in group],
            at=datetime.now(UTC),
        )
        for deletion in group:
            marks.mark(deletion.path)


def _join_anew(
    mirror: str, hold: HoldRow, ledger: Ledger, places: Places, new_ulid: Callable[[], Ulid]
) -> None:
    if hold.state is not HoldState.APPROVED:
        return
    ledger.synced.forget_all(mirror)
    row = ledger.mirrors.get(mirror)
    chosen = (row.marker_id if row is not None else None) or new_ulid()
    mark_sides(places, chosen)
    ledger.mirrors.put(mirror, marker_id=chosen)
