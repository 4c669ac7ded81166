"""
Answers that were given, kept for calls that come again because theirs was lost on the way.

A marker is written before a call is carried out, and its answer in its place afterwards.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, null, select

from docferry.ledger.database import Database
from docferry.ledger.schema import answer

AnswerId = str  # a hash of who calls, what, and under which key


@dataclass(frozen=True, slots=True)
class AnswerRow:
    """
    A call that was begun.

    fingerprint: a hash of what was sent.
    status: of its answer; None: it has none yet.
    location: where its answer says to look; None: nowhere.
    """

    id: AnswerId
    fingerprint: str
    begun_at: datetime
    status: int | None
    body: str | None
    location: str | None = None


class Answers:
    def __init__(self, database: Database) -> None:
        self._database = database

    def begin(
        self,
        answer_id: AnswerId,
        fingerprint: str,
        at: datetime,
        *,
        kept_since: datetime,
        alive_since: datetime,
    ) -> AnswerRow | None:
        """
        Put a marker; None: it is ours, else the one that is there, with its answer if it has one.

        Args:
            kept_since: An answer to what began before is not kept any more.
            alive_since: Whoever began before and has not answered will not.
        """
        this = answer.c.id == answer_id
        with self._database.writing() as tx:
            found = tx.one(select(answer).where(this), AnswerRow)
            if found is not None:
                if found.begun_at > (alive_since if found.status is None else kept_since):
                    return found
                tx.delete(answer, this)
            row = AnswerRow(answer_id, fingerprint, at, None, None)
            tx.insert(answer, [{name: getattr(row, name) for name in _COLUMNS}])
            return None

    def finish(
        self,
        answer_id: AnswerId,
        begun_at: datetime,
        status: int,
        body: str,
        location: str | None = None,
    ) -> bool:
        """Put the answer in the marker's place. False: it is not ours any more."""
        with self._database.writing() as tx:
            values = {"status": status, "body": body, "location": location}
            return bool(tx.update(answer, values, *_is_ours(answer_id, begun_at)))

    def drop(self, answer_id: AnswerId, begun_at: datetime) -> None:
        """Take the marker away: nothing came of the call, which may come again."""
        with self._database.writing() as tx:
            tx.delete(answer, *_is_ours(answer_id, begun_at))


_COLUMNS = tuple(AnswerRow.__dataclass_fields__)


def _is_ours(answer_id: AnswerId, begun_at: datetime) -> tuple[ColumnElement[bool], ...]:
    return answer.c.id == answer_id, answer.c.begun_at == begun_at, answer.c.status.is_(null())
