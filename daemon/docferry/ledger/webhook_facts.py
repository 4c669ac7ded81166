"""What a noted row tells a webhook: the row is read anew, with what it belongs to."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from sqlalchemy import select

from docferry.core.webhooks import Event, EventType, Note, file_event
from docferry.job import JobRow, JobState
from docferry.ledger.database import Transaction
from docferry.ledger.history import HistoryRow, kind_of
from docferry.ledger.holds import find_hold
from docferry.ledger.problems import ProblemRow
from docferry.ledger.requests import RequestRow
from docferry.ledger.schema import history, job, mirror, problem, request, version
from docferry.model import (
    ARCHIVE_PREFIX,
    DeleteLocal,
    DeleteRemote,
    Download,
    Forget,
    KeepBoth,
    MarkSynced,
    Path,
    Remove,
    RequestKind,
    Ulid,
    Upload,
    VersionRow,
)

_HOLD = [kind_of(one) for one in (Upload, Download, MarkSynced, KeepBoth)]
_EMPTY = [kind_of(one) for one in (DeleteLocal, DeleteRemote, Remove)]
_FORGET = kind_of(Forget)
_LOOK_BACK = 16  # more in a row than this forgets nobody


def event_of(tx: Transaction, note: Note) -> Event | None:
    """Give what a noted row tells; None: nothing, or what it told of is no more."""
    ref, of_mirror = note.ref, note.mirror
    match note.source:
        case "history":
            row = tx.one(select(history).where(history.c.id == int(ref)), HistoryRow)
            return None if row is None else _of_history(tx, row)
        case "job":
            state, _, job_id = ref.partition(" ")
            done = tx.one(select(job).where(job.c.id == job_id), JobRow)
            return None if done is None else _of_job(done, JobState(state))
        case "hold":
            return _of_hold(tx, int(ref))
        case "request":
            return _of_request(tx, int(ref))
        case "rot":
            return _of_problem(tx, of_mirror, ref)
        case "verify":
            noted = json.loads(ref)
            at = datetime.fromisoformat(noted["at"])
            return Event(EventType.VERIFY_FOUND, at, of_mirror, facts=noted["facts"])
        case "stale" | "well":
            return _of_mirror(tx, note.source, datetime.fromisoformat(ref), of_mirror)
        case _:
            return None  # of another release


# Files.


def _of_history(tx: Transaction, row: HistoryRow) -> Event | None:
    before = _before(tx, row)
    now = None
    if row.kind in _HOLD:
        now = row.version
    elif row.kind == _FORGET and before is not None and not _has_left(tx, before, row.at):
        now = before  # one side has it still, and it comes back from there
    told = file_event(before, now)
    if told is None:
        return None
    which = now or before
    found = None if which is None else _version(tx, which)
    if now is not None and found is None:
        return None  # erased
    facts = {} if found is None else _facts(found)
    if told is EventType.FILE_CHANGED:
        facts["previous"] = before
    return Event(told, row.at, row.mirror, row.path, which, facts)


def _facts(found: VersionRow) -> dict[str, object]:
    return {"sha256": found.sha256, "size": found.size, "origin": found.origin}


def _before(tx: Transaction, row: HistoryRow) -> Ulid | None:
    """Give the version that the path held before; None: it held nothing."""
    query = (
        select(history)
        .where(
            history.c.mirror == row.mirror,
            history.c.path == row.path,
            history.c.id < row.id,
            history.c.kind.in_([*_HOLD, *_EMPTY, _FORGET]),
        )
        .order_by(history.c.id.desc())
        .limit(_LOOK_BACK)
    )
    forgotten_at: datetime | None = None
    for earlier in tx.all(query, HistoryRow):
        if earlier.kind in _EMPTY:
            return None
        if earlier.kind == _FORGET:
            forgotten_at = earlier.at
        elif forgotten_at is None or earlier.version is None:
            return earlier.version
        else:
            return None if _has_left(tx, earlier.version, forgotten_at) else earlier.version
    return None if forgotten_at else _parent(tx, row)


def _parent(tx: Transaction, row: HistoryRow) -> Ulid | None:
    """Give the version that the path held before, of a ledger that knows no history of it."""
    found = None if row.version is None else _version(tx, row.version)
    if row.kind not in _HOLD:
        return row.version
    parent = None if found is None or found.parent is None else _version(tx, found.parent)
    if found is None or parent is None or parent.path != row.path:
        return None
    return parent.id if parent.left_at is None or parent.left_at >= found.created_at else None


def _has_left(tx: Transaction, version_id: Ulid, by: datetime) -> bool:
    found = _version(tx, version_id)
    return found is None or (found.left_at is not None and found.left_at <= by)


def _version(tx: Transaction, version_id: Ulid) -> VersionRow | None:
    return tx.one(select(version).where(version.c.id == version_id), VersionRow)


# All else.


def _of_job(row: JobRow, state: JobState) -> Event:
    facts: dict[str, Any] = {
        "job": row.id,
        "rule": row.rule,
        "converter": row.converter,
        "sha256": row.sha256,
    }
    at = row.finished_at or row.created_at
    if state is JobState.DEAD:
        # What the converter said may quote the document.
        facts |= {"failure": row.failure, "attempts": row.attempts}
        return Event(EventType.CONVERSION_DEAD, at, row.mirror, row.path, row.version, facts)
    if row.result_path is not None:
        result = {"path": row.result_path, "sha256": row.result_sha256}
        facts["result"] = {"mirror": row.target_mirror} | result
    return Event(EventType.CONVERSION_DONE, at, row.mirror, row.path, row.version, facts)


def _of_hold(tx: Transaction, hold_id: int) -> Event | None:
    row = find_hold(tx, hold_id)
    if row is None:
        return None
    facts = {"hold": row.id, "kind": row.kind, "count": row.count, "reason": row.reason}
    return Event(EventType.HOLD_OPENED, row.created_at, row.mirror, facts=facts)


def _of_request(tx: Transaction, request_id: int) -> Event | None:
    row = tx.one(select(request).where(request.c.id == request_id), RequestRow)
    if row is None or not row.path:
        return None
    side = "local" if row.kind is RequestKind.HEAL_LOCAL else "remote"
    facts = {"side": side, "is_healed": True}
    at = row.created_at
    return Event(EventType.VERIFY_FOUND, at, row.mirror, row.path, row.version, facts)


def _of_problem(tx: Transaction, of_mirror: str, path: Path) -> Event | None:
    """Tell of damage of which no sound copy was found."""
    query = select(problem).where(problem.c.mirror == of_mirror, problem.c.path == path)
    row = tx.one(query, ProblemRow)
    if row is None:
        return None
    when = row.since
    facts = {"is_healed": False}
    if path.startswith(ARCHIVE_PREFIX):  # of an archived version: no document has that path
        archived = path.removeprefix(ARCHIVE_PREFIX)
        return Event(EventType.VERIFY_FOUND, when, of_mirror, None, archived, facts)
    return Event(EventType.VERIFY_FOUND, when, of_mirror, path, None, facts)


def _of_mirror(tx: Transaction, source: str, at: datetime, name: str) -> Event:
    polled = tx.tuples(select(mirror.c.last_poll_at).where(mirror.c.name == name))
    facts = {"last_poll_at": polled[0][0] if polled else None}
    told = EventType.MIRROR_STALE if source == "stale" else EventType.MIRROR_WELL
    return Event(told, at, name, facts=facts)
