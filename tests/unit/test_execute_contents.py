"""Conflicts, lost notes and renames over storages in memory: no content lost, none sent twice."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from docferry.core.paths import conflict_copy_path
from docferry.engine.execute import COPY_FROM_BYTES
from docferry.engine.task import Learned, Task
from docferry.errors import StaleError, TemporaryError
from docferry.model import (
    TOKEN_LOST,
    Attributes,
    Download,
    KeepBoth,
    MarkSynced,
    Origin,
    ReadRemote,
    Side,
    SyncedState,
)
from docferry.storage.memory import sha256_of
from unit.memory_mirror import MemoryMirror

MTIME_NS = 1_700_000_000_000_000_001
LARGE = b"x" * COPY_FROM_BYTES


@pytest.fixture
def mirror() -> MemoryMirror:
    return MemoryMirror()


def conflicting(mirror: MemoryMirror) -> Task:
    """Edit "p.txt" on both sides; give the task that keeps both."""
    mirror.agree("p.txt", b"old")
    mirror.local.user_write("p.txt", b"mine", Attributes(mtime_ns=MTIME_NS))
    mirror.remote.user_write("p.txt", b"theirs")
    task = mirror.task("p.txt")
    assert isinstance(task.operation, KeepBoth)
    return task


COPY = conflict_copy_path("p.txt", sha256_of(b"mine"))


# Keeping both.


def test_keeping_both_copies_aside_first_and_archives_what_it_displaces(
    mirror: MemoryMirror,
) -> None:
    task = conflicting(mirror)

    outcome = mirror.do(task)

    assert mirror.local.contents == {"p.txt": b"theirs", COPY: b"mine"}
    assert mirror.local.files[COPY].attributes.mtime_ns == MTIME_NS
    assert mirror.remote.contents == {"p.txt": b"theirs"}
    assert outcome.conflict_copy == COPY
    assert outcome.displaced is not None
    assert mirror.local.archive[outcome.displaced.id].content == b"mine"
    assert outcome.archived == (outcome.displaced.id, Side.LOCAL)
    assert outcome.synced is not None
    assert outcome.synced.sha256 == sha256_of(b"theirs")
    assert outcome.displaced.parent == mirror.synced["p.txt"].version


def test_the_copy_is_there_before_the_path_changes(mirror: MemoryMirror) -> None:
    task = conflicting(mirror)
    moments: list[dict[str, bytes]] = []
    mirror.local.step = lambda name: moments.append(dict(mirror.local.contents))

    mirror.do(task)

    assert moments == [
        {"p.txt": b"mine"},
        {"p.txt": b"mine", COPY: b"mine"},
        {"p.txt": b"mine", COPY: b"mine"},
        {"p.txt": b"theirs", COPY: b"mine"},
    ]


def test_a_conflict_is_noted_when_the_copy_is_there_and_before_the_path_changes(
    mirror: MemoryMirror,
) -> None:
    task = conflicting(mirror)
    moments: list[dict[str, bytes]] = []
    mirror.on_begun_conflict = lambda: moments.append(dict(mirror.local.contents))

    outcome = mirror.do(task)

    assert moments == [{"p.txt": b"mine", COPY: b"mine"}]
    assert mirror.begun_conflicts == [(outcome.displaced, COPY)]


def test_a_conflict_that_cannot_be_noted_displaces_nothing(mirror: MemoryMirror) -> None:
    task = conflicting(mirror)

    def fail() -> None:
        raise TemporaryError("the ledger is locked")

    mirror.on_begun_conflict = fail
    with pytest.raises(TemporaryError, match="locked"):
        mirror.executor.execute(task)

    assert mirror.local.contents == {"p.txt": b"mine", COPY: b"mine"}
    assert mirror.local.archive == {}


def test_a_conflict_repeated_after_a_crash_leaves_one_copy(mirror: MemoryMirror) -> None:
    task = conflicting(mirror)
    mirror.local.user_write(COPY, b"mine")

    outcome = mirror.do(task)

    assert outcome.conflict_copy == COPY
    assert mirror.local.contents == {"p.txt": b"theirs", COPY: b"mine"}


def test_a_copys_name_that_another_content_has_is_left_to_it(mirror: MemoryMirror) -> None:
    task = conflicting(mirror)
    mirror.local.user_write(COPY, b"another")
    second = conflict_copy_path("p.txt", sha256_of(b"mine")[8:])

    outcome = mirror.do(task)

    assert outcome.conflict_copy == second
    assert mirror.local.contents == {"p.txt": b"theirs", COPY: b"another", second: b"mine"}


def test_without_any_free_name_for_the_copy_nothing_changes(mirror: MemoryMirror) -> None:
    task = conflicting(mirror)
    sha256 = sha256_of(b"mine")
    for start in range(0, 64, 8):
        mirror.local.user_write(conflict_copy_path("p.txt", sha256[start:]), b"taken")
    before = mirror.snapshot()

    with pytest.raises(TemporaryError, match="no free name"):
        mirror.executor.execute(task)

    assert mirror.snapshot() == before


# What a power cut must not take back.


def sent_up(mirror: MemoryMirror) -> Task:
    mirror.local.user_write("p.txt", b"saved a moment ago")
    return mirror.task("p.txt")


def sent_over(mirror: MemoryMirror) -> Task:
    mirror.agree("p.txt", b"old")
    return sent_up(mirror)


def copied_there(mirror: MemoryMirror) -> Task:
    mirror.agree("other", LARGE)
    mirror.local.user_write("p.txt", LARGE)
    return mirror.task("p.txt")


def equal_on_both(mirror: MemoryMirror) -> Task:
    mirror.remote.user_write("p.txt", b"same")
    mirror.local.user_write("p.txt", b"same")
    return mirror.task("p.txt")


def saved_as_it_was(mirror: MemoryMirror) -> None:
    mirror.agree("p.txt", b"same")
    mirror.local.user_write("p.txt", b"same")


def saved_and_gone_there(mirror: MemoryMirror) -> Task:
    saved_as_it_was(mirror)
    mirror.remote.user_delete("p.txt")
    return mirror.task("p.txt")


def saved_and_edited_there(mirror: MemoryMirror) -> Task:
    saved_as_it_was(mirror)
    mirror.remote.user_write("p.txt", b"theirs")
    return mirror.task("p.txt")


@pytest.mark.parametrize(
    "make",
    [
        sent_up,
        sent_over,
        copied_there,
        equal_on_both,
        saved_and_gone_there,
        saved_and_edited_there,
    ],
)
def test_a_local_content_is_on_the_disk_before_anything_rests_on_it(
    mirror: MemoryMirror, make: Callable[[MemoryMirror], Task]
) -> None:
    """Whoever saved it may not have waited for the disk; its loss would pass for a deletion."""
    task = make(mirror)
    token = mirror.local.files["p.txt"].token
    was_lasting: list[bool] = []

    def look(name: str) -> None:
        was_lasting.append(("p.txt", token) in mirror.local.made_to_last)

    mirror.local.step = mirror.remote.step = look
    mirror.do(task)

    assert all(was_lasting)
    assert ("p.txt", token) in mirror.local.made_to_last


def test_a_copy_that_was_there_already_is_on_the_disk_before_the_path_changes(
    mirror: MemoryMirror,
) -> None:
    task = conflicting(mirror)
    token = mirror.local.user_write(COPY, b"mine")
    was_lasting: list[bool] = []
    mirror.local.step = lambda name: was_lasting.append((COPY, token) in mirror.local.made_to_last)

    mirror.do(task)

    assert all(was_lasting)


def test_what_was_agreed_on_is_not_brought_to_the_disk_again(mirror: MemoryMirror) -> None:
    mirror.agree("p.txt", b"old")
    mirror.remote.user_write("p.txt", b"theirs")

    mirror.do(mirror.task("p.txt"))

    assert mirror.local.made_to_last == set()


# An upload of ours whose note was lost.


def lost_note(mirror: MemoryMirror) -> SyncedState:
    """Upload "p", forget that it was done; the intent remains. Then edit "p" here."""
    mirror.local.user_write("p", b"first")
    synced = mirror.do(mirror.task("p")).synced
    assert synced is not None
    mirror.local.user_write("p", b"second")
    return synced


def reading_remote(mirror: MemoryMirror) -> Task:
    seen = mirror.look("p")
    assert seen.remote is not None
    return mirror.task_of(ReadRemote("p", seen.remote.token), seen)


def test_an_upload_whose_note_was_lost_is_adopted_by_its_intent(mirror: MemoryMirror) -> None:
    synced = lost_note(mirror)
    mirror.intents.add(("p", synced.version))
    before = mirror.snapshot()

    outcome = mirror.do(reading_remote(mirror))

    assert outcome.synced == replace(synced, local_token=TOKEN_LOST)
    assert outcome.version is not None
    assert (outcome.version.id, outcome.version.origin) == (synced.version, Origin.LOCAL)
    assert mirror.snapshot() == before


def test_without_an_intent_an_object_of_ours_is_a_strangers(mirror: MemoryMirror) -> None:
    """Restored from a backup, the ledger must not take later uploads for its own."""
    lost_note(mirror)

    assert isinstance(mirror.executor.execute(reading_remote(mirror)), Learned)


def test_an_intent_for_another_path_adopts_nothing(mirror: MemoryMirror) -> None:
    synced = lost_note(mirror)
    mirror.intents.add(("q", synced.version))

    assert isinstance(mirror.executor.execute(reading_remote(mirror)), Learned)


def test_an_object_without_a_version_is_never_adopted(mirror: MemoryMirror) -> None:
    mirror.local.user_write("p", b"mine")
    mirror.remote.user_write("p", b"theirs", Attributes(sha256=sha256_of(b"theirs")))
    mirror.intents.add(("p", ""))

    assert isinstance(mirror.executor.execute(reading_remote(mirror)), Learned)


def test_what_was_ours_is_not_brought_back_after_it_was_deleted_here(
    mirror: MemoryMirror,
) -> None:
    synced = lost_note(mirror)
    mirror.intents.add(("p", synced.version))
    mirror.local.user_delete("p")
    task = mirror.task("p")

    outcome = mirror.do(task)

    assert isinstance(task.operation, Download)
    assert isinstance(outcome.operation, MarkSynced)  # told as what it was: nothing came down
    assert outcome.synced == replace(synced, local_token=TOKEN_LOST)
    assert mirror.local.files == {}


# A rename.


def renamed(mirror: MemoryMirror, content: bytes) -> Task:
    mirror.agree("old", content)
    mirror.local.user_delete("old")
    mirror.local.user_write("new", content)
    return mirror.task("new")


@pytest.mark.parametrize(
    ("size", "moved_bytes"), [(COPY_FROM_BYTES - 1, COPY_FROM_BYTES - 1), (COPY_FROM_BYTES, 0)]
)
def test_a_large_file_under_a_new_name_is_copied_by_the_store(
    mirror: MemoryMirror, size: int, moved_bytes: int
) -> None:
    task = renamed(mirror, b"x" * size)

    outcome = mirror.do(task)

    held = mirror.remote.files["new"]
    assert held.content == b"x" * size
    assert (held.attributes.version, held.attributes.writer) == (task.version, "this")
    assert outcome.moved_bytes == moved_bytes
    assert outcome.synced is not None
    assert outcome.synced.remote_token == held.token


def edit_old_name(mirror: MemoryMirror) -> None:
    mirror.remote.user_write("old", b"y" * COPY_FROM_BYTES)


def delete_old_name(mirror: MemoryMirror) -> None:
    mirror.remote.user_delete("old")


@pytest.mark.parametrize("move", [edit_old_name, delete_old_name])
def test_a_copy_whose_source_moved_on_is_sent_instead(
    mirror: MemoryMirror, move: Callable[[MemoryMirror], None]
) -> None:
    task = renamed(mirror, LARGE)
    move(mirror)

    outcome = mirror.do(task)

    assert mirror.remote.contents["new"] == LARGE
    assert outcome.moved_bytes == COPY_FROM_BYTES


def test_a_copy_never_takes_the_place_of_what_is_there_by_now(mirror: MemoryMirror) -> None:
    task = renamed(mirror, LARGE)
    mirror.remote.user_write("new", b"theirs")

    with pytest.raises(StaleError):
        mirror.executor.execute(task)

    assert mirror.remote.contents["new"] == b"theirs"


def test_an_edit_is_sent_even_if_the_store_has_that_content_elsewhere(
    mirror: MemoryMirror,
) -> None:
    """Only a write archives what it displaces."""
    mirror.agree("other", LARGE)
    base = mirror.agree("p", b"old")
    mirror.local.user_write("p", LARGE)

    outcome = mirror.do(mirror.task("p"))

    assert outcome.moved_bytes == COPY_FROM_BYTES
    assert mirror.remote.archive[base.version].content == b"old"
