"""How far the patrol of each mirror has come: it outlives restarts, and others look at it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime

from sqlalchemy import select

from docferry.core.patrol import Phase
from docferry.ledger.database import Database, Taken
from docferry.ledger.schema import patrol


@dataclass(frozen=True, slots=True)
class PatrolRow:
    """One cycle, under way or just over."""

    mirror: str
    began_at: datetime
    phase: Phase
    cursor: str  #: the last path or version that was checked; "": none in this phase
    checked: int  #: paths and displaced versions
    total: int  #: of them, when the cycle began; once it is done, those that were checked
    found: int  #: rotten or lost ones
    finished_at: datetime | None  #: the end of the last whole cycle; None: there was none


_SAME_MIRROR = Taken(("mirror",))


class Patrols:
    def __init__(self, database: Database) -> None:
        self._database = database

    def get(self, mirror: str) -> PatrolRow | None:
        with self._database.reading() as tx:
            return tx.one(select(patrol).where(patrol.c.mirror == mirror), PatrolRow)

    def put(self, row: PatrolRow) -> None:
        """Write down how far it has come."""
        with self._database.writing() as tx:
            tx.upsert(patrol, [asdict(row)], _SAME_MIRROR)
