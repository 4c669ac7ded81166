"""The note after the change: what operations did becomes rows, all in one transaction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from sqlalchemy import Text, bindparam, null, select, true, tuple_

from docferry.core.audit import Action
from docferry.core.paths import is_odd
from docferry.job import NewJob
from docferry.ledger.audit import note
from docferry.ledger.conflicts import end_begun, list_conflicts
from docferry.ledger.database import Database, Taken, Transaction, chunks
from docferry.ledger.history import kind_of
from docferry.ledger.holds import leave_decided
from docferry.ledger.jobs import insert_jobs
from docferry.ledger.requests import finish_request
from docferry.ledger.schema import history, instant_text, intent, problem, synced, version
from docferry.ledger.versions import values_of
from docferry.model import (
    DeleteLocal,
    DeleteRemote,
    Erase,
    Forget,
    Outcome,
    Path,
    PutBack,
    ReadLocal,
    ReadRemote,
    Remove,
    Restore,
    Side,
    SyncedState,
    Ulid,
)

_DELETIONS = (DeleteLocal, DeleteRemote, Remove)
_SAME_PATH = Taken(("mirror", "path"))
_FORGET = synced.delete().where(
    synced.c.mirror == bindparam("of_mirror"), synced.c.path == bindparam("of_path")
)
_FULFIL = intent.delete().where(
    intent.c.mirror == bindparam("of_mirror"),
    tuple_(intent.c.path, intent.c.version).in_(bindparam("uploads", expanding=True)),
)
_SOLVE = problem.delete().where(
    problem.c.mirror == bindparam("of_mirror"),
    problem.c.path.in_(bindparam("paths", expanding=True)),
)
#: Of some paths those with a version that counts as current, but for these.
_TO_LEAVE = select(version.c.path).where(
    version.c.mirror == bindparam("of_mirror"),
    version.c.path.in_(bindparam("paths", expanding=True)),
    version.c.left_at.is_(null()),
    tuple_(version.c.path, version.c.id).not_in(bindparam("but_for", expanding=True)),
)
_LEAVE = (
    version.update()
    .values(left_at=bindparam("since", type_=Text))
    .where(
        version.c.mirror == bindparam("of_mirror"),
        version.c.path == bindparam("of_path"),
        version.c.left_at.is_(null()),
        version.c.id != bindparam("but_for"),
    )
)
_IS_THIS = version.c.id == bindparam("of_id")
_ARCHIVE = {
    Side.LOCAL: version.update().values(archived_local=true()).where(_IS_THIS),
    Side.REMOTE: version.update().values(archived_remote=true()).where(_IS_THIS),
}


def record(
    database: Database,
    mirror: str,
    outcomes: Sequence[Outcome],
    jobs: Sequence[NewJob],
    *,
    at: datetime,
) -> None:
    """Write down *outcomes*, in their order, and *jobs*: everything or nothing."""
    # An erasure has written down what it did: its path must not come back with a note.
    outcomes = [one for one in outcomes if not isinstance(one.operation, Erase)]
    if not outcomes and not jobs:
        return
    with database.writing() as tx:
        _record_synced(tx, mirror, outcomes)
        _record_versions(tx, mirror, outcomes, at)
        _fulfil_intents(tx, mirror, outcomes)
        _record_archived(tx, outcomes)
        _record_history(tx, mirror, outcomes, at)
        _note_deletions(tx, mirror, outcomes, at)
        _record_conflicts(tx, mirror, outcomes, at)
        _solve_problems(tx, mirror, outcomes)
        _answer_requests(tx, outcomes, at)
        leave_decided(tx, mirror, [outcome.operation.path for outcome in outcomes], at)
        insert_jobs(tx, jobs)


def _answer_requests(tx: Transaction, outcomes: Sequence[Outcome], at: datetime) -> None:
    for answer in [outcome.answers for outcome in outcomes if outcome.answers is not None]:
        finish_request(tx, answer.request, answer.state, at, answer.note)


def _record_synced(tx: Transaction, mirror: str, outcomes: Sequence[Outcome]) -> None:
    last = _last_agreements(outcomes)
    rows = [
        {
            "mirror": mirror,
            "path": path,
            "sha256": state.sha256,
            "local_token": state.local_token,
            "remote_token": state.remote_token,
            "version": state.version,
            "size": state.size,
            "odd": is_odd(path),
        }
        for path, state in last.items()
        if state is not None
    ]
    tx.upsert(synced, rows, _SAME_PATH)
    tx.execute_many(_FORGET, [(mirror, path) for path, state in last.items() if state is None])


def _last_agreements(outcomes: Sequence[Outcome]) -> dict[Path, SyncedState | None]:
    """Give what each path ends with: the statements below run in no particular order."""
    return {
        outcome.operation.path: outcome.synced
        for outcome in outcomes
        # Reading a file changes no agreement: without a new one the old one stands.
        if outcome.synced or _ends_an_agreement(outcome)
    }


def _record_versions(
    tx: Transaction, mirror: str, outcomes: Sequence[Outcome], at: datetime
) -> None:
    new = [outcome.version for outcome in outcomes if outcome.version is not None]
    # What was displaced before the ledger knew of it was never current there.
    displaced = [
        replace(
            outcome.displaced,
            left_at=None if _is_held_still(outcome) else outcome.displaced.created_at,
            agreed=False,
        )
        for outcome in outcomes
        if outcome.displaced is not None
    ]
    # The id travels with the object: the same content, come back, is the same version.
    tx.insert_missing(version, [values_of(row) for row in (*displaced, *new)])
    _leave_others(tx, mirror, _followed(outcomes, at))


def _followed(outcomes: Sequence[Outcome], at: datetime) -> dict[Path, tuple[str, datetime]]:
    """Say of which paths all but one version, or all, are not current any more, and since when."""
    followed: dict[Path, tuple[str, datetime]] = {}
    for outcome in outcomes:
        path = outcome.operation.path
        if outcome.version is not None:
            followed[path] = (outcome.version.id, outcome.version.created_at)
        elif outcome.displaced is not None and _is_held_still(outcome):
            followed[path] = (outcome.displaced.id, outcome.displaced.created_at)
        elif outcome.synced is None and _ends_an_agreement(outcome) and not _stays(outcome):
            followed[path] = ("", at)
    return followed


def _leave_others(tx: Transaction, mirror: str, followed: dict[Path, tuple[str, datetime]]) -> None:
    """Of most paths there are no others: these are found first, all by one statement."""
    for paths in chunks([*followed]):
        stay = [(path, followed[path][0]) for path in paths]
        found = tx.tuples(_TO_LEAVE, of_mirror=mirror, paths=paths, but_for=stay)
        stale = {path: followed[path] for (path,) in found}
        rows = [(instant_text(at), mirror, path, one) for path, (one, at) in stale.items()]
        tx.execute_many(_LEAVE, rows)


def _ends_an_agreement(outcome: Outcome) -> bool:
    return not isinstance(outcome.operation, ReadLocal | ReadRemote | Restore | PutBack)


def _is_held_still(outcome: Outcome) -> bool:
    """Say whether the path holds what is to be displaced, for as long as nothing has come of it."""
    displaced, agreed = outcome.displaced, outcome.synced
    return displaced is not None and agreed is not None and agreed.version == displaced.id


def _stays(outcome: Outcome) -> bool:
    return isinstance(outcome.operation, Forget) and outcome.operation.stays


def _fulfil_intents(tx: Transaction, mirror: str, outcomes: Sequence[Outcome]) -> None:
    recorded = [
        (outcome.operation.path, outcome.synced.version)
        for outcome in outcomes
        if outcome.synced is not None
    ]
    for uploads in chunks(recorded):
        tx.run(_FULFIL, of_mirror=mirror, uploads=uploads)


def _record_archived(tx: Transaction, outcomes: Sequence[Outcome]) -> None:
    archived = [outcome.archived for outcome in outcomes if outcome.archived]
    for side, statement in _ARCHIVE.items():
        tx.execute_many(statement, [(which,) for which, where in archived if where is side])


def _record_history(
    tx: Transaction, mirror: str, outcomes: Sequence[Outcome], at: datetime
) -> None:
    rows = [
        {
            "at": at,
            "mirror": mirror,
            "path": outcome.operation.path,
            "kind": kind_of(type(outcome.operation)),
            "version": _version_of(outcome),
            "moved_bytes": outcome.moved_bytes,
            "took_s": outcome.took_s,
            "note": outcome.conflict_copy,
        }
        for outcome in outcomes
    ]
    tx.insert(history, rows)


def _note_deletions(
    tx: Transaction, mirror: str, outcomes: Sequence[Outcome], at: datetime
) -> None:
    """Write into the audit what was deleted: one row for all that is written down together."""
    deleted = [outcome for outcome in outcomes if isinstance(outcome.operation, _DELETIONS)]
    facts: dict[str, list[Ulid | None]] = {}
    for outcome in deleted:
        facts.setdefault(kind_of(type(outcome.operation)), []).append(_version_of(outcome))
    if facts:
        note(tx, Action.FILES_DELETED, at, mirror, facts)


def _version_of(outcome: Outcome) -> Ulid | None:
    if isinstance(outcome.operation, Restore):
        return outcome.operation.version.id
    if outcome.version is not None:
        return outcome.version.id
    if outcome.synced is not None:
        return outcome.synced.version
    return outcome.archived[0] if outcome.archived else None


def _record_conflicts(
    tx: Transaction, mirror: str, outcomes: Sequence[Outcome], at: datetime
) -> None:
    found = [
        (outcome.operation.path, outcome.conflict_copy)
        for outcome in outcomes
        if outcome.conflict_copy is not None
    ]
    list_conflicts(tx, mirror, found, at)
    displaced = [outcome.displaced.id for outcome in outcomes if outcome.displaced is not None]
    end_begun(tx, mirror, displaced)


def _solve_problems(tx: Transaction, mirror: str, outcomes: Sequence[Outcome]) -> None:
    for paths in chunks([outcome.operation.path for outcome in outcomes]):
        tx.run(_SOLVE, of_mirror=mirror, paths=paths)
