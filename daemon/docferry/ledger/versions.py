"""Versions: every content that ever came to rest at a path. Append-only."""

from __future__ import annotations

from sqlalchemy import func, select

from docferry.ledger.database import Database
from docferry.ledger.schema import version
from docferry.model import Path, Ulid, VersionRow

_ROW = select(
    version.c.id,
    version.c.mirror,
    version.c.path,
    version.c.sha256,
    version.c.size,
    version.c.mtime_ns,
    version.c.origin,
    version.c.parent,
    version.c.etag,
    version.c.created_at,
)


def values_of(row: VersionRow) -> dict[str, object]:
    """Give the columns of a version that no archive holds yet."""
    return {
        "id": row.id,
        "mirror": row.mirror,
        "path": row.path,
        "sha256": row.sha256,
        "size": row.size,
        "mtime_ns": row.mtime_ns,
        "origin": row.origin,
        "parent": row.parent,
        "etag": row.etag,
        "created_at": row.created_at,
        "archived_local": False,
        "archived_remote": False,
    }


class Versions:
    def __init__(self, database: Database) -> None:
        self._database = database

    def of(self, mirror: str, path: Path) -> list[VersionRow]:
        """Give the versions of *path*, the newest first."""
        query = _ROW.where(version.c.mirror == mirror, version.c.path == path)
        with self._database.reading() as tx:
            return tx.all(query.order_by(version.c.id.desc()), VersionRow)

    def knows(self, version_id: Ulid) -> bool:
        """Tell whether this version was recorded, whichever mirror it is of."""
        with self._database.reading() as tx:
            return tx.value(select(version.c.id).where(version.c.id == version_id)) is not None

    def totals(self, mirror: str) -> tuple[int, int]:
        """Give the number of versions and the sum of their bytes. Reads every row."""
        query = select(func.count(), func.coalesce(func.sum(version.c.size), 0))
        with self._database.reading() as tx:
            [(count, size)] = tx.tuples(query.where(version.c.mirror == mirror))
        return count, size
