"""Which paths are the canaries' own: of their versions only the last ones stay."""

from __future__ import annotations

from sqlalchemy import select

from docferry.ledger.database import Database
from docferry.ledger.schema import canary
from docferry.model import Path, Ulid


class Canaries:
    def __init__(self, database: Database) -> None:
        self._database = database

    def own(self, mirror: str, path: Path, since: Ulid) -> None:
        """Note that *path* is a canary's; what is noted already stays as it is."""
        with self._database.writing() as tx:
            tx.insert_missing(canary, [{"mirror": mirror, "path": path, "since": since}])

    def disown(self, mirror: str, path: Path) -> None:
        """Note that *path* is somebody's: all versions there are kept as any document's."""
        with self._database.writing() as tx:
            tx.delete(canary, canary.c.mirror == mirror, canary.c.path == path)

    def of(self, mirror: str) -> dict[Path, Ulid]:
        """Give, by path, the version from which on a path of *mirror* is a canary's."""
        query = select(canary.c.path, canary.c.since).where(canary.c.mirror == mirror)
        with self._database.reading() as tx:
            return dict(tx.tuples(query))
