"""All that a bucket keeps is looked at: nothing is left out, and a failure delays it only."""

from __future__ import annotations

import itertools
import pathlib
from collections.abc import Callable, Iterator

import pytest

from docferry.engine.strangers import SWEEP_AGAIN_S, StoreVersions
from docferry.errors import UnreachableError
from docferry.ledger import Ledger
from docferry.model import Path
from kept_versions import KeepingBucket
from ledger_rows import fresh_ledger


class Room:
    """A bucket that keeps versions, a real ledger, and a clock for the chore."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self.bucket = KeepingBucket()
        self.seconds = 0.0
        self._numbers = itertools.count(10)

    def chore(self, takes: Callable[[Path], bool] = lambda path: True) -> StoreVersions:
        return StoreVersions(
            "docs",
            self.bucket,
            self.ledger,
            takes=takes,
            new_ulid=lambda: f"01KYYYYYYYYYYYYYYYYYYYYY{next(self._numbers)}",
            now=lambda: self.bucket.now,
            seconds=lambda: self.seconds,
            most_paths=3,
        )

    def put_and_delete(self, path: Path) -> None:
        self.bucket.put(path, b"once")
        self.bucket.delete(path)

    def count(self, path: Path) -> int:
        return len(self.ledger.versions.of("docs", path))


@pytest.fixture
def room(tmp_path: pathlib.Path) -> Iterator[Room]:
    with fresh_ledger(tmp_path / "ledger.sqlite3") as ledger:
        yield Room(ledger)


def never() -> bool:
    return False


def gone(path: Path) -> None:
    raise UnreachableError("it is gone")


def test_of_many_paths_none_is_left_out(room: Room) -> None:
    paths = [f"{number:03}" for number in range(201)]  # a batch, and one more
    ends = (paths[0], paths[-1])
    chore = room.chore(takes=lambda path: path in ends)
    for path in paths:
        room.put_and_delete(path)

    chore.run(never)

    assert [room.count(path) for path in ends] == [1, 1]


def test_a_sweep_that_failed_is_done_again_soon(room: Room) -> None:
    chore = room.chore()
    chore.run(never)
    room.put_and_delete("a")
    chore.changed(f"{number}" for number in range(4))  # too many to be named
    room.seconds += SWEEP_AGAIN_S
    room.bucket.before_reading = gone
    with pytest.raises(UnreachableError):
        chore.run(never)
    room.bucket.before_reading = lambda path: None

    chore.run(never)

    assert room.count("a") == 1
