"""What stores were asked for lately, as the daemon wrote it down: other processes tell of it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime

from sqlalchemy import select

from docferry.ledger.database import Database
from docferry.ledger.schema import setting

_KEYS = "traffic:"


@dataclass(frozen=True, slots=True)
class TrafficRow:
    """
    One store, as the daemon used it.

    since: when the requests are counted from: an hour before *at*, or when the daemon began.
    stretch: how many times longer polls are apart than configured, to keep to a budget.
    is_over: even so the requests come to more than the budget.
    at_a_time, most: operations; fewer once the store asked for less or became slow.
    """

    store: str
    at: datetime
    since: datetime
    requests: Mapping[str, int] = field(default_factory=dict)  #: by kind
    stretch: float = 1.0
    is_over: bool = False
    at_a_time: int = 0
    most: int = 0


class Traffic:
    def __init__(self, database: Database) -> None:
        self._database = database

    def get(self, store: str) -> TrafficRow | None:
        """Give what was written down last; None: the daemon has not used that store yet."""
        with self._database.reading() as tx:
            found = tx.value(select(setting.c.value).where(setting.c.key == _KEYS + store))
        if found is None:
            return None
        row = TrafficRow(**json.loads(found))
        return replace(
            row,
            at=datetime.fromisoformat(str(row.at)),
            since=datetime.fromisoformat(str(row.since)),
        )

    def put(self, rows: Sequence[TrafficRow]) -> None:
        """Replace what was written down of those stores."""
        with self._database.writing() as tx:
            for row in rows:
                key = _KEYS + row.store
                tx.delete(setting, setting.c.key == key)
                tx.insert(setting, [{"key": key, "value": json.dumps(asdict(row), default=_text)}])


def _text(at: datetime) -> str:
    return at.isoformat()
