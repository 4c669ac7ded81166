"""
Whether a snapshot holds what a ledger can be made of: others may have put it into the bucket.

SQLite keeps whatever it is given, in any column. One value that is no time, or a version
greater than all that can follow it, and no docferry would start with the rebuilt ledger.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Any

from sqlalchemy import BigInteger, Boolean, Column, Float, Integer, Table

from docferry.errors import PermanentError
from docferry.job import Priority
from docferry.ledger.schema import Instant, Rank, Word, job, mirror, result, synced, version

_TYPES = {Boolean: "integer", BigInteger: "integer", Integer: "integer", Float: "real"}
#: A job's is also the name of the folder that it is done in.
_ULIDS = (
    version.c.id,
    version.c.bytes_of,
    synced.c.version,
    job.c.id,
    job.c.version,
    job.c.shared_with,
    result.c.source,
)
_SHA256S = (result.c.sha256, result.c.source_sha256)
#: As `schema.instant_text` writes it, a day that there is, and not at the end of all times.
#: Without its fraction: SQLite rounds to milliseconds, and .9995 would be the next second.
_IS_INSTANT = (
    "length({0}) = 27 AND {0} GLOB '[0-8]*.[0-9][0-9][0-9][0-9][0-9][0-9]Z'"
    " AND strftime('%Y-%m-%dT%H:%M:%S', substr({0}, 1, 19), '+0 days') IS substr({0}, 1, 19)"
)
#: The last ones leave no room for a greater one.
_IS_ULID = "length({0}) = 26 AND {0} GLOB '[0-6]*' AND {0} NOT GLOB '*[^0-9A-HJKMNP-TV-Z]*'"
_IS_SHA256 = "length({0}) = 64 AND {0} NOT GLOB '*[^0-9a-f]*'"


def check_form(database: sqlite3.Connection) -> None:
    """
    Raises:
        PermanentError: There is more in it than tables and indexes: it would do something.
    """
    [(others,)] = database.execute(
        "SELECT count(*) FROM sqlite_master WHERE type NOT IN ('table', 'index')"
    )
    if others:
        raise PermanentError("it is no snapshot: there are views or triggers in it")


def check_values(database: sqlite3.Connection, tables: Sequence[Table]) -> None:
    """
    Raises:
        PermanentError: A value in *tables* is none that docferry writes.
    """
    for table in (mirror, *tables):
        are_right = " AND ".join(
            f'("{column.name}" IS NULL OR coalesce({_rule(column)}, 0))' for column in table.columns
        )
        [(are_odd,)] = database.execute(
            f"SELECT EXISTS (SELECT 1 FROM {table.name} WHERE NOT ({are_right}))"
        )
        if are_odd:
            raise PermanentError(f"it is no snapshot: odd values in {table.name}")


def _rule(column: Column[Any]) -> str:
    """Give, as SQL, what is true of a value that docferry has written."""
    name = f'"{column.name}"'
    if column in set(_ULIDS):
        return _IS_ULID.format(name)
    if column in set(_SHA256S):
        return _IS_SHA256.format(name)
    if isinstance(column.type, Instant):
        return _IS_INSTANT.format(name)
    if isinstance(column.type, Word):
        return _one_of(name, [f"'{word.value}'" for word in column.type.words])
    if isinstance(column.type, Rank):
        return f"typeof({name}) = 'integer' AND " + _one_of(
            name, [str(int(one)) for one in Priority]
        )
    if column is mirror.c.profile:
        return f"json_valid({name})"
    return f"typeof({name}) = '{_TYPES.get(type(column.type), 'text')}'"


def _one_of(name: str, words: Sequence[str]) -> str:
    return f"{name} IN ({', '.join(words)})"
