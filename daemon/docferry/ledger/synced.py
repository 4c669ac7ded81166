"""The synced tree: the last content both sides of a mirror agreed on, path by path."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import Select, bindparam, false, func, select, true

from docferry.ledger.database import IN_LIMIT, Database, chunks
from docferry.ledger.schema import synced
from docferry.ledger.tallies import tallied
from docferry.model import Path, Sha256, SyncedState

#: Rows read at a time by `scan`: some 2 MB in memory, some 10 ms in one transaction.
PAGE_ROWS = 5000

# SQLite only takes an index of this table that holds all that the query names; else it
# reads the whole mirror. Hence the subqueries for paths in `scan_odd` and `find_sha256`.
_ROW = select(
    synced.c.path,
    synced.c.sha256,
    synced.c.local_token,
    synced.c.remote_token,
    synced.c.version,
    synced.c.size,
)
_PAGE = (
    _ROW.where(
        synced.c.mirror == bindparam("mirror"),
        synced.c.path > bindparam("after"),
        synced.c.odd.is_(false()),
    )
    .order_by(synced.c.path)
    .limit(PAGE_ROWS)
)
_AMONG = _ROW.where(
    synced.c.mirror == bindparam("mirror"), synced.c.path.in_(bindparam("paths", expanding=True))
)


class Synced:
    def __init__(self, database: Database) -> None:
        self._database = database

    def scan(self, mirror: str, after: Path = "") -> Iterator[tuple[Path, SyncedState]]:
        """
        Yield every plain path (not `is_odd`) after *after* in the order of its UTF-8 bytes.

        Read page by page, with no transaction open in between: what is recorded
        meanwhile behind the current page is not seen, ahead of it mostly is.
        """
        while True:
            with self._database.reading() as tx:
                rows = tx.tuples(_PAGE, mirror=mirror, after=after)
            for path, *state in rows:
                yield path, SyncedState(*state)
            if len(rows) < PAGE_ROWS:
                return
            after = rows[-1][0]

    def following(self, mirror: str, after: Path, limit: int) -> list[tuple[Path, SyncedState]]:
        """Give the next paths after *after* ("": the first ones), in order, odd ones too."""
        query = _of(mirror).where(synced.c.path > after).order_by(synced.c.path)
        return self._read(query.limit(limit))

    def scan_odd(self, mirror: str) -> list[tuple[Path, SyncedState]]:
        """Give every path that `is_odd`, in order: there are few."""
        odd = select(synced.c.path).where(synced.c.mirror == mirror, synced.c.odd.is_(true()))
        return self._read(_of(mirror).where(synced.c.path.in_(odd)).order_by(synced.c.path))

    def get(self, mirror: str, paths: Sequence[Path]) -> dict[Path, SyncedState]:
        """Give the agreements on *paths*; a path without one is left out."""
        found: dict[Path, SyncedState] = {}
        for chunk in chunks(paths):
            with self._database.reading() as tx:
                rows = tx.tuples(_AMONG, mirror=mirror, paths=list(chunk))
            found.update((path, SyncedState(*state)) for path, *state in rows)
        return found

    def below(self, mirror: str, folder: Path) -> list[Path]:
        """Give the paths under *folder*, in order, odd ones too. "" is the whole mirror."""
        query = select(synced.c.path).where(synced.c.mirror == mirror).order_by(synced.c.path)
        if folder:  # a range, so that the index serves it; "0" comes right after "/"
            query = query.where(synced.c.path > f"{folder}/", synced.c.path < f"{folder}0")
        with self._database.reading() as tx:
            return [path for (path,) in tx.tuples(query)]

    def find_sha256(self, mirror: str, sha256: Sha256) -> tuple[Path, SyncedState] | None:
        """Give one path, the first, at which both sides agreed on this content."""
        first = select(func.min(synced.c.path)).where(
            synced.c.mirror == mirror, synced.c.sha256 == sha256
        )
        found = self._read(_of(mirror).where(synced.c.path == first.scalar_subquery()))
        return found[0] if found else None

    def with_sha256(self, mirror: str, sha256: Sha256) -> Iterator[tuple[Path, SyncedState]]:
        """Yield every path at which both sides agree on this content, in order, page by page."""
        after = ""
        query = select(synced.c.path).where(synced.c.mirror == mirror, synced.c.sha256 == sha256)
        while True:
            page = query.where(synced.c.path > after).order_by(synced.c.path).limit(IN_LIMIT)
            with self._database.reading() as tx:
                paths = [path for (path,) in tx.tuples(page)]
            yield from ((p, s) for p, s in self.get(mirror, paths).items() if s.sha256 == sha256)
            if len(paths) < IN_LIMIT:
                return
            after = paths[-1]

    def count(self, mirror: str) -> tuple[int, int]:
        """Give the number of files and the sum of their bytes."""
        with self._database.reading() as tx:
            return tallied(tx, synced).get(mirror, (0, 0))

    def forget_all(self, mirror: str) -> None:
        """Drop every agreement of *mirror*: its sides are joined anew, and nothing is deleted."""
        with self._database.writing() as tx:
            tx.delete(synced, synced.c.mirror == mirror)

    def _read(self, query: Select[Any]) -> list[tuple[Path, SyncedState]]:
        with self._database.reading() as tx:
            return [(path, SyncedState(*state)) for path, *state in tx.tuples(query)]


def _of(mirror: str) -> Select[Any]:
    return _ROW.where(synced.c.mirror == mirror)
