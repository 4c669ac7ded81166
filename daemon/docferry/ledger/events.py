"""
What happened lately, in its order: for who looks on, and may have been away for a while.

The last 20,000 stay: the database sees to that. Who has been away for longer looks at all anew.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import column, func, select, table

from docferry.ledger.database import Database, Transaction
from docferry.ledger.schema import event

#: SQLite remembers it, so that no id is given twice, also when all rows are gone.
_SEQUENCE = table("sqlite_sequence", column("name"), column("seq"))
_LAST = select(_SEQUENCE.c.seq).where(_SEQUENCE.c.name == "event")


class EventKind(StrEnum):
    """What something happened to. `ref` names it: a number, an id, a mirror."""

    FILE = "file"  # a row of history
    JOB = "job"
    HOLD = "hold"
    MIRROR = "mirror"
    PROBLEM = "problem"  # of the mirror
    CONFLICT = "conflict"
    REQUEST = "request"


@dataclass(frozen=True, slots=True)
class EventRow:
    id: int  #: grows, and is never given twice
    kind: EventKind
    mirror: str
    ref: str


class Events:
    def __init__(self, database: Database) -> None:
        self._database = database

    def last(self) -> int:
        """Give the id that was given last, whether or not its row is kept; 0: none was."""
        with self._database.reading() as tx:
            return _last(tx)

    def after(self, cursor: int, limit: int) -> list[EventRow] | None:
        """
        Give the first ones after *cursor*.

        None: some of those are not kept any more, or *cursor* is of another ledger than this.
        """
        query = select(event.c.id, event.c.kind, event.c.mirror, event.c.ref)
        with self._database.reading() as tx:
            last = _last(tx)
            first = tx.value(select(func.min(event.c.id))) or last + 1
            if not first - 1 <= cursor <= last:
                return None
            rows = tx.tuples(query.where(event.c.id > cursor).order_by(event.c.id).limit(limit))
        return [
            EventRow(number, EventKind(kind), mirror, ref) for number, kind, mirror, ref in rows
        ]


def _last(tx: Transaction) -> int:
    return int(tx.value(_LAST) or 0)
