"""
Erasures: what is written down of a document goes, but for the hash of what was erased.

SQLite's `secure_delete` alone would not do. It wipes what is deleted from then on; a path
also stands in pages that were freed earlier (each upload's intent is a row that came and
went), where whoever wrote there had it off: Debian builds SQLite with it, others do not.
A VACUUM writes the whole file anew, and a checkpoint that truncates empties the WAL.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Column, Table, func, null, or_, select

from docferry.core.audit import Action
from docferry.core.places import is_named_after
from docferry.job import JobRow, JobState
from docferry.ledger.arrivals import arrival
from docferry.ledger.audit import note
from docferry.ledger.change_schema import change
from docferry.ledger.database import Database, Transaction, chunks
from docferry.ledger.held_changes import tell
from docferry.ledger.schema import (
    METADATA,
    Shown,
    alias,
    answer,
    begun_conflict,
    conflict,
    deletion,
    history,
    intent,
    job,
    patrol,
    problem,
    request,
    result,
    synced,
    version,
)
from docferry.ledger.schema import mirror as mirror_table
from docferry.ledger.transfers import transfer
from docferry.ledger.webhook_schema import webhook_delivery, webhook_event
from docferry.model import Path, RequestState, Sha256, Ulid

ERASE = "erase"  #: in history, under no path: a version that was erased; its note is the SHA-256
_REDACTED = "(erased)"
_NAMES = ("path", "copy_path", "result_path", "key", "cursor")  # columns that name a document
_SHORTEST_WORD = 4
#: A result that is not there any more is forgotten with its source, unless it may be to come.
_RECORDED_AFTER = timedelta(hours=1)
_IS_THERE = (
    select(synced.c.path)
    .where(synced.c.mirror == result.c.mirror, synced.c.path == result.c.path)
    .exists()
)
_MIRRORS = select(mirror_table.c.name)  # of any: named, so that the indexes serve


class Erasures:
    def __init__(self, database: Database) -> None:
        self._database = database

    def when(self, version_id: Ulid, mirrors: Collection[str] | None = None) -> datetime | None:
        """
        Say when a version was erased. None: it was not.

        Args:
            mirrors: Of which it may have been; None: of any.
        """
        query = select(history.c.at).where(
            history.c.mirror.in_(_MIRRORS if mirrors is None else mirrors),
            history.c.path == "",
            history.c.kind == ERASE,
            history.c.version == version_id,
        )
        with self._database.reading() as tx:
            found: datetime | None = tx.value(query)
        return found

    def jobs_of(self, contents: Sequence[Sha256], erased: Collection[Ulid]) -> list[JobRow]:
        """
        Give the jobs about *contents* that no version but the *erased* ones ever had.

        Also those of a content that others have too, where the result has the erased name.
        """
        with self._database.reading() as tx:
            alone = {one for one in contents if _another(tx, one, erased) is None}
            return [
                row
                for chunk in chunks(contents)
                for row in tx.all(select(job).where(job.c.sha256.in_(chunk)), JobRow)
                if row.sha256 in alone or (row.version in erased and _tells_name(row))
            ]

    def are_running(self, contents: Sequence[Sha256]) -> bool:
        """Say whether a conversion of one of *contents* runs: it may put a result somewhere."""
        with self._database.reading() as tx:
            return any(
                tx.value(
                    select(job.c.id).where(job.c.sha256.in_(chunk), job.c.state == JobState.RUNNING)
                )
                for chunk in chunks(contents)
            )

    def copies(self, mirror: str, path: Path, contents: Sequence[Sha256]) -> list[Path]:
        """Give the other paths of *mirror* that hold one of *contents* now."""
        with self._database.reading() as tx:
            return sorted(
                found
                for chunk in chunks(contents)
                for (found,) in tx.tuples(
                    select(synced.c.path).where(
                        synced.c.mirror == mirror,
                        synced.c.sha256.in_(chunk),
                        synced.c.path != path,
                    )
                )
            )

    def forget(
        self,
        mirror: str,
        path: Path,
        erased: Mapping[Ulid, Sha256],
        at: datetime,
        *,
        request_id: int,
        is_all: bool,
    ) -> None:
        """
        Remove the rows of *path*, in one transaction; a line for each erased version stays.

        Args:
            erased: The versions, with their contents.
            request_id: The request for it: what came of it is still to be told.
            is_all: Nothing newer is there, of which rows must stay.
        """
        with self._database.writing() as tx:
            tx.insert(history, [_line(at, mirror, *each) for each in erased.items()])
            _forget_versions(tx, mirror, path, erased, at)
            _forget_jobs(tx, mirror, path, erased)
            if is_all:
                _forget_path(tx, mirror, path, request_id)
            _redact(tx, mirror, path, request_id)
            facts = {"request": request_id, "versions": sorted(erased)}
            note(tx, Action.VERSIONS_ERASED, at, mirror, facts)

    def begin(self, request_id: int, at: datetime) -> bool:
        """
        Note that something is about to be removed, so that nobody cancels it any more.

        Returns:
            False: somebody has cancelled it.
        """
        with self._database.writing() as tx:
            is_open = request.c.id == request_id, request.c.state == RequestState.OPEN
            return bool(tx.update(request, {"begun_at": at}, *is_open))

    def note(self, request_id: int, note: str, *, is_erased: bool) -> None:
        """Write down what came of a request; with *is_erased* its path goes too."""
        values = {"note": note} | ({"path": ""} if is_erased else {})
        with self._database.writing() as tx:
            tx.update(request, values, request.c.id == request_id)

    def finish(self, request_id: int, state: RequestState, at: datetime) -> None:
        """Write down that a request has come to its end, which was noted before."""
        values = {"state": state, "finished_at": at}
        with self._database.writing() as tx:
            tx.update(request, values, request.c.id == request_id)

    def wipe(self) -> None:
        """Take what was removed out of the database's files too. Writers wait meanwhile."""
        self._database.wipe()

    def traces(self, mirror: str, names: Collection[str], request_id: int) -> list[str]:
        """
        Name the columns in which a document of *mirror* still stands, but for the request.

        Args:
            names: Its path, and its key with and without the prefix.
        """
        with self._database.reading() as tx:
            return [
                f"{table.name}.{column.name}"
                for table in _tables()
                for column in _columns(table)
                if any(_found(tx, table, column, mirror, name, request_id) for name in names)
            ]


def _forget_versions(
    tx: Transaction, mirror: str, path: Path, erased: Mapping[Ulid, Sha256], at: datetime
) -> None:
    recorded_by = at - _RECORDED_AFTER
    for chunk in chunks([*erased]):
        tx.delete(
            synced, synced.c.mirror == mirror, synced.c.path == path, synced.c.version.in_(chunk)
        )
        tx.delete(version, version.c.id.in_(chunk))
        tx.delete(begun_conflict, begun_conflict.c.version.in_(chunk))
        tx.delete(webhook_delivery, webhook_delivery.c.version.in_(chunk))
        tx.delete(
            history,
            history.c.mirror == mirror,
            history.c.path == path,
            history.c.version.in_(chunk),
        )
        tx.delete(result, result.c.source.in_(chunk), result.c.put_at <= recorded_by, ~_IS_THERE)


def _forget_jobs(tx: Transaction, mirror: str, path: Path, erased: Mapping[Ulid, Sha256]) -> None:
    """Forget the conversions of contents that nobody else has; give the others to who has them."""
    for sha256 in {*erased.values()}:
        other = _another(tx, sha256, erased)
        if other is None:
            tx.delete(job, job.c.sha256 == sha256)
            continue
        _forget_named(tx, mirror, path, sha256, erased)
        names = dict(zip(("mirror", "path", "version"), other, strict=True))
        tx.update(job, names, job.c.sha256 == sha256, job.c.mirror == mirror, job.c.path == path)


def _forget_named(
    tx: Transaction, mirror: str, path: Path, sha256: Sha256, erased: Collection[Ulid]
) -> None:
    """Forget the conversions whose results have the erased name: the others have their own."""
    ours = select(job).where(job.c.sha256 == sha256, job.c.mirror == mirror, job.c.path == path)
    for row in tx.all(ours, JobRow):
        if row.version in erased and _tells_name(row):
            tx.delete(job, job.c.id == row.id)


def _tells_name(row: JobRow) -> bool:
    return is_named_after(row.place, row.path)


def _another(
    tx: Transaction, sha256: Sha256, erased: Collection[Ulid]
) -> tuple[str, Path, Ulid] | None:
    query = select(version.c.mirror, version.c.path, version.c.id).where(
        version.c.mirror.in_(_MIRRORS), version.c.sha256 == sha256
    )
    found = tx.tuples(query.limit(len(erased) + 1))
    return next((one for one in found if one[2] not in erased), None)


def _forget_path(tx: Transaction, mirror: str, path: Path, request_id: int) -> None:
    holds = {
        one
        for held in (deletion, change)
        for (one,) in tx.tuples(
            select(held.c.hold).distinct().where(held.c.mirror == mirror, held.c.path == path)
        )
        if one is not None
    }
    waiting = (deletion, change, intent, problem, transfer)
    tables = (synced, history, *waiting, alias, result, webhook_delivery, arrival)
    for table in tables:
        tx.delete(table, table.c.mirror == mirror, table.c.path == path)
    tx.delete(change, change.c.mirror == mirror, change.c.victim == path)
    # The row stays, or its number would be given to the next event.
    named = webhook_event.c.mirror == mirror, webhook_event.c.ref == path
    tx.update(webhook_event, {"ref": ""}, webhook_event.c.source == "rot", *named)
    for table in (conflict, begun_conflict):
        is_there = or_(table.c.path == path, table.c.copy_path == path)
        tx.delete(table, table.c.mirror == mirror, is_there)
    tx.delete(
        request, request.c.mirror == mirror, request.c.path == path, request.c.id != request_id
    )
    # What was answered to calls may name it; kept for a day at most, it is missed by few.
    tx.delete(answer, answer.c.status.is_not(null()))
    for one in holds:
        tell(tx, one)


def _redact(tx: Transaction, mirror: str, path: Path, request_id: int) -> None:
    """Take the path out of what was written down about other things."""
    for table in _tables():
        for column in _columns(table):
            for text in _found(tx, table, column, mirror, path, request_id):
                if isinstance(column.type, Shown):
                    without = _as_a_word(path).sub(_REDACTED, text)
                    tx.update(table, {column.name: without}, column == text)
    above = path.rpartition("/")[0]  # the patrol goes on a little before it
    tx.update(patrol, {"cursor": above}, patrol.c.mirror == mirror, patrol.c.cursor == path)


def _tables() -> Iterator[Table]:
    return (table for table in METADATA.sorted_tables if "mirror" in table.columns)


def _columns(table: Table) -> Iterator[Column[Any]]:
    for column in table.columns:
        if column.name in _NAMES or isinstance(column.type, Shown):
            yield column


def _found(
    tx: Transaction, table: Table, column: Column[Any], mirror: str, name: str, request_id: int
) -> list[str]:
    """Give what stands in a column and names, or mentions, a document."""
    is_told = isinstance(column.type, Shown) and column.name not in _NAMES
    is_there = func.instr(column, name) > 0 if is_told else column == name
    where = [is_there, table.c.mirror == mirror]
    if table is request:
        where.append(request.c.id != request_id)
    texts = [str(text) for (text,) in tx.tuples(select(column).distinct().where(*where))]
    return [text for text in texts if not is_told or _mentions(text, name)]


def _mentions(text: str, name: str) -> bool:
    if len(name) < _SHORTEST_WORD:
        return text == name  # "a" is a word of any message
    return _as_a_word(name).search(text) is not None


def _as_a_word(name: str) -> re.Pattern[str]:
    """The name by itself, and not as a part of another one."""
    return re.compile(rf"(?<![\w./-]){re.escape(name)}(?![\w/-]|\.\w)")


def _line(at: datetime, mirror: str, version_id: Ulid, sha256: Sha256) -> dict[str, object]:
    return {
        "at": at,
        "mirror": mirror,
        "path": "",
        "kind": ERASE,
        "version": version_id,
        "moved_bytes": 0,
        "took_s": 0.0,
        "note": sha256,
    }
