"""
The audit in the ledger: what was changed, by whom, in a chain that only grows.

Its rows are written in the transaction of what they tell of: none claims what did not
happen, and nothing of it happens without one. `BEGIN IMMEDIATE` gives them one order.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, false, func, select

from docferry.core.audit import FIRST, Action, AuditRow, Entry, Hash, chained, facts_text
from docferry.ledger.database import Database, Taken, Transaction
from docferry.ledger.schema import audit, instant_text, setting

AT_ONCE = 1000  # rows in memory

#: Whose chain it is: the ledger's, and of one that came back from a backup, whose it was.
CHAIN = "audit-chain"
_CHAIN = (
    select(setting.c.value)
    .where(setting.c.key.in_((CHAIN, "instance")))
    .order_by(setting.c.key)
    .limit(1)
)
_LAST = select(audit.c.seq, audit.c.hash).order_by(audit.c.seq.desc()).limit(1)
_SAME_KEY = Taken(("key",))
_COLUMNS = tuple(AuditRow.__dataclass_fields__)


@dataclass(frozen=True, slots=True)
class Which:
    """
    Rows that are meant: all of this is true of them; None: whatever it is.

    since, until: from then on; before then.
    """

    actor: str | None = None
    action: Action | None = None
    mirror: str | None = None
    since: datetime | None = None
    until: datetime | None = None


_ANY = Which()


def note(
    tx: Transaction,
    action: Action,
    at: datetime,
    mirror: str | None = None,
    *facts: Mapping[str, object],
) -> None:
    """Write down what this transaction does: a row for each of *facts*; without any, none."""
    if not facts:
        return
    when = instant_text(at)
    entries = [Entry(when, tx.actor, action, mirror, facts_text(one)) for one in facts]
    rows = chained(str(tx.value(_CHAIN)), entries, _last(tx))
    tx.insert(audit, [{name: getattr(row, name) for name in _COLUMNS} for row in rows])


class Audit:
    def __init__(self, database: Database) -> None:
        self._database = database

    @property
    def chain(self) -> str:
        """Whose chain it is."""
        with self._database.reading() as tx:
            return str(tx.value(_CHAIN))

    def note(self, action: Action, at: datetime, mirror: str | None, **facts: object) -> None:
        """Write down what was done in steps, at their end."""
        with self._database.writing() as tx:
            note(tx, action, at, mirror, facts)

    def note_changes(self, action: Action, digests: Mapping[str, str], at: datetime) -> None:
        """Write down which keys do not have the digests of the last time; none: write nothing."""
        now, name = facts_text(digests), f"audited {action}"
        with self._database.writing() as tx:
            before = tx.value(select(setting.c.value).where(setting.c.key == name))
            if before == now:
                return
            tx.upsert(setting, [{"key": name, "value": now}], _SAME_KEY)
            changes = None if before is None else _changes(json.loads(before), digests)
            digest = hashlib.sha256(now.encode()).hexdigest()
            note(tx, action, at, None, {"digest": digest, **(changes or {})})

    def last(self) -> tuple[int, Hash]:
        """Give the number and the hash of the last row; (0, FIRST): there is none."""
        with self._database.reading() as tx:
            return _last(tx)

    def rows(self, after: int = 0, which: Which = _ANY) -> Iterator[AuditRow]:
        """Yield those rows after that number, as they are stored, in their order."""
        with self._database.reading() as tx:
            conditions = _conditions(tx, which)
        query = select(*(audit.c[name] for name in _COLUMNS)).where(*conditions)
        query = query.order_by(audit.c.seq).limit(AT_ONCE)
        while True:
            with self._database.reading() as tx:
                rows = [AuditRow(*row) for row in tx.tuples(query.where(audit.c.seq > after))]
            yield from rows
            if len(rows) < AT_ONCE:
                return
            after = rows[-1].seq

    def newest(
        self, limit: int, which: Which = _ANY, *, before: int | None = None
    ) -> list[AuditRow]:
        """
        Give the last of those rows, the newest first; or the last ones before that number.

        Of 1,000,000 rows one filter takes a millisecond; two that are each true of many rows, and
        hardly of one together, or a time in the midst of them all, 0.1 to 0.5 s.
        """
        query = select(*(audit.c[name] for name in _COLUMNS)).order_by(audit.c.seq.desc())
        if before is not None:
            query = query.where(audit.c.seq < before)
        with self._database.reading() as tx:
            query = query.where(*_conditions(tx, which))
            return [AuditRow(*row) for row in tx.tuples(query.limit(limit))]


def _conditions(tx: Transaction, which: Which) -> list[ColumnElement[bool]]:
    found = [
        audit.c[name] == value
        for name in ("actor", "action", "mirror")
        if (value := getattr(which, name)) is not None
    ]
    # Rows are in the order of their numbers, and times nearly so: a clock is set back at times.
    # So the numbers are bound first, by the index of times alone: else a page of long ago would
    # be looked for from the newest row on. `+ 0` keeps SQLite from looking so for the bound itself.
    number = audit.c.seq + 0
    if which.since is not None:
        is_late = audit.c.at >= instant_text(which.since)
        first = tx.value(select(func.min(number)).where(is_late))
        found += [is_late, audit.c.seq >= first] if first is not None else [false()]
    if which.until is not None:
        is_early = audit.c.at < instant_text(which.until)
        last = tx.value(select(func.max(number)).where(is_early))
        found += [is_early, audit.c.seq <= last] if last is not None else [false()]
    return found


def _changes(before: Mapping[str, str], now: Mapping[str, str]) -> dict[str, list[str]]:
    both = before.keys() & now.keys()
    found = {
        "changed": sorted(key for key in both if before[key] != now[key]),
        "new": sorted(now.keys() - before.keys()),
        "gone": sorted(before.keys() - now.keys()),
    }
    return {how: keys for how, keys in found.items() if keys}


def _last(tx: Transaction) -> tuple[int, Hash]:
    found = tx.tuples(_LAST)
    return (int(found[0][0]), str(found[0][1])) if found else (0, FIRST)
