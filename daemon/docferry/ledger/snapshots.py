"""
One mirror's part of the ledger as a file by itself, and that file read again.

A snapshot goes into the mirror's own prefix, whose readers may be others than those of
the next mirror's: nothing of another one is in it. It holds what was: agreements, versions,
history, conflicts, other names, the conversions that need not be done again, and what others
have put here. What is under way or waits for a decision (intents, uploads, holds, requests,
problems, the patrol) is about both sides as they were at that moment; carried out on a later
world it would do harm, and what of it still counts the next run finds.
"""

from __future__ import annotations

import gzip
import hashlib
import sqlite3
import zlib
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from sqlalchemy import Table

from docferry.errors import PermanentError, TemporaryError, UserError
from docferry.ledger import schema, upgrade
from docferry.ledger.faults import translate
from docferry.ledger.ledger import Ledger
from docferry.ledger.snapshot_values import check_form, check_values
from docferry.ledger.waits import key_of
from docferry.model import Sha256

#: What of a mirror is in its snapshot; the mirror's own row besides.
KEPT = (
    schema.synced,
    schema.version,
    schema.alias,
    schema.history,
    schema.conflict,
    schema.job,
    schema.result,
)
#: Of a million versions zlib makes half in twice the time of its first level; more takes longer.
_LEVEL = 1
_CHUNK_BYTES = 1 << 20
#: Of what was about to be put somewhere only what came to be there.
_CAME_TO_BE = (
    " AND EXISTS (SELECT 1 FROM real.version AS came WHERE came.mirror = result.mirror"
    " AND came.path = result.path AND came.sha256 = result.sha256)"
)
#: A ledger is mostly hashes: it shrinks to a third. What grows more is none, and fills the disk.
_MOST_GROWTH, _ALWAYS_BYTES = 100, 64 << 20
_LOOKS_EVERY = 100_000  # steps of SQLite's machine: some milliseconds


@dataclass(frozen=True, slots=True)
class Made:
    """A snapshot as a file."""

    sha256: Sha256  #: of the file
    size: int  #: bytes
    last_history: int  #: the newest row of the history that it holds


class StoppedError(TemporaryError):
    """The daemon stops: nothing was made."""


def make(
    real: Ledger,
    mirror: str,
    folder: Path,
    *,
    is_stopping: Callable[[], bool] = lambda: False,
) -> tuple[Path, Made]:
    """
    Write a snapshot of what *real* knows of *mirror*, as of one moment, into *folder*.

    Args:
        folder: Empty; it has to hold the snapshot twice.

    Raises:
        StoppedError: *is_stopping* said so.
    """
    plain, packed = folder / "snapshot.sqlite3", folder / "snapshot.sqlite3.gz"
    Ledger.open(plain).close()  # makes the tables
    with translated(plain), closing(_connect(plain)) as copy:
        copy.set_progress_handler(is_stopping, _LOOKS_EVERY)
        try:
            last_history = _copy_of(copy, real, mirror)
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode == sqlite3.SQLITE_INTERRUPT:
                raise StoppedError("docferry stops") from error
            raise
        copy.set_progress_handler(None, 0)
        check_integrity(copy, f"the snapshot of {mirror}")
        copy.execute("PRAGMA journal_mode=DELETE")  # all of it in one file
    sha256, size = _pack(plain, packed, is_stopping)
    return packed, Made(sha256, size, last_history)


def unpack(packed: Path, plain: Path, *, sha256: Sha256 | None) -> None:
    """
    Make the ledger *plain* of the snapshot *packed*, with the schema of this docferry.

    Args:
        sha256: What *packed* is said to be; None: nobody has said.

    Raises:
        UserError: A newer docferry has made it.
        PermanentError: It is damaged, or no snapshot. Another one may be sound.
    """
    with packed.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if sha256 not in (None, found):
        raise PermanentError(f"it is damaged: its SHA-256 is {found}, not {sha256}")
    _gunzip(packed, plain)
    _check_plain(plain)
    Ledger.open(plain).close()  # brings it up to date
    with _refused(), closing(_connect(plain)) as database:
        check_values(database, KEPT)


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """Turn what SQLite raises about *path* into our own errors."""
    try:
        yield
    except sqlite3.Error as error:
        raise translate(error, path) from error


@contextmanager
def indexed_at_once(database: sqlite3.Connection) -> Iterator[None]:
    """Leave the indexes to the end of the block: to sort once takes a third of keeping order."""
    found = database.execute(
        "SELECT name, sql FROM main.sqlite_master WHERE type = 'index' AND sql IS NOT NULL"
    ).fetchall()
    for name, _ in found:
        database.execute(f'DROP INDEX main."{name}"')
    yield
    for _, sql in found:
        database.execute(sql)


def check_integrity(database: sqlite3.Connection, what: str) -> None:
    """
    Raises:
        PermanentError: The database is damaged.
    """
    [(found,), *_] = database.execute("PRAGMA integrity_check(1)").fetchall()
    if found != "ok":
        raise PermanentError(f"{what} is damaged: {found}")


def columns_of(table: Table, *, but_for: str = "") -> str:
    """Give the columns of *table*, for SQL."""
    return ", ".join(f'"{name}"' for name in names_of(table) if name != but_for)


def names_of(table: Table) -> list[str]:
    """Name the columns of *table*, in order."""
    return [column.name for column in table.columns]


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(f"file:{quote(str(path))}", uri=True, isolation_level=None)
    connection.execute("PRAGMA trusted_schema=OFF")
    connection.execute("PRAGMA synchronous=OFF")  # who is interrupted makes another one
    # KiB. Eight times as much is no faster for 200,000 files, and to sort takes that once more.
    connection.execute("PRAGMA cache_size=-8192")
    return connection


def _copy_of(copy: sqlite3.Connection, real: Ledger, mirror: str) -> int:
    copy.execute("ATTACH ? AS real", [f"file:{quote(str(real.path))}?mode=rw"])
    copy.execute("BEGIN")
    _leave_triggers_out(copy)
    copy.execute("DELETE FROM main.setting")
    copy.execute("DROP TABLE main.audit")  # of the whole machine; its triggers go with it
    # That held versions may be forgotten is as true of who rebuilds from this snapshot.
    copy.execute(
        "INSERT INTO main.setting SELECT * FROM real.setting WHERE key IN ('instance', ?)",
        [key_of(mirror)],
    )
    with indexed_at_once(copy):
        for table, mine in [(schema.mirror, "name"), *((table, "mirror") for table in KEPT)]:
            columns = columns_of(table)
            are_kept = _CAME_TO_BE if table is schema.result else ""
            copy.execute(
                f"INSERT INTO main.{table.name} ({columns}) SELECT {columns}"
                f" FROM real.{table.name} WHERE {mine} = ?" + are_kept,
                [mirror],
            )
    [(last,)] = copy.execute("SELECT coalesce(max(id), 0) FROM main.history")
    copy.execute("COMMIT")
    copy.execute("DETACH real")
    return int(last)


def _leave_triggers_out(copy: sqlite3.Connection) -> None:
    """Who reads a snapshot refuses whatever would do something; rows are counted where they go."""
    found = copy.execute("SELECT name FROM main.sqlite_master WHERE type = 'trigger'").fetchall()
    for (name,) in found:
        copy.execute(f'DROP TRIGGER main."{name}"')


def _pack(plain: Path, packed: Path, is_stopping: Callable[[], bool]) -> tuple[Sha256, int]:
    with plain.open("rb") as source, gzip.open(packed, "wb", _LEVEL) as packing:
        while chunk := source.read(_CHUNK_BYTES):
            if is_stopping():
                raise StoppedError("docferry stops")
            packing.write(chunk)
    with packed.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest(), packed.stat().st_size


def _gunzip(packed: Path, plain: Path) -> None:
    most = _ALWAYS_BYTES + _MOST_GROWTH * packed.stat().st_size
    size = 0
    try:
        with gzip.open(packed, "rb") as source, plain.open("wb") as target:
            while chunk := source.read(_CHUNK_BYTES):
                size += len(chunk)
                if size > most:
                    raise PermanentError("it is no snapshot: it grows without end")
                target.write(chunk)
    except (gzip.BadGzipFile, zlib.error, EOFError) as error:
        raise PermanentError(f"it is damaged: {error}") from error
    except OSError as error:
        raise TemporaryError(f"cannot unpack {packed}: {error.strerror}") from error


@contextmanager
def _refused() -> Iterator[None]:
    """Say of what SQLite, or we, cannot read that it is no snapshot: another one may be one."""
    try:
        yield
    except (sqlite3.DatabaseError, ValueError) as error:
        raise PermanentError(f"it is damaged, or no snapshot: {error}") from error


def _check_plain(plain: Path) -> None:
    with _refused(), closing(_connect(plain)) as database:
        check_integrity(database, "the snapshot")
        check_form(database)
        [(revision,)] = database.execute("SELECT version_num FROM alembic_version")
    if str(revision) > upgrade.HEAD:
        raise UserError(
            f"it was made by a newer docferry (schema {revision}, this one knows "
            f"{upgrade.HEAD}); install that one"
        )
