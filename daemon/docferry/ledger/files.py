"""Files as they stand: page by page, and one by one, with all that the ledger knows of each."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Select,
    Table,
    Text,
    bindparam,
    func,
    literal_column,
    null,
    select,
)

from docferry.core.standing import Order, Standing
from docferry.ledger.change_schema import change
from docferry.ledger.database import Database, Transaction
from docferry.ledger.file_keys import Place, Span, keys_of, named
from docferry.ledger.file_queries import IS_OPEN, open_holds
from docferry.ledger.held_changes import IS_HELD
from docferry.ledger.problems import ProblemRow
from docferry.ledger.schema import conflict, deletion, problem, request, synced, version
from docferry.ledger.versions import ROW
from docferry.model import Origin, Path, Side, SyncedState, Ulid, VersionRow

#: (mirror, path)
Pair = tuple[str, Path]
_AT_ONCE = 500  # files in one statement: of each two values


@dataclass(frozen=True, slots=True)
class FileRow:
    """
    A path, and how what it holds stands.

    version: what both sides agreed on there; else what it holds, or held last. None: nothing
        ever came to rest there.
    agreed: None: the sides do not agree on it.
    standings: at least one, but for a path of which nothing is known.
    lacking: the side that does not have it, as far as is known.
    """

    mirror: str
    path: Path
    version: VersionRow | None
    agreed: SyncedState | None
    standings: tuple[Standing, ...]
    problem: ProblemRow | None = None
    hold: int | None = None
    conflict: int | None = None
    request: int | None = None
    lacking: Side | None = None


@dataclass(slots=True)
class _Facts:
    """What there is of many paths, each by its own."""

    agreed: dict[Pair, SyncedState]
    problems: dict[Pair, ProblemRow]
    held: dict[Pair, tuple[int, Side | None]]
    conflicts: dict[Pair, int]
    requests: dict[Pair, int]


class Files:
    def __init__(self, database: Database) -> None:
        self._database = database

    def page(
        self, standing: Standing, span: Span, order: Order, after: Place | None, limit: int
    ) -> list[tuple[Place, FileRow | None]]:
        """
        Give the first files that stand so and come after a place; None: from the beginning.

        Less than *limit* are all that are left; unless the last is none: then a search has come
        so far, and goes on from that place.

        Raises:
            UserError: There are too many unusual ones to be sorted by time.
        """
        with self._database.reading() as tx:
            keys = keys_of(tx, standing, span, order, after, limit)
            rows = iter(_rows(tx, [(one.mirror, one.path) for one in keys if not one.is_passed]))
        return [(one.place(order), None if one.is_passed else next(rows)) for one in keys]

    def at(self, pairs: Sequence[Pair]) -> list[FileRow]:
        """Tell of each of *pairs*, whatever is known of it."""
        with self._database.reading() as tx:
            return _rows(tx, pairs)

    def named(
        self, mirrors: Sequence[str], name: str, limit: int, after: Pair = ("", "")
    ) -> list[FileRow]:
        """
        Give the next files of *mirrors* that both sides agreed on and that have this last name.

        Args:
            after: The last one of the page before; the order is that of mirrors, then paths.
        """
        with self._database.reading() as tx:
            keys = named(tx, mirrors, name, limit, after)
            return _rows(tx, [(one.mirror, one.path) for one in keys])


def _rows(tx: Transaction, pairs: Sequence[Pair]) -> list[FileRow]:
    rows: list[FileRow] = []
    for start in range(0, len(pairs), _AT_ONCE):
        some = pairs[start : start + _AT_ONCE]
        facts = _facts_of(tx, some)
        found = _versions(tx, [one.version for one in facts.agreed.values()])
        others = _others(tx, [one for one in some if one not in facts.agreed])
        for pair in some:
            agreed = facts.agreed.get(pair)
            row = others.get(pair) if agreed is None else found.get(agreed.version)
            rows.append(_row(pair, row, facts))
    return rows


def _row(pair: Pair, row: VersionRow | None, facts: _Facts) -> FileRow:
    hold, only = facts.held.get(pair, (None, None))
    agreed = facts.agreed.get(pair)
    true = {
        Standing.HELD: hold is not None,
        Standing.FAILING: pair in facts.problems,
        Standing.IN_CONFLICT: pair in facts.conflicts,
        Standing.ASKED: pair in facts.requests,
        Standing.AGREED: agreed is not None,
        Standing.UNAGREED: agreed is None and row is not None and row.is_current,
        Standing.DELETED: agreed is None and row is not None and not row.is_current,
    }
    lacking = None
    if only is not None:
        lacking = Side.REMOTE if only is Side.LOCAL else Side.LOCAL
    elif agreed is not None and not agreed.local_token:
        lacking = Side.LOCAL
    return FileRow(
        *pair,
        version=row,
        agreed=agreed,
        standings=tuple(standing for standing, is_true in true.items() if is_true),
        problem=facts.problems.get(pair),
        hold=hold,
        conflict=facts.conflicts.get(pair),
        request=facts.requests.get(pair),
        lacking=lacking,
    )


def _facts_of(tx: Transaction, pairs: Sequence[Pair]) -> _Facts:
    wanted = json.dumps(pairs)

    def among(query: Select[Any]) -> list[Any]:
        return tx.tuples(query, wanted=wanted)

    conflicts = {
        (mirror, path): number
        for column in (conflict.c.path, conflict.c.copy_path)
        for number, mirror, path in among(_conflicts(column))
    }
    return _Facts(
        {(mirror, path): SyncedState(*facts) for mirror, path, *facts in among(_AGREED)},
        {(row.mirror, row.path): row for row in tx.found(_PROBLEMS, ProblemRow, wanted=wanted)},
        _held(tx, pairs),
        conflicts,
        {(mirror, path): number for number, mirror, path in among(_REQUESTS)},
    )


def _held(tx: Transaction, pairs: Sequence[Pair]) -> dict[Pair, tuple[int, Side | None]]:
    """
    Say of those of which something is held by which hold.

    And on which side they are still, where it is their deletion; None: it is a change.
    """
    wanted, found = set(pairs), dict[Pair, tuple[int, Side | None]]()
    holds = open_holds(tx, list({mirror for mirror, _ in pairs}))
    if holds:
        paths = list(dict.fromkeys(path for _, path in pairs))
        for mirror, path, number in tx.tuples(_HELD_CHANGES, holds=holds, paths=paths):
            if (mirror, path) in wanted:
                found[mirror, path] = (number, None)
        for mirror, path, number, side in tx.tuples(_HELD, holds=holds, paths=paths):
            if (mirror, path) in wanted:
                found[mirror, path] = (number, Side(side))
    return found


def _others(tx: Transaction, pairs: Sequence[Pair]) -> dict[Pair, VersionRow]:
    """Give what paths without an agreement hold, or held last."""
    if not pairs:
        return {}
    ids = [one for (one,) in tx.tuples(_LAST, wanted=json.dumps(pairs)) if one is not None]
    return {(row.mirror, row.path): row for row in _versions(tx, ids).values()}


def _versions(tx: Transaction, ids: Sequence[Ulid]) -> dict[Ulid, VersionRow]:
    found = tx.found(_BY_ID, VersionRow, ids=list(ids)) if ids else []
    return {row.id: row for row in found}


#: Pairs of mirror and path as JSON: for pairs in an IN (...) SQLite 3.40 would use no index.
_WANTED = func.json_each(bindparam("wanted", type_=Text)).table_valued("value")
_OF_MIRROR = func.json_extract(_WANTED.c.value, literal_column("'$[0]'"))
_OF_PATH = func.json_extract(_WANTED.c.value, literal_column("'$[1]'"))


def _among(table: Table, path: ColumnElement[str], *columns: ColumnElement[Any]) -> Select[Any]:
    """Ask for *columns* of the rows of *table* that are about a wanted pair."""
    is_it = (table.c.mirror == _OF_MIRROR) & (path == _OF_PATH)
    return select(*columns).select_from(_WANTED).join(table, is_it)


@cache
def _conflicts(column: ColumnElement[str]) -> Select[Any]:
    query = _among(conflict, column, conflict.c.id, conflict.c.mirror, column)
    return query.where(*IS_OPEN[conflict])


_AGREED = _among(
    synced,
    synced.c.path,
    synced.c.mirror,
    synced.c.path,
    synced.c.sha256,
    synced.c.local_token,
    synced.c.remote_token,
    synced.c.version,
    synced.c.size,
)
_PROBLEMS = _among(problem, problem.c.path, *problem.c)
_REQUESTS = _among(request, request.c.path, request.c.id, request.c.mirror, request.c.path).where(
    *IS_OPEN[request]
)
_HELD = select(deletion.c.mirror, deletion.c.path, deletion.c.hold, deletion.c.side).where(
    deletion.c.hold.in_(bindparam("holds", expanding=True)),
    deletion.c.path.in_(bindparam("paths", expanding=True)),
)
_HELD_CHANGES = select(change.c.mirror, change.c.path, change.c.hold).where(
    change.c.hold.in_(bindparam("holds", expanding=True)),
    change.c.path.in_(bindparam("paths", expanding=True)),
    IS_HELD,
)
_BY_ID = ROW.where(version.c.id.in_(bindparam("ids", expanding=True)))
_NEWEST = (
    select(version.c.id)
    .where(
        version.c.mirror == _OF_MIRROR,
        version.c.path == _OF_PATH,
        version.c.origin != Origin.EVIDENCE,
    )
    .order_by(
        version.c.left_at.is_(null()).desc(), version.c.created_at.desc(), version.c.id.desc()
    )
    .limit(1)
)
_LAST = select(_NEWEST.correlate(_WANTED).scalar_subquery()).select_from(_WANTED)
