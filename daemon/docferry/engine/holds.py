"""Carry out what a person decided about a hold."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from itertools import islice

from docferry.core.guards import Proven, Refused
from docferry.engine.consider import Tools
from docferry.engine.identity import Places, mark_sides, moves, place_of, prove_sides
from docferry.engine.timing import MACHINE
from docferry.ledger import HoldRow, Ledger
from docferry.ledger.holds import DECIDED
from docferry.logs import get_logger
from docferry.model import Deletion, Forget, HoldState, Mode, Outcome, Path, Side, Ulid

log = get_logger(__name__)

_AT_ONCE = 500


class DecidedHolds:
    """The holds of deletions and changes of one mirror about which people have decided."""

    def __init__(
        self, mirror: str, ledger: Ledger, now: Callable[[], datetime] = MACHINE.now
    ) -> None:
        self._mirror = mirror
        self._ledger = ledger
        self._now = now
        self._begun: set[int] = set()

    def waiting(self) -> list[HoldRow]:
        """Give those of which nothing was begun since the start."""
        return self.waiting_among(self._ledger.holds.all(self._mirror, DECIDED, kind="deletions"))

    def waiting_among(self, decided: Sequence[HoldRow]) -> list[HoldRow]:
        """Give those of *decided*, all that people decided about, as `waiting` does."""
        kinds = ("deletions", "changes")
        return [hold for hold in decided if hold.kind in kinds and hold.id not in self._begun]

    def carry_out(
        self,
        mark: Callable[[Path], None],
        carry: Callable[[list[Deletion]], None],
        gone_from: Callable[[Side], Iterator[Path]],
    ) -> None:
        """
        Do what people decided, once both sides have proven themselves.

        Approved deletions travel if the trees still call for them, and leave their hold when
        that is written down: one that fails is tried again without asking again. Discarded
        ones are forgotten as agreements, so that the file comes back from the side that has it.
        Approved changes are looked at anew, and nothing holds them; what was asked for when
        they were discarded puts them back. With them comes back what was deleted beside them:
        no deletion travels while changes are held, and nobody may have seen it before.

        Args:
            gone_from: Gives the agreed paths that a side has no more.

        Raises:
            UnreachableError, TemporaryError: A side could not be looked at.
        """
        for hold in self.waiting():
            _tell(self._mirror, hold)
            if hold.state is HoldState.APPROVED:
                self._carry(hold, carry)
                self._let_go(hold, mark)
            else:
                self._refuse(hold, mark, gone_from)
            self._begun.add(hold.id)
            self._ledger.holds.leave_decided(self._mirror, [], self._now())  # it was empty

    def begin_anew(self) -> None:
        """Look again at all that is left of them, as after a start."""
        self._begun.clear()

    def _carry(self, hold: HoldRow, carry: Callable[[list[Deletion]], None]) -> None:
        after = ""
        while group := self._ledger.holds.items(hold.id, _AT_ONCE, after=after):
            carry(group)
            after = group[-1].path

    def _let_go(self, hold: HoldRow, mark: Callable[[Path], None]) -> None:
        after = ""
        while group := self._ledger.changes.items(hold.id, _AT_ONCE, after=after):
            for change in group:
                mark(change.path)
            after = group[-1].path

    def _refuse(
        self,
        hold: HoldRow,
        mark: Callable[[Path], None],
        gone_from: Callable[[Side], Iterator[Path]],
    ) -> None:
        while group := self._ledger.holds.items(hold.id, _AT_ONCE):
            # They leave the hold in the same transaction.
            self._forget([deletion.path for deletion in group], mark)
        for side in self._ledger.changes.sides(hold.id):
            gone = gone_from(side)
            while paths := [*islice(gone, _AT_ONCE)]:
                self._forget(paths, mark)
        # Taken back by a person, or answered otherwise: nothing would come of them.
        if unasked := self._ledger.changes.unasked(hold.id):
            self._ledger.holds.leave_decided(self._mirror, unasked, self._now())
            for path in unasked:
                mark(path)

    def _forget(self, paths: Sequence[Path], mark: Callable[[Path], None]) -> None:
        """Let there be no agreement on *paths*: what one side has is new to the other."""
        row = self._ledger.mirrors.get(self._mirror)
        stays = row is not None and row.mode == Mode.TWO_WAY  # else one side goes without it
        forgotten = [Outcome(Forget(path, stays=stays), synced=None) for path in paths]
        self._ledger.record(self._mirror, forgotten, at=self._now())
        self._ledger.unagreed.look_again(self._mirror)
        for path in paths:
            mark(path)


def prove_or_hold(tools: Tools, places: Places) -> Proven | Refused:
    """
    Look whether both sides are themselves. If one is not, everything is held; else the
    ledger remembers who and where they are.

    Raises:
        UnreachableError: A side does not answer, so nothing is proven.
    """
    options, ledger, now = tools.options, tools.ledger, tools.timing.now()
    row = ledger.mirrors.get(options.name)
    known = row.marker_id if row is not None else None
    moved = moves(row, options)
    proof = prove_sides(places, known, tools.new_ulid, moved)
    if isinstance(proof, Refused):
        hold_identity(options.name, ledger, proof, now)
        return proof
    if moved or proof.marker_id != known:
        ledger.mirrors.put(options.name, marker_id=proof.marker_id, **place_of(options))
    release_identity(options.name, ledger, now)
    return proof


def hold_identity(mirror: str, ledger: Ledger, refused: Refused, now: datetime) -> None:
    """Open a hold for a side that is not itself, unless there is one already."""
    hold = ledger.holds.hold_identity(mirror, refused.reason, now)
    if hold is not None:
        log.error(
            "hold.opened",
            mirror=mirror,
            hold=hold,
            reason=refused.reason,
            remedy=f"mend what the reason says, or docferry holds approve {hold}",
        )


def release_identity(mirror: str, ledger: Ledger, now: datetime) -> None:
    """End the hold of a side that is itself again."""
    for hold in ledger.holds.all(mirror, (HoldState.OPEN,), kind="identity"):
        ledger.holds.finish(hold.id, now)
        log.info("hold.resolved", mirror=mirror, hold=hold.id)


def join_decided(tools: Tools, places: Places) -> bool:
    """
    Do what people decided about holds of identity; say whether there was any.

    An approved one joins both sides anew: nothing is deleted. A discarded one changes
    nothing: while a side is not itself, the next look at it opens another.
    """
    mirror, ledger = tools.options.name, tools.ledger
    decided = ledger.holds.all(mirror, DECIDED, kind="identity")
    for hold in decided:
        _tell(mirror, hold)
        _join_anew(mirror, hold, ledger, places, tools.new_ulid)
        ledger.holds.finish(hold.id, tools.timing.now())
    return bool(decided)


def _tell(mirror: str, hold: HoldRow) -> None:
    deletions = hold.count - hold.changes
    changes = {"changes": hold.changes} if hold.changes else {}
    if hold.state is HoldState.APPROVED:
        log.info("hold.approved", mirror=mirror, hold=hold.id, deletions=deletions, **changes)
    else:
        log.info("hold.discarded", mirror=mirror, hold=hold.id, deletions=deletions, **changes)


def _join_anew(
    mirror: str, hold: HoldRow, ledger: Ledger, places: Places, new_ulid: Callable[[], Ulid]
) -> None:
    if hold.state is not HoldState.APPROVED:
        return
    ledger.synced.forget_all(mirror)
    ledger.unagreed.look_again(mirror)
    row = ledger.mirrors.get(mirror)
    chosen = (row.marker_id if row is not None else None) or new_ulid()
    mark_sides(places, chosen)
    ledger.mirrors.put(mirror, marker_id=chosen)
