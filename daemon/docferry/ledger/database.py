"""
The one safe way to the ledger's database: short transactions, one writer at a time.

dataset holds connections and transactions. Used plainly it loses updates between
threads, keeps a connection for every thread that ever asked, stays inside a broken
transaction, and drops misspelt columns in silence (all measured). What prevents it:

- every access happens inside `reading()` or `writing()`, which give the connection back
  whatever happened, also where BEGIN or COMMIT itself failed;
- writers begin with BEGIN IMMEDIATE, so that what they read is still true when they
  write; readers have connections of their own that cannot write;
- transactions are never nested: an inner rollback would be swallowed;
- rows are written by statements over `schema`, never by dataset's table functions,
  and a column that the schema does not have is refused.
"""

from __future__ import annotations

import sqlite3
import threading
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from copy import copy
from dataclasses import dataclass, field
from functools import cache, lru_cache, partial
from itertools import chain, repeat
from pathlib import Path
from typing import Any, Self, TypeAlias, TypeVar, cast
from urllib.parse import quote

import dataset
from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    Delete,
    Dialect,
    Engine,
    Select,
    Table,
    Update,
    event,
)
from sqlalchemy.dialects import sqlite
from sqlalchemy.exc import DBAPIError
from sqlalchemy.sql.compiler import SQLCompiler

from docferry.errors import TemporaryError
from docferry.ledger.at_rest import AtRest
from docferry.ledger.faults import translate

T = TypeVar("T")
Row: TypeAlias = Mapping[str, object]

BUSY_S = 10.0
_KEPT_OPEN = 8  # connections; more are opened when more threads ask at once
ROWS_AT_ONCE = 32  # in one INSERT
IN_LIMIT = 1000  # values in one IN (...), far below what SQLite and PostgreSQL take


class Database:
    """
    The ledger's SQLite file.

    Args:
        read_only: No statement may write, and the file is not created.
        busy_s: How long to wait for another process. Threads of this one queue instead.
        actor: Who writes, for the audit.
    """

    def __init__(
        self, path: Path, *, read_only: bool = False, busy_s: float = BUSY_S, actor: str = ""
    ) -> None:
        self.path = path
        self._actor = actor
        self._at_rest = AtRest.found(path) if read_only else None
        if not read_only:
            _make(path)
        connect = partial(_connect, path, busy_s=busy_s, is_at_rest=self._at_rest is not None)
        self._writer = connect("BEGIN IMMEDIATE", read_only=read_only)
        self._reader = connect("BEGIN", read_only=True)
        self._write_lock = FairLock()
        self._told: list[tuple[frozenset[str], Callable[[], None]]] = []

    def acting_as(self, actor: str) -> Self:
        """
        Give this same database for somebody else who writes: one process acts for many.

        Connections, locks and the refusal to nest are shared, and so is the end: who closes
        one of both closes the other.
        """
        other = copy(self)
        other._actor = actor
        return other

    @contextmanager
    def writing(self) -> Iterator[Transaction]:
        """Change the ledger: all of the block or nothing of it is kept."""
        _refuse_nesting(self._writer)
        with self._write_lock, self._transaction(self._writer) as transaction:
            yield transaction
        for tables, tell in [*self._told]:
            if not tables.isdisjoint(transaction.changed):
                tell()

    @contextmanager
    def telling(self, tables: Collection[Table], tell: Callable[[], None]) -> Iterator[None]:
        """
        While the block lasts, call *tell* soon after one of *tables* may have changed.

        A hint: what other processes change is not told.

        Args:
            tell: Called in the thread that has made the change: it must not take long.
        """
        one = (frozenset(table.name for table in tables), tell)
        self._told.append(one)
        try:
            yield
        finally:
            self._told.remove(one)

    @contextmanager
    def reading(self) -> Iterator[Transaction]:
        """Look at the ledger as it was at one moment. Never waits for a writer."""
        _refuse_nesting(self._reader)
        with self._transaction(self._reader) as transaction:
            yield transaction

    def wipe(self) -> None:
        """
        Write the file anew, so that nothing of what was deleted is left in it, or in the WAL.

        Raises:
            TemporaryError: Somebody read all the while, so that the WAL could not be emptied.
        """
        _refuse_nesting(self._writer)
        with self._write_lock, closing(_engine(self._writer).raw_connection()) as connection:
            try:
                cursor = connection.cursor()
                cursor.execute("VACUUM")
                [(is_busy, _, _)] = cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
            except sqlite3.Error as error:
                raise translate(error, self.path) from error
        if is_busy:
            raise TemporaryError(
                f"somebody reads {self.path}: what was deleted is still in its WAL"
            )

    def copy_to(self, copy: Path) -> None:
        """
        Write all of it to the new file *copy*. That its own file still has a name is not needed.

        Raises:
            TemporaryError, PermanentError: *copy* cannot be written.
        """
        _refuse_nesting(self._writer)
        with self._write_lock, closing(_engine(self._writer).raw_connection()) as connection:
            try:
                connection.cursor().execute("VACUUM INTO ?", [str(copy)])
            except sqlite3.Error as error:
                raise translate(error, copy) from error

    def close(self) -> None:
        """Close every connection, after the last writer has finished."""
        with self._write_lock:
            self._writer.close()
            self._reader.close()

    @contextmanager
    def _transaction(self, connections: _Connections) -> Iterator[Transaction]:
        try:
            with connections as tx:
                yield Transaction(tx, self._actor)
        except (DBAPIError, sqlite3.Error) as error:
            self._refuse_changed()  # of two times it would look damaged
            raise translate(error, self.path) from error
        finally:
            connections.release()
        self._refuse_changed()

    def _refuse_changed(self) -> None:
        if self._at_rest is not None:
            self._at_rest.refuse_changed()


class Transaction:
    """What can be done inside one transaction."""

    def __init__(self, tx: dataset.Database, actor: str) -> None:
        self._tx = tx
        self.actor = actor  #: whose it is, for the audit
        self.changed: set[str] = set()  #: names of the tables in which rows may have changed

    @property
    def connection(self) -> Connection:
        """The connection itself, already inside the transaction: for migrations."""
        return self._tx.executable

    def all(self, query: Select[Any], into: Callable[..., T]) -> list[T]:
        """Give every row as `into(**row)`."""
        return [into(**row) for row in self._tx.query(query)]

    def found(self, query: Select[Any], into: Callable[..., T], **values: object) -> list[T]:
        """
        Give every row as `into(**row)`, of a query that is a constant, with *values* put in.

        To make a statement anew, and to find that it is known, takes twice as long as to run it.
        """
        result = self.connection.execute(query, values)
        names = result.keys()
        return [into(**dict(zip(names, row, strict=True))) for row in result.fetchall()]

    def one(self, query: Select[Any], into: Callable[..., T]) -> T | None:
        """Give the first row as `into(**row)`; None: there is none."""
        rows = self.all(query.limit(1), into)
        return rows[0] if rows else None

    def tuples(self, query: Select[Any], **values: object) -> list[Any]:
        """Give every row as a plain tuple, as the driver gives it. The fastest way to read."""
        result = self.connection.execute(query, values)
        assert result.cursor is not None  # a SELECT has one
        rows = cast(list[Any], result.cursor.fetchall())
        result.close()
        return rows

    def value(self, query: Select[Any]) -> Any:
        """Give the first column of the first row; None: there is no row."""
        return self.connection.execute(query).scalar()

    def insert(self, table: Table, rows: Sequence[Row]) -> None:
        """Add rows, each with the same columns."""
        self._insert(table, rows, None)

    def insert_missing(self, table: Table, rows: Sequence[Row]) -> None:
        """Add those rows that break no uniqueness; the others are there already."""
        self._insert(table, rows, _LEAVE)

    def upsert(self, table: Table, rows: Sequence[Row], taken: Taken) -> None:
        """Add rows; where a row's keys are taken, overwrite its other columns."""
        self._insert(table, rows, taken)

    def update(self, table: Table, values: Row, *where: ColumnElement[bool]) -> int:
        """Change the rows that meet every condition of *where*; give their number."""
        _refuse_unknown(table, values)
        return self._change(table.update().values(dict(values)), where)

    def run(self, statement: Update | Delete, **values: object) -> int:
        """Run *statement*, a constant, with *values* put in; give the number of rows it met."""
        self.changed.add(_table_of(statement))
        return self.connection.execute(statement, values).rowcount

    def delete(self, table: Table, *where: ColumnElement[bool]) -> int:
        """Remove the rows that meet every condition of *where*; give their number."""
        return self._change(table.delete(), where)

    def execute_many(self, statement: Update | Delete, rows: Sequence[tuple[str, ...]]) -> None:
        """Run *statement*, a constant, for each of *rows*: its parameters in their order."""
        if rows:
            self.changed.add(_table_of(statement))
            text = _text_of(statement, self.connection.dialect)
            self.connection.exec_driver_sql(text, list(rows))

    def _insert(self, table: Table, rows: Sequence[Row], taken: Taken | None) -> None:
        # The driver is called directly: SQLAlchemy's own way to bind many rows takes three
        # times as long as SQLite takes to insert them.
        if not rows:
            return
        self.changed.add(table.name)
        columns = _same_columns(table, rows)
        dialect = self.connection.dialect
        prepared = _prepare(table, columns, taken, dialect)
        names = prepared.positiontup
        assert names is not None  # the dialect numbers its parameters
        values = [
            _as_stored([row[name] for row in rows], table.columns[name], dialect)
            if name in columns
            else repeat(prepared.params[name], len(rows))
            for name in names
        ]
        self._fill(prepared.string, list(zip(*values, strict=True)), len(columns))

    def _fill(self, text: str, rows: Sequence[tuple[object, ...]], columns: int) -> None:
        """
        Insert *rows* by *text*, which inserts one: some at a time, as far as they go.

        Between two statements the driver lets other threads in, and has to wait for its turn.
        """
        whole = 0
        if len(rows[0]) == columns:
            whole = len(rows) - len(rows) % ROWS_AT_ONCE
            some = _repeated(text, columns, ROWS_AT_ONCE)
            for start in range(0, whole, ROWS_AT_ONCE):
                together = rows[start : start + ROWS_AT_ONCE]
                self.connection.exec_driver_sql(some, tuple(chain.from_iterable(together)))
        if rows[whole:]:
            self.connection.exec_driver_sql(text, list(rows[whole:]))

    def _change(self, statement: Update | Delete, where: Sequence[ColumnElement[bool]]) -> int:
        if not where:
            raise ValueError("a condition is needed: this would meet every row of the table")
        self.changed.add(_table_of(statement))
        return self.connection.execute(statement.where(*where)).rowcount


@dataclass(frozen=True, eq=False)
class Taken:
    """
    What an upsert does with rows whose keys are taken.

    A constant of its module: statements are prepared once for each.
    """

    keys: tuple[str, ...]
    where: ColumnElement[bool] | None = None  #: of the unique index, if it is a partial one
    change: dict[str, ColumnElement[Any]] = field(default_factory=dict)  #: not overwritten


_LEAVE = Taken(())  # leave the row that is there as it is


class FairLock:
    """A lock that is given to whoever has waited longest. `threading.Lock` makes no promise."""

    def __init__(self) -> None:
        self._mutex = threading.Lock()
        self._is_taken = False
        self._waiting: deque[threading.Event] = deque()

    @property
    def waiting(self) -> int:
        """How many wait for it."""
        return len(self._waiting)

    def __enter__(self) -> None:
        with self._mutex:
            if not self._is_taken:
                self._is_taken = True
                return
            turn = threading.Event()
            self._waiting.append(turn)
        turn.wait()  # then it is ours already: handed over, never free in between

    def __exit__(self, *exc_info: object) -> None:
        with self._mutex:
            if self._waiting:
                self._waiting.popleft().set()
            else:
                self._is_taken = False


class _Connections(dataset.Database):
    """dataset's database, with a way to give the thread's connection back in every case."""

    def release(self) -> None:
        # A `with` block gives the connection back, unless BEGIN failed, or COMMIT did:
        # dataset's rollback does nothing then, nor does closing the connection. It would
        # go back to the pool with its transaction, and hold the write lock for ever.
        left = self.connections.get(threading.get_ident())
        if left is not None:
            left.invalidate()
            self._release_connection()


def chunks(values: Sequence[T], size: int = IN_LIMIT) -> Iterator[Sequence[T]]:
    """Cut *values* into pieces that fit into one statement."""
    for start in range(0, len(values), size):
        yield values[start : start + size]


def _make(path: Path) -> None:
    """Make the file, if there is none: an empty one is a database without tables."""
    try:
        with closing(sqlite3.connect(f"file:{quote(str(path))}?mode=rwc", uri=True)) as made:
            made.execute("PRAGMA schema_version")  # opens it
    except sqlite3.Error as error:
        raise translate(error, path) from error


def _connect(
    path: Path, begin: str, *, read_only: bool, busy_s: float, is_at_rest: bool
) -> _Connections:
    # Never "rwc": if the file is taken away, a new connection would make an empty one there.
    options = f"mode=rw{'&immutable=1' if is_at_rest else ''}"
    pragmas = ["PRAGMA foreign_keys=ON", "PRAGMA synchronous=FULL"]
    if read_only:
        pragmas.append("PRAGMA query_only=ON")
    else:
        # What a statement of many rows may have to take back, else kept in a file: 35 writes
        # of a page for each document. What readers sort may be large, and goes to the disk.
        pragmas.append("PRAGMA temp_store=MEMORY")

    def connect() -> sqlite3.Connection:
        return sqlite3.connect(
            f"file:{quote(str(path))}?{options}",
            uri=True,
            timeout=busy_s,
            isolation_level=None,  # we say BEGIN, not the driver
            check_same_thread=False,  # the pool lends a connection to one thread at a time
        )

    connections = _Connections(
        "sqlite:///ledger",  # only names the dialect: `connect` knows the file
        engine_kwargs={"creator": connect, "pool_size": _KEPT_OPEN, "max_overflow": -1},
        ensure_schema=False,
        row_type=dict,
        on_connect_statements=pragmas,  # and dataset adds journal_mode=WAL
    )
    event.listen(_engine(connections), "begin", lambda tx: tx.exec_driver_sql(begin))
    return connections


def _engine(connections: _Connections) -> Engine:
    assert connections.engine is not None  # None only after close()
    return connections.engine


def _refuse_nesting(connections: _Connections) -> None:
    if connections.in_transaction:
        raise RuntimeError("a ledger transaction cannot be opened inside another one")


def _table_of(statement: Update | Delete) -> str:
    table = statement.table
    assert isinstance(table, Table)
    return table.name


def _refuse_unknown(table: Table, row: Row) -> None:
    unknown = row.keys() - table.columns.keys()
    if unknown:
        raise ValueError(f"table {table.name} has no column {', '.join(sorted(unknown))}")


def _same_columns(table: Table, rows: Sequence[Row]) -> tuple[str, ...]:
    columns = rows[0].keys()
    _refuse_unknown(table, rows[0])
    if any(row.keys() != columns for row in rows):
        raise ValueError(f"rows for table {table.name} do not have the same columns")
    return tuple(columns)


@lru_cache(maxsize=64)
def _prepare(
    table: Table, columns: tuple[str, ...], taken: Taken | None, dialect: Dialect
) -> SQLCompiler:
    insert = sqlite.insert(table)
    if taken is _LEAVE:
        insert = insert.on_conflict_do_nothing()
    elif taken is not None:
        new = {name: insert.excluded[name] for name in columns if name not in taken.keys}
        insert = insert.on_conflict_do_update(
            index_elements=taken.keys, index_where=taken.where, set_=new | taken.change
        )
    return insert.compile(dialect=dialect, column_keys=columns)


def _as_stored(values: list[object], column: Column[Any], dialect: Dialect) -> Iterable[object]:
    process = column.type.bind_processor(dialect)
    return values if process is None else map(process, values)


@lru_cache(maxsize=64)
def _repeated(text: str, columns: int, times: int) -> str:
    """Make a statement that inserts one row of *columns* one that inserts several."""
    row = f"({', '.join('?' * columns)})"
    before, found, after = text.partition(f"VALUES {row}")
    assert found, text
    return f"{before}VALUES {', '.join([row] * times)}{after}"


@cache
def _text_of(statement: Update | Delete, dialect: Dialect) -> str:
    return str(statement.compile(dialect=dialect))
