"""What is asked for a page of files: one statement for each form, made once, each an index's."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from enum import Enum
from functools import cache
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Select,
    Table,
    Text,
    bindparam,
    literal,
    literal_column,
    null,
    select,
    tuple_,
    type_coerce,
)

from docferry.core.standing import Order, Standing
from docferry.ledger.change_schema import change
from docferry.ledger.database import Transaction
from docferry.ledger.held_changes import IS_HELD
from docferry.ledger.path_parts import Form, has_part
from docferry.ledger.schema import (
    conflict,
    deletion,
    hold,
    left_path,
    problem,
    request,
    synced,
    version,
)
from docferry.model import RESERVED, HoldState, Path

NOT_OVER = (HoldState.OPEN, HoldState.APPROVED, HoldState.DISCARDED)
#: Said as constants: only so the indexes of what is open serve.
IS_OPEN: dict[Table, tuple[ColumnElement[bool], ...]] = {
    conflict: (conflict.c.settled_at.is_(null()),),
    request: (request.c.state == literal_column("'open'"),),
}
#: As the index of migration 0007 has it: else it would not serve.
NAME_OF_FILE: ColumnElement[str] = literal_column(
    "substr(path, length(rtrim(path, replace(path, '/', ''))) + 1)"
)
_LAST_CHAR = 0x10FFFF
_SURROGATES = range(0xD800, 0xE000)


class Begins(Enum):
    """From where on the deleted files of one mirror come after those of the page before."""

    ANYWHERE = 1
    SAME_TIME = 2  # with those that were deleted at that time
    INSIDE = 3  # in the middle of these
    LATER = 4  # after them


@cache
def agreed_query(order: Order, *, is_part: bool, is_first: bool) -> Select[Any]:
    query = select(synced.c.path, synced.c.version).where(
        synced.c.mirror == bindparam("mirror"), synced.c.version > bindparam("since")
    )
    if is_part or order is Order.PATH:
        query = query.where(*in_range(synced.c.path, is_part=is_part))
    query = query.order_by(*sorted_by(order, synced.c.version, synced.c.path))
    if order is not Order.PATH and not is_first:
        query = query.where(comes_after(order, synced.c.version))
    return query.limit(bindparam("limit"))


@cache
def left_query(
    order: Order | None, *, is_part: bool, is_since: bool, begins: Begins = Begins.ANYWHERE
) -> Select[Any]:
    columns = left_path.c
    left_at = type_coerce(columns.left_at, Text)
    query = select(columns.path, left_at).where(
        columns.mirror == bindparam("mirror"), *holds_nothing(columns)
    )
    if is_since:
        query = query.where(left_at >= bindparam("since", type_=Text))
    if order is None:
        query = query.where(*in_range(columns.path, is_part=is_part)).order_by(columns.path)
        return query.limit(bindparam("limit"))
    if is_part:
        query = query.where(*in_range(columns.path, is_part=True))
    query = query.where(*begins_at(order, begins, left_at))
    return query.order_by(*sorted_by(order, left_at, columns.path)).limit(bindparam("limit"))


def begins_at(
    order: Order, begins: Begins, left_at: ColumnElement[str]
) -> list[ColumnElement[bool]]:
    """Say which rows of `left_path` come after the page before."""
    word = bindparam("word", type_=Text)
    is_newest = order is Order.NEWEST
    match begins:
        case Begins.ANYWHERE:
            return []
        case Begins.SAME_TIME:
            return [left_at <= word if is_newest else left_at >= word]
        case Begins.LATER:
            return [left_at < word if is_newest else left_at > word]
        case Begins.INSIDE:
            here = tuple_(left_at, left_path.c.path)
            last: Any = tuple_(word, bindparam("path", type_=Text))
            return [here < last if is_newest else here > last]


def holds_nothing(columns: Any) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    """Say that the path of a row of `left_path`, whose *columns* these are, is empty now."""
    agreed = select(literal(1)).where(
        synced.c.mirror == columns.mirror, synced.c.path == columns.path
    )
    current = select(literal(1)).where(
        version.c.mirror == columns.mirror,
        version.c.path == columns.path,
        version.c.left_at.is_(null()),
    )
    return ~agreed.exists(), ~current.exists()


def unusual_queries(
    tx: Transaction, standing: Standing, mirror: str, *, is_part: bool, form: Form | None = None
) -> list[Select[Any]]:
    """
    Give what to ask for the paths that stand so, each answer in the order of the paths.

    Args:
        form: Of a part that they have; None: that does not matter.
    """
    queries = _unusual_queries(tx, standing, mirror, is_part=is_part)
    if form is None:
        return queries
    return [query.where(has_part(query.selected_columns[0], form)) for query in queries]


def _unusual_queries(
    tx: Transaction, standing: Standing, mirror: str, *, is_part: bool
) -> list[Select[Any]]:
    match standing:
        case Standing.HELD:
            return [
                query
                for one in open_holds(tx, [mirror])
                for query in (_held(one, is_part=is_part), _held_changes(one, is_part=is_part))
            ]
        case Standing.FAILING:
            return [_paths(problem, problem.c.path, is_part=is_part)]
        case Standing.IN_CONFLICT:
            columns = (conflict.c.path, conflict.c.copy_path)
            return [_paths(conflict, column, is_part=is_part) for column in columns]
        case Standing.ASKED:
            return [_paths(request, request.c.path, is_part=is_part)]
        case _:
            raise ValueError(f"files are not listed by {standing}")


def open_holds(tx: Transaction, mirrors: Sequence[str]) -> list[int]:
    """Give the holds of deletions and changes that are not over."""
    query = select(hold.c.id).where(
        hold.c.mirror.in_(mirrors), hold.c.kind == "deletions", hold.c.state.in_(NOT_OVER)
    )
    return [one for (one,) in tx.tuples(query)]


@cache
def _paths(table: Table, column: ColumnElement[str], *, is_part: bool) -> Select[Any]:
    query = select(column).where(table.c.mirror == bindparam("mirror"), *IS_OPEN.get(table, ()))
    # The mirror itself has problems and requests too, and docferry's own folder.
    query = query.where(column != "", column != RESERVED, ~column.startswith(f"{RESERVED}/"))
    return _in_order(query, column, is_part=is_part)


def _held(hold_id: int, *, is_part: bool) -> Select[Any]:
    query = select(deletion.c.path).where(deletion.c.hold == hold_id)
    return _in_order(query, deletion.c.path, is_part=is_part)


def _held_changes(hold_id: int, *, is_part: bool) -> Select[Any]:
    query = select(change.c.path).where(change.c.hold == hold_id, IS_HELD)
    return _in_order(query, change.c.path, is_part=is_part)


def _in_order(query: Select[Any], column: ColumnElement[str], *, is_part: bool) -> Select[Any]:
    query = query.where(*in_range(column, is_part=is_part))
    return query.distinct().order_by(column).limit(bindparam("limit"))


def sorted_by(order: Order, *columns: ColumnElement[str]) -> Iterator[ColumnElement[str]]:
    """Give how a list is sorted whose time, and path, are *columns*."""
    if order is Order.PATH:
        yield columns[-1]
    elif order is Order.NEWEST:
        yield from (column.desc() for column in columns)
    else:
        yield from columns


def comes_after(order: Order, column: ColumnElement[str]) -> ColumnElement[bool]:
    """Say which rows come after the page before, by time."""
    last = bindparam("after", type_=Text)
    return column < last if order is Order.NEWEST else column > last


# Ranges of paths.


def in_range(column: ColumnElement[str], *, is_part: bool) -> list[ColumnElement[bool]]:
    """Say which paths are in the range that `range_of` gives; not *is_part*: it has no end."""
    conditions = [column >= bindparam("first"), column != bindparam("passed")]
    return [*conditions, column < bindparam("beyond")] if is_part else conditions


def range_of(prefix: str, after: Path = "") -> dict[str, object]:
    """Say where the paths with *prefix* that come after a path begin, and where they end."""
    return {"first": max(prefix, after), "passed": after, "beyond": _beyond(prefix)}


def _beyond(prefix: str) -> str:
    """Give the least text that is greater than all that begin with *prefix*."""
    head = prefix.rstrip(chr(_LAST_CHAR))
    if not head:
        return chr(_LAST_CHAR) * (len(prefix) + 1)
    code = ord(head[-1]) + 1
    return head[:-1] + chr(_SURROGATES.stop if code in _SURROGATES else code)
