"""
Claiming jobs: which are due, in their order, as many as there is room for.

Several go by one query. The index gives the first of each rule and priority, so that it
costs the same however much is queued.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any

from sqlalchemy import (
    ColumnElement,
    FromClause,
    Integer,
    Select,
    Subquery,
    Text,
    bindparam,
    literal_column,
    null,
    select,
    true,
    tuple_,
    union_all,
)

from docferry.job import JobRow, JobStage, JobState, Priority
from docferry.ledger.database import Transaction
from docferry.ledger.schema import job
from docferry.model import Sha256, Ulid

MOST_CLAIMED = 16  #: at once, of each rule and priority

_CLAIM = (
    job.update()
    .values(
        state=JobState.RUNNING,
        stage=JobStage.DOWNLOADING,
        claimed_at=bindparam("claimed"),
        converting_at=None,
        storing_at=None,
        lease_until=bindparam("lease"),
        attempts=job.c.attempts + 1,
    )
    .where(job.c.id == bindparam("of_id"))
)
_THESE = select(job).where(job.c.id.in_(bindparam("ids", expanding=True)))


def claim(
    tx: Transaction,
    now: datetime,
    lease_until: datetime,
    next_of: Callable[[Sequence[str]], Collection[str]],
    but_not: Collection[Ulid],
) -> list[JobRow]:
    """
    Take jobs, in their order, and give them as they are now.

    Of one content that is converted in one way only one is taken until it is done: the others
    share its result, as many at a time as others are converted.

    Args:
        next_of: As `Jobs.claim_some` has it. What it gives only ever becomes less.
        but_not: As `Jobs.claim_some` has it.
    """
    claimed: dict[Ulid, str] = {}
    contents: set[tuple[Sha256, str]] = set()
    rules = next_of(())
    if not rules:
        return []
    values = {f"rule_{number}": rule for number, rule in enumerate(sorted(rules))}
    due = tx.tuples(_due(len(values)), now=now, **values)
    for job_id, rule, sha256, recipe, is_made in due:
        is_free = is_made or (sha256, recipe) not in contents
        if rule in rules and is_free and job_id not in but_not:
            tx.run(_CLAIM, of_id=job_id, claimed=now, lease=lease_until)
            claimed[job_id] = rule
            contents.add((sha256, recipe))
            rules = next_of([*claimed.values()])
    if not claimed:
        return []
    rows = {row.id: row for row in tx.found(_THESE, JobRow, ids=[*claimed])}
    return [rows[job_id] for job_id in claimed]


@lru_cache(maxsize=64)
def _due(rules: int) -> Select[Any]:
    """
    Ask for the next jobs of so many rules, which come in by number.

    For each rule and priority the index gives the first ones: however much is queued, and of
    a rule that is not asked for, it is looked at no more than that.
    """
    some = _column("rule", [bindparam(f"rule_{one}", type_=Text) for one in range(rules)])
    ranks = _column("priority", [literal_column(str(int(one)), Integer) for one in Priority])
    due, running = job.alias("due"), job.alias("running")
    firsts = (
        select(due.c.id)
        .where(
            due.c.state == literal_column("'queued'"),
            due.c.rule == some.c.rule,
            due.c.priority == ranks.c.priority,
            due.c.run_at <= bindparam("now"),
            # Looked up once: to look for who runs among all that are of a content takes as long
            # as they are many, and for each of these once more.
            tuple_(due.c.sha256, due.c.recipe).not_in(
                select(running.c.sha256, running.c.recipe).where(
                    running.c.state == literal_column("'running'"), ~_is_made(running)
                )
            ),
        )
        .order_by(due.c.run_at, due.c.id)
        .limit(MOST_CLAIMED)
        .correlate(some, ranks)
    )
    return (
        select(job.c.id, job.c.rule, job.c.sha256, job.c.recipe, _is_made(job))
        .select_from(some.join(ranks, true()).join(job, job.c.id.in_(firsts)))
        .order_by(job.c.priority.desc(), job.c.run_at, job.c.id)
        .with_for_update(skip_locked=True, of=job)  # where writers are not alone: PostgreSQL
    )


def _is_made(of: FromClause) -> ColumnElement[bool]:
    """Say of a job whether a result was made of its content already."""
    done = job.alias("done")
    made = select(done.c.id).where(
        done.c.sha256 == of.c.sha256,
        done.c.recipe == of.c.recipe,
        done.c.state == JobState.DONE,
        done.c.result_path.is_not(null()),
        done.c.result_sha256.is_not(null()),
    )
    return made.correlate(of).exists()


def _column(name: str, values: Sequence[ColumnElement[Any]]) -> Subquery:
    return union_all(*(select(one.label(name)) for one in values)).subquery(f"every_{name}")
