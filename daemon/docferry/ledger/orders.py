"""What people have ordered of mirrors: to rest, and to look now."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, func, null, select

from docferry.core.audit import Action
from docferry.ledger.audit import note
from docferry.ledger.database import Database
from docferry.ledger.schema import pause, run_order
from docferry.model import OrderedRun, Pause

#: Who has ordered a run looks for the answer for so long, at the most.
ANSWERS_STAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class RunOrder:
    """A run that somebody has ordered."""

    id: int
    mirror: str
    run: OrderedRun
    asked_at: datetime
    begun_at: datetime | None = None  #: of the last run that was to answer it
    answered_at: datetime | None = None  #: None: it is open
    answered_by: OrderedRun | None = None


class Orders:
    def __init__(self, database: Database) -> None:
        self._database = database

    # To rest.

    def pause(self, mirror: str, reason: str | None, at: datetime) -> tuple[Pause, bool]:
        """
        Let *mirror* rest. Where it does already, whoever was first stays its author.

        Returns:
            The pause, and whether it is a new one.
        """
        with self._database.writing() as tx:
            found = tx.one(select(pause).where(pause.c.mirror == mirror), Pause)
            if found is not None:
                return found, False
            new = Pause(mirror, at, tx.actor, reason)
            row = {"mirror": mirror, "since": at, "actor": tx.actor, "reason": reason}
            tx.insert(pause, [row])
            note(tx, Action.MIRROR_PAUSED, at, mirror, {})
        return new, True

    def resume(self, mirror: str, at: datetime) -> Pause | None:
        """Let *mirror* go on, and give the pause that is over; None: it was not paused."""
        with self._database.writing() as tx:
            found = tx.one(select(pause).where(pause.c.mirror == mirror), Pause)
            if found is not None:
                tx.delete(pause, pause.c.mirror == mirror)
                note(tx, Action.MIRROR_RESUMED, at, mirror, {})
        return found

    def of(self, mirror: str) -> tuple[Pause | None, list[RunOrder]]:
        """Give the pause of *mirror*, and the runs that were ordered and are not answered."""
        runs = select(run_order).where(*_open(mirror)).order_by(run_order.c.id)
        with self._database.reading() as tx:
            rests = tx.one(select(pause).where(pause.c.mirror == mirror), Pause)
            return rests, tx.all(runs, RunOrder)

    def pauses(self) -> dict[str, Pause]:
        """Give all of them, by mirror."""
        with self._database.reading() as tx:
            return {one.mirror: one for one in tx.all(select(pause), Pause)}

    def pause_of(self, mirror: str) -> Pause | None:
        with self._database.reading() as tx:
            return tx.one(select(pause).where(pause.c.mirror == mirror), Pause)

    # To look now.

    def ask(self, mirror: str, run: OrderedRun, at: datetime) -> tuple[RunOrder, bool]:
        """
        Order a run; where one is ordered that has not begun, give that.

        One that has begun may be past what this is about.

        Returns:
            The order, and whether it is a new one.
        """
        of_mirror = run_order.c.mirror == mirror
        waiting = select(run_order).where(
            of_mirror,
            run_order.c.run == run,
            run_order.c.begun_at.is_(null()),
            run_order.c.answered_at.is_(null()),
        )
        with self._database.writing() as tx:
            if (found := tx.one(waiting, RunOrder)) is not None:
                return found, False
            number = int(tx.value(select(func.coalesce(func.max(run_order.c.id), 0)))) + 1
            tx.delete(run_order, of_mirror, run_order.c.answered_at < at - ANSWERS_STAY)
            tx.insert(run_order, [{"id": number, "mirror": mirror, "run": run, "asked_at": at}])
            note(tx, Action.MIRROR_ASKED, at, mirror, {"order": number, "run": run.value})
        return RunOrder(number, mirror, run, at), True

    def get(self, order: int) -> RunOrder | None:
        """Give an order; None: there is none, or it was answered long ago."""
        with self._database.reading() as tx:
            return tx.one(select(run_order).where(run_order.c.id == order), RunOrder)

    def begin(self, mirror: str, runs: Collection[OrderedRun], at: datetime) -> list[int]:
        """Note that a run begins that will answer the open orders for *runs*; give those."""
        are_these = (*_open(mirror), run_order.c.run.in_(runs))
        with self._database.writing() as tx:
            found = [one for (one,) in tx.tuples(select(run_order.c.id).where(*are_these))]
            tx.update(run_order, {"begun_at": at}, *are_these)
        return found

    def answer(self, ids: Sequence[int], run: OrderedRun, at: datetime) -> None:
        """Note that *run* has answered these."""
        values = {"answered_at": at, "answered_by": run}
        with self._database.writing() as tx:
            tx.update(run_order, values, run_order.c.id.in_(ids))


def _open(mirror: str) -> tuple[ColumnElement[bool], ...]:
    return run_order.c.mirror == mirror, run_order.c.answered_at.is_(null())
