"""
Holds: what a guard refused, or a large change that was asked for, until a person decides.

A hold of deletions keeps them from travelling; with changes in it, it is one of changes, and
both wait for the same decision. A hold of identity keeps a whole mirror still, because a side
of it does not prove to be itself; a hold of a rewind keeps nothing from anything: its requests
wait. Of each kind a mirror has one open hold at most.

While a plan is made its deletions are parked here, so that memory stays flat and the
guard can count them before the first one is carried out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any, Literal, TypeAlias

from sqlalchemy import ColumnElement, Select, bindparam, case, func, null, or_, select

from docferry.core.audit import Action
from docferry.errors import ConflictError, NotFoundError
from docferry.ledger.audit import note
from docferry.ledger.change_schema import change
from docferry.ledger.database import Database, Taken, Transaction, chunks
from docferry.ledger.held_changes import IS_HELD, decide_changes, leave, tell
from docferry.ledger.requests import NewRequest, decide_requests, insert_requests
from docferry.ledger.schema import deletion, hold, synced
from docferry.model import DeleteLocal, DeleteRemote, Deletion, HoldState, Path, Sha256, Side

#: "changes" is what a hold of deletions with changes in it is called.
Kind: TypeAlias = Literal["deletions", "changes", "identity", "rewind"]

DECIDED = (HoldState.APPROVED, HoldState.DISCARDED)  #: and not carried out yet


@dataclass(frozen=True, slots=True)
class HoldRow:
    id: int
    mirror: str
    kind: Kind
    reason: str
    state: HoldState
    count: int  #: what it is about, also when that is over and done with
    created_at: datetime
    decided_at: datetime | None
    decision: HoldState | None = None  #: what a person decided, also when it is done
    changes: int = 0  #: of `count`; the others are deletions


@dataclass(frozen=True, slots=True)
class Planned:
    """What the deletions that wait to be judged amount to."""

    count: int
    lost: int  #: after that many of them no path of the mirror has the content
    gone_from: tuple[Side, ...]  #: sides that do not have the files any more


_ROW = select(
    hold.c.id,
    hold.c.mirror,
    case((hold.c.changes > 0, "changes"), else_=hold.c.kind).label("kind"),
    hold.c.reason,
    hold.c.state,
    hold.c.count,
    hold.c.created_at,
    hold.c.decided_at,
    hold.c.decision,
    hold.c.changes,
)
_DELETION = select(deletion.c.side, deletion.c.path, deletion.c.token)
_IS_PARKED = deletion.c.hold.is_(null())
_PARKED_AGAIN = Taken(("mirror", "path"), where=_IS_PARKED)


class Holds:
    def __init__(self, database: Database) -> None:
        self._database = database

    def park(self, mirror: str, deletions: Sequence[tuple[Deletion, Sha256]]) -> None:
        """Lay planned deletions aside, each with the content that both sides agreed on."""
        rows = [
            {
                "mirror": mirror,
                "path": planned.path,
                "side": _side(planned),
                "token": _token(planned),
                "sha256": sha256,
                "hold": None,
            }
            for planned, sha256 in deletions
        ]
        with self._database.writing() as tx:
            tx.upsert(deletion, rows, _PARKED_AGAIN)

    def parked(self, mirror: str) -> int:
        with self._database.reading() as tx:
            return int(tx.value(_parked(mirror)))

    def is_parked(self, mirror: str, path: Path) -> bool:
        """Tell whether the deletion of *path*, or of a file below it, is parked."""
        at_or_below = (deletion.c.path == path) | (
            (deletion.c.path > f"{path}/") & (deletion.c.path < f"{path}0")
        )
        query = select(deletion.c.id).where(deletion.c.mirror == mirror, _IS_PARKED, at_or_below)
        with self._database.reading() as tx:
            return tx.value(query) is not None

    def planned(self, mirror: str, hold_id: int | None) -> Planned:
        """
        Weigh the parked deletions, together with those of a hold if one is given.

        A renamed file is not lost: its new path has it. Copies that all go are all lost.
        """
        candidate = [deletion.c.mirror == mirror, _waits_in(hold_id)]
        content = (
            select(deletion.c.sha256, func.count(deletion.c.path.distinct()).label("paths"))
            .where(*candidate)
            .group_by(deletion.c.sha256)
            .subquery()
        )
        goes = select(deletion.c.path).where(*candidate, deletion.c.path == synced.c.path)
        stays = select(synced.c.path).where(
            synced.c.mirror == mirror, synced.c.sha256 == content.c.sha256, ~goes.exists()
        )
        lost = select(func.coalesce(func.sum(content.c.paths), 0)).where(~stays.exists())
        with self._database.reading() as tx:
            count = tx.value(select(func.count(deletion.c.path.distinct())).where(*candidate))
            sides = tx.tuples(select(deletion.c.side).where(*candidate).distinct())
            goes_on = {Side(side) for (side,) in sides}
            gone_from = tuple(side for side in Side if goes_on - {side})
            return Planned(int(count), int(tx.value(lost)), gone_from)

    def take_parked(self, mirror: str, limit: int) -> list[Deletion]:
        """Give up to *limit* parked deletions, by path, and forget them."""
        return self._take([deletion.c.mirror == mirror, _IS_PARKED], limit)

    def drop_parked(self, mirror: str) -> None:
        """Forget what is parked: the next plan starts anew."""
        with self._database.writing() as tx:
            tx.delete(deletion, deletion.c.mirror == mirror, _IS_PARKED)

    def to_judge(self, mirror: str) -> HoldRow | None:
        """
        Give the open hold of deletions; None: there is none.

        What a person has decided about, and the daemon is still to carry out, is parked
        no more: it is not held a second time, nor does it travel against the decision.
        """
        with self._database.writing() as tx:
            _drop_decided(tx, mirror)
            hold_id = _open_hold(tx, mirror, "deletions")
            return None if hold_id is None else get_hold(tx, hold_id)

    def hold(
        self, mirror: str, reason: str, at: datetime, *, replace: bool = True
    ) -> HoldRow | None:
        """
        Turn everything parked into the mirror's open hold of deletions.

        Where there is one already it keeps its id and age and gets the new reason. With
        *replace* its deletions make room for the parked ones, else both are held.

        Returns:
            None: A person has just decided about all that was parked.
        """
        with self._database.writing() as tx:
            was_dropped = _drop_decided(tx, mirror)
            hold_id = _open_hold(tx, mirror, "deletions")
            if hold_id is None:
                if was_dropped and not tx.value(_parked(mirror)):
                    return None
                hold_id = _insert_hold(tx, mirror, "deletions", reason, at)
            tx.delete(deletion, deletion.c.hold == hold_id, *_making_room(mirror, replace=replace))
            tx.update(deletion, {"hold": hold_id}, deletion.c.mirror == mirror, _IS_PARKED)
            tx.update(hold, {"reason": reason}, hold.c.id == hold_id)
            tell(tx, hold_id)
            return get_hold(tx, hold_id)

    def release(self, mirror: str, paths: Sequence[Path]) -> None:
        """Take *paths* from what is parked, or held and open: they are not to be deleted."""
        with self._database.writing() as tx:
            hold_id = _open_hold(tx, mirror, "deletions")
            for chunk in chunks(paths):
                tx.delete(
                    deletion, deletion.c.mirror == mirror, _IS_PARKED, deletion.c.path.in_(chunk)
                )
                if hold_id is not None:
                    tx.delete(deletion, deletion.c.hold == hold_id, deletion.c.path.in_(chunk))
            if hold_id is not None:
                tell(tx, hold_id)

    def gone_from(self, mirror: str, side: Side, limit: int) -> list[Path]:
        """Give up to *limit* paths, parked or in the open hold, that *side* had no more."""
        query = (
            select(deletion.c.path)
            .join_from(deletion, hold, deletion.c.hold == hold.c.id, isouter=True)
            .where(deletion.c.mirror == mirror, deletion.c.side != side)
            .where(_IS_PARKED | (hold.c.state == HoldState.OPEN))
            .distinct()
            .limit(limit)
        )
        with self._database.reading() as tx:
            return [row[0] for row in tx.tuples(query)]

    def hold_identity(self, mirror: str, reason: str, at: datetime) -> int | None:
        """Open a hold of identity; None: there is one already, which gets the new reason."""
        with self._database.writing() as tx:
            hold_id = _open_hold(tx, mirror, "identity")
            if hold_id is None:
                return _insert_hold(tx, mirror, "identity", reason, at)
            tx.update(hold, {"reason": reason}, hold.c.id == hold_id)
            return None

    def all(
        self,
        mirror: str | None = None,
        states: Sequence[HoldState] = (HoldState.OPEN, HoldState.APPROVED),
        *,
        kind: Kind | None = None,
    ) -> list[HoldRow]:
        """Give the holds of *mirror*, or of all, in one of *states*, the oldest first."""
        with self._database.reading() as tx:
            query = _in_states(of_one=mirror is not None, of_kind=kind is not None)
            which = {"mirror": mirror, "kind": kind}
            given = {name: value for name, value in which.items() if value is not None}
            return tx.found(query, HoldRow, states=list(states), **given)

    def items(self, hold_id: int, limit: int = 1000, *, after: Path = "") -> list[Deletion]:
        """Give the first held deletions, by path, that come after *after*; none once it is done."""
        query = _DELETION.where(deletion.c.hold == hold_id, deletion.c.path > after)
        with self._database.reading() as tx:
            rows = tx.tuples(query.order_by(deletion.c.path).limit(limit))
            return [_deletion(*row) for row in rows]

    def leave_decided(self, mirror: str, paths: Sequence[Path], at: datetime) -> None:
        """
        Take *paths* out of the holds that were decided about: they are not called for any more.

        What was carried out leaves them with the note about it (`Ledger.record`). A hold of
        which nothing is left is done; its count stays.
        """
        with self._database.writing() as tx:
            leave_decided(tx, mirror, paths, at)

    def take_approved(self, mirror: str, limit: int, at: datetime) -> list[Deletion]:
        """
        Give up to *limit* parked deletions that a person has approved, and park them no more.

        They stay in their hold until they are done. Of a path that is to be deleted as
        another content than was approved nothing is approved any more.
        """
        with self._database.writing() as tx:
            others = [row[0] for row in tx.tuples(_parked_and_approved(mirror, is_same=False))]
            leave_decided(tx, mirror, others, at, states=(HoldState.APPROVED,))
            rows = tx.tuples(_parked_and_approved(mirror, is_same=True).limit(limit))
            for chunk in chunks([path for path, *_ in rows]):
                tx.delete(
                    deletion, deletion.c.mirror == mirror, _IS_PARKED, deletion.c.path.in_(chunk)
                )
        return [_deletion(side, path, token) for path, side, token in rows]

    def get(self, hold_id: int) -> HoldRow:
        """
        Raises:
            NotFoundError: There is no such hold.
        """
        with self._database.reading() as tx:
            return get_hold(tx, hold_id)

    def decide(self, hold_id: int, state: HoldState, at: datetime) -> HoldRow:
        """
        Note what a person decided, APPROVED or DISCARDED, and give the hold as it is now.

        Raises:
            NotFoundError: There is no such hold.
            ConflictError: It was decided before.
        """
        with self._database.writing() as tx:
            found = get_hold(tx, hold_id)
            if found.state is not HoldState.OPEN:
                raise ConflictError(f"hold {hold_id} is not open any more: it is {found.state}")
            decided = {"state": state, "decision": state, "decided_at": at}
            tx.update(hold, decided, hold.c.id == hold_id)
            is_approved = state is HoldState.APPROVED
            action = Action.HOLD_APPROVED if is_approved else Action.HOLD_DISCARDED
            facts = {"hold": hold_id, "kind": found.kind, "count": found.count}
            note(tx, action, at, found.mirror, facts)
            if found.kind in ("deletions", "changes"):  # some may have travelled, and none wait
                decide_changes(tx, found.mirror, hold_id, state, at)
            if found.kind == "rewind":
                decide_requests(tx, hold_id, state, at, why_not="it was discarded")
                if state is HoldState.DISCARDED:  # there is nothing to be carried out
                    done = {"state": HoldState.DONE, "finished_at": at}
                    tx.update(hold, done, hold.c.id == hold_id)
            return get_hold(tx, hold_id)

    def hold_rewind(
        self, mirror: str, reason: str, wanted: Sequence[NewRequest], at: datetime
    ) -> HoldRow:
        """Open a hold of requests; an open one of the mirror makes room for it."""
        with self._database.writing() as tx:
            before = _open_hold(tx, mirror, "rewind")
            if before is not None:
                why_not = "a newer rewind took its place"
                decide_requests(tx, before, HoldState.DISCARDED, at, why_not=why_not)
                note(tx, Action.HOLD_DISCARDED, at, mirror, {"hold": before, "kind": "rewind"})
                done = {"state": HoldState.DONE, "finished_at": at}
                tx.update(hold, done, hold.c.id == before)
            hold_id = _insert_hold(tx, mirror, "rewind", reason, at)
            insert_requests(tx, wanted, at, hold=hold_id)
            tx.update(hold, {"count": len(wanted)}, hold.c.id == hold_id)
            return get_hold(tx, hold_id)

    def finish(self, hold_id: int, at: datetime) -> None:
        """Note that a hold is over, whatever was decided, and forget its deletions."""
        with self._database.writing() as tx:
            for table in (deletion, change):
                tx.delete(table, table.c.hold == hold_id)
            tx.update(hold, {"state": HoldState.DONE, "finished_at": at}, hold.c.id == hold_id)

    def _take(self, where: Sequence[ColumnElement[bool]], limit: int) -> list[Deletion]:
        query = select(deletion.c.id, deletion.c.side, deletion.c.path, deletion.c.token)
        with self._database.writing() as tx:
            rows = tx.tuples(query.where(*where).order_by(deletion.c.path).limit(limit))
            for chunk in chunks([row[0] for row in rows]):
                tx.delete(deletion, deletion.c.id.in_(chunk))
        return [_deletion(*row) for _, *row in rows]


@cache
def _in_states(*, of_one: bool, of_kind: bool) -> Select[Any]:
    query = _ROW.where(hold.c.state.in_(bindparam("states", expanding=True))).order_by(hold.c.id)
    if of_one:
        query = query.where(hold.c.mirror == bindparam("mirror"))
    if of_kind:
        query = query.where(hold.c.kind == bindparam("kind"))
    return query


def leave_decided(
    tx: Transaction,
    mirror: str,
    paths: Sequence[Path],
    at: datetime,
    *,
    states: Sequence[HoldState] = DECIDED,
) -> None:
    """Take *paths* out of the holds of deletions that were decided about; end those then empty."""
    decided = tx.tuples(
        select(hold.c.id).where(
            hold.c.mirror == mirror, hold.c.state.in_(states), hold.c.kind == "deletions"
        )
    )
    for (hold_id,) in decided:
        for chunk in chunks(paths):
            tx.delete(deletion, deletion.c.hold == hold_id, deletion.c.path.in_(chunk))
        leave(tx, mirror, paths, change.c.hold == hold_id)
        left = select(deletion.c.id).where(deletion.c.hold == hold_id)
        changes = select(change.c.path).where(change.c.hold == hold_id, IS_HELD)
        done = {"state": HoldState.DONE, "finished_at": at}
        tx.update(hold, done, hold.c.id == hold_id, ~left.exists(), ~changes.exists())


def _side(planned: Deletion) -> Side:
    match planned:
        case DeleteLocal():
            return Side.LOCAL
        case DeleteRemote():
            return Side.REMOTE


def _token(planned: Deletion) -> str:
    match planned:
        case DeleteLocal():
            return planned.expect_local
        case DeleteRemote():
            return planned.expect_remote


def _deletion(side: str, path: Path, token: str) -> Deletion:
    match Side(side):
        case Side.LOCAL:
            return DeleteLocal(path, expect_local=token)
        case Side.REMOTE:
            return DeleteRemote(path, expect_remote=token)


def open_hold_of(tx: Transaction, mirror: str, reason: str, at: datetime) -> int:
    """Give the mirror's open hold of deletions and changes; there is one by now."""
    found = _open_hold(tx, mirror, "deletions")
    return _insert_hold(tx, mirror, "deletions", reason, at, "changes") if found is None else found


def _open_hold(tx: Transaction, mirror: str, kind: Kind) -> int | None:
    query = select(hold.c.id).where(
        hold.c.mirror == mirror, hold.c.kind == kind, hold.c.state == HoldState.OPEN
    )
    found: int | None = tx.value(query)
    return found


def _insert_hold(
    tx: Transaction, mirror: str, kind: Kind, reason: str, at: datetime, told_as: Kind | None = None
) -> int:
    row = {
        "mirror": mirror,
        "kind": kind,
        "reason": reason,
        "state": HoldState.OPEN,
        "count": 0,
        "changes": 0,
        "created_at": at,
    }
    tx.insert(hold, [row])
    hold_id = int(tx.value(select(func.max(hold.c.id))))  # nobody else writes meanwhile
    note(tx, Action.HOLD_OPENED, at, mirror, {"hold": hold_id, "kind": told_as or kind})
    return hold_id


def _parked(mirror: str) -> Select[Any]:
    return select(func.count()).where(deletion.c.mirror == mirror, _IS_PARKED)


def _waits_in(hold_id: int | None) -> ColumnElement[bool]:
    """Tell the deletions that are parked, or in that hold."""
    return _IS_PARKED if hold_id is None else or_(_IS_PARKED, deletion.c.hold == hold_id)


def _drop_decided(tx: Transaction, mirror: str) -> int:
    """Forget what is parked and stands in a hold that was decided about; say how many."""
    other = deletion.alias()
    decided = (
        select(other.c.path)
        .join_from(other, hold, other.c.hold == hold.c.id)
        .where(hold.c.mirror == mirror, hold.c.state.in_(DECIDED))
    )
    return tx.delete(
        deletion, deletion.c.mirror == mirror, _IS_PARKED, deletion.c.path.in_(decided)
    )


def _parked_and_approved(mirror: str, *, is_same: bool) -> Select[Any]:
    """Select what is parked and approved, as the very same deletion or as another one."""
    held = deletion.alias()
    same = (held.c.side == deletion.c.side) & (held.c.token == deletion.c.token)
    return (
        select(deletion.c.path, deletion.c.side, deletion.c.token)
        .join(held, (held.c.mirror == deletion.c.mirror) & (held.c.path == deletion.c.path))
        .join(hold, held.c.hold == hold.c.id)
        .where(deletion.c.mirror == mirror, _IS_PARKED, hold.c.state == HoldState.APPROVED)
        .where(same if is_same else ~same)
        .order_by(deletion.c.path)
    )


def _making_room(mirror: str, *, replace: bool) -> list[ColumnElement[bool]]:
    """Give what narrows the held deletions to those that parked ones take the place of."""
    parked = select(deletion.c.path).where(deletion.c.mirror == mirror, _IS_PARKED)
    return [] if replace else [deletion.c.path.in_(parked)]


def get_hold(tx: Transaction, hold_id: int) -> HoldRow:
    """
    Raises:
        NotFoundError: There is no such hold.
    """
    found = find_hold(tx, hold_id)
    if found is None:
        raise NotFoundError(f"there is no hold {hold_id}")
    return found


def find_hold(tx: Transaction, hold_id: int) -> HoldRow | None:
    return tx.one(_ROW.where(hold.c.id == hold_id), HoldRow)
