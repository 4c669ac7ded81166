"""Jobs that a person looks at: dead letters, what is asked for, and what is queued anew."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import fields
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    ScalarSelect,
    Select,
    case,
    func,
    literal,
    null,
    or_,
    select,
)
from ulid import ULID

from docferry.core.audit import Action
from docferry.core.results import is_by_path
from docferry.job import Failure, JobRow, JobState, NewJob, Priority
from docferry.ledger.audit import note
from docferry.ledger.database import Database, Transaction, chunks
from docferry.ledger.schema import job, synced, version
from docferry.model import Path, Sha256, Ulid

#: Note of a letter that was queued again by itself. That happens to it once.
REVIVED = "tried again by itself after its converter had been down"

#: Skipped for what may be so no more: the version was gone, the rule was.
SKIPPED_FOR_NOW = (Failure.CHANGED, Failure.CONFIGURATION)
#: What a converter that is down may have to do with.
_OF_AN_OUTAGE = (Failure.OUTAGE, Failure.CONFIGURATION, Failure.CRASHED)
#: As long as a daemon may wait for the ledger without anybody noticing.
_ASKED_AT_ONCE = 200
_MOST_TOLD = 1000  # versions in a row of the audit
_FREED = {"stage": None, "lease_until": None, "attempts": 0, "doubted_at": None}
_ANEW = _FREED | {"state": JobState.QUEUED, "expires_at": None}

_FIELDS = [one.name for one in fields(NewJob)]


class JobLetters:
    _database: Database

    def letters(
        self,
        *,
        rule: str | None = None,
        converter: str | None = None,
        failure: Failure | None = None,
        path: Path | None = None,
        ids: Collection[Ulid] | None = None,
    ) -> list[JobRow]:
        """
        Give the jobs that were given up on, the oldest first, each with the path of now.

        That is the path of its own version, while it has that content; else another one that has.
        A content that no file of its mirror has any more waits for nobody: a mended
        document is another content.

        Args:
            converter: A chain is meant by all of its name, and by each of its converters.
            path: Any that has the content now: the letters are given with it.
            ids: Only these; as many as one statement takes.
        """
        now_at = _path_of_now() if path is None else literal(path)
        others = [column for column in job.c if column is not job.c.path]
        where = [job.c.state == JobState.DEAD, _first_path_of_now().is_not(null())]
        if rule is not None:
            where.append(job.c.rule == rule)
        if failure is not None:
            where.append(job.c.failure == failure)
        if path is not None:
            where.append(has_now(path))
        if ids is not None:
            where.append(job.c.id.in_(ids))
        query = select(now_at.label("path"), *others).where(*where)
        with self._database.reading() as tx:
            rows = tx.all(query.order_by(job.c.finished_at, job.c.id), JobRow)
        return [row for row in rows if converter is None or _uses(row.converter, (converter,))]

    def replay(self, ids: Sequence[Ulid], at: datetime) -> list[Ulid]:
        """Queue dead or discarded letters again, with all their attempts; give those that were."""
        where = job.c.state.in_((JobState.DEAD, JobState.DISCARDED))
        values: dict[str, object] = _ANEW | {"run_at": at, "note": None}
        return self._change_letters(ids, values, where, Action.LETTERS_REPLAYED, at)

    def discard(self, ids: Sequence[Ulid], at: datetime) -> list[Ulid]:
        """Put dead letters aside; give those that were."""
        values = {"state": JobState.DISCARDED, "finished_at": at}
        is_dead = job.c.state == JobState.DEAD
        return self._change_letters(ids, values, is_dead, Action.LETTERS_DISCARDED, at)

    def revive(self, converters: Collection[str], since: datetime, at: datetime) -> int:
        """
        Queue again what died since an outage began that is over now; give the number.

        What the outage, or the configuration, had to do with; and what crashed, for a
        converter that went down may have had it in its hands. Once only: a document that
        brings its converter down would otherwise do so for ever.
        """
        query = select(job.c.id, job.c.converter).where(
            job.c.state == JobState.DEAD,
            job.c.finished_at >= since,
            job.c.failure.in_(_OF_AN_OUTAGE),
            or_(job.c.note.is_(null()), job.c.note != REVIVED),
        )
        with self._database.reading() as tx:
            found = [one for one, of in tx.tuples(query) if _uses(of, converters)]
        values = _ANEW | {"run_at": at, "note": REVIVED}
        is_dead = job.c.state == JobState.DEAD
        return len(self._change_letters(found, values, is_dead, Action.LETTERS_REPLAYED, at))

    def take_over(self, letters: Mapping[Ulid, NewJob], at: datetime) -> None:
        """Queue dead letters again, each for another rule: behind all that arrives."""
        items = [*letters.items()]
        for first in range(0, len(items), _ASKED_AT_ONCE):
            with self._database.writing() as tx:
                for job_id, new in items[first : first + _ASKED_AT_ONCE]:
                    values = _anew_for(new, at) | {"priority": Priority.BACKLOG}
                    tx.update(job, values, job.c.id == job_id, job.c.state == JobState.DEAD)

    def ask(self, new: NewJob, at: datetime) -> Ulid:
        """
        Queue a conversion for somebody who waits for it, before all others; give its id.

        One that there is already keeps its id and its history. Done before, it is done
        again, whatever results there are; while it runs, that is the answer.
        """
        [job_id] = self.ask_all([new], at)
        return job_id

    def ask_all(
        self, jobs: Sequence[NewJob], at: datetime, *, is_forced: bool = True
    ) -> list[Ulid]:
        """
        Do the same for several, many in one transaction; give their ids, in their order.

        Args:
            is_forced: Else what is done, and is where it belongs, is left as it is.
        """
        asked: list[Ulid] = []
        for first in range(0, len(jobs), _ASKED_AT_ONCE):
            with self._database.writing() as tx:
                if not first:  # the order is told whole, with its first part
                    note(tx, Action.CONVERSIONS_ASKED, at, _only_mirror(jobs), _told(jobs))
                some = jobs[first : first + _ASKED_AT_ONCE]
                asked += [_ask(tx, new, at, is_forced=is_forced) for new in some]
        return asked

    def count_letters(self) -> dict[tuple[str, Failure], int]:
        """Give the number of letters (see `letters`) of each rule, by why they failed."""
        query = (
            select(job.c.rule, job.c.failure, func.count())
            .where(job.c.state == JobState.DEAD, _first_path_of_now().is_not(null()))
            .group_by(job.c.rule, job.c.failure)
        )
        with self._database.reading() as tx:
            return {
                (rule, Failure(failure or Failure.OTHER)): count
                for rule, failure, count in tx.tuples(query)
            }

    def _change_letters(
        self,
        ids: Sequence[Ulid],
        values: dict[str, object],
        where: ColumnElement[bool],
        action: Action,
        at: datetime,
    ) -> list[Ulid]:
        changed: list[Ulid] = []
        with self._database.writing() as tx:
            for chunk in chunks(ids):
                these = job.c.id.in_(chunk), where
                found = [one for (one,) in tx.tuples(select(job.c.id).where(*these))]
                if found:
                    changed += found
                    tx.update(job, values, *these)
                    note(tx, action, at, None, {"jobs": found})
        return changed


def has_now(path: Path | ColumnElement[Path]) -> ColumnElement[bool]:
    """Say in SQL whether the job's mirror has the job's content at *path* now."""
    return (
        select(synced.c.path)
        .where(
            synced.c.mirror == job.c.mirror,
            synced.c.path == path,
            synced.c.sha256 == job.c.sha256,
        )
        .exists()
    )


def new_row(new: NewJob) -> dict[str, object]:
    """Give the row of a job that begins."""
    return _columns_of(new) | {
        "id": str(ULID()),
        "state": JobState.QUEUED,
        "attempts": 0,
        "run_at": new.created_at,
        "is_forced": False,
    }


def skipped_of(
    tx: Transaction, contents: Sequence[Sha256], failures: Collection[Failure] = SKIPPED_FOR_NOW
) -> dict[tuple[Sha256, str, str], Ulid]:
    """Give those jobs about *contents* that were skipped for now, by content, recipe and place."""
    columns = (job.c.sha256, job.c.recipe, job.c.place, job.c.id, job.c.state, job.c.failure)
    return {
        (sha256, recipe, place): job_id
        for chunk in chunks(contents)
        for sha256, recipe, place, job_id, state, failure in tx.tuples(
            select(*columns).where(job.c.sha256.in_(chunk))
        )
        if state == JobState.SKIPPED and failure in failures
    }


def unskip(tx: Transaction, job_id: Ulid, new: NewJob) -> None:
    """Queue a skipped job again, for the version that calls for it now."""
    values = _columns_of(new) | _FREED | {"state": JobState.QUEUED, "run_at": new.created_at}
    del values["created_at"]
    tx.update(job, values, job.c.id == job_id, job.c.state == JobState.SKIPPED)


def _columns_of(new: NewJob) -> dict[str, object]:
    # `asdict` copies each value deeply: a third of the time that a large insert takes.
    return {name: getattr(new, name) for name in _FIELDS}


def _this(new: NewJob) -> Select[Any]:
    return select(job).where(
        job.c.sha256 == new.sha256, job.c.recipe == new.recipe, job.c.place == new.place
    )


def _ask(tx: Transaction, new: NewJob, at: datetime, *, is_forced: bool) -> Ulid:
    known = tx.one(_this(new), JobRow)
    if known is None:
        row = new_row(new) | {"priority": Priority.ASKED, "run_at": at, "expires_at": None}
        tx.insert(job, [row])
        return str(row["id"])
    is_left = known.state is JobState.RUNNING or (not is_forced and _is_done(known, new))
    if not is_left:
        values = _asked(tx, known, new, at) | {"is_forced": is_forced or known.is_forced}
        tx.update(job, values, job.c.id == known.id)
    return known.id


def _is_done(known: JobRow, new: NewJob) -> bool:
    """Say whether the result is there; another version's may have its place by now."""
    return known.state is JobState.DONE and (
        known.version == new.version or not is_by_path(new.place)
    )


def _asked(tx: Transaction, known: JobRow, new: NewJob, at: datetime) -> dict[str, object]:
    values = _anew_for(new, at) | {"priority": Priority.ASKED}
    is_there = select(version.c.id).where(
        version.c.id == known.version, version.c.gone_at.is_(null())
    )
    if tx.value(is_there) is None or (is_by_path(new.place) and not _holds_it(tx, known)):
        # Else its result keeps the name that it has.
        values |= {"mirror": new.mirror, "path": new.path, "version": new.version}
    return values


def _holds_it(tx: Transaction, known: JobRow) -> bool:
    """Say whether the path of a job has its content still: else the job would be refused."""
    query = select(job.c.id).where(job.c.id == known.id, has_now(job.c.path))
    return tx.value(query) is not None


def _only_mirror(jobs: Sequence[NewJob]) -> str | None:
    mirrors = {new.mirror for new in jobs}
    return mirrors.pop() if len(mirrors) == 1 else None


def _told(jobs: Sequence[NewJob]) -> dict[str, object]:
    versions = sorted({new.version for new in jobs})
    return {
        "conversions": len(jobs),
        "rules": sorted({new.rule for new in jobs}),
        "versions": versions[:_MOST_TOLD],
    }


def _anew_for(new: NewJob, at: datetime) -> dict[str, object]:
    """What a job of before becomes that is queued again for the rule that calls for *new*."""
    return _ANEW | {"run_at": at, "rule": new.rule, "converter": new.converter, "note": None}


def _path_of_now() -> ColumnElement[str | None]:
    return case((has_now(job.c.path), job.c.path), else_=_first_path_of_now())


def _first_path_of_now() -> ScalarSelect[str | None]:
    return (
        select(func.min(synced.c.path))
        .where(synced.c.mirror == job.c.mirror, synced.c.sha256 == job.c.sha256)
        .scalar_subquery()
    )


def _uses(chain: str, converters: Collection[str]) -> bool:
    return chain in converters or any(one in converters for one in chain.split("+"))
