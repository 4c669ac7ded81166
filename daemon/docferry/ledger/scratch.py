"""A scratch ledger: what a rehearsal writes to, in place of the real one."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing
from datetime import datetime
from urllib.parse import quote

from sqlalchemy import select

from docferry.ledger.history import kind_of
from docferry.ledger.ledger import Ledger
from docferry.ledger.schema import deletion, history, instant_text, synced, version
from docferry.model import DeleteLocal, DeleteRemote, Path, Sha256

_DELETIONS = (kind_of(DeleteLocal), kind_of(DeleteRemote))
_OPEN = "state IN ('open', 'approved', 'discarded')"
# What a plan depends on. Both ledgers have the same columns: `Ledger.open` sees to that.
_TAKEN_OVER = {
    "mirror": "name = :mirror",
    "synced": "mirror = :mirror",
    "alias": "mirror = :mirror",
    "intent": "mirror = :mirror",
    "hold": f"mirror = :mirror AND {_OPEN}",
    "deletion": f"hold IN (SELECT id FROM real.hold WHERE mirror = :mirror AND {_OPEN})",
    "change": "mirror = :mirror",
    "history": f"mirror = :mirror AND kind IN {_DELETIONS} AND at >= :since",
    # Of what was deleted, and of what a decided hold will delete before others are judged.
    "version": "mirror = :mirror AND id IN (SELECT version FROM main.history"
    " UNION SELECT version FROM main.synced JOIN main.deletion USING (mirror, path))",
}


class Scratch(Ledger):
    """Knows of the mirrors it took over what a plan depends on; their past it does not know."""

    _last_taken_over = 0  # row of the history

    def take_over(self, real: Ledger, mirrors: Sequence[str], *, deletions_since: datetime) -> None:
        """
        Copy what *real* knows of *mirrors*, all of it as of one moment, and forget the rest.

        Inside SQLite: a million agreements take seconds that way, and no memory.
        """
        since = instant_text(deletions_since)
        with closing(sqlite3.connect(f"file:{quote(str(self.path))}", uri=True)) as both:
            both.execute("ATTACH ? AS real", [f"file:{quote(str(real.path))}?mode=rw"])
            with both:
                both.execute("BEGIN")
                for name in (*_TAKEN_OVER, "problem", "conflict", "begun_conflict", "job"):
                    both.execute(f"DELETE FROM main.{name}")
                for mirror in mirrors:
                    for table, rows in _TAKEN_OVER.items():
                        both.execute(
                            f"INSERT INTO main.{table} SELECT * FROM real.{table} WHERE {rows}",
                            {"mirror": mirror, "since": since},
                        )
                last = both.execute("SELECT coalesce(max(id), 0) FROM main.history")
                [self._last_taken_over] = last.fetchone()

    def rehearsed(self, mirror: str) -> list[tuple[str, Path]]:
        """Give what was written down as done since `take_over`: kinds and paths, by path."""
        query = select(history.c.kind, history.c.path).where(
            history.c.mirror == mirror, history.c.id > self._last_taken_over
        )
        with self._database.reading() as tx:
            return [*tx.tuples(query.order_by(history.c.path, history.c.id))]

    def sizes_of_deleted(self, mirror: str, since: datetime) -> set[int]:
        """Give the sizes of the contents whose deletion is parked or held, or was done *since*."""
        planned = (
            select(synced.c.size)
            .join(deletion, (deletion.c.mirror == mirror) & (deletion.c.path == synced.c.path))
            .where(synced.c.mirror == mirror)
        )
        done = (
            select(version.c.size)
            .join(history, history.c.version == version.c.id)
            .where(history.c.mirror == mirror, history.c.kind.in_(_DELETIONS))
            .where(history.c.at >= since)
        )
        with self._database.reading() as tx:
            return {size for query in (planned, done) for (size,) in tx.tuples(query.distinct())}

    def learn(self, mirror: str, contents: Mapping[Path, Sha256]) -> None:
        """Put real SHA-256 in the place of those that were imagined."""
        with self._database.writing() as tx:
            for path, sha256 in contents.items():
                tx.update(
                    synced, {"sha256": sha256}, synced.c.mirror == mirror, synced.c.path == path
                )
