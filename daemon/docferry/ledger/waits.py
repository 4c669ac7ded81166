"""Mirrors of which retention lets nothing go before a person has said so."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select

from docferry.ledger.database import Database
from docferry.ledger.schema import setting

#: What the keys of the rows begin with.
WAITS = "retention-waits:"


class RetentionWaits:
    """Which versions people had held may be forgotten after a rebuild; until asked, none goes."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def since(self, mirror: str) -> datetime | None:
        """Say since when retention of *mirror* waits; None: it does not."""
        query = select(setting.c.value).where(setting.c.key == key_of(mirror))
        with self._database.reading() as tx:
            found = tx.value(query)
        return None if found is None else datetime.fromisoformat(found)

    def begin(self, mirror: str, at: datetime) -> None:
        """Let nothing of *mirror* go from now on; where it waits already, that stays as it is."""
        with self._database.writing() as tx:
            tx.insert_missing(setting, [{"key": key_of(mirror), "value": at.isoformat()}])

    def end(self, mirror: str) -> None:
        """Let retention go on: a person has said so."""
        with self._database.writing() as tx:
            tx.delete(setting, setting.c.key == key_of(mirror))


def key_of(mirror: str) -> str:
    """Give the key of the row that makes retention of *mirror* wait."""
    return WAITS + mirror
