"""What conversions have put, or were about to put, at the paths of a mirror, and of what."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import bindparam, select

from docferry.ledger.database import Database
from docferry.ledger.schema import result
from docferry.model import Path, Provenance, Sha256, VersionRow

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

    def is_claim(self, mirror: str, path: Path, sha256: Sha256) -> bool:
        """Say whether a bucket alone tells of a result: then nobody knows whether it is true."""
        known = select(result.c.is_claim).where(
            result.c.mirror == mirror, result.c.path == path, result.c.sha256 == sha256
        )
        with self._database.reading() as tx:
            return bool(tx.value(known))

    def note_claimed(self, claimed: Sequence[tuple[VersionRow, Provenance]]) -> None:
        """
        Write down of versions that they are results, as their objects say.

        What a job has written down of the same content stays.
        """
        rows = [
            {
                "mirror": version.mirror,
                "path": version.path,
                "sha256": version.sha256,
                "put_at": version.created_at,
                "source": made_from.source,
                "source_sha256": made_from.source_sha256,
                "rule": made_from.rule,
                "converter": made_from.converter,
                "is_claim": True,
            }
            for version, made_from in claimed
        ]
        if rows:
            with self._database.writing() as tx:
                tx.insert_missing(result, rows)
