"""What conversions have put, or are about to put, at the paths of a mirror."""

from __future__ import annotations

from sqlalchemy import select

from docferry.ledger.database import Database
from docferry.ledger.schema import job
from docferry.model import Path, Provenance, Sha256


class Results:
    def __init__(self, database: Database) -> None:
        self._database = database

    def at(self, mirror: str, path: Path, sha256: Sha256) -> Provenance | None:
        """
        Say how the content *sha256* came to be at *path*; None: by no conversion.

        A job writes down what it is about to store: the answer is there before the file.
        """
        query = (
            select(job.c.version, job.c.sha256, job.c.rule, job.c.release, job.c.converter)
            .where(
                job.c.target_mirror == mirror,
                job.c.result_path == path,
                job.c.result_sha256 == sha256,
            )
            .order_by(job.c.storing_at.desc())
            .limit(1)
        )
        with self._database.reading() as tx:
            found = tx.tuples(query)
        if not found:
            return None
        [(source, source_sha256, rule, release, converter)] = found
        return Provenance(source, source_sha256, rule, release or converter)

    def has_any(self, mirror: str, path: Path) -> bool:
        """Say whether a conversion ever stored, or is about to store, something at *path*."""
        query = select(job.c.id).where(
            job.c.target_mirror == mirror,
            job.c.result_path == path,
            job.c.result_sha256.is_not(None),
        )
        with self._database.reading() as tx:
            return tx.value(query.limit(1)) is not None
