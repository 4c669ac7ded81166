"""One mirror's loop at work: a real folder, a real ledger, a bucket in memory."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from ulid import ULID

from docferry.engine.identity import Places
from docferry.engine.look import changed_after
from docferry.engine.one_side import MOST_MARKS
from docferry.engine.runs import Run
from docferry.errors import PermanentError, ThrottledError, UnreachableError
from docferry.metrics import REGISTRY
from docferry.model import FileState, MirrorHealth, Mode, Path
from docferry.storage.local import LocalStorage
from docferry.storage.memory import sha256_of
from looped_mirror import Mirror
from processes import wait_for
from whole_mirror import Bucket


def test_both_sides_become_the_same(new_mirror: Callable[..., Mirror]) -> None:
    mirror = new_mirror()
    (mirror.root / "a.txt").write_bytes(b"from here")
    mirror.remote.user_write("sub/b.txt", b"from there")

    mirror.start()

    assert mirror.files == mirror.remote.contents
    assert mirror.files == {"a.txt": b"from here", "sub/b.txt": b"from there"}
    assert mirror.health is MirrorHealth.IN_STEP


def test_a_name_that_is_not_utf8_is_told_of_as_soon_as_it_is_seen(
    new_mirror: Callable[..., Mirror],
) -> None:
    mirror = new_mirror()
    mirror.start()
    name = os.fsdecode(b"na\xefve")

    (mirror.root / name).write_bytes(b"a")
    mirror.loop.mark(name)  # as the watch does
    wait_for(lambda: len(mirror.ledger.problems.all("docs")) == 1)
    [problem] = mirror.ledger.problems.all("docs")
    (mirror.root / name).rename(mirror.root / "naive")
    mirror.loop.mark(name)
    mirror.loop.mark("naive")
    wait_for(lambda: mirror.remote.contents == {"naive": b"a"})
    wait_for(lambda: mirror.ledger.problems.all("docs") == [])

    assert problem.path == "na\\xefve"
    assert "not valid UTF-8" in problem.message


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


@pytest.mark.parametrize("is_displaced", [True, False])
def test_a_conflict_whose_note_was_lost_is_listed_if_there_was_one(
    new_mirror: Callable[..., Mirror], *, is_displaced: bool
) -> None:
    """As after a crash between the change and the note: both sides are equal by then."""
    mirror = new_mirror()
    (mirror.root / "a.txt").write_bytes(b"old")
    mirror.start()
    (mirror.root / "a.txt").write_bytes(b"mine!")
    mirror.remote.user_write("a.txt", b"theirs")
    mirror.run()
    mirror.stop()
    noted = mirror.ledger.versions.of("docs", "a.txt")
    [displaced] = [each for each in noted if each.sha256 == sha256_of(b"mine!")]
    [listed] = mirror.ledger.conflicts.all("docs")
    with sqlite3.connect(mirror.state) as rows:
        rows.execute("delete from conflict")
        rows.execute("delete from version where id = ?", [displaced.id])
        rows.execute("delete from synced where path = 'a.txt'")
    mirror.ledger.conflicts.begin(displaced, listed.copy_path)
    if not is_displaced:
        (mirror.root / ".docferry/versions" / displaced.id).unlink()

    mirror.restart()
    mirror.start()

    found = [each.copy_path for each in mirror.ledger.conflicts.all("docs")]
    assert found == [listed.copy_path] * is_displaced
    assert (displaced in mirror.ledger.versions.of("docs", "a.txt")) is is_displaced
    assert mirror.ledger.conflicts.begun("docs") == []


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


@pytest.mark.parametrize("was_in_step", [True, False])
def test_a_poll_compares_again_only_what_no_run_has_found_as_agreed(
    new_mirror: Callable[..., Mirror], *, was_in_step: bool
) -> None:
    mirror = new_mirror()
    (mirror.root / "a").write_bytes(b"a")
    mirror.start()
    if was_in_step:
        mirror.run(Run.FULL)
    scans = mirror.remote.scans

    mirror.run(Run.POLL)

    assert mirror.remote.scans - scans == (0 if was_in_step else 1)


def test_a_poll_of_names_by_time_lists_what_is_new_and_the_rest_when_all_is_listed(
    new_mirror: Callable[..., Mirror],
) -> None:
    mirror = new_mirror()
    mirror.relist_s = 3600.0
    mirror.loop = mirror.new_loop()
    mirror.start()
    mirror.run(Run.FULL)
    scans, new = mirror.remote.scans, f"{ULID()}.md"
    mirror.remote.user_write(new, b"new")
    mirror.remote.user_write("01AAAAAAAAAAAAAAAAAAAAAAAA.md", b"of long ago")

    mirror.run(Run.POLL)
    after_a_poll = mirror.files
    scans_of_a_poll = mirror.remote.scans - scans
    mirror.run(Run.FULL)

    assert (after_a_poll, scans_of_a_poll) == ({new: b"new"}, 0)
    assert mirror.files == {new: b"new", "01AAAAAAAAAAAAAAAAAAAAAAAA.md": b"of long ago"}


def test_of_what_comes_after_a_name_only_what_differs_is_found(
    new_mirror: Callable[..., Mirror],
) -> None:
    mirror = new_mirror()
    for path in ("a", "b", "c"):
        mirror.remote.user_write(path, b"agreed")
    mirror.start()
    mirror.remote.user_write("c", b"edited")
    places = Places(LocalStorage(mirror.root), mirror.remote, "here", "there")

    found = list(changed_after("a", "docs", places, mirror.ledger))

    assert found == ["c"]


def test_what_is_new_in_masses_is_left_to_a_full_run(new_mirror: Callable[..., Mirror]) -> None:
    mirror = new_mirror()
    mirror.relist_s = 3600.0
    mirror.loop = mirror.new_loop()
    mirror.start()
    mirror.run(Run.FULL)
    for _ in range(MOST_MARKS + 1):
        mirror.remote.user_write(f"{ULID()}.md", b"")

    mirror.run(Run.POLL)

    assert len(mirror.files) == MOST_MARKS + 1


def test_a_poll_compares_again_what_the_mode_leaves_different(
    new_mirror: Callable[..., Mirror],
) -> None:
    mirror = new_mirror(mode=Mode.PUSH)
    mirror.remote.user_write("theirs", b"theirs")
    mirror.start()
    scans = mirror.remote.scans

    mirror.run(Run.POLL)

    assert mirror.remote.scans == scans + 1


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
    failed_before = failed_tries("UnreachableError")
    wait_for(lambda: failed_tries("UnreachableError") > failed_before)

    is_down = False
    wait_for(lambda: mirror.remote.contents == {"a": b"a", "b": b"b"})
    wait_for(lambda: mirror.health is MirrorHealth.IN_STEP)


def failed_tries(kind: str) -> float:
    labels = {"mirror": "docs", "kind": kind}
    return REGISTRY.get_sample_value("docferry_errors_total", labels) or 0.0


def test_what_is_written_to_a_bare_mount_point_replaces_nothing(
    new_mirror: Callable[..., Mirror],
) -> None:
    mirror = new_mirror()
    (mirror.root / "a").write_bytes(b"the document")
    mirror.start()
    mirror.root.rename(mirror.root.with_name("away"))
    mirror.root.mkdir()  # the mount point
    (mirror.root / "a").write_bytes(b"what a program found to begin with")
    mirror.loop.mark("a")  # as the watch does; it asks for no run

    wait_for(lambda: mirror.health is MirrorHealth.BLOCKED)

    assert mirror.remote.contents == {"a": b"the document"}
    (mirror.root / "a").unlink()
    mirror.root.rmdir()
    mirror.root.with_name("away").rename(mirror.root)
    wait_for(lambda: mirror.health is MirrorHealth.IN_STEP)
    assert mirror.remote.contents == mirror.files == {"a": b"the document"}


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


@pytest.mark.parametrize("run", [Run.FULL, Run.TIDY])
def test_what_was_announced_long_ago_and_never_came_is_forgotten(
    new_mirror: Callable[..., Mirror], run: Run
) -> None:
    mirror = new_mirror()
    long_ago = str(ULID.from_datetime(datetime.now(UTC) - timedelta(days=30)))
    if run is Run.FULL:  # the first of all
        mirror.ledger.intents.add("docs", [("nowhere", long_ago)])
    mirror.start()
    if run is Run.TIDY:
        mirror.ledger.intents.add("docs", [("nowhere", long_ago)])
        mirror.loop.request(run)

    wait_for(lambda: not mirror.ledger.intents.paths("docs"))


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


def test_what_fails_below_a_folder_is_tried_again_once_the_folder_changed(
    new_mirror: Callable[..., Mirror],
) -> None:
    """Else it would wait for its next turn, up to a quarter of an hour."""
    mirror = new_mirror()
    (mirror.root / "d").mkdir()
    (mirror.root / "d/a").write_bytes(b"a")
    mirror.remote.step = refuse
    mirror.start()
    [row] = mirror.ledger.problems.all("docs")
    assert row.retry_at is not None

    mirror.remote.step = lambda name: None
    mirror.loop.mark("d/")
    wait_for(lambda: mirror.remote.contents == {"d/a": b"a"})

    assert datetime.now(UTC) < row.retry_at


def refuse(name: str) -> None:
    raise PermanentError("refused")


class Throttling(Bucket):
    """A store that bears few looks at a time: the first *times* are one too many."""

    def __init__(self, times: int) -> None:
        super().__init__({})
        self.times = times

    def stat(self, path: Path) -> FileState | None:
        if self.times:
            self.times -= 1
            raise ThrottledError("the store asks for fewer requests")
        return super().stat(path)


def test_a_look_that_was_one_too_many_makes_fewer_at_a_time(
    new_mirror: Callable[..., Mirror],
) -> None:
    mirror = new_mirror()
    mirror.remote = Throttling(times=1)
    mirror.loop = mirror.new_loop()
    mirror.start()

    for name in "abcdef":
        (mirror.root / name).write_bytes(name.encode())
        mirror.loop.mark(name)

    wait_for(lambda: len(mirror.remote.contents) == 6)
    assert mirror.look_gate.limit == mirror.look_gate.most // 2


def test_a_deletion_that_hangs_on_a_content_is_judged_once_that_is_read(
    new_mirror: Callable[..., Mirror],
) -> None:
    mirror = new_mirror()
    for name in ("a", "b"):
        (mirror.root / name).write_bytes(name.encode())
    mirror.start()

    mirror.remote.user_delete("a")
    (mirror.root / "a").touch()
    mirror.run(Run.POLL)

    wait_for(lambda: mirror.files == {"b": b"b"})
    wait_for(lambda: mirror.health is MirrorHealth.IN_STEP)
