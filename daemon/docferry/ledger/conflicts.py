"""Conflicts: both sides had changed a file, and both contents were kept."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, literal, null, select

from docferry.errors import UserError
from docferry.ledger.database import Database
from docferry.ledger.schema import Instant, conflict
from docferry.model import Path


@dataclass(frozen=True, slots=True)
class ConflictRow:
    id: int
    mirror: str
    path: Path
    copy_path: Path  #: where the local content of that moment went
    created_at: datetime
    settled_at: datetime | None


class Conflicts:
    def __init__(self, database: Database) -> None:
        self._database = database

    def all(self, mirror: str | None = None, open_only: bool = True) -> list[ConflictRow]:  # noqa: FBT001, FBT002
        """Give the conflicts of *mirror*, or of all, the oldest first."""
        query = select(conflict).order_by(conflict.c.id)
        if mirror is not None:
            query = query.where(conflict.c.mirror == mirror)
        if open_only:
            query = query.where(conflict.c.settled_at.is_(null()))
        with self._database.reading() as tx:
            return tx.all(query, ConflictRow)

    def settle(self, conflict_id: int, at: datetime) -> None:
        """
        Note that a person has settled it. The first time counts.

        Raises:
            UserError: There is no such conflict.
        """
        with self._database.writing() as tx:
            settled_at = func.coalesce(conflict.c.settled_at, literal(at, Instant))
            if not tx.update(conflict, {"settled_at": settled_at}, conflict.c.id == conflict_id):
                raise UserError(f"there is no conflict {conflict_id}")
