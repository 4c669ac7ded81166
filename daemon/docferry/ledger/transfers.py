"""Large contents that are on their way now: for whoever looks from another process."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

from sqlalchemy import BigInteger, Column, Integer, Table, Text, select

from docferry.ledger.database import Database
from docferry.ledger.schema import METADATA, Instant, Word
from docferry.model import Transfer, Way

transfer = Table(
    "transfer",
    METADATA,
    Column("mirror", Text, primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("path", Text),
    Column("way", Word(Way)),
    Column("done", BigInteger),
    Column("size", BigInteger),
    Column("since", Instant),
)


class Transfers:
    def __init__(self, database: Database) -> None:
        self._database = database

    def put(self, mirror: str, transfers: Sequence[Transfer]) -> None:
        """Say what is on its way, in place of what was said before."""
        rows = [
            {"mirror": mirror, "number": number, **asdict(one)}
            for number, one in enumerate(transfers)
        ]
        with self._database.writing() as tx:
            tx.delete(transfer, transfer.c.mirror == mirror)
            if rows:
                tx.insert(transfer, rows)

    def of(self, mirror: str) -> list[Transfer]:
        """Give what was on its way when it was said last, the oldest first."""
        columns = (transfer.c[name] for name in ("path", "way", "done", "size", "since"))
        query = select(*columns).where(transfer.c.mirror == mirror).order_by(transfer.c.number)
        with self._database.reading() as tx:
            return tx.all(query, Transfer)
