"""Problems: what a person or time must mend. The path "" is the mirror itself."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select

from docferry.ledger.database import Database, Taken, chunks
from docferry.ledger.schema import problem
from docferry.model import Path

_FAILED_AGAIN = Taken(
    ("mirror", "path"),
    change={"since": problem.c.since, "attempts": problem.c.attempts + 1},
)


@dataclass(frozen=True, slots=True)
class ProblemRow:
    mirror: str
    path: Path  #: "": the mirror itself
    kind: str
    message: str
    since: datetime  #: of the first failure in a row
    attempts: int
    retry_at: datetime | None  #: None: only a person can mend it


class Problems:
    def __init__(self, database: Database) -> None:
        self._database = database

    def put(
        self,
        mirror: str,
        path: Path,
        *,
        kind: str,
        message: str,
        at: datetime,
        retry_at: datetime | None,
    ) -> int:
        """Write down that *path* failed (again); give the number of attempts so far."""
        row = {
            "mirror": mirror,
            "path": path,
            "kind": kind,
            "message": message,
            "since": at,
            "attempts": 1,
            "retry_at": retry_at,
        }
        with self._database.writing() as tx:
            tx.upsert(problem, [row], _FAILED_AGAIN)
            attempts = select(problem.c.attempts)
            return int(tx.value(attempts.where(problem.c.mirror == mirror, problem.c.path == path)))

    def clear(self, mirror: str, paths: Iterable[Path]) -> None:
        """Forget the problems of *paths*; most of them may have none."""
        unique = list(dict.fromkeys(paths))
        if not unique:
            return
        with self._database.writing() as tx:
            for chunk in chunks(unique):
                tx.delete(problem, problem.c.mirror == mirror, problem.c.path.in_(chunk))

    def all(self, mirror: str | None = None) -> list[ProblemRow]:
        """Give the problems of *mirror*, or of all, by mirror and path."""
        query = select(problem).order_by(problem.c.mirror, problem.c.path)
        if mirror is not None:
            query = query.where(problem.c.mirror == mirror)
        with self._database.reading() as tx:
            return tx.all(query, ProblemRow)
