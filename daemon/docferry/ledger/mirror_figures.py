"""What a scrape wants to know of all mirrors, asked at once: the rows may be many."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Column, ColumnElement, Select, func, null, select

from docferry.ledger.database import Database, Transaction
from docferry.ledger.patrols import PatrolRow
from docferry.ledger.schema import conflict, hold, patrol, pause, problem, request, synced, version
from docferry.ledger.tallies import tallied
from docferry.model import HoldState, RequestKind, RequestState

_ROTTEN = "rot"


@dataclass(frozen=True, slots=True)
class LedgerFigures:
    """What the ledger has of one mirror, in numbers."""

    synced: tuple[int, int] = (0, 0)  #: files, and their bytes
    versions: tuple[int, int] = (0, 0)  #: and their bytes
    problems: int = 0
    rotten: int = 0  #: of the problems: contents of which no sound copy was found
    conflicts: int = 0  #: that nobody has settled
    holds: int = 0  #: that are open
    held_deletions: int = 0
    held_changes: int = 0
    oldest_held_at: datetime | None = None  #: of the holds of deletions
    requests: Mapping[RequestKind, int] = field(default_factory=dict)  #: open ones
    oldest_request_at: datetime | None = None
    patrol: PatrolRow | None = None
    paused_since: datetime | None = None


class FiguresOfMirrors:
    def __init__(self, database: Database) -> None:
        self._database = database

    def all(self) -> dict[str, LedgerFigures]:
        """Give the figures of every mirror that the ledger knows something of, as of one moment."""
        with self._database.reading() as tx:
            of: dict[str, dict[str, Any]] = {}
            for column, values in _columns(tx):
                for mirror, value in values.items():
                    of.setdefault(mirror, {})[column] = value
        return {mirror: LedgerFigures(**columns) for mirror, columns in of.items()}


def _columns(tx: Transaction) -> list[tuple[str, Mapping[str, Any]]]:
    held = hold.c.kind == "deletions", hold.c.state == HoldState.OPEN
    asked = request.c.state == RequestState.OPEN
    return [
        ("synced", tallied(tx, synced)),
        ("versions", tallied(tx, version)),
        ("problems", _by(tx, problem.c.mirror, func.count())),
        ("rotten", _by(tx, problem.c.mirror, func.count(), problem.c.kind == _ROTTEN)),
        ("conflicts", _by(tx, conflict.c.mirror, func.count(), conflict.c.settled_at.is_(null()))),
        ("holds", _by(tx, hold.c.mirror, func.count(), hold.c.state == HoldState.OPEN)),
        (
            "held_deletions",
            _by(tx, hold.c.mirror, func.sum(hold.c.count - hold.c.changes), *held),
        ),
        ("held_changes", _by(tx, hold.c.mirror, func.sum(hold.c.changes), *held)),
        ("oldest_held_at", _times(_by(tx, hold.c.mirror, func.min(hold.c.created_at), *held))),
        ("requests", _requests(tx, asked)),
        (
            "oldest_request_at",
            _times(_by(tx, request.c.mirror, func.min(request.c.created_at), asked)),
        ),
        ("paused_since", _times(dict(tx.tuples(select(pause.c.mirror, pause.c.since))))),
        ("patrol", {row.mirror: row for row in tx.all(select(patrol), PatrolRow)}),
    ]


def _requests(tx: Transaction, asked: ColumnElement[bool]) -> dict[str, dict[RequestKind, int]]:
    query = select(request.c.mirror, request.c.kind, func.count()).where(asked)
    kinds: dict[str, dict[RequestKind, int]] = {}
    for mirror, kind, count in tx.tuples(query.group_by(request.c.mirror, request.c.kind)):
        kinds.setdefault(mirror, {})[RequestKind(kind)] = count
    return kinds


def _by(
    tx: Transaction, mirror: Column[Any], value: Any, *where: ColumnElement[bool]
) -> dict[str, Any]:
    query: Select[Any] = select(mirror, value).where(*where).group_by(mirror)
    return dict(tx.tuples(query))


def _times(texts: Mapping[str, str]) -> dict[str, datetime]:
    return {mirror: datetime.fromisoformat(text) for mirror, text in texts.items()}
