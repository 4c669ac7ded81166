"""What conversions have put, or were about to put, at the paths of a mirror, and of what."""

from __future__ import annotations

from sqlalchemy import bindparam, select

from docferry.ledger.database import Database
from docferry.ledger.schema import result
from docferry.model import Path, Provenance, Sha256

_AT = select(
    result.c.sha256,
    result.c.source,
    result.c.source_sha256,
    result.c.rule,
    result.c.converter,
).where(result.c.mirror == bindparam("mirror"), result.c.path == bindparam("path"))


class Results:
    def __init__(self, database: Database) -> None:
        self._database = database

    def at(self, mirror: str, path: Path) -> dict[Sha256, Provenance]:
        """
        Say how each content came to be that a conversion ever put to *path*.

        A job writes down what it is about to put there: the answer is there before the file.
        """
        with self._database.reading() as tx:
            rows = tx.tuples(_AT, mirror=mirror, path=path)
        return {sha256: Provenance(*facts) for sha256, *facts in rows}
