"""What paths hold although no agreement says so: both sides were joined anew, or kept a file."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Select, literal, null, select

from docferry.ledger.database import Database
from docferry.ledger.schema import synced, version
from docferry.model import Path, Sha256, Ulid


class Unagreed:
    """
    The current versions of paths that have no agreement. Thread-safe.

    Mostly there is none in a mirror. That is found out once: each new file is asked about.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._has_none: set[str] = set()

    def at(self, mirror: str, path: Path) -> tuple[Ulid, Sha256] | None:
        """Give the version that *path*, without an agreement, holds all the same, and its hash."""
        if mirror in self._has_none:
            return None
        newest = _current(mirror).where(version.c.path == path).order_by(version.c.id.desc())
        with self._database.reading() as tx:
            found = tx.tuples(newest.limit(1))
            if not found and tx.value(_paths(mirror).limit(1)) is None:
                self._has_none.add(mirror)
        return (found[0][0], found[0][1]) if found else None

    def paths(self, mirror: str, limit: int, *, after: Path = "") -> list[Path]:
        """Give up to *limit* paths after *after* that hold one, in order."""
        if mirror in self._has_none:
            return []
        following = _paths(mirror).where(version.c.path > after).order_by(version.c.path)
        with self._database.reading() as tx:
            paths = [path for (path,) in tx.tuples(following.distinct().limit(limit))]
            if not paths and not after:
                self._has_none.add(mirror)
        return paths

    def look_again(self, mirror: str) -> None:
        """There may be some by now: agreements of *mirror* were dropped."""
        self._has_none.discard(mirror)


def _current(mirror: str) -> Select[tuple[Ulid, Sha256]]:
    query = select(version.c.id, version.c.sha256)
    return query.where(version.c.mirror == mirror, version.c.left_at.is_(null()))


def _paths(mirror: str) -> Select[Any]:
    agreed = select(literal(1)).where(
        synced.c.mirror == version.c.mirror, synced.c.path == version.c.path
    )
    is_current = version.c.left_at.is_(null())
    return select(version.c.path).where(version.c.mirror == mirror, is_current, ~agreed.exists())
