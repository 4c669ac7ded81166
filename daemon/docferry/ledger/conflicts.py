"""Conflicts: both sides had changed a file, and both contents were kept."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, case, literal_column, null, select

from docferry.core.audit import Action
from docferry.errors import ConflictError, NotFoundError
from docferry.ledger.audit import note
from docferry.ledger.database import Database, Taken, Transaction
from docferry.ledger.history import kind_of
from docferry.ledger.requests import NewRequest, insert_requests
from docferry.ledger.schema import begun_conflict, conflict, history, version
from docferry.ledger.versions import values_of
from docferry.model import KeepBoth, Origin, Path, Ulid, VersionRow

# Repeated after a crash it is the same conflict; after it was settled it is a new one.
_SAME = Taken(
    ("mirror", "path", "copy_path"),
    change={
        "created_at": case(
            (conflict.c.settled_at.is_(null()), conflict.c.created_at),
            else_=literal_column("excluded.created_at"),
        )
    },
)
_END = begun_conflict.delete().where(
    begun_conflict.c.mirror == bindparam("of_mirror"),
    begun_conflict.c.version == bindparam("of_version"),
)


@dataclass(frozen=True, slots=True)
class ConflictRow:
    id: int
    mirror: str
    path: Path
    copy_path: Path  #: where the local content of that moment went
    created_at: datetime
    settled_at: datetime | None


@dataclass(frozen=True, slots=True)
class BegunConflict:
    """A local content that was about to be displaced when its note was lost, or was yet to be."""

    displaced: VersionRow
    copy_path: Path


class Conflicts:
    def __init__(self, database: Database) -> None:
        self._database = database

    def all(self, mirror: str | None = None, open_only: bool = True) -> list[ConflictRow]:  # noqa: FBT001, FBT002
        """Give the conflicts of *mirror*, or of all, the oldest first."""
        query = select(conflict).order_by(conflict.c.id)
        if mirror is not None:
            query = query.where(conflict.c.mirror == mirror)
        if open_only:
            query = query.where(conflict.c.settled_at.is_(null()))
        with self._database.reading() as tx:
            return tx.all(query, ConflictRow)

    def get(self, conflict_id: int) -> ConflictRow:
        """
        Raises:
            NotFoundError: There is no such conflict.
        """
        with self._database.reading() as tx:
            return _get(tx, conflict_id)

    def settle(
        self, conflict_id: int, at: datetime, asked: Sequence[NewRequest] = (), *, keep: str = ""
    ) -> ConflictRow:
        """
        Note that a person has settled it, and give it.

        Args:
            asked: What is to be done with its two files, then: as a part of it.
            keep: Of which of both, for the audit.

        Raises:
            NotFoundError: There is no such conflict.
            ConflictError: It is settled already; nothing is asked then.
        """
        with self._database.writing() as tx:
            refuse_settled(_get(tx, conflict_id))
            tx.update(conflict, {"settled_at": at}, conflict.c.id == conflict_id)
            row = _get(tx, conflict_id)
            insert_requests(tx, asked, at, is_told=True)
            facts = {"conflict": conflict_id} | ({"keep": keep} if keep else {})
            note(tx, Action.CONFLICT_SETTLED, at, row.mirror, facts)
        return row

    # Those under way.

    def begin(self, displaced: VersionRow, copy_path: Path) -> None:
        """Note that *displaced* is about to go, before it does. `record` ends that note."""
        row = {
            "mirror": displaced.mirror,
            "version": displaced.id,
            "path": displaced.path,
            "copy_path": copy_path,
            "sha256": displaced.sha256,
            "size": displaced.size,
            "mtime_ns": displaced.mtime_ns,
            "parent": displaced.parent,
            "created_at": displaced.created_at,
        }
        with self._database.writing() as tx:
            tx.insert(begun_conflict, [row])

    def begun(self, mirror: str) -> list[BegunConflict]:
        """Give those that were begun and neither written down nor dropped, the oldest first."""
        query = select(begun_conflict).where(begun_conflict.c.mirror == mirror)
        with self._database.reading() as tx:
            return tx.all(query.order_by(begun_conflict.c.version), _begun)

    def drop(self, begun: BegunConflict) -> None:
        """Forget one that came to nothing: the content was not displaced."""
        with self._database.writing() as tx:
            end_begun(tx, begun.displaced.mirror, [begun.displaced.id])

    def recover(self, begun: BegunConflict, at: datetime) -> None:
        """Write down late one whose content is in the archive: all of it or nothing."""
        displaced = begun.displaced
        line = {
            "at": at,
            "mirror": displaced.mirror,
            "path": displaced.path,
            "kind": kind_of(KeepBoth),
            "version": displaced.id,
            "moved_bytes": 0,
            "took_s": 0.0,
            "note": begun.copy_path,
        }
        with self._database.writing() as tx:
            found = replace(
                displaced, archived_local=True, left_at=displaced.created_at, agreed=False
            )
            tx.insert_missing(version, [values_of(found)])
            list_conflicts(tx, displaced.mirror, [(displaced.path, begun.copy_path)], at)
            tx.insert(history, [line])
            end_begun(tx, displaced.mirror, [displaced.id])


def refuse_settled(row: ConflictRow) -> None:
    """
    Raises:
        ConflictError: It is settled already.
    """
    if row.settled_at is not None:
        raise ConflictError(f"conflict {row.id} is settled already")


def list_conflicts(
    tx: Transaction, mirror: str, found: Iterable[tuple[Path, Path]], at: datetime
) -> None:
    """Add conflicts, each a path and where its copy went."""
    rows = [
        {
            "mirror": mirror,
            "path": path,
            "copy_path": copy_path,
            "created_at": at,
            "settled_at": None,
        }
        for path, copy_path in found
    ]
    tx.upsert(conflict, rows, _SAME)


def end_begun(tx: Transaction, mirror: str, displaced: Sequence[Ulid]) -> None:
    """Remove the notes of conflicts that were begun."""
    tx.execute_many(_END, [(mirror, each) for each in displaced])


def _get(tx: Transaction, conflict_id: int) -> ConflictRow:
    row = tx.one(select(conflict).where(conflict.c.id == conflict_id), ConflictRow)
    if row is None:
        raise NotFoundError(f"there is no conflict {conflict_id}")
    return row


def _begun(*, copy_path: Path, version: Ulid, **displaced: Any) -> BegunConflict:
    row = VersionRow(id=version, origin=Origin.LOCAL, etag=None, **displaced)
    return BegunConflict(row, copy_path)
