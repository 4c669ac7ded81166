"""What conversions have put, or were about to put, at the paths of a mirror, and of what."""

from __future__ import annotations

from sqlalchemy import select

from docferry.ledger.database import Database
from docferry.ledger.schema import result
from docferry.model import Path, Provenance, Sha256


class Results:
    def __init__(self, database: Database) -> None:
        self._database = database

    def at(self, mirror: str, path: Path, sha256: Sha256) -> Provenance | None:
        """
        Say how the content *sha256* came to be at *path*; None: by no conversion.

        A job writes down what it is about to store: the answer is there before the file.
        """
        query = select(
            result.c.source, result.c.source_sha256, result.c.rule, result.c.converter
        ).where(result.c.mirror == mirror, result.c.path == path, result.c.sha256 == sha256)
        with self._database.reading() as tx:
            found = tx.tuples(query)
        return Provenance(*found[0]) if found else None

    def has_any(self, mirror: str, path: Path) -> bool:
        """Say whether a conversion ever stored, or was about to store, something at *path*."""
        query = select(result.c.sha256).where(result.c.mirror == mirror, result.c.path == path)
        with self._database.reading() as tx:
            return tx.value(query.limit(1)) is not None
