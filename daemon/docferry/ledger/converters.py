"""How the converters do, written by the daemon for whoever asks from another process."""

from __future__ import annotations

from dataclasses import asdict

from sqlalchemy import select

from docferry.ledger.database import Database, Taken
from docferry.ledger.schema import converter
from docferry.model import ConverterRow

_SAME_NAME = Taken(("name",))


class Converters:
    def __init__(self, database: Database) -> None:
        self._database = database

    def put(self, row: ConverterRow) -> None:
        """Write down how a converter does, in the place of what was said of it before."""
        with self._database.writing() as tx:
            tx.upsert(converter, [asdict(row)], _SAME_NAME)

    def all(self) -> list[ConverterRow]:
        """Give them by name, also such as are not in the configuration any more."""
        with self._database.reading() as tx:
            return tx.all(select(converter).order_by(converter.c.name), ConverterRow)
