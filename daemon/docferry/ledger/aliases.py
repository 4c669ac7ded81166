"""Aliases: other local names for keys whose plain path is blocked by a file or folder."""

from __future__ import annotations

from sqlalchemy import select

from docferry.ledger.database import Database, Taken
from docferry.ledger.schema import alias
from docferry.model import Key, Path

_SAME_KEY = Taken(("mirror", "key"))


class Aliases:
    def __init__(self, database: Database) -> None:
        self._database = database

    def all(self, mirror: str) -> dict[Key, Path]:
        query = select(alias.c.key, alias.c.path).where(alias.c.mirror == mirror)
        with self._database.reading() as tx:
            return dict(tx.tuples(query))

    def add(self, mirror: str, key: Key, path: Path) -> None:
        """Give *key* the local name *path*, in place of the one it may have had."""
        with self._database.writing() as tx:
            tx.upsert(alias, [{"mirror": mirror, "key": key, "path": path}], _SAME_KEY)

    def remove(self, mirror: str, key: Key) -> None:
        """Let *key* go by its own local name again."""
        with self._database.writing() as tx:
            tx.run(alias.delete().where(alias.c.mirror == mirror, alias.c.key == key))
