"""Sessions of people at the page, so that a restart of docferry logs nobody out."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime

from sqlalchemy import select

from docferry.core.keys import KeyId
from docferry.ledger.database import Database
from docferry.ledger.schema import session


@dataclass(frozen=True, slots=True)
class SessionRow:
    """
    Somebody who has shown a key.

    digest: of the word in their cookie, and of the pepper: see `web.sessions`.
    stamp: of the key's secret: see `core.keys.Accepted`.
    """

    digest: str
    key: KeyId
    stamp: str
    began_at: datetime


class Sessions:
    def __init__(self, database: Database) -> None:
        self._database = database

    def put(self, new: SessionRow, *, over_before: datetime, most: int) -> None:
        """
        Write down one that begins.

        Args:
            over_before: What began earlier is forgotten.
            most: Of one key so many at once; the oldest make room.
        """
        of_key = select(session.c.digest).where(session.c.key == new.key)
        with self._database.writing() as tx:
            tx.delete(session, session.c.began_at < over_before)
            newest = of_key.order_by(session.c.began_at.desc(), session.c.digest)
            extra = [digest for (digest,) in tx.tuples(newest)][most - 1 :]
            tx.delete(session, session.c.digest.in_(extra))
            tx.insert(session, [asdict(new)])

    def get(self, digest: str) -> SessionRow | None:
        with self._database.reading() as tx:
            return tx.one(select(session).where(session.c.digest == digest), SessionRow)

    def drop(self, digest: str) -> None:
        with self._database.writing() as tx:
            tx.delete(session, session.c.digest == digest)
