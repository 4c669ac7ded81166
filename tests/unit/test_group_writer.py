"""Changes of several threads in one transaction: each is durable, or fails by itself."""

from __future__ import annotations

import pathlib
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import pytest
from sqlalchemy import select

from docferry.ledger.database import Database, Transaction
from docferry.ledger.group import GroupWriter
from docferry.ledger.schema import alias
from ledger_rows import fresh_ledger
from processes import wait_for

THREADS = 6


@pytest.fixture
def database(tmp_path: pathlib.Path) -> Iterator[Database]:
    with fresh_ledger(tmp_path / "ledger.sqlite3"):
        pass
    database = Database(tmp_path / "ledger.sqlite3")
    yield database
    database.close()


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(THREADS) as pool:
        yield pool


def add(key: str) -> Callable[[Transaction], Transaction]:
    """Give a change that adds a row, and says in which transaction."""

    def change(tx: Transaction) -> Transaction:
        tx.insert(alias, [{"mirror": "docs", "key": key, "path": f"%{key}"}])
        return tx

    return change


def fail(tx: Transaction) -> Transaction:
    raise ValueError("no such thing")


def keys(database: Database) -> set[str]:
    with database.reading() as tx:
        return {key for (key,) in tx.tuples(select(alias.c.key))}


def write_beside(
    database: Database,
    pool: ThreadPoolExecutor,
    changes: list[Callable[[Transaction], Transaction]],
) -> list[Future[Transaction]]:
    """Write *changes* from as many threads while another one holds them up."""
    group, is_held, goes_on = GroupWriter(database), threading.Event(), threading.Event()

    def hold(tx: Transaction) -> None:
        is_held.set()
        assert goes_on.wait(20)

    first = pool.submit(group.write, hold)
    assert is_held.wait(20)
    found = [pool.submit(group.write, change) for change in changes]
    wait_for(lambda: group.waiting == len(changes))
    goes_on.set()
    first.result(20)
    return found


def test_a_change_is_there_when_the_call_returns(database: Database) -> None:
    GroupWriter(database).write(add("a"))

    assert keys(database) == {"a"}


def test_those_who_wait_are_written_in_one_transaction(
    database: Database, pool: ThreadPoolExecutor
) -> None:
    found = write_beside(database, pool, [add(key) for key in "abcd"])

    assert len({id(one.result(20)) for one in found}) == 1
    assert keys(database) == set("abcd")


def test_of_a_group_only_the_one_that_fails_is_not_written(
    database: Database, pool: ThreadPoolExecutor
) -> None:
    good, bad, also_good = write_beside(database, pool, [add("a"), fail, add("b")])

    with pytest.raises(ValueError, match="no such thing"):
        bad.result(20)
    good.result(20), also_good.result(20)
    assert keys(database) == {"a", "b"}


def test_one_that_fails_alone_leaves_nothing_behind(database: Database) -> None:
    def half(tx: Transaction) -> None:
        add("a")(tx)
        fail(tx)

    group = GroupWriter(database)

    with pytest.raises(ValueError, match="no such thing"):
        group.write(half)

    group.write(add("b"))
    assert keys(database) == {"b"}
