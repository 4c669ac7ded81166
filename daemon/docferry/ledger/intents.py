"""
Intents: uploads that were begun, durable before the first byte travels.

After a lost answer or a crash they tell our own upload from a stranger's, until
`Ledger.record` writes the version down, or it cannot show up any more (`core.intents`).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import bindparam, select
from ulid import ULID

from docferry.ledger.database import Database, chunks
from docferry.ledger.schema import intent
from docferry.model import Path, Ulid

_TIME_CHARS = 10  # a ULID begins with its time, and sorts by it
_FORGET = intent.delete().where(
    intent.c.mirror == bindparam("of_mirror"),
    intent.c.path == bindparam("of_path"),
    intent.c.version == bindparam("of_version"),
)
_AMONG = select(intent.c.path).where(
    intent.c.mirror == bindparam("of_mirror"),
    intent.c.path.in_(bindparam("some", expanding=True)),
)


class Intents:
    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, mirror: str, uploads: Sequence[tuple[Path, Ulid]]) -> None:
        """Note that these paths are about to be uploaded, each as that version."""
        rows = [{"mirror": mirror, "path": path, "version": version} for path, version in uploads]
        if rows:
            with self._database.writing() as tx:
                tx.insert_missing(intent, rows)

    def paths(self, mirror: str) -> frozenset[Path]:
        """Give the paths with uploads that were begun and never written down."""
        query = select(intent.c.path).where(intent.c.mirror == mirror).distinct()
        with self._database.reading() as tx:
            return frozenset(path for (path,) in tx.tuples(query))

    def before(self, mirror: str, at: datetime, *, limit: int) -> list[tuple[Path, Ulid]]:
        """Give up to *limit* of the uploads that were begun before *at*, the oldest first."""
        first = str(ULID.from_datetime(at))[:_TIME_CHARS]
        query = select(intent.c.path, intent.c.version).where(
            intent.c.mirror == mirror, intent.c.version < first
        )
        with self._database.reading() as tx:
            return [*tx.tuples(query.order_by(intent.c.version).limit(limit))]

    def forget(self, mirror: str, uploads: Sequence[tuple[Path, Ulid]]) -> None:
        with self._database.writing() as tx:
            tx.execute_many(_FORGET, [(mirror, path, version) for path, version in uploads])

    def paths_among(self, mirror: str, paths: Sequence[Path]) -> frozenset[Path]:
        """Give those of *paths* with uploads that were begun and never written down."""
        with self._database.reading() as tx:
            found = [tx.tuples(_AMONG, of_mirror=mirror, some=some) for some in chunks(paths)]
        return frozenset(path for rows in found for (path,) in rows)

    def is_intended(self, mirror: str, path: Path, version: Ulid) -> bool:
        """Tell whether this upload was begun and never written down."""
        query = select(intent.c.version).where(
            intent.c.mirror == mirror, intent.c.path == path, intent.c.version == version
        )
        with self._database.reading() as tx:
            return tx.value(query) is not None
