"""What a ledger says of itself, for whoever helps: counts, and what is not as it should be."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

from docferry.ledger.snapshots import translated

_ROWS = {
    "mirror": "SELECT * FROM mirror",
    "problem": "SELECT * FROM problem ORDER BY since DESC LIMIT 1000",
    "hold": "SELECT * FROM hold ORDER BY id DESC LIMIT 1000",
    "converter": "SELECT name, state, since, retry_at FROM converter",
    "snapshot": "SELECT * FROM snapshot",
    "patrol": "SELECT mirror, phase, checked, total, found, began_at, finished_at FROM patrol",
    "dead letter": "SELECT id AS job, rule, converter, mirror, path, failure, attempts, created_at,"
    " finished_at FROM job WHERE state = 'dead' ORDER BY id DESC LIMIT 1000",
    "jobs": "SELECT rule, converter, state, count(*) AS jobs FROM job GROUP BY 1, 2, 3",
    "requests": "SELECT mirror, kind, state, count(*) AS requests FROM request GROUP BY 1, 2, 3",
}


def summary_of(path: Path) -> tuple[dict[str, object], dict[str, list[dict[str, object]]]]:
    """
    Give facts about the ledger *path*, whatever its schema, and rows of it, by what they are.

    Raises:
        TemporaryError, PermanentError: It cannot be read.
    """
    with (
        translated(path),
        closing(sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True)) as database,
    ):
        database.row_factory = sqlite3.Row
        tables = database.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        facts: dict[str, object] = {
            "bytes": {one.name: one.stat().st_size for one in path.parent.glob(f"{path.name}*")},
            "integrity": [row[0] for row in database.execute("PRAGMA quick_check(5)")],
            "rows": {
                name: _value(database, f'SELECT count(*) FROM "{name}"') for (name,) in tables
            },
            "schema": _value(database, "SELECT version_num FROM alembic_version"),
        }
        rows = {what: _rows(database, query) for what, query in _ROWS.items()}
    return facts, rows


def _rows(database: sqlite3.Connection, query: str) -> list[dict[str, object]]:
    """Give what is asked for; nothing, where another docferry's ledger has no such thing."""
    try:
        return [dict(row) for row in database.execute(query)]
    except sqlite3.OperationalError:
        return []


def _value(database: sqlite3.Connection, query: str) -> object:
    return database.execute(query).fetchone()[0]
