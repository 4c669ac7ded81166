"""
Files by a part of their path, in any folder and without case.

No index finds a part of a text. So what an index gives in the order of the list is looked
through, a window at a time: a search goes as far as it may, and says how far it has come.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from sqlalchemy import Select, Text, bindparam, select, type_coerce

from docferry.core.standing import Order
from docferry.ledger.database import Transaction
from docferry.ledger.file_queries import (
    Begins,
    begins_at,
    comes_after,
    holds_nothing,
    in_range,
    sorted_by,
)
from docferry.ledger.path_parts import Form, Part, has_part
from docferry.ledger.schema import left_path, synced

#: So many paths are looked through at once, of all mirrors together, and ten times for a page.
WINDOW = 20_000


# Windows: each is rows of an index, one after the other, whatever they are.


@dataclass(frozen=True, slots=True)
class Window:
    """
    What to ask for the files of one mirror that have a part, in the order of a list.

    files: (path, word) of those among the rows of the window.
    last: the same of its last row; nothing: the window has all that is left.
    """

    files: Select[Any]
    last: Select[Any]


@cache
def agreed_window(form: Form, order: Order, *, is_part: bool, is_first: bool) -> Window:
    columns = synced.c
    rows = select(columns.path, columns.version).where(columns.mirror == bindparam("mirror"))
    if order is Order.PATH:
        rows = rows.where(*in_range(columns.path, is_part=is_part))
    else:
        rows = rows.where(columns.version > bindparam("since"))
        if not is_first:
            rows = rows.where(comes_after(order, columns.version))
    rows = rows.order_by(*sorted_by(order, columns.version, columns.path))
    found = _seen_in(rows)
    conditions = [has_part(found.path, form), found.version > bindparam("since")]
    if is_part and order is not Order.PATH:
        conditions += in_range(found.path, is_part=True)
    files = select(found.path, found.version).where(*conditions)
    return _window(files.order_by(*sorted_by(order, found.version, found.path)), rows)


@cache
def left_window(
    form: Form, order: Order, *, is_part: bool, is_since: bool, begins: Begins = Begins.ANYWHERE
) -> Window:
    columns, left_at = left_path.c, type_coerce(left_path.c.left_at, Text)
    named = left_at.label("left_at")
    rows = select(columns.mirror, columns.path, named).where(columns.mirror == bindparam("mirror"))
    if order is Order.PATH:
        rows = rows.where(*in_range(columns.path, is_part=is_part))
    else:
        rows = rows.where(*begins_at(order, begins, left_at))
    rows = rows.order_by(*sorted_by(order, left_at, columns.path))
    found = _seen_in(rows)
    conditions = [has_part(found.path, form), *holds_nothing(found)]
    if is_since:
        conditions.append(found.left_at >= bindparam("since", type_=Text))
    if is_part and order is not Order.PATH:
        conditions += in_range(found.path, is_part=True)
    files = select(found.path, found.left_at).where(*conditions)
    last = rows.with_only_columns(columns.path, named)
    return _window(files.order_by(*sorted_by(order, found.left_at, found.path)), last)


def _seen_in(rows: Select[Any]) -> Any:
    return rows.limit(bindparam("window")).subquery("seen").c


def _window(files: Select[Any], rows: Select[Any]) -> Window:
    last = rows.limit(1).offset(bindparam("before_last"))
    return Window(files.limit(bindparam("limit")), last)


def look_through(
    tx: Transaction, window: Window, part: Part, values: Mapping[str, object], size: int, limit: int
) -> tuple[Sequence[Any], Any]:
    """
    Give (path, word) of the first *limit* files of a window; and its last row, if there are
    less of them and the window is not the last one.
    """
    given = {**values, **part.values}
    rows = tx.tuples(window.files, **given, window=size, limit=limit)
    if len(rows) == limit:
        return rows, None
    last = tx.tuples(window.last, **values, before_last=size - 1)
    return rows, last[0] if last else None
