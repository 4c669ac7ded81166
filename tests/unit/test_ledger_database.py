"""The rules that make the database safe: one transaction, one writer, known columns."""

from __future__ import annotations

import pathlib
import sqlite3
import threading
from collections.abc import Iterator

import pytest
from sqlalchemy import select
from sqlalchemy.exc import DBAPIError

from docferry.errors import PermanentError, TemporaryError
from docferry.ledger.database import ROWS_AT_ONCE, Database, FairLock, Taken
from docferry.ledger.faults import translate
from docferry.ledger.schema import alias, deletion, setting
from docferry.ledger.upgrade import upgrade
from docferry.model import Side


@pytest.fixture
def database(tmp_path: pathlib.Path) -> Iterator[Database]:
    database = Database(tmp_path / "ledger.sqlite3")
    upgrade(database)
    yield database
    database.close()


def test_a_column_that_the_schema_does_not_have_is_refused(database: Database) -> None:
    row = {"key": "k", "value": "v"}

    with database.writing() as tx:
        with pytest.raises(ValueError, match="table setting has no column vaule"):
            tx.insert(setting, [row | {"vaule": "v"}])
        with pytest.raises(ValueError, match="do not have the same columns"):
            tx.insert(setting, [row, row | {"vaule": "v"}])
        with pytest.raises(ValueError, match="table setting has no column vaule"):
            tx.update(setting, {"vaule": "v"}, setting.c.key == "k")


@pytest.mark.parametrize("count", [1, ROWS_AT_ONCE, 2 * ROWS_AT_ONCE + 3])
def test_however_many_rows_come_each_is_there_once_as_the_last_one_says(
    database: Database, count: int
) -> None:
    def rows(numbers: range, value: str) -> list[dict[str, str]]:
        return [{"key": str(number), "value": value} for number in numbers]

    with database.writing() as tx:
        tx.insert(setting, rows(range(count), "first"))
        tx.insert_missing(setting, rows(range(2 * count), "second"))
        tx.upsert(setting, rows(range(1, count + 1), "third"), Taken(("key",)))
        found = dict(tx.tuples(select(setting.c.key, setting.c.value)))

    changed = {row["key"]: row["value"] for row in rows(range(1, count + 1), "third")}
    added = {row["key"]: row["value"] for row in rows(range(count + 1, 2 * count), "second")}
    assert {key: found[key] for key in map(str, range(2 * count))} == {
        "0": "first",
        **changed,
        **added,
    }


def test_a_change_without_a_condition_is_refused(database: Database) -> None:
    with database.writing() as tx:
        with pytest.raises(ValueError, match="a condition is needed"):
            tx.delete(setting)
        with pytest.raises(ValueError, match="a condition is needed"):
            tx.update(setting, {"value": "v"})


def test_an_error_in_the_block_undoes_all_of_it_and_frees_the_ledger(database: Database) -> None:
    def write_and_fail() -> None:
        with database.writing() as tx:
            tx.insert(setting, [{"key": "k", "value": "v"}])
            raise KeyError

    with pytest.raises(KeyError):
        write_and_fail()

    with database.writing() as tx:
        assert tx.value(select(setting.c.value).where(setting.c.key == "k")) is None


def test_a_reader_cannot_write(database: Database) -> None:
    with pytest.raises(PermanentError, match="readonly"), database.reading() as tx:
        tx.insert(setting, [{"key": "k", "value": "v"}])


def test_transactions_are_not_nested(database: Database) -> None:
    with (
        database.writing(),
        pytest.raises(RuntimeError, match="inside another"),
        database.writing(),
    ):
        pass
    with (
        database.reading(),
        pytest.raises(RuntimeError, match="inside another"),
        database.reading(),
    ):
        pass


def test_whoever_acts_transactions_are_not_nested(database: Database) -> None:
    with (
        database.writing(),
        pytest.raises(RuntimeError, match="inside another"),
        database.acting_as("anna").writing(),
    ):
        pass


def test_a_transaction_is_of_who_opened_it_and_of_nobody_else(database: Database) -> None:
    anna = database.acting_as("anna")

    with anna.writing() as hers:
        pass
    with database.writing() as others:
        pass

    assert (hers.actor, others.actor) == ("anna", "")


def test_a_reader_sees_one_moment(database: Database) -> None:
    query = select(setting.c.value).where(setting.c.key == "k")

    with database.reading() as reader:
        before = reader.value(query)
        with database.writing() as writer:
            writer.insert(setting, [{"key": "k", "value": "v"}])
        during = reader.value(query)
    with database.reading() as reader:
        after = reader.value(query)

    assert (before, during, after) == (None, None, "v")


def test_every_commit_is_on_disk_before_it_is_over(database: Database) -> None:
    pragmas = ("synchronous", "journal_mode", "foreign_keys", "busy_timeout")

    with database.writing() as tx:
        found = [tx.connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in pragmas]

    assert found == [2, "wal", 1, 10_000]  # 2 is FULL


def test_a_path_with_any_characters_is_one_file(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "50%?mode=memory#x y" / "ledger.sqlite3"
    path.parent.mkdir()

    database = Database(path)
    upgrade(database)
    database.close()

    assert path.exists()


def test_a_ledger_locked_by_someone_else_is_a_matter_of_time(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "ledger.sqlite3"
    database = Database(path, busy_s=0.05)
    upgrade(database)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")

    with pytest.raises(TemporaryError, match="locked by another process"), database.writing():
        pass
    other.execute("ROLLBACK")
    other.close()

    with database.writing() as tx:  # nothing was left behind
        tx.insert(setting, [{"key": "k", "value": "v"}])
    database.close()


def test_a_commit_that_fails_leaves_no_lock_behind(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "ledger.sqlite3"
    database = Database(path, busy_s=0.05)
    upgrade(database)

    def write_what_only_commit_refuses() -> None:
        with database.writing() as tx:
            tx.connection.exec_driver_sql("PRAGMA defer_foreign_keys=ON")
            tx.insert(deletion, [row])

    row: dict[str, object] = {
        "mirror": "docs",
        "path": "a",
        "side": Side.LOCAL,
        "token": "t",
        "sha256": "s",
        "hold": 99,
    }

    with pytest.raises(PermanentError, match="FOREIGN KEY"):
        write_what_only_commit_refuses()

    def write() -> None:
        with database.writing() as tx:
            tx.insert(setting, [{"key": "k", "value": "v"}])

    thread = threading.Thread(target=write)
    thread.start()
    thread.join()
    with database.reading() as tx:
        assert tx.value(select(setting.c.value).where(setting.c.key == "k")) == "v"
    database.close()


def test_a_row_that_the_schema_forbids_is_refused(database: Database) -> None:
    row = {"mirror": "docs", "key": "a", "path": None}

    with pytest.raises(PermanentError, match="NOT NULL"), database.writing() as tx:
        tx.insert(alias, [row])


@pytest.mark.parametrize(
    ("name", "kind", "remedy"),
    [
        ("SQLITE_BUSY", TemporaryError, "tried again"),
        ("SQLITE_BUSY_SNAPSHOT", TemporaryError, "tried again"),
        ("SQLITE_LOCKED", TemporaryError, "tried again"),
        ("SQLITE_FULL", TemporaryError, "free some space"),
        ("SQLITE_IOERR_WRITE", TemporaryError, "check the disk"),
        ("SQLITE_CORRUPT", PermanentError, "docferry rebuild"),
        ("SQLITE_NOTADB", PermanentError, "docferry rebuild"),
        ("SQLITE_CANTOPEN", PermanentError, "who may write"),
        ("SQLITE_READONLY_DIRECTORY", PermanentError, "who may write"),
        ("SQLITE_CONSTRAINT_CHECK", PermanentError, "report this"),
    ],
)
def test_every_fault_says_what_to_do(name: str, kind: type[Exception], remedy: str) -> None:
    error = sqlite3.OperationalError("cause")
    error.sqlite_errorcode = getattr(sqlite3, name)

    for met in (error, DBAPIError("SELECT", {}, error)):
        found = translate(met, pathlib.Path("/var/lib/ledger"))

        assert type(found) is kind
        assert "/var/lib/ledger" in str(found)
        assert remedy in str(found)


def test_the_lock_is_given_in_the_order_of_asking() -> None:
    lock, order = FairLock(), []
    threads = []

    def take(number: int) -> None:
        with lock:
            order.append(number)

    with lock:
        for number in range(8):
            threads.append(threading.Thread(target=take, args=(number,)))
            threads[-1].start()
            while lock.waiting <= number:
                threading.Event().wait(0.001)
    for thread in threads:
        thread.join()

    assert order == list(range(8))


def test_what_was_deleted_is_in_no_file_once_it_is_wiped(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "ledger.sqlite3"
    database = Database(path)
    upgrade(database)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("PRAGMA secure_delete=OFF")  # as SQLite comes; Debian's has it on
    other.execute("INSERT INTO setting VALUES ('secret', 'v')")
    other.execute("DELETE FROM setting WHERE key = 'secret'")
    other.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    other.close()
    assert b"secret" in path.read_bytes()

    database.wipe()

    assert not any(b"secret" in file.read_bytes() for file in tmp_path.iterdir())
    with database.writing() as tx:
        tx.insert(setting, [{"key": "k", "value": "v"}])
    database.close()


def test_where_somebody_reads_meanwhile_what_was_deleted_is_wiped_the_next_time(
    tmp_path: pathlib.Path,
) -> None:
    path = tmp_path / "ledger.sqlite3"
    database = Database(path, busy_s=0.05)
    upgrade(database)
    reader = sqlite3.connect(path, isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT * FROM setting").fetchall()

    with pytest.raises(TemporaryError, match="reads"):
        database.wipe()
    reader.close()

    database.wipe()
    database.close()


def test_who_waits_for_changes_of_a_table_is_told_of_each_that_is_kept(database: Database) -> None:
    told: list[object] = []

    def tell() -> None:
        with database.reading() as tx:
            told.append(tx.value(select(setting.c.value).where(setting.c.key == "k")))

    def change_and_fail() -> None:
        with database.writing() as tx:
            tx.update(setting, {"value": "3"}, setting.c.key == "k")
            raise KeyError

    with database.telling([setting], tell):
        with database.writing() as tx:
            tx.insert(setting, [{"key": "k", "value": "1"}])
            assert told == []  # it is not kept yet
        with database.acting_as("somebody").writing() as tx:
            tx.update(setting, {"value": "2"}, setting.c.key == "k")
        with pytest.raises(KeyError):
            change_and_fail()
        with database.writing() as tx:
            tx.delete(alias, alias.c.mirror == "docs")
        with database.writing() as tx:
            tx.delete(setting, setting.c.key == "k")
    with database.writing() as tx:
        tx.insert(setting, [{"key": "k", "value": "4"}])

    assert told == ["1", "2", None]
