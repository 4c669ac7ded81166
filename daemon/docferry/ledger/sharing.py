"""
Sharing: under which of equal versions the bucket's archive keeps their bytes, and for whom.

Thousands of files may be equal, so nothing here reads all of them at a time.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from sqlalchemy import (
    ColumnElement,
    FromClause,
    Select,
    Text,
    false,
    func,
    literal,
    null,
    select,
    true,
)

from docferry.ledger.database import Database
from docferry.ledger.schema import version
from docferry.ledger.versions import ROW, pages
from docferry.model import Sha256, Ulid, VersionRow

#: Rows in memory at a time.
AT_ONCE = 100

_NONE = literal("", Text)


class Sharing:
    def __init__(self, database: Database) -> None:
        self._database = database

    def lends(self, version_id: Ulid) -> bool:
        """Tell whether another version, still to be had, has its archived bytes there."""
        with self._database.reading() as tx:
            return tx.value(_borrower(literal(version_id)).limit(1)) is not None

    def borrowers_of(self, version_id: Ulid) -> Iterator[VersionRow]:
        """Yield those versions, still to be had, whose archived bytes are another's, by id."""
        query = ROW.where(version.c.bytes_of == version_id, version.c.gone_at.is_(null()))
        return self._pages(query)

    def homes_named(self, mirror: str, sha256: Sha256) -> list[Ulid]:
        """Give those versions under which displaced ones with this content have their bytes."""
        query = select(version.c.bytes_of).where(
            version.c.mirror == mirror,
            version.c.sha256 == sha256,
            version.c.bytes_of.is_not(null()),
            *_is_displaced(version),
        )
        with self._database.reading() as tx:
            return [home for (home,) in tx.tuples(query.distinct().order_by(version.c.bytes_of))]

    def unshared(self, mirror: str, sha256: Sha256) -> Iterator[VersionRow]:
        """Yield the displaced versions with this content that share nobody's bytes, by id."""
        return self._pages(
            ROW.where(
                version.c.mirror == mirror,
                version.c.sha256 == sha256,
                version.c.bytes_of.is_(null()),
                *_is_displaced(version),
            )
        )

    def not_brought_up(self, mirror: str, sha256: Sha256) -> Iterator[VersionRow]:
        """Yield the displaced versions with this content that no bucket is known to hold, by id."""
        return self._pages(
            ROW.where(
                version.c.mirror == mirror,
                # So said, SQLite takes the index of the few that are to be brought up.
                func.coalesce(version.c.sha256, _NONE) == sha256,
                version.c.archived_remote.is_(false()),
                version.c.left_at.is_not(null()),
                version.c.gone_at.is_(null()),
            )
        )

    def home_of(self, mirror: str, sha256: Sha256, but_for: Ulid = "") -> VersionRow | None:
        """
        Give the displaced version under which the bucket's archive is to keep a content.

        One whose bytes others share already, else the oldest; None: none has its own there.
        """
        query = ROW.where(
            version.c.mirror == mirror,
            version.c.sha256 == sha256,
            version.c.id != but_for,
            *_has_own_bytes(version),
        ).order_by(version.c.id)
        is_shared = _borrower(version.c.id).exists()
        with self._database.reading() as tx:
            return tx.one(query.where(is_shared), VersionRow) or tx.one(query, VersionRow)

    def equal_to(self, home: VersionRow, limit: int, after: Ulid = "") -> list[VersionRow]:
        """Give the others whose own bytes, the same as those of *home*, are archived, by id."""
        query = ROW.where(
            version.c.mirror == home.mirror,
            version.c.sha256 == home.sha256,
            version.c.id != home.id,
            version.c.id > after,
            *_has_own_bytes(version),
        )
        with self._database.reading() as tx:
            return tx.all(query.order_by(version.c.id).limit(limit), VersionRow)

    def kept_twice(self, mirror: str, since: datetime | None) -> list[tuple[Sha256, datetime]]:
        """
        Give the contents of which several versions have archived bytes of their own.

        But for the empty one, of which a reference would need as much room.

        Args:
            since: Only those that left a path at this time or later; None: all.

        Returns:
            Each with the latest time at which one left its path.
        """
        other = version.alias("other")
        another = select(other.c.id).where(
            other.c.mirror == mirror,
            other.c.sha256 == version.c.sha256,
            other.c.id != version.c.id,
            *_has_own_bytes(other),
        )
        query = select(version.c.sha256, func.max(version.c.left_at)).where(
            version.c.mirror == mirror,
            version.c.size > 0,
            *_has_own_bytes(version),
            another.exists(),
        )
        if since is not None:
            query = query.where(version.c.left_at >= since)
        with self._database.reading() as tx:
            rows = tx.tuples(query.group_by(version.c.sha256).order_by(version.c.sha256))
        return [(sha256, datetime.fromisoformat(left_at)) for sha256, left_at in rows]

    def _pages(self, query: Select[tuple[object, ...]]) -> Iterator[VersionRow]:
        return pages(self._database, query, AT_ONCE)


def _is_displaced(table: FromClause) -> tuple[ColumnElement[bool], ...]:
    # So said, or SQLite goes through all displaced ones: it takes the index for these.
    return (func.coalesce(table.c.left_at, _NONE) != _NONE, table.c.gone_at.is_(null()))


def _has_own_bytes(table: FromClause) -> tuple[ColumnElement[bool], ...]:
    """Displaced, and in the bucket's archive with its bytes, not as a reference."""
    return (
        *_is_displaced(table),
        table.c.archived_remote.is_(true()),
        table.c.bytes_of.is_(null()),
    )


def _borrower(version_id: ColumnElement[str]) -> Select[tuple[str]]:
    """Ask for a version, still to be had, that has its archived bytes under another one."""
    other = version.alias("borrower")
    return select(other.c.id).where(other.c.bytes_of == version_id, other.c.gone_at.is_(null()))
