"""
Ledgers as each released docferry left them: one dump for each migration, with rows in all tables.

    python -m samples.ledgers 0006      write the dump of a migration that is about to be released

A dump is never written anew: what users have does not change any more.
"""

from __future__ import annotations

import re
import sqlite3
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from docferry.ledger import upgrade
from docferry.ledger.database import Database

FOLDER = Path(__file__).parent / "ledgers"
_WORDS = re.compile(r"CHECK \((\w+) IN \(([^)]*)\)\)")
_INSTANT = "2026-01-{:02d}T00:00:00.000000Z"
_NAMES = {
    "mirror": "docs",
    "target_mirror": "docs",
    "instance": "0123456789abcdef",
    "rule": "text",
    "converter": "markdown",
    "store": "main",
    "bucket": "documents",
    "prefix": "docs/",
    "local": "/srv/docs",
    "profile": "{}",
    "headers": "{}",
    "mirrors": '["docs"]',
    "recipe": "r1",
    "hold": 1,
    "kind": "upload",
    # Words that the database does not check.
    "decision": "approved",
    "failure": "crashed",
    "phase": "current",
    "priority": 1,
}


def dump_of(revision: str) -> Path:
    return FOLDER / f"{revision}.sql"


def revisions() -> list[str]:
    """Give the migrations that there are, in their order."""
    folder = Path(upgrade.__file__).parent / "migrations" / "versions"
    return sorted(found.name[:4] for found in folder.glob("[0-9]*.py"))


def load(revision: str, path: Path) -> None:
    """Make the ledger *path* as that docferry left it."""
    with closing(sqlite3.connect(path)) as database:
        database.executescript(dump_of(revision).read_text())


def write(revision: str) -> None:
    """Dump a ledger that stands at *revision*, with a row for each word that a column may hold."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "ledger.sqlite3"
        database = Database(path)
        with database.writing() as tx:
            upgrade.migrate(tx.connection, revision)
        database.close()
        with closing(sqlite3.connect(path)) as raw:
            _fill(raw)
            raw.commit()
            text = "\n".join(raw.iterdump())
    with dump_of(revision).open("x") as file:
        file.write(text + "\n")


def _fill(raw: sqlite3.Connection) -> None:
    tables = raw.execute(
        "SELECT name, sql FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'alembic%'"
        " AND name NOT LIKE 'sqlite%'"
    ).fetchall()
    triggers = _put_by_triggers(raw)  # they would add rows of their own
    for name, sql in tables:
        columns = raw.execute(f"PRAGMA table_info({name})").fetchall()
        for row in _rows(name, columns, dict(_WORDS.findall(sql))):
            marks = ", ".join("?" * len(row))
            raw.execute(f"INSERT INTO {name} ({', '.join(row)}) VALUES ({marks})", [*row.values()])
    for sql in triggers:
        raw.execute(sql)


def _put_by_triggers(raw: sqlite3.Connection) -> list[str]:
    """Take the triggers away; give what makes them again."""
    found = raw.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").fetchall()
    for name, _ in found:
        raw.execute(f"DROP TRIGGER {name}")
    return [sql for _, sql in found]


def _rows(
    table: str, columns: list[tuple[object, ...]], words: dict[str, str]
) -> Iterator[dict[str, object]]:
    """Yield a row for each word of the column that allows most."""
    allowed = {column: re.findall(r"'([^']+)'", found) for column, found in words.items()}
    if table == "setting":
        yield {"key": "instance", "value": _NAMES["instance"]}
        return
    for number in range(1, max([2, *map(len, allowed.values())]) + 1):
        row: dict[str, object] = {}
        for _, column, kind, *_rest in columns:
            name = str(column)
            if name in allowed:
                row[name] = allowed[name][(number - 1) % len(allowed[name])]
            else:
                row[name] = _value(table, name, str(kind), number)
        yield row


def _value(table: str, name: str, kind: str, number: int) -> object:
    if name.endswith("_at") or name in ("at", "since", "lease_until", "previous_until"):
        return _INSTANT.format(number)
    if name == "mirror" and table in ("patrol", "pause", "snapshot"):
        return f"docs{number}"
    if name == "name":
        return "docs" if table == "mirror" and number == 1 else f"name{number}"
    if name in _NAMES and not (table == "deletion" and name == "hold" and number == 2):
        return _NAMES[name]
    if any(word in kind.upper() for word in ("INT", "FLOAT", "BOOL", "NUMERIC")):
        return number % 2 if "BOOL" in kind.upper() else number
    if "sha256" in name:
        return f"{number:064x}"
    if "path" in name:
        return f"folder/name {number}.docx"
    return f"01{number:024d}" if name in ("id", "version") else f"{name}{number}"


if __name__ == "__main__":
    write(sys.argv[1])
