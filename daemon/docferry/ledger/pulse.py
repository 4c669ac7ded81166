"""What travelled, and what waits to: by looks that cost next to nothing, however often."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import String, cast, func, select, type_coerce

from docferry.ledger.database import Database
from docferry.ledger.schema import history, mirror

_MINUTE_CHARS = len("2026-11-23T22:41")
_AT_ONCE = 5000  # rows of the history


@dataclass(frozen=True, slots=True)
class Travelled:
    """What was written down of one mirror within one minute."""

    mirror: str
    minute: datetime
    operations: int
    moved_bytes: int


@dataclass(frozen=True, slots=True)
class Waiting:
    """How long the oldest change of a mirror waits to travel; None: none does."""

    mirror: str
    since: datetime | None


class Pulse:
    def __init__(self, database: Database) -> None:
        self._database = database

    def last(self) -> int:
        """Give the number of the last row of the history; 0: there is none."""
        with self._database.reading() as tx:
            return int(tx.value(select(func.max(history.c.id))) or 0)

    def travelled(self, after: int, until: int) -> Iterator[Travelled]:
        """Yield what the rows of the history tell from *after* on up to *until*."""
        for first in range(after, until, _AT_ONCE):
            query = _TRAVELLED.where(
                history.c.id > first, history.c.id <= min(until, first + _AT_ONCE)
            )
            with self._database.reading() as tx:
                rows = tx.tuples(query)
            for name, minute, operations, moved in rows:
                yield Travelled(name, datetime.fromisoformat(f"{minute}:00Z"), operations, moved)

    def waiting(self) -> list[Waiting]:
        with self._database.reading() as tx:
            return tx.all(select(mirror.c.name.label("mirror"), _SINCE), Waiting)


_SINCE = mirror.c.oldest_dirty_at.label("since")
_MINUTE = func.substr(cast(type_coerce(history.c.at, String), String), 1, _MINUTE_CHARS)
_TRAVELLED = select(
    history.c.mirror, _MINUTE, func.count(), func.coalesce(func.sum(history.c.moved_bytes), 0)
).group_by(history.c.mirror, _MINUTE)
