"""A configuration that the daemon has refused: other processes tell of it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select

from docferry.ledger.database import Database
from docferry.ledger.schema import setting

_KEY = "config-refused"


@dataclass(frozen=True, slots=True)
class RefusedConfig:
    """An older configuration than that is in force."""

    at: datetime
    reason: str  #: for a person: all faults, many lines


class Refusals:
    """The last refusal, until a configuration is taken."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def get(self) -> RefusedConfig | None:
        with self._database.reading() as tx:
            found = tx.value(select(setting.c.value).where(setting.c.key == _KEY))
        if found is None:
            return None
        facts = json.loads(found)
        return RefusedConfig(datetime.fromisoformat(facts["at"]), facts["reason"])

    def put(self, refused: RefusedConfig) -> None:
        value = json.dumps({"at": refused.at.isoformat(), "reason": refused.reason})
        with self._database.writing() as tx:
            tx.delete(setting, setting.c.key == _KEY)
            tx.insert(setting, [{"key": _KEY, "value": value}])

    def clear(self) -> None:
        with self._database.writing() as tx:
            tx.delete(setting, setting.c.key == _KEY)
