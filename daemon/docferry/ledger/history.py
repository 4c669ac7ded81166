"""What was done to each path, when, and what it cost. Append-only."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache

from sqlalchemy import func, select

from docferry.ledger.database import Database, chunks
from docferry.ledger.schema import history, synced, version
from docferry.model import DeleteLocal, DeleteRemote, Path, Ulid


@dataclass(frozen=True, slots=True)
class HistoryRow:
    id: int
    at: datetime
    mirror: str
    path: Path
    kind: str  #: the operation's name: "upload", "delete_local"
    version: Ulid | None  #: what came to rest; for a deletion what was archived
    moved_bytes: int
    took_s: float
    note: str | None  #: for a person: the conflict copy's path


class History:
    def __init__(self, database: Database) -> None:
        self._database = database

    def of(self, mirror: str, path: Path, limit: int = 100) -> list[HistoryRow]:
        """Give what was done to *path*, the newest first."""
        query = select(history).where(history.c.mirror == mirror, history.c.path == path)
        with self._database.reading() as tx:
            return tx.all(query.order_by(history.c.id.desc()).limit(limit), HistoryRow)

    def rows(self, ids: Sequence[int]) -> dict[int, HistoryRow]:
        """Give those of *ids* that there are."""
        found: dict[int, HistoryRow] = {}
        for chunk in chunks(ids):
            with self._database.reading() as tx:
                query = select(history).where(history.c.id.in_(chunk))
                found |= {row.id: row for row in tx.all(query, HistoryRow)}
        return found

    def deletions_since(self, mirror: str, since: datetime) -> int:
        """
        Count the deletions carried out at *since* or later, on either side.

        A content that some path of the mirror holds is not counted: it was renamed.
        """
        elsewhere = select(synced.c.path).where(
            synced.c.mirror == mirror, synced.c.sha256 == version.c.sha256
        )
        query = (
            select(func.count())
            .select_from(history)
            .join(version, version.c.id == history.c.version, isouter=True)
            .where(
                history.c.mirror == mirror,
                history.c.kind.in_([kind_of(DeleteLocal), kind_of(DeleteRemote)]),
                history.c.at >= since,
                ~elsewhere.exists(),
            )
        )
        with self._database.reading() as tx:
            return int(tx.value(query))


def kind_of(operation: type[object]) -> str:
    """Give an operation's name in history: `DeleteLocal` is "delete_local"."""
    return _snake_case(operation.__name__)


@cache
def _snake_case(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()
