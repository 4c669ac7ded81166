"""
Jobs by pages, however many there are: the newest first, or below a folder by their paths.

A page says where it ends, and the next one begins there: what comes meanwhile shifts nothing.
By (mirror, rule, state) the index gives the next ones at once, and what a page holds is the
newest of all of these. Below a folder no index has them in the order of time, so there the
order is that of paths, and no page looks at more than `MOST_LOOKED_AT` rows for what it is
asked for: it may hold fewer than it might, and still not be the last.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from sqlalchemy import bindparam, func, select, text, tuple_

from docferry.job import JobRow, JobState
from docferry.ledger.database import Database, Transaction, chunks
from docferry.ledger.schema import job
from docferry.model import Path, Ulid

MOST_LOOKED_AT = 2000

_STATES = ", ".join(f"('{state.value}')" for state in JobState)
#: Each by one look into the index, however many jobs it has; None of each is the end.
_GROUPS = text(
    "WITH RECURSIVE of(mirror) AS (SELECT min(mirror) FROM job UNION ALL"
    "  SELECT (SELECT min(mirror) FROM job WHERE mirror > of.mirror) FROM of"
    "  WHERE of.mirror IS NOT NULL),"
    " by(mirror, rule) AS (SELECT mirror, (SELECT min(rule) FROM job WHERE mirror = of.mirror)"
    "  FROM of WHERE mirror IS NOT NULL UNION ALL"
    "  SELECT mirror, (SELECT min(rule) FROM job WHERE mirror = by.mirror AND rule > by.rule)"
    "  FROM by WHERE rule IS NOT NULL) "
    f"SELECT mirror, rule, state.column1 FROM by, (VALUES {_STATES}) AS state"
    " WHERE rule IS NOT NULL AND EXISTS (SELECT id FROM job WHERE job.mirror = by.mirror"
    "  AND job.rule = by.rule AND job.state = state.column1)"
)
_NEXT_OF_GROUP = (
    select(job.c.id)
    .where(
        job.c.mirror == bindparam("mirror"),
        job.c.rule == bindparam("rule"),
        job.c.state == bindparam("state"),
        job.c.id < bindparam("before"),
        job.c.id >= bindparam("since"),
    )
    .order_by(job.c.id.desc())
    .limit(bindparam("most"))
)
_NEXT_BELOW = (
    select(job.c.path, job.c.id, job.c.rule, job.c.state)
    .where(
        job.c.mirror == bindparam("mirror"),
        job.c.path < bindparam("end"),
        tuple_(job.c.path, job.c.id) > tuple_(bindparam("path"), bindparam("after")),
    )
    .order_by(job.c.path, job.c.id)
    .limit(bindparam("most"))
)
_THESE = select(job).where(job.c.id.in_(bindparam("ids", expanding=True)))
_AFTER_ALL = "~"  # than any ULID


@dataclass(frozen=True, slots=True)
class Which:
    """
    Which jobs are meant: those that all of this is true of.

    mirrors: of whose documents; None: of all.
    states: None: in any.
    since: that came to be then or later, as the ULID of that moment; "": whenever.
    """

    mirrors: Collection[str] | None = None
    rule: str | None = None
    states: Collection[JobState] | None = None
    since: Ulid = ""

    def takes(self, rule: str, state: str, job_id: Ulid) -> bool:
        return (
            (self.rule is None or rule == self.rule)
            and (self.states is None or state in self.states)
            and job_id >= self.since
        )


class Group(NamedTuple):
    """A mirror, a rule and a state that some job has, at least one."""

    mirror: str
    rule: str
    state: str


@dataclass(frozen=True, slots=True)
class Place:
    """Where a page below a folder ends."""

    mirror: str = ""
    path: Path = ""
    id: Ulid = ""


class JobPages:
    def __init__(self, database: Database) -> None:
        self._database = database

    def some(self, ids: Sequence[Ulid]) -> list[JobRow]:
        """Give those of *ids* that there are, in their order."""
        with self._database.reading() as tx:
            return _rows(tx, ids)

    def groups(self) -> list[Group]:
        """Give which mirrors, rules and states jobs have, however many they are."""
        with self._database.reading() as tx:
            return _groups(tx)

    def newest(self, which: Which, before: Ulid | None, most: int) -> list[JobRow]:
        """
        Give the next *most* jobs, the newest first.

        Args:
            before: The last one of the page before; None: this is the first page.
        """
        with self._database.reading() as tx:
            found = [
                job_id
                for mirror, rule, state in _groups(tx)
                if _is_of(which, mirror) and which.takes(rule, state, _AFTER_ALL)
                for (job_id,) in tx.tuples(
                    _NEXT_OF_GROUP,
                    mirror=mirror,
                    rule=rule,
                    state=JobState(state),
                    before=before or _AFTER_ALL,
                    since=which.since,
                    most=most,
                )
            ]
            return _rows(tx, sorted(found, reverse=True)[:most])

    def below(
        self, which: Which, folder: Path, after: Place, most: int
    ) -> tuple[list[JobRow], Place | None]:
        """
        Give the next jobs of documents whose path begins with *folder*, by mirror and path.

        Returns:
            *most* at most, and where the next page begins; None: this is the last.
        """
        ids: list[Ulid] = []
        looked_at = 0
        with self._database.reading() as tx:
            for at, rule, state in _walk(tx, which, folder, after):
                looked_at += 1
                if which.takes(rule, state, at.id):
                    ids.append(at.id)
                if len(ids) == most or looked_at == MOST_LOOKED_AT:
                    return _rows(tx, ids), at
            return _rows(tx, ids), None


def _groups(tx: Transaction) -> list[Group]:
    return [Group(*row) for row in tx.connection.execute(_GROUPS)]


def _is_of(which: Which, mirror: str) -> bool:
    return which.mirrors is None or mirror in which.mirrors


def _walk(
    tx: Transaction, which: Which, folder: Path, after: Place
) -> Iterator[tuple[Place, str, str]]:
    """Yield what is there after *after*, with its rule and its state."""
    for mirror in _mirrors(tx):
        if mirror < after.mirror or not _is_of(which, mirror):
            continue
        is_same = mirror == after.mirror
        start = (after.path, after.id) if is_same else (folder, "")
        values = {"mirror": mirror, "end": folder + chr(0x10FFFF), "most": MOST_LOOKED_AT}
        for path, job_id, rule, state in tx.tuples(
            _NEXT_BELOW, path=start[0], after=start[1], **values
        ):
            yield Place(mirror, path, job_id), rule, state


def _mirrors(tx: Transaction) -> Iterator[str]:
    mirror = ""
    while mirror := tx.value(select(func.min(job.c.mirror)).where(job.c.mirror > mirror)):
        yield mirror


def _rows(tx: Transaction, ids: Sequence[Ulid]) -> list[JobRow]:
    rows = {
        row.id: row for chunk in chunks(ids) for row in tx.found(_THESE, JobRow, ids=list(chunk))
    }
    return [rows[one] for one in ids if one in rows]
