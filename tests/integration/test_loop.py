"""One mirror's loop at work: a real folder, a real ledger, a bucket in memory."""

from __future__ import annotations

import itertools
import os
import pathlib
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest

from docferry.config import MirrorConfig
from docferry.engine.consider import Tools
from docferry.engine.execute import Executor
from docferry.engine.gate import Gate
from docferry.engine.identity import Places
from docferry.engine.loop import MirrorLoop, Run
from docferry.errors import UnreachableError
from docferry.ledger import Ledger
from docferry.model import HoldState, MirrorHealth, Mode, Path, SyncedState
from docferry.storage.local import LocalStorage
from processes import wait_for
from whole_mirror import Bucket


class Known:
    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def find_sha256(self, mirror: str, sha256: str) -> tuple[Path, SyncedState] | None:
        return self._ledger.synced.find_sha256(mirror, sha256)

    def is_intended(self, mirror: str, path: Path, version: str) -> bool:
        return self._ledger.intents.is_intended(mirror, path, version)


class Mirror:
    """A mirror under test: a person's hands on both sides, and its loop."""

    def __init__(self, folder: pathlib.Path, delete_limit: int, mode: Mode) -> None:
        self.root = folder / "docs"
        self.root.mkdir()
        self.state = folder / "ledger.sqlite3"
        self.aliases: dict[str, Path] = {}
        self.remote = Bucket(self.aliases)
        self.limit = delete_limit
        self.mode = mode
        self.ledger = Ledger.open(self.state)
        self.ledger.mirrors.put(
            "docs", store="s", bucket="b", prefix="", local=str(self.root), mode=Mode.TWO_WAY
        )
        self.pool = ThreadPoolExecutor(4)
        self.numbers = itertools.count(1)
        self.loop = self.new_loop()

    def new_loop(self) -> MirrorLoop:
        local = LocalStorage(self.root)
        options = MirrorConfig(
            name="docs",
            store="s",
            bucket="b",
            local=self.root,
            settle_s=0.0,
            delete_limit=self.limit,
            mode=self.mode,
        )
        executor = Executor(
            "docs",
            local,
            self.remote,
            Known(self.ledger),
            writer="this",
            now=lambda: datetime.now(UTC),
            new_ulid=self.new_ulid,
        )
        tools = Tools(
            options=options,
            ledger=self.ledger,
            local=local,
            pool=self.pool,
            looks=self.pool,
            gate=Gate(4),
            aliases=self.aliases,
            jobs_for=lambda version: (),
            new_ulid=self.new_ulid,
            prepare=lambda: None,
            on_jobs=lambda: None,
        )
        return MirrorLoop(tools, executor, Places(local, self.remote, str(self.root), "s3://b"))

    def new_ulid(self) -> str:
        return f"{next(self.numbers):026d}"

    def start(self) -> None:
        self.loop.start()
        self.settle()

    def restart(self) -> None:
        self.stop()
        self.loop = self.new_loop()

    def stop(self) -> None:
        self.loop.stop()
        assert self.loop.join(10)

    def settle(self) -> None:
        wait_for(lambda: self.loop.is_quiet() or self.health is MirrorHealth.BLOCKED)
        wait_for(lambda: self.health is not MirrorHealth.WORKING)

    def run(self, run: Run = Run.FULL) -> None:
        self.loop.request(run)
        self.settle()

    @property
    def health(self) -> MirrorHealth:
        return self.loop.facts.health

    @property
    def files(self) -> dict[str, bytes]:
        return {
            str(path.relative_to(self.root)): path.read_bytes()
            for path in self.root.rglob("*")
            if path.is_file() and ".docferry" not in path.parts
        }

    def close(self) -> None:
        if self.loop.is_alive:
            self.stop()
        self.pool.shutdown()
        self.ledger.close()


@pytest.fixture
def new_mirror(tmp_path: pathlib.Path) -> Iterator[Callable[..., Mirror]]:
    made: list[Mirror] = []

    def make(delete_limit: int = 100, mode: Mode = Mode.TWO_WAY) -> Mirror:
        made.append(Mirror(tmp_path, delete_limit, mode))
        return made[-1]

    yield make
    for mirror in made:
        mirror.close()


def test_both_sides_become_the_same(new_mirror: Callable[..., Mirror]) -> None:
    mirror = new_mirror()
    (mirror.root / "a.txt").write_bytes(b"from here")
    mirror.remote.user_write("sub/b.txt", b"from there")

    mirror.start()

    assert mirror.files == mirror.remote.contents
    assert mirror.files == {"a.txt": b"from here", "sub/b.txt": b"from there"}
    assert mirror.health is MirrorHealth.IN_STEP


def test_edits_travel_and_what_they_displace_is_archived(
    new_mirror: Callable[..., Mirror],
) -> None:
    mirror = new_mirror()
    (mirror.root / "a").write_bytes(b"a1")
    (mirror.root / "b").write_bytes(b"b1")
    mirror.start()

    (mirror.root / "a").write_bytes(b"a22")
    mirror.remote.user_write("b", b"b22")
    mirror.run()

    assert mirror.files == mirror.remote.contents == {"a": b"a22", "b": b"b22"}
    assert [held.content for held in mirror.remote.archive.values()] == [b"a1"]
    archived = list((mirror.root / ".docferry/versions").iterdir())
    assert [path.read_bytes() for path in archived] == [b"b1"]
    assert len(mirror.ledger.versions.of("docs", "a")) == 2


def test_a_conflict_keeps_both_and_is_listed(new_mirror: Callable[..., Mirror]) -> None:
    mirror = new_mirror()
    (mirror.root / "a.txt").write_bytes(b"old")
    mirror.start()

    (mirror.root / "a.txt").write_bytes(b"mine!")
    mirror.remote.user_write("a.txt", b"theirs")
    mirror.run()

    [conflict] = mirror.ledger.conflicts.all("docs")
    assert mirror.files == mirror.remote.contents
    assert mirror.files == {"a.txt": b"theirs", conflict.copy_path: b"mine!"}


def test_a_deletion_travels_and_the_content_is_archived(
    new_mirror: Callable[..., Mirror],
) -> None:
    mirror = new_mirror()
    for name in ("a", "b", "c"):
        (mirror.root / name).write_bytes(name.encode())
    mirror.start()

    (mirror.root / "a").unlink()
    mirror.remote.user_delete("b")
    mirror.run()

    assert mirror.files == mirror.remote.contents == {"c": b"c"}
    assert [held.content for held in mirror.remote.archive.values()] == [b"a"]


@pytest.mark.parametrize("run", [Run.FULL, Run.POLL])
def test_a_file_that_was_only_touched_is_deleted_as_well(
    new_mirror: Callable[..., Mirror], run: Run
) -> None:
    """It was read, parked, looked at, read again, parked again: for ever."""
    mirror = new_mirror()
    for name in ("a", "b"):
        (mirror.root / name).write_bytes(name.encode())
    mirror.start()
    os.utime(mirror.root / "a", ns=(1, 1))
    mirror.remote.user_delete("a")

    mirror.run(run)

    assert mirror.files == {"b": b"b"}
    assert mirror.health is MirrorHealth.IN_STEP


def test_more_deletions_than_allowed_are_held_until_approved(
    new_mirror: Callable[..., Mirror],
) -> None:
    mirror = new_mirror(delete_limit=2)
    for number in range(5):
        (mirror.root / f"f{number}").write_bytes(b"%d" % number)
    mirror.start()
    for number in range(3):
        mirror.remote.user_delete(f"f{number}")

    mirror.run()

    [hold] = mirror.ledger.holds.all("docs")
    assert hold.count == 3
    assert len(mirror.files) == 5
    assert mirror.health is MirrorHealth.BLOCKED

    mirror.ledger.holds.decide(hold.id, HoldState.APPROVED, datetime.now(UTC))
    mirror.loop.request(Run.HOLDS)
    wait_for(lambda: len(mirror.files) == 2)
    wait_for(lambda: mirror.health is MirrorHealth.IN_STEP)


def test_a_discarded_hold_brings_the_files_back(new_mirror: Callable[..., Mirror]) -> None:
    mirror = new_mirror(delete_limit=0)
    (mirror.root / "a").write_bytes(b"a")
    (mirror.root / "b").write_bytes(b"b")
    mirror.start()
    (mirror.root / "a").unlink()
    mirror.run()
    [hold] = mirror.ledger.holds.all("docs")

    mirror.ledger.holds.decide(hold.id, HoldState.DISCARDED, datetime.now(UTC))
    mirror.loop.request(Run.HOLDS)

    wait_for(lambda: mirror.files == {"a": b"a", "b": b"b"})
    wait_for(lambda: mirror.health is MirrorHealth.IN_STEP)


def test_an_approved_deletion_waits_for_a_side_that_is_not_itself(
    new_mirror: Callable[..., Mirror],
) -> None:
    mirror = new_mirror(delete_limit=0)
    for name in ("a", "b"):
        (mirror.root / name).write_bytes(name.encode())
    mirror.start()
    mirror.remote.user_delete("a")
    mirror.run()
    [hold] = mirror.ledger.holds.all("docs")
    marker, mirror.remote.marker = mirror.remote.marker, None

    mirror.ledger.holds.decide(hold.id, HoldState.APPROVED, datetime.now(UTC))
    mirror.loop.request(Run.HOLDS)
    wait_for(lambda: any(hold.kind == "identity" for hold in mirror.ledger.holds.all("docs")))

    assert set(mirror.files) == {"a", "b"}

    mirror.remote.marker = marker
    wait_for(lambda: set(mirror.files) == {"b"})
    wait_for(lambda: mirror.health is MirrorHealth.IN_STEP)


def test_an_open_hold_is_no_reason_to_give_up_the_other_work(
    new_mirror: Callable[..., Mirror],
) -> None:
    """`docferry run --once` ended in the middle of it: a plan said more than was done."""
    mirror = new_mirror(delete_limit=0)
    for name in ("a", "b"):
        (mirror.root / name).write_bytes(name.encode())
    mirror.start()
    mirror.remote.user_delete("a")

    mirror.run()

    wait_for(mirror.loop.is_quiet)
    assert mirror.health is MirrorHealth.BLOCKED
    assert not mirror.loop.has_given_up


def test_it_is_not_quiet_while_a_newcomers_name_is_taken(
    new_mirror: Callable[..., Mirror],
) -> None:
    mirror = new_mirror()
    (mirror.root / "a").write_bytes(b"a file")
    mirror.remote.user_write("a/b", b"below it")

    mirror.loop.start()
    wait_for(lambda: bool(mirror.ledger.problems.all("docs")))
    assert not mirror.loop.is_quiet()
    mirror.settle()

    assert mirror.ledger.aliases.all("docs") == {"a/b": "%_~/a/b"}


def test_an_emptied_bucket_deletes_nothing(new_mirror: Callable[..., Mirror]) -> None:
    mirror = new_mirror()
    (mirror.root / "a").write_bytes(b"a")
    mirror.start()
    mirror.remote.user_delete("a")

    mirror.run(Run.POLL)

    assert mirror.files == {"a": b"a"}
    [hold] = mirror.ledger.holds.all("docs")
    assert "no file" in hold.reason


def test_a_folder_that_lost_its_marker_stops_everything(new_mirror: Callable[..., Mirror]) -> None:
    mirror = new_mirror()
    (mirror.root / "a").write_bytes(b"a")
    mirror.start()
    mirror.stop()
    shutil.rmtree(mirror.root)
    mirror.root.mkdir()
    mirror.loop = mirror.new_loop()

    mirror.loop.start()
    wait_for(lambda: mirror.health is MirrorHealth.BLOCKED)

    assert mirror.remote.contents == {"a": b"a"}
    [hold] = mirror.ledger.holds.all("docs")
    assert hold.kind == "identity"

    mirror.ledger.holds.decide(hold.id, HoldState.APPROVED, datetime.now(UTC))
    mirror.loop.request(Run.HOLDS)
    wait_for(lambda: mirror.files == {"a": b"a"})


def test_a_store_that_is_gone_for_a_while_heals_by_itself(
    new_mirror: Callable[..., Mirror],
) -> None:
    mirror = new_mirror()
    (mirror.root / "a").write_bytes(b"a")
    mirror.start()
    is_down = True

    def refuse(name: str) -> None:
        if is_down:
            raise UnreachableError("the store does not answer")

    mirror.remote.step = refuse
    (mirror.root / "b").write_bytes(b"b")
    mirror.loop.mark("b")
    wait_for(lambda: mirror.health is MirrorHealth.UNREACHABLE)

    is_down = False
    wait_for(lambda: mirror.remote.contents == {"a": b"a", "b": b"b"})
    wait_for(lambda: mirror.health is MirrorHealth.IN_STEP)


def test_changes_made_while_it_was_down_are_all_found(new_mirror: Callable[..., Mirror]) -> None:
    mirror = new_mirror()
    for name in ("edited", "deleted", "stays"):
        (mirror.root / name).write_bytes(name.encode())
    mirror.start()
    mirror.stop()

    (mirror.root / "edited").write_bytes(b"another")
    (mirror.root / "deleted").unlink()
    (mirror.root / "new").write_bytes(b"new")
    mirror.remote.user_write("also new", b"there")
    mirror.loop = mirror.new_loop()
    mirror.start()

    assert mirror.files == mirror.remote.contents
    assert set(mirror.files) == {"edited", "stays", "new", "also new"}


def test_a_folder_mark_looks_at_everything_below(new_mirror: Callable[..., Mirror]) -> None:
    mirror = new_mirror()
    (mirror.root / "d").mkdir()
    (mirror.root / "d/old").write_bytes(b"old")
    mirror.start()

    (mirror.root / "d/old").unlink()
    (mirror.root / "d/new").write_bytes(b"new")
    (mirror.root / "keep").write_bytes(b"keep")
    mirror.loop.mark("keep")
    mirror.loop.mark("d/")

    wait_for(lambda: mirror.remote.contents == {"d/new": b"new", "keep": b"keep"})


def test_what_the_mode_leaves_alone_is_said_and_not_called_in_step(
    new_mirror: Callable[..., Mirror],
) -> None:
    mirror = new_mirror(mode=Mode.PUSH)
    (mirror.root / "a").write_bytes(b"a")
    mirror.start()
    mirror.remote.user_write("a", b"by a stranger")
    mirror.remote.user_write("b", b"by a stranger too")

    mirror.run()

    assert mirror.files == {"a": b"a"}
    problems = {row.path: row.kind for row in mirror.ledger.problems.all("docs")}
    assert problems == {"a": "mode", "b": "mode"}
    assert mirror.health is MirrorHealth.WAITING
