"""
Which files a page of a list has, and in which order: always some rows of an index, never all.

A page begins after the last entry of the one before, wherever that is by now. What is asked
in the order of one index and within a range of another is read by that one which gives few.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from itertools import islice
from typing import TypeAlias

from sqlalchemy import literal, select, tuple_

from docferry.core.standing import UNUSUAL, Order, Standing
from docferry.errors import UserError
from docferry.ledger.database import Transaction, chunks
from docferry.ledger.file_queries import (
    NAME_OF_FILE,
    Begins,
    agreed_query,
    left_query,
    range_of,
    unusual_queries,
)
from docferry.ledger.file_search import WINDOW, agreed_window, left_window, look_through
from docferry.ledger.path_parts import part_of
from docferry.ledger.schema import instant_text, synced
from docferry.model import Path, Ulid

#: Where an entry stands in its list: (mirror, path) or, by time, (word, mirror, path).
Place: TypeAlias = tuple[str, ...]
#: As many are sorted rather than sought in another order, of all mirrors together.
_FEW, _LEAST = 2000, 200
_LEAST_WINDOW = 1000  # of one mirror, where many are searched
_AT_ONCE = 20  # of one mirror, where a page has several
#: So many unusual files are sorted by time.
MOST_SORTED = 5000


@dataclass(frozen=True, slots=True)
class Span:
    """
    Which paths of which mirrors a list has.

    prefix: With which the paths begin; "": all.
    contains: What is in the paths, wherever, in upper or lower case; "": all.
    since: Only later versions than this one; "": all.
    left_since: Of what was deleted: only what was so at this time, or later.
    window: So many paths are looked through at once for what they contain, of all mirrors.
    """

    mirrors: tuple[str, ...]
    prefix: str = ""
    contains: str = ""
    since: Ulid = ""
    left_since: datetime | None = None
    window: int = WINDOW


@dataclass(frozen=True, slots=True)
class FileKey:
    """
    A file of a list.

    word: what it is sorted by where that is not its path.
    is_passed: it is none of the list: a search came by, and has yet to go on from there.
    """

    mirror: str
    path: Path
    word: str = ""
    is_passed: bool = False

    def place(self, order: Order) -> Place:
        """Say where it stands: lists go on from there."""
        by_path = (self.mirror, self.path)
        return by_path if order is Order.PATH else (self.word, *by_path)


def keys_of(
    tx: Transaction, standing: Standing, span: Span, order: Order, after: Place | None, limit: int
) -> list[FileKey]:
    """
    Give the first files of a list that come after a place; None: from its beginning.

    Less than *limit* are all that are left, unless the last one is passed.

    Raises:
        UserError: There are too many unusual ones to be sorted by time.
    """
    if order is Order.PATH:
        return _by_path(tx, standing, span, after, limit)
    if standing in UNUSUAL:
        return _unusual_by_time(tx, standing, span, order, after)[:limit]
    read = _agreed_by_time if standing is Standing.AGREED else _left_by_time
    if span.contains:
        read = partial(_with_part, standing=standing)
    at_once = max(_AT_ONCE, 2 * limit // len(span.mirrors))
    pages = [
        _gone_on_with(partial(read, tx, one, span, order), order, after, min(limit, at_once))
        for one in span.mirrors
    ]
    is_newest = order is Order.NEWEST
    merged = heapq.merge(*pages, key=lambda one: one.place(order), reverse=is_newest)
    return _until_passed(islice(merged, limit))


def _until_passed(keys: Iterable[FileKey]) -> list[FileKey]:
    found: list[FileKey] = []
    for key in keys:
        found.append(key)
        if key.is_passed:
            break
    return found


def _gone_on_with(
    read: Callable[[Place | None, int], list[FileKey]],
    order: Order,
    after: Place | None,
    at_once: int,
) -> Iterator[FileKey]:
    """Yield what *read* gives, a few at a time: of many mirrors a page has few of each."""
    while True:
        page = read(after, at_once)
        yield from page
        if len(page) < at_once and not (page and page[-1].is_passed):
            return
        after = page[-1].place(order)


def named(
    tx: Transaction, mirrors: Sequence[str], name: str, limit: int, after: tuple[str, Path]
) -> list[FileKey]:
    """Give the next files that both sides agreed on with this name, whatever folder they are in."""
    here = tuple_(synced.c.mirror, synced.c.path)
    query = (
        select(synced.c.mirror, synced.c.path)
        .where(literal(name) == NAME_OF_FILE, here > tuple_(*map(literal, after)))
        .order_by(synced.c.mirror, synced.c.path)  # as the index has those of one name
    )
    if mirrors:
        query = query.where(synced.c.mirror.in_(mirrors))
    return [FileKey(*row) for row in tx.tuples(query.limit(limit))]


# By path: mirror after mirror.


def _by_path(
    tx: Transaction, standing: Standing, span: Span, after: Place | None, limit: int
) -> list[FileKey]:
    found: list[FileKey] = []
    mirror_before, path_before = after or ("", "")
    for mirror in sorted(span.mirrors):
        if mirror < mirror_before:
            continue
        if len(found) >= limit or (found and found[-1].is_passed):
            break
        last = path_before if mirror == mirror_before else ""
        left = limit - len(found)
        if span.contains and standing not in UNUSUAL:
            place = (mirror, last)
            found += _with_part(tx, mirror, span, Order.PATH, place, left, standing=standing)
        else:
            paths = _paths_of(tx, standing, mirror, span, last, left)
            found += [FileKey(mirror, path) for path in paths]
    return found


def _paths_of(
    tx: Transaction, standing: Standing, mirror: str, span: Span, after: Path, limit: int
) -> list[Path]:
    if standing is Standing.AGREED:
        return _agreed_paths(tx, mirror, span, after, limit)
    if standing is Standing.DELETED:
        since = None if span.left_since is None else instant_text(span.left_since)
        query = left_query(None, is_part=bool(span.prefix), is_since=since is not None)
        values = {"mirror": mirror, "since": since, "limit": limit}
        rows = tx.tuples(query, **values, **range_of(span.prefix, after))
        return [path for path, _ in rows]
    return _unusual_paths(tx, standing, mirror, span, after, limit)


def _agreed_paths(tx: Transaction, mirror: str, span: Span, after: Path, limit: int) -> list[Path]:
    if span.since:
        few = _few(span)
        query = agreed_query(Order.NEWEST, is_part=False, is_first=True)
        rows = tx.tuples(query, mirror=mirror, since=span.since, limit=few + 1)
        if len(rows) <= few:
            paths = sorted(path for path, _ in rows)
            return [one for one in paths if one > after and one.startswith(span.prefix)][:limit]
    query = agreed_query(Order.PATH, is_part=bool(span.prefix), is_first=True)
    values = {"mirror": mirror, "since": span.since, "limit": limit}
    return [path for path, _ in tx.tuples(query, **values, **range_of(span.prefix, after))]


def _unusual_paths(
    tx: Transaction, standing: Standing, mirror: str, span: Span, after: Path, limit: int
) -> list[Path]:
    values = range_of(span.prefix, after) | {"mirror": mirror, "limit": limit}
    part = part_of(span.contains) if span.contains else None
    form, parts = (None, {}) if part is None else (part.form, part.values)
    pages = [
        [path for (path,) in tx.tuples(query, **values, **parts)]
        for query in unusual_queries(tx, standing, mirror, is_part=bool(span.prefix), form=form)
    ]
    return [*islice(_once(heapq.merge(*pages)), limit)]


def _once(paths: Iterable[Path]) -> Iterator[Path]:
    before = None
    for path in paths:
        if path != before:
            yield path
        before = path


# By time: all mirrors at once.


def _agreed_by_time(
    tx: Transaction, mirror: str, span: Span, order: Order, after: Place | None, limit: int
) -> list[FileKey]:
    is_newest = order is Order.NEWEST
    last = "" if after is None else after[0]
    if span.prefix:
        few, query = _few(span), agreed_query(Order.PATH, is_part=True, is_first=True)
        within = range_of(span.prefix)
        rows = tx.tuples(query, mirror=mirror, since=span.since, limit=few + 1, **within)
        if len(rows) <= few:
            found = [
                FileKey(mirror, path, one)
                for path, one in rows
                if not last or (one < last if is_newest else one > last)
            ]
            return sorted(found, key=lambda one: one.word, reverse=is_newest)[:limit]
    query = agreed_query(order, is_part=bool(span.prefix), is_first=after is None)
    values = {"mirror": mirror, "since": span.since, "after": last, "limit": limit}
    rows = tx.tuples(query, **values, **range_of(span.prefix))
    return [FileKey(mirror, path, one) for path, one in rows]


def _left_by_time(
    tx: Transaction, mirror: str, span: Span, order: Order, after: Place | None, limit: int
) -> list[FileKey]:
    begins = _beginning(mirror, order, after)
    since = None if span.left_since is None else instant_text(span.left_since)
    query = left_query(order, is_part=bool(span.prefix), is_since=since is not None, begins=begins)
    word, _, path = after or ("", "", "")
    values = {"mirror": mirror, "since": since, "word": word, "path": path, "limit": limit}
    rows = tx.tuples(query, **values, **range_of(span.prefix))
    return [FileKey(mirror, found, left_at) for found, left_at in rows]


def _beginning(mirror: str, order: Order, after: Place | None) -> Begins:
    if after is None:
        return Begins.ANYWHERE
    if mirror == after[1]:
        return Begins.INSIDE
    is_passed = mirror < after[1] if order is Order.OLDEST else mirror > after[1]
    return Begins.LATER if is_passed else Begins.SAME_TIME


def _unusual_by_time(
    tx: Transaction, standing: Standing, span: Span, order: Order, after: Place | None
) -> list[FileKey]:
    found: list[FileKey] = []
    for mirror in span.mirrors:
        most = MOST_SORTED + 1 - len(found)
        paths = _unusual_paths(tx, standing, mirror, span, "", most)
        ids = _versions_at(tx, mirror, paths)
        found += [FileKey(mirror, path, ids.get(path, "")) for path in paths]
    if len(found) > MOST_SORTED:
        raise UserError(f"more than {MOST_SORTED} files are {standing}: list them by path")
    is_newest = order is Order.NEWEST
    placed = {one.place(order): one for one in found}
    return [
        placed[place]
        for place in sorted(placed, reverse=is_newest)
        if after is None or (place < after if is_newest else place > after)
    ]


def _versions_at(tx: Transaction, mirror: str, paths: Sequence[Path]) -> dict[Path, Ulid]:
    query = select(synced.c.path, synced.c.version).where(synced.c.mirror == mirror)
    return {
        path: one
        for chunk in chunks(paths)
        for path, one in tx.tuples(query.where(synced.c.path.in_(chunk)))
    }


# By a part of the path.


def _with_part(
    tx: Transaction,
    mirror: str,
    span: Span,
    order: Order,
    after: Place | None,
    limit: int,
    *,
    standing: Standing,
) -> list[FileKey]:
    """Look through one window of a mirror's files, or of those that it had."""
    part, is_part = part_of(span.contains), bool(span.prefix)
    word, path = ("", (after or ("", ""))[-1]) if order is Order.PATH else _word_of(after)
    values = range_of(span.prefix, path if order is Order.PATH else "")
    values |= {"mirror": mirror, "since": span.since, "after": word, "word": word, "path": path}
    if standing is Standing.AGREED:
        window = agreed_window(part.form, order, is_part=is_part, is_first=after is None)
    else:
        since = None if span.left_since is None else instant_text(span.left_since)
        begins = Begins.ANYWHERE if order is Order.PATH else _beginning(mirror, order, after)
        window = left_window(
            part.form, order, is_part=is_part, is_since=since is not None, begins=begins
        )
        values["since"] = since
    size = max(min(span.window, _LEAST_WINDOW), span.window // len(span.mirrors))
    rows, last = look_through(tx, window, part, values, size, limit)
    is_path = order is Order.PATH
    found = [FileKey(mirror, one, "" if is_path else said) for one, said in rows]
    if last is not None:
        found.append(FileKey(mirror, last[0], "" if is_path else last[1], is_passed=True))
    return found


def _word_of(after: Place | None) -> tuple[str, Path]:
    return ("", "") if after is None else (after[0], after[2])


def _few(span: Span) -> int:
    return max(_LEAST, _FEW // len(span.mirrors))
