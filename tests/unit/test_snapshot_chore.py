"""The chore that keeps snapshots: when it works, what it keeps, what it says about the past."""

from __future__ import annotations

import pathlib
from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest
from ulid import ULID

from docferry.core.guards import marker
from docferry.engine.snapshot import AGAIN_AFTER, MISSED_KIND, MISSED_PATH, Snapshots, is_missed
from docferry.errors import TemporaryError
from docferry.ledger import Ledger
from docferry.ledger.snapshots import unpack
from docferry.model import Mode, Ulid
from docferry.storage.snapshots import MemorySnapshots, SnapshotFacts
from ledger_rows import MINUTE, NOW, agreed, fresh_ledger, uploaded

EVERY_S = 900.0
QUIET = timedelta(seconds=31)


class Bucket:
    """A prefix, as far as snapshots are concerned; *fails* says what it answers to a write."""

    def __init__(self) -> None:
        self.snapshots = MemorySnapshots()
        self.marker: bytes | None = marker("this mirror")

    def read_marker(self) -> bytes | None:
        return self.marker


class RefusingSnapshots(MemorySnapshots):
    def __init__(self) -> None:
        super().__init__()
        self.tries = 0

    def write(self, snapshot: Ulid, file: pathlib.Path, facts: SnapshotFacts) -> None:
        self.tries += 1
        raise TemporaryError("not now")


class Room:
    """A ledger, a bucket, a clock, and the chore between them."""

    def __init__(self, folder: pathlib.Path) -> None:
        self.folder = folder
        self.now = NOW
        self.bucket = Bucket()
        self.ledger = fresh_ledger(folder / "ledger.sqlite3")
        self.ledger.mirrors.put(
            "docs",
            store="s",
            bucket="b",
            prefix="",
            local="/l",
            mode=Mode.TWO_WAY,
            marker_id="this mirror",
        )
        self.chore = self.new_chore()

    def new_chore(self) -> Snapshots:
        return Snapshots(
            "docs",
            self.ledger,
            self.bucket,
            every_s=EVERY_S,
            new_ulid=self.new_ulid,
            now=lambda: self.now,
        )

    def new_ulid(self) -> Ulid:
        return str(ULID.from_datetime(self.now))

    def record(self, path: str) -> None:
        self.ledger.record("docs", [uploaded(path)], at=self.now)

    def run_after(self, passed: timedelta = QUIET) -> int:
        """Let time go by, then let the chore look; give how many snapshots there are."""
        self.now += passed
        self.chore.run(lambda: False)
        return len(self.bucket.snapshots.all())

    def leave(self, instance: str, at: datetime) -> Ulid:
        """Put a snapshot there that another ledger would have left."""
        file = self.folder / "left"
        file.write_bytes(b"packed")
        snapshot = str(ULID.from_datetime(at))
        self.bucket.snapshots.write(snapshot, file, SnapshotFacts(instance, None))
        return snapshot

    def problems(self) -> list[tuple[str, str]]:
        return [(row.path, row.kind) for row in self.ledger.problems.all("docs")]


@pytest.fixture
def room(tmp_path: pathlib.Path) -> Iterator[Room]:
    room = Room(tmp_path)
    with room.ledger:
        yield room


# When.


def test_that_a_version_is_held_is_in_a_snapshot_soon(room: Room) -> None:
    room.record("a")
    before = room.run_after()

    room.ledger.versions.keep(agreed("a").version, room.now, is_held=True)

    assert (before, room.run_after()) == (1, 2)


def test_within_a_minute_of_quiet_there_is_a_snapshot_and_then_no_other(room: Room) -> None:
    room.record("a")

    counts = [room.run_after(timedelta(seconds=5)) for _ in range(12)]

    assert (counts[0], counts[-1]) == (0, 1)
    assert room.run_after(timedelta(days=1)) == 1


def test_a_mirror_that_never_rests_has_one_all_the_same(room: Room) -> None:
    counts = []
    for number in range(40):
        room.record(f"{number}")
        counts.append(room.run_after(MINUTE / 2 - timedelta(seconds=1)))

    assert counts[0] == 0
    assert counts[-1] == 1


def test_what_is_done_after_a_restart_is_seen_to_be_new(room: Room) -> None:
    room.record("a")
    room.run_after()
    room.chore = room.new_chore()

    assert room.run_after() == 1
    room.record("b")
    assert room.run_after() == 2


def test_the_work_of_another_mirror_calls_for_none(room: Room) -> None:
    room.ledger.record("others", [uploaded("a")], at=NOW)

    assert room.run_after() == 0


def test_a_store_that_refuses_is_not_asked_again_at_once(room: Room) -> None:
    refusing = room.bucket.snapshots = RefusingSnapshots()
    room.record("a")

    with pytest.raises(TemporaryError):
        room.run_after()
    room.run_after(AGAIN_AFTER / 2)

    assert refusing.tries == 1
    with pytest.raises(TemporaryError):
        room.run_after(AGAIN_AFTER / 2)
    assert [each.name for each in room.folder.iterdir() if each.is_dir()] == []


def test_a_daemon_that_stops_leaves_it_for_the_next_time(room: Room) -> None:
    room.record("a")
    room.now += QUIET

    room.chore.run(lambda: True)

    assert room.bucket.snapshots.all() == []
    assert room.run_after() == 1


def test_nothing_is_put_into_a_prefix_that_is_not_the_mirrors(room: Room) -> None:
    room.record("a")

    for found in (None, marker("another mirror")):
        room.bucket.marker = found
        assert room.run_after() == 0


# What.


def test_a_snapshot_says_whose_it_is_and_can_be_read(room: Room) -> None:
    room.record("a")
    room.run_after()

    [snapshot] = room.bucket.snapshots.all()
    facts = room.bucket.snapshots.describe(snapshot)
    assert facts is not None
    assert (facts.instance, facts.schema) == (room.ledger.instance, "0008")
    packed = room.folder / "packed"
    packed.write_bytes(b"".join(room.bucket.snapshots.read(snapshot).parts()))
    unpack(packed, room.folder / "plain", sha256=facts.sha256)
    with Ledger.open(room.folder / "plain") as copy:
        assert [path for path, _ in copy.synced.scan("docs")] == ["a"]


def test_the_newest_few_of_its_own_are_kept_and_those_of_a_lost_ledger(room: Room) -> None:
    lost = [room.leave("lost", NOW - day * timedelta(days=1)) for day in range(1, 6)]

    for number in range(5):
        room.record(f"{number}")
        room.run_after()

    left = room.bucket.snapshots.all()
    assert len(left) == 3 + len(lost)
    assert left[3:] == lost


def test_what_was_erased_is_in_no_snapshot_any_more_whoever_took_it(room: Room) -> None:
    room.leave("lost", NOW - MINUTE)
    room.record("a")
    room.run_after()
    room.now += MINUTE

    room.chore.renew()

    [left] = room.bucket.snapshots.all()
    last = room.ledger.snapshots.last("docs")
    assert last is not None
    assert left == last.id


def test_snapshots_of_another_bucket_are_not_renewed_in_silence(room: Room) -> None:
    kept = room.leave("theirs", NOW - MINUTE)
    room.bucket.marker = marker("another mirror")

    with pytest.raises(TemporaryError, match="marker"):
        room.chore.renew()

    assert room.bucket.snapshots.all() == [kept]


# The past.


def test_a_fresh_ledger_in_front_of_a_bucket_with_a_past_says_so(room: Room) -> None:
    room.leave("lost", NOW - MINUTE)

    room.record("a")
    room.run_after()

    assert room.problems() == [(MISSED_PATH, MISSED_KIND)]
    assert is_missed("docs", room.ledger, room.bucket.snapshots, room.now)
    assert room.chore.are_missed()


def test_a_rebuilt_ledger_misses_nothing(room: Room) -> None:
    room.leave("lost", NOW - MINUTE)
    room.run_after()

    room.ledger.snapshots.note_rebuilt(NOW)
    room.chore = room.new_chore()
    room.run_after()

    assert room.problems() == []
    assert not room.chore.are_missed()


def test_another_machine_that_works_on_the_same_prefix_is_no_lost_one(room: Room) -> None:
    room.record("a")
    room.leave("beside", NOW + MINUTE)

    room.run_after()

    assert room.problems() == []


def test_what_a_foreign_bucket_holds_is_not_this_mirrors_past(room: Room) -> None:
    room.leave("theirs", NOW - MINUTE)
    room.bucket.marker = marker("another mirror")

    room.run_after()

    assert room.problems() == []
