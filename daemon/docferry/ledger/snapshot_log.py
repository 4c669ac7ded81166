"""The last snapshot of each mirror's part of the ledger, and what was done since."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select

from docferry.core.snapshots import Changes
from docferry.ledger.database import Database, Taken
from docferry.ledger.schema import history, setting, snapshot
from docferry.model import Ulid

_SAME_MIRROR = Taken(("mirror",))
_REBUILT = "rebuilt_at"


@dataclass(frozen=True, slots=True)
class SnapshotRow:
    mirror: str
    id: Ulid
    taken_at: datetime
    last_history: int  #: the newest row of the history that it holds
    size: int  #: bytes
    took_s: float


class SnapshotLog:
    def __init__(self, database: Database) -> None:
        self._database = database

    def last(self, mirror: str) -> SnapshotRow | None:
        with self._database.reading() as tx:
            return tx.one(select(snapshot).where(snapshot.c.mirror == mirror), SnapshotRow)

    def note(self, row: SnapshotRow) -> None:
        """Write down that *row* is the last one now."""
        values = {
            "mirror": row.mirror,
            "id": row.id,
            "taken_at": row.taken_at,
            "last_history": row.last_history,
            "size": row.size,
            "took_s": row.took_s,
        }
        with self._database.writing() as tx:
            tx.upsert(snapshot, [values], _SAME_MIRROR)

    def changes(self, mirror: str, after: int) -> tuple[Changes | None, int]:
        """
        Give what came into the history of *mirror* after row *after*; and the newest row of all.

        Looks at the rows after *after* alone, whichever mirror they are of.
        """
        # An index by mirror would lead through its whole history; the row's number does not.
        since = (
            select(func.max(history.c.id), func.min(history.c.at), func.max(history.c.at))
            .with_hint(history, "NOT INDEXED", "sqlite")
            .where(history.c.mirror == mirror, history.c.id > after)
        )
        with self._database.reading() as tx:
            newest = int(tx.value(select(func.coalesce(func.max(history.c.id), 0))))
            [(last, first_at, last_at)] = tx.tuples(since)
        if last is None:
            return None, newest
        first_at, last_at = datetime.fromisoformat(first_at), datetime.fromisoformat(last_at)
        return Changes(last, first_at, last_at), newest

    def began_at(self, mirror: str) -> datetime | None:
        """Give the time of the first line in the history of *mirror*; None: there is none."""
        query = select(func.min(history.c.at)).where(history.c.mirror == mirror)
        with self._database.reading() as tx:
            found: datetime | None = tx.value(query)
        return found

    def is_rebuilt(self) -> bool:
        """Whether this ledger was made from what the bucket holds."""
        with self._database.reading() as tx:
            return tx.value(select(setting.c.value).where(setting.c.key == _REBUILT)) is not None

    def note_rebuilt(self, at: datetime) -> None:
        """Write down that this ledger is made from what the bucket holds."""
        with self._database.writing() as tx:
            tx.insert_missing(setting, [{"key": _REBUILT, "value": at.isoformat()}])
