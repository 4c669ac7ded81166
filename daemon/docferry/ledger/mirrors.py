"""The mirrors' live state, written by the daemon for whoever asks from another process."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from sqlalchemy import select

from docferry.ledger.database import Database
from docferry.ledger.schema import mirror
from docferry.model import MirrorHealth, Mode


@dataclass(frozen=True, slots=True)
class MirrorRow:
    name: str
    marker_id: str | None  #: what both sides' markers must say; None: not made yet
    # Where both sides last proved themselves; before that, as configured:
    store: str
    bucket: str
    prefix: str
    local: str
    mode: Mode
    health: MirrorHealth
    reason: str | None  #: why it is not in step, for a person
    since: datetime  #: when it came into this health
    last_poll_at: datetime | None
    last_scan_at: datetime | None
    last_full_at: datetime | None
    dirty: int  #: paths that wait to be looked at
    oldest_dirty_at: datetime | None
    progress: str | None = None  #: what a long run is at; None: no long run
    profile: Mapping[str, object] = field(default_factory=dict)  #: what the store can do (JSON)
    updated_at: datetime | None = None


class Mirrors:
    def __init__(self, database: Database) -> None:
        self._database = database

    def get(self, name: str) -> MirrorRow | None:
        with self._database.reading() as tx:
            return tx.one(select(mirror).where(mirror.c.name == name), MirrorRow)

    def all(self) -> list[MirrorRow]:
        with self._database.reading() as tx:
            return tx.all(select(mirror).order_by(mirror.c.name), MirrorRow)

    def put(self, name: str, **facts: object) -> None:
        """
        Change some columns of a mirror's row, and `updated_at`.

        The first put of a mirror makes its row: it must name store, bucket, prefix,
        local and mode. A column that does not exist is refused.
        """
        now = datetime.now(UTC)
        values = {"updated_at": now} | facts
        first = {"health": MirrorHealth.STARTING, "since": now, "dirty": 0, "profile": {}}
        with self._database.writing() as tx:
            # Not an upsert: its INSERT would have to give every column that must not be NULL.
            if not tx.update(mirror, values, mirror.c.name == name):
                tx.insert(mirror, [first | values | {"name": name}])
