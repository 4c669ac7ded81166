"""Of which snapshots a rebuild takes the past, and what it says of those that are of no use."""

from __future__ import annotations

import itertools
import pathlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from docferry.engine.rebuild import Rebuild, Result, TimedArchive
from docferry.errors import TemporaryError, UnreachableError
from docferry.ledger import Ledger
from docferry.ledger.rebuilt import Rebuilt
from docferry.ledger.snapshots import make
from docferry.model import Attributes, Entry, FileState, Path, Sha256, Token, Ulid
from docferry.storage.base import Content
from docferry.storage.snapshots import MemorySnapshots, SnapshotFacts
from ledger_rows import NOW, fresh_ledger, uploaded, version


class Snapshots(MemorySnapshots):
    """Snapshots that notice when they are read."""

    def __init__(self) -> None:
        super().__init__()
        self.read_ones: list[Ulid] = []
        self.before_reading: Callable[[Ulid], None] = lambda snapshot: None

    def read(self, snapshot: Ulid) -> Content:
        self.read_ones.append(snapshot)
        self.before_reading(snapshot)
        return super().read(snapshot)


class OnlySnapshots:
    """A bucket that is asked for nothing else."""

    def __init__(self) -> None:
        self.snapshots = Snapshots()

    @property
    def archive(self) -> TimedArchive:
        raise NotImplementedError

    def scan(self) -> Iterator[Entry]:
        raise NotImplementedError

    def scan_odd(self) -> list[Entry]:
        raise NotImplementedError

    def look(self, path: Path) -> tuple[FileState, Attributes, int | None] | None:
        raise NotImplementedError

    def read(self, path: Path, expect: Token) -> Content:
        raise NotImplementedError

    def checksum(self, path: Path, expect: Token) -> Sha256 | None:
        raise NotImplementedError


class Room:
    """A bucket with snapshots in it, and an empty ledger."""

    def __init__(self, folder: pathlib.Path, rebuilt: Rebuilt) -> None:
        self.folder = folder
        self.rebuilt = rebuilt
        self.bucket = OnlySnapshots()
        self._numbers = itertools.count(1)

    def leave(self, ledger: Ledger) -> Ulid:
        """Put a snapshot into the bucket, later than all before."""
        number = next(self._numbers)
        folder = self.folder / f"snapshot-{number}"
        folder.mkdir()
        packed, made = make(ledger, "docs", folder)
        snapshot = f"01KYYYYYYYYYYYYYYYYYYYYYY{number}"
        self.bucket.snapshots.write(snapshot, packed, SnapshotFacts(ledger.instance, made.sha256))
        return snapshot

    def spoil(self, snapshot: Ulid) -> None:
        held = self.bucket.snapshots.held
        body, facts = held[snapshot]
        held[snapshot] = (body[:-9] + b"_" * 9, facts)

    def rebuild(self) -> Rebuild:
        with ThreadPoolExecutor(1) as pool:
            rebuild = Rebuild(
                "docs",
                self.rebuilt,
                self.bucket,
                None,
                pool,
                self.folder / "rebuilding",
                targets={},
                believe=lambda claimed: None,
                takes=lambda path: True,
                size_here=lambda path: None,
                new_ulid=lambda: "",
                now=lambda: NOW,
            )
            rebuild.take_snapshots()
        return rebuild

    @property
    def current(self) -> set[Ulid]:
        rows = self.rebuilt.versions.of("docs", "a")
        return {row.id for row in rows if row.is_current}

    @property
    def known(self) -> set[Ulid]:
        return {row.id for row in self.rebuilt.versions.of("docs", "a")}


@pytest.fixture
def room(tmp_path: pathlib.Path) -> Iterator[Room]:
    with Rebuilt.open(tmp_path / "rebuilt.sqlite3") as rebuilt:
        yield Room(tmp_path, rebuilt)


@pytest.fixture
def ledger(tmp_path: pathlib.Path) -> Iterator[Ledger]:
    with fresh_ledger(tmp_path / "lost.sqlite3") as found:
        yield found


@pytest.fixture
def fresh(tmp_path: pathlib.Path) -> Iterator[Ledger]:
    """Another one, which began in front of the same bucket."""
    with Ledger.open(
        tmp_path / "fresh.sqlite3"
    ) as found:  # made by itself: no copy of the lost one
        yield found


FIRST, SECOND, OTHER = (version("a", content).id for content in ("first", "second", "other"))


def record(ledger: Ledger, content: str, days: int = 0) -> None:
    ledger.record("docs", [uploaded("a", content)], at=NOW + timedelta(days=days))


def test_of_one_ledger_the_newest_snapshot_is_read_alone(room: Room, ledger: Ledger) -> None:
    record(ledger, "first")
    room.leave(ledger)
    record(ledger, "second", days=1)
    newest = room.leave(ledger)

    result = room.rebuild().result

    assert (result.snapshot, result.refused) == (newest, [])
    assert room.bucket.snapshots.read_ones == [newest]
    assert (room.known, room.current) == ({FIRST, SECOND}, {SECOND})
    assert not result.may_forget_held


def test_the_past_of_a_lost_ledger_is_not_hidden_by_a_fresh_one(
    room: Room, ledger: Ledger, fresh: Ledger
) -> None:
    record(ledger, "first")
    lost = room.leave(ledger)
    record(fresh, "other", days=1)
    newest = room.leave(fresh)

    result = room.rebuild().result

    assert result.snapshot == newest
    assert room.bucket.snapshots.read_ones == [newest, lost]
    assert (room.known, room.current) == ({FIRST, OTHER}, {OTHER})


def test_in_the_place_of_a_damaged_snapshot_the_one_before_is_taken_and_it_is_told(
    room: Room, ledger: Ledger
) -> None:
    record(ledger, "first")
    before = room.leave(ledger)
    record(ledger, "second", days=1)
    damaged = room.leave(ledger)
    room.spoil(damaged)

    result = room.rebuild().result

    assert (result.snapshot, room.known) == (before, {FIRST})
    assert [reason.partition(":")[0] for reason in result.refused] == [damaged]
    assert result.may_forget_held


def test_a_snapshot_that_is_gone_by_now_is_passed_over(room: Room, ledger: Ledger) -> None:
    record(ledger, "first")
    before = room.leave(ledger)
    gone = room.leave(ledger)
    room.bucket.snapshots.before_reading = lambda one: (
        room.bucket.snapshots.remove(one) if one == gone else None
    )

    result = room.rebuild().result

    assert (result.snapshot, len(result.refused)) == (before, 1)


@pytest.mark.parametrize("error", [TemporaryError("trouble"), UnreachableError("no answer")])
def test_a_store_that_only_has_trouble_does_not_cost_the_past(
    room: Room, ledger: Ledger, error: TemporaryError
) -> None:
    record(ledger, "first")
    room.leave(ledger)
    room.leave(ledger)

    def fail(snapshot: Ulid) -> None:
        raise error

    room.bucket.snapshots.before_reading = fail
    with pytest.raises(type(error)):
        room.rebuild()

    assert room.known == set()


def test_what_does_not_say_whose_it_is_is_no_snapshot(room: Room, ledger: Ledger) -> None:
    class Nameless(Snapshots):
        def describe(self, snapshot: Ulid) -> SnapshotFacts | None:
            return None

    record(ledger, "first")
    room.leave(ledger)
    held = room.bucket.snapshots.held
    room.bucket.snapshots = Nameless()
    room.bucket.snapshots.held = held

    result = room.rebuild().result

    assert (result.snapshot, room.known) == (None, set())
    assert result.may_forget_held


def test_what_another_try_has_left_there_is_in_no_ones_way(room: Room, ledger: Ledger) -> None:
    (room.folder / "rebuilding").mkdir()
    (room.folder / "rebuilding" / "snapshot.sqlite3").write_bytes(b"half")
    record(ledger, "first")
    room.leave(ledger)

    room.rebuild()

    assert room.known == {FIRST}


def test_what_is_lost_is_counted_and_named_up_to_a_hundred() -> None:
    result = Result()
    for number in range(101):
        result.lose(f"{number}")

    assert (result.lost_count, len(result.lost)) == (101, 100)
