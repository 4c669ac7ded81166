"""
Arrivals: documents that are about to get their name in a mirror's folder, durable before they do.

The audit's row about one follows it. Whoever finds an arrival that was left by a crash looks at
the folder, and writes that row then: none is missing, and none tells of what did not happen.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from datetime import datetime

from sqlalchemy import BigInteger, Column, Table, Text, select

from docferry.core.audit import Action
from docferry.ledger.audit import note
from docferry.ledger.database import Database, Taken, Transaction
from docferry.ledger.schema import METADATA, Instant, audit
from docferry.model import Path, Sha256, Token, Ulid

arrival = Table(
    "arrival",
    METADATA,
    Column("id", Text, primary_key=True),
    Column("mirror", Text),
    Column("path", Text),
    Column("sha256", Text),
    Column("size", BigInteger),
    Column("token", Text),
    Column("replaced", Text),
    Column("actor", Text),
    Column("begun_at", Instant),
)
_SAME = Taken(("id",))


@dataclass(frozen=True, slots=True)
class Arrival:
    """
    A document that is whole, and about to get its name.

    token: of the file, which it keeps under that name.
    replaced: the version in whose place it comes; None: in nobody's.
    """

    id: Ulid
    mirror: str
    path: Path
    sha256: Sha256
    size: int  #: bytes
    token: Token
    replaced: Ulid | None
    begun_at: datetime
    actor: str = ""  #: who hands it over, as the ledger was told


class Arrivals:
    def __init__(self, database: Database) -> None:
        self._database = database

    def intend(self, one: Arrival) -> Arrival:
        """Note it, before it gets its name; once more for another try. Give it as noted."""
        with self._database.writing() as tx:
            noted = replace(one, actor=tx.actor)
            tx.upsert(arrival, [asdict(noted)], _SAME)
        return noted

    def begun(self) -> list[Arrival]:
        """Give those that are not over."""
        with self._database.reading() as tx:
            return tx.all(select(arrival).order_by(arrival.c.id), Arrival)

    def note(self, one: Arrival, action: Action) -> None:
        """Write the audit's row about it, unless somebody has by now; it is over then."""
        facts = {"id": one.id, "sha256": one.sha256, "size": one.size, "replaced": one.replaced}
        with self._database.acting_as(one.actor).writing() as tx:
            if tx.delete(arrival, arrival.c.id == one.id) or not _is_noted(tx, one):
                note(tx, action, one.begun_at, one.mirror, facts)

    def withdraw(self, one: Arrival) -> None:
        """Forget it: it was refused, and is nowhere."""
        with self._database.writing() as tx:
            tx.delete(arrival, arrival.c.id == one.id)


def _is_noted(tx: Transaction, one: Arrival) -> bool:
    told = audit.c.facts.contains(f'"{one.id}"', autoescape=True)
    return tx.value(select(audit.c.seq).where(told).limit(1)) is not None
