"""
Changes that are counted as they travel, and those that are held: see `core.brake`.

They wait in the mirror's open hold, with the deletions that are held there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, false, func, literal, null, select

from docferry.core.brake import Change, Lately, counts_from
from docferry.ledger.change_schema import change
from docferry.ledger.database import Database, Row, Taken, Transaction
from docferry.ledger.held_changes import IS_HELD, ROW, HeldChange, leave, tell
from docferry.ledger.holds import HoldRow, get_hold, leave_decided, open_hold_of
from docferry.ledger.schema import hold, request, synced, version
from docferry.model import UNFINISHED, HoldState, Path, Side, Token, Ulid

_SAME_PATH = Taken(("mirror", "path"))
_NOT_OVER = (HoldState.OPEN, HoldState.APPROVED, HoldState.DISCARDED)
#: Of the files of a folder so many are asked for at the most.
_SOME = 40


@dataclass(frozen=True, slots=True)
class Standing:
    """A held change, and what was decided about it."""

    side: Side
    token: Token
    state: HoldState


class Changes:
    def __init__(self, database: Database) -> None:
        self._database = database

    def lately(self, mirror: str, side: Side, now: datetime, *, but_for: Path = "") -> Lately:
        """
        Say what has travelled, and whether changes made on *side* are held.

        Args:
            but_for: Whose own change does not count: it may be tried again.
        """
        is_recent = change.c.at >= counts_from(now), change.c.path != but_for
        # What came into a hold without being held is on the other side, and nobody has decided yet.
        is_open = select(hold.c.id).where(hold.c.mirror == mirror, hold.c.state == HoldState.OPEN)
        came = (change.c.side == side) & ~IS_HELD & change.c.hold.in_(is_open)
        free = change.c.mirror == mirror, change.c.hold.is_(null()) | came, *is_recent
        suspicious = select(func.count(change.c.victim.distinct())).where(*free, _IS_SUSPICIOUS)
        overwrites = select(func.count()).where(*free, change.c.victim == change.c.path)
        held = (
            select(func.max(change.c.at))
            .join_from(change, hold, change.c.hold == hold.c.id)
            .where(change.c.mirror == mirror, change.c.side == side, IS_HELD, _IS_SUSPICIOUS)
            .where(hold.c.state == HoldState.OPEN)
        )
        with self._database.reading() as tx:
            held_at = tx.value(held)
            return Lately(int(tx.value(suspicious)), int(tx.value(overwrites)), held_at)

    def travels(self, mirror: str, what: Change, displaces: Ulid, at: datetime) -> None:
        """Write down that a change is about to travel. If it was held, it leaves its hold."""
        with self._database.writing() as tx:
            holds = _holds_of(tx, mirror, [what.path])
            _forget_old(tx, mirror, counts_from(at))
            tx.upsert(change, [_row(tx, mirror, what, displaces, at, None)], _SAME_PATH)
            _told(tx, mirror, holds, at)

    def hold(
        self, mirror: str, what: Change, displaces: Ulid, at: datetime
    ) -> tuple[HoldRow, bool]:
        """
        Hold a change, in the mirror's open hold if there is one.

        Those that have travelled lately come into a hold with the first change of it: who
        refuses it has them back, too.

        Returns:
            The hold, and whether this is its first change.
        """
        with self._database.writing() as tx:
            before = _holds_of(tx, mirror, [what.path])
            hold_id = open_hold_of(tx, mirror, what.why or "", at)
            is_first = not get_hold(tx, hold_id).changes
            if is_first:
                _forget_old(tx, mirror, counts_from(at))
                _take_in(tx, mirror, hold_id)
            tx.upsert(change, [_row(tx, mirror, what, displaces, at, hold_id)], _SAME_PATH)
            tell(tx, hold_id)
            _told(tx, mirror, before - {hold_id}, at)
            return get_hold(tx, hold_id), is_first

    def leave(
        self, mirror: str, paths: Sequence[Path], at: datetime, *, before: datetime | None = None
    ) -> list[HoldRow]:
        """
        Let *paths* be held no more: what is there is none of the held changes.

        Args:
            before: Only of those that were held until then.

        Returns:
            The open holds that have ended with it.
        """
        until = [] if before is None else [change.c.at < before]
        with self._database.writing() as tx:
            holds = _holds_of(tx, mirror, paths)
            if not holds or not leave(tx, mirror, paths, *until):
                return []
            ended = _told(tx, mirror, holds, at)
            return [get_hold(tx, one) for one in ended]

    def standing(self, mirror: str, path: Path) -> Standing | None:
        """Give the held change of *path*; None: there is none."""
        query = (
            select(change.c.side, change.c.token, hold.c.state)
            .join_from(change, hold, change.c.hold == hold.c.id)
            .where(change.c.mirror == mirror, change.c.path == path, IS_HELD)
        )
        with self._database.reading() as tx:
            rows = tx.tuples(query)
        return Standing(Side(rows[0][0]), rows[0][1], HoldState(rows[0][2])) if rows else None

    def held_paths(self, mirror: str) -> dict[Path, int]:
        """Give the paths whose changes are in holds that are not over, and those."""
        query = (
            select(change.c.path, hold.c.id)
            .join_from(change, hold, change.c.hold == hold.c.id)
            .where(change.c.mirror == mirror, IS_HELD, hold.c.state.in_(_NOT_OVER))
        )
        with self._database.reading() as tx:
            return dict(tx.tuples(query))

    def held_newcomers(self, mirror: str) -> int:
        """Count the paths of such changes of which nothing has been agreed on."""
        query = (
            select(func.count())
            .select_from(change)
            .join(hold, change.c.hold == hold.c.id)
            .outerjoin(
                synced, (synced.c.mirror == change.c.mirror) & (synced.c.path == change.c.path)
            )
            .where(change.c.mirror == mirror, IS_HELD, hold.c.state.in_(_NOT_OVER))
            .where(synced.c.path.is_(null()))
        )
        with self._database.reading() as tx:
            return int(tx.value(query))

    def items(self, hold_id: int, limit: int = 1000, *, after: Path = "") -> list[HeldChange]:
        """Give the first changes of a hold, by path, that come after *after*."""
        query = ROW.where(change.c.hold == hold_id, change.c.path > after)
        with self._database.reading() as tx:
            return tx.all(query.order_by(change.c.path).limit(limit), HeldChange)

    def unasked(self, hold_id: int) -> list[Path]:
        """Give the changes of a refused hold that nobody is asked to put back any more."""
        asked = select(request.c.id).where(
            request.c.displaces == change.c.displaces, request.c.state.in_(UNFINISHED)
        )
        query = select(change.c.path).where(change.c.hold == hold_id, IS_HELD, ~asked.exists())
        with self._database.reading() as tx:
            return [path for (path,) in tx.tuples(query)]

    def sides(self, hold_id: int) -> list[Side]:
        """Give where the changes of a hold were made."""
        query = select(change.c.side).where(change.c.hold == hold_id, IS_HELD).distinct()
        with self._database.reading() as tx:
            return sorted(Side(side) for (side,) in tx.tuples(query))

    def has_ending(self, mirror: str, ending: str, before: Ulid) -> bool:
        """Say whether a file whose name ends so was agreed on before the version *before*."""
        query = select(synced.c.path).where(
            synced.c.mirror == mirror,
            synced.c.version < before,
            synced.c.path.endswith(f".{ending}", autoescape=True),
        )
        with self._database.reading() as tx:
            return tx.value(query.limit(1)) is not None

    def beginning(self, mirror: str, prefix: str) -> list[tuple[Path, Ulid]]:
        """Give some agreed paths that begin with *prefix* and are in the same folder."""
        query = select(synced.c.path, synced.c.version).where(
            synced.c.mirror == mirror,
            synced.c.path >= prefix,
            synced.c.path < f"{prefix}\U0010ffff",
        )
        with self._database.reading() as tx:
            rows = tx.tuples(query.order_by(synced.c.path).limit(_SOME))
        return [(path, version) for path, version in rows if "/" not in path[len(prefix) :]]


_IS_SUSPICIOUS: ColumnElement[bool] = change.c.why.is_not(null())


def _row(
    tx: Transaction, mirror: str, what: Change, displaces: Ulid, at: datetime, hold_id: int | None
) -> Row:
    """Give the row of *what*: what its path held before the first of a burst is what counts."""
    # A conflict names what it is about to displace: if it came to nothing, that is no version.
    is_one = select(literal(1)).where(version.c.id == change.c.version)
    earlier = select(change.c.version, change.c.victim).where(
        change.c.mirror == mirror,
        change.c.path == what.path,
        (change.c.at >= counts_from(at)) | change.c.hold.is_not(null()),
        _IS_SUSPICIOUS,
        change.c.version.is_(null()) | is_one.exists(),
    )
    rows = tx.tuples(earlier)
    before, victim = rows[0] if rows else (_before_refused(tx, mirror, what), what.victim)
    return {
        "mirror": mirror,
        "path": what.path,
        "side": what.side,
        "token": what.token,
        "victim": victim,
        "version": before,
        "displaces": displaces,
        "why": what.why,
        "at": at,
        "travelled": hold_id is None,
        "hold": hold_id,
    }


def _before_refused(tx: Transaction, mirror: str, what: Change) -> Ulid | None:
    """Give the version before *what*: of what was refused, and holds its path still, the parent."""
    before = select(version.c.parent).join(synced, synced.c.version == version.c.id)
    is_refused = version.c.agreed.is_(false()), version.c.parent.is_not(null())
    is_here = synced.c.mirror == mirror, synced.c.path == what.path
    found = tx.value(before.where(version.c.id == what.version, *is_refused, *is_here))
    return what.version if found is None else str(found)


def _holds_of(tx: Transaction, mirror: str, paths: Sequence[Path]) -> set[int]:
    query = select(change.c.hold).where(
        change.c.mirror == mirror, change.c.path.in_(paths), IS_HELD
    )
    return {one for (one,) in tx.tuples(query) if one is not None}


def _forget_old(tx: Transaction, mirror: str, since: datetime) -> None:
    is_old = change.c.at < since
    tx.delete(change, change.c.mirror == mirror, change.c.hold.is_(null()), is_old)


def _take_in(tx: Transaction, mirror: str, hold_id: int) -> None:
    free = change.c.mirror == mirror, change.c.hold.is_(null()), _IS_SUSPICIOUS
    tx.update(change, {"hold": hold_id}, *free)


def _told(tx: Transaction, mirror: str, holds: set[int], at: datetime) -> list[int]:
    """Keep true what is said of *holds*, and end those that are empty; give the open ones."""
    ended = []
    for one in holds:
        if not tell(tx, one) and get_hold(tx, one).state is HoldState.OPEN:
            tx.update(change, {"hold": None}, change.c.hold == one)  # as before the hold
            done = {"state": HoldState.DONE, "finished_at": at}
            tx.update(hold, done, hold.c.id == one)
            ended.append(one)
    leave_decided(tx, mirror, [], at)
    return ended
