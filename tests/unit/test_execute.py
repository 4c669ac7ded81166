"""Each operation over storages in memory: what it changes, what it reports, when it refuses."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from docferry.engine.execute import COPY_FROM_BYTES
from docferry.engine.task import Learned
from docferry.errors import StaleError, UnreachableError
from docferry.model import (
    NEVER_SEEN,
    TOKEN_LOST,
    Attributes,
    DeleteLocal,
    DeleteRemote,
    Download,
    Forget,
    KeepBoth,
    MarkSynced,
    Operation,
    Origin,
    Outcome,
    Provenance,
    ReadLocal,
    ReadRemote,
    Side,
    SyncedState,
    Upload,
    VersionRow,
)
from docferry.storage.base import Content
from docferry.storage.memory import MemoryStorage, sha256_of
from unit.memory_mirror import NOW, EditedWhileRead, MemoryMirror

MTIME_NS = 1_700_000_000_000_000_001
LARGE = b"x" * COPY_FROM_BYTES


@pytest.fixture
def mirror() -> MemoryMirror:
    return MemoryMirror()


# What each operation changes.


def test_a_new_file_goes_up_and_says_what_it_is(mirror: MemoryMirror) -> None:
    token = mirror.local.user_write("p.txt", b"new", Attributes(mtime_ns=MTIME_NS))
    task = mirror.task("p.txt")

    outcome = mirror.do(task)

    held = mirror.remote.files["p.txt"]
    sha256 = sha256_of(b"new")
    assert held.content == b"new"
    assert held.attributes == Attributes(
        version=task.version, sha256=sha256, mtime_ns=MTIME_NS, writer="this"
    )
    assert outcome.synced == SyncedState(sha256, token, held.token, task.version, 3)
    assert outcome.version == VersionRow(
        task.version, "docs", "p.txt", sha256, 3, MTIME_NS, Origin.LOCAL, None, held.token, NOW
    )
    assert (outcome.archived, outcome.moved_bytes) == (None, 3)
    assert outcome.took_s > 0
    assert mirror.remote.archive == {}


def test_a_result_says_of_what_it_was_made(mirror: MemoryMirror) -> None:
    made_from = Provenance("S" * 26, sha256_of(b"source"), "text", "xberg 1.3.9")
    mirror.results["p.md", sha256_of(b"made")] = made_from
    mirror.local.user_write("p.md", b"made")

    mirror.do(mirror.task("p.md"))

    assert mirror.remote.files["p.md"].attributes.made_from == made_from


def test_a_persons_edit_of_a_result_is_the_persons(mirror: MemoryMirror) -> None:
    made_from = Provenance("S" * 26, sha256_of(b"source"), "text", "xberg 1.3.9")
    mirror.results["p.md", sha256_of(b"made")] = made_from
    mirror.local.user_write("p.md", b"edited")

    mirror.do(mirror.task("p.md"))

    assert mirror.remote.files["p.md"].attributes.made_from is None


def test_an_edit_goes_up_and_what_it_displaces_is_archived(mirror: MemoryMirror) -> None:
    base = mirror.agree("p", b"old")
    mirror.local.user_write("p", b"edited")

    outcome = mirror.do(mirror.task("p"))

    assert mirror.remote.contents == {"p": b"edited"}
    assert mirror.remote.archive[base.version].content == b"old"
    assert mirror.remote.archive[base.version].attributes.path == "p"
    assert outcome.archived == (base.version, Side.REMOTE)
    assert outcome.version is not None
    assert outcome.version.parent == base.version


def test_a_new_object_comes_down_with_its_time(mirror: MemoryMirror) -> None:
    token = mirror.remote.user_write("p", b"new", Attributes(mtime_ns=MTIME_NS))
    task = mirror.task("p")

    outcome = mirror.do(task)

    held = mirror.local.files["p"]
    sha256 = sha256_of(b"new")
    assert (held.content, held.attributes.mtime_ns) == (b"new", MTIME_NS)
    assert outcome.synced == SyncedState(sha256, held.token, token, task.version, 3)
    assert outcome.version is not None
    assert outcome.version.origin is Origin.STORE
    assert (outcome.archived, outcome.moved_bytes) == (None, 3)


def test_an_edit_comes_down_and_what_it_displaces_is_archived(mirror: MemoryMirror) -> None:
    base = mirror.agree("p", b"old")
    mirror.remote.user_write("p", b"edited")

    outcome = mirror.do(mirror.task("p"))

    assert mirror.local.contents == {"p": b"edited"}
    assert mirror.local.archive[base.version].content == b"old"
    assert outcome.archived == (base.version, Side.LOCAL)


@pytest.mark.parametrize("side", Side)
def test_a_deletion_moves_the_content_to_the_archive(mirror: MemoryMirror, side: Side) -> None:
    base = mirror.agree("p", b"old")
    sides = (mirror.remote, mirror.local)
    gone, left = sides if side is Side.LOCAL else sides[::-1]
    gone.user_delete("p")

    outcome = mirror.do(mirror.task("p"))

    assert left.contents == {}
    assert left.archive[base.version].content == b"old"
    assert (outcome.synced, outcome.archived) == (None, (base.version, side))


def test_marking_changes_nothing_but_the_tokens(mirror: MemoryMirror) -> None:
    base = mirror.agree("p", b"same")
    token = mirror.local.user_write("p", b"same")
    task = mirror.task("p")
    before = mirror.snapshot()

    outcome = mirror.do(task)

    assert isinstance(task.operation, MarkSynced)
    assert mirror.snapshot() == before
    assert outcome.synced == replace(base, local_token=token)
    assert outcome.version is None


def test_marking_a_content_that_is_new_to_the_ledger_gives_it_a_version(
    mirror: MemoryMirror,
) -> None:
    mirror.local.user_write("p", b"same")
    mirror.remote.user_write("p", b"same")
    task = mirror.task("p")

    outcome = mirror.do(task)

    assert outcome.synced is not None
    assert outcome.version is not None
    assert outcome.synced.version == outcome.version.id == task.version


def test_what_was_agreed_on_and_comes_down_keeps_its_version(mirror: MemoryMirror) -> None:
    base = mirror.agree("p", b"kept")
    mirror.synced["p"] = replace(base, local_token=NEVER_SEEN)
    mirror.local.user_delete("p")

    outcome = mirror.do(mirror.task("p"))

    assert isinstance(outcome.operation, Download)
    assert outcome.synced == replace(base, local_token=mirror.local.files["p"].token)
    assert (outcome.version, outcome.archived) == (None, None)
    assert outcome.moved_bytes == len(b"kept")


def test_what_is_put_there_again_keeps_its_version_and_is_not_told_as_displaced(
    mirror: MemoryMirror,
) -> None:
    base = mirror.agree("p", b"same")
    token = mirror.remote.user_write("p", b"same")

    outcome = mirror.do(mirror.task("p"))

    assert isinstance(outcome.operation, Download)
    assert outcome.synced is not None
    assert (outcome.synced.version, outcome.synced.remote_token) == (base.version, token)
    assert (outcome.version, outcome.archived) == (None, None)


def test_a_conflict_over_what_was_agreed_on_keeps_its_version(mirror: MemoryMirror) -> None:
    base = mirror.agree("p", b"in the bucket")
    mirror.synced["p"] = replace(base, local_token=NEVER_SEEN)
    mirror.local.user_write("p", b"another here")

    outcome = mirror.do(mirror.task("p"))

    assert mirror.local.contents["p"] == b"in the bucket"
    assert outcome.conflict_copy is not None
    assert mirror.local.contents[outcome.conflict_copy] == b"another here"
    assert outcome.synced is not None
    assert (outcome.synced.version, outcome.version) == (base.version, None)


def test_forgetting_changes_no_side(mirror: MemoryMirror) -> None:
    mirror.agree("p", b"old")
    mirror.local.user_delete("p")
    mirror.remote.user_delete("p")

    outcome = mirror.do(mirror.task("p"))

    assert (outcome.operation, outcome.synced, outcome.archived) == (Forget("p"), None, None)


@pytest.mark.parametrize("side", Side)
def test_what_is_there_after_all_is_not_forgotten(mirror: MemoryMirror, side: Side) -> None:
    """A listing lacked it, or the folder was not mounted for a moment."""
    mirror.agree("p", b"old")
    (mirror.remote if side is Side.LOCAL else mirror.local).user_delete("p")
    task = mirror.task("p")
    seen = replace(task.seen, local=None, remote=None)

    with pytest.raises(StaleError):
        mirror.do(replace(task, operation=Forget("p"), seen=seen))


@pytest.mark.parametrize("side", Side)
def test_reading_a_content_only_tells_its_hash(mirror: MemoryMirror, side: Side) -> None:
    mirror.local.user_write("p", b"mine")
    mirror.remote.user_write("p", b"theirs")
    seen, before = mirror.look("p"), mirror.snapshot()
    assert seen.local is not None
    assert seen.remote is not None

    if side is Side.LOCAL:
        operation: Operation = ReadLocal("p", seen.local.token)
        expected = replace(seen, local=replace(seen.local, sha256=sha256_of(b"mine")))
    else:
        operation = ReadRemote("p", seen.remote.token)
        expected = replace(seen, remote=replace(seen.remote, sha256=sha256_of(b"theirs")))

    assert mirror.executor.execute(mirror.task_of(operation)) == Learned(expected)
    assert mirror.snapshot() == before


# A world that moved: StaleError, and nothing changed.


def edit_local(mirror: MemoryMirror) -> None:
    mirror.local.user_write("p", b"moved on here")


def edit_remote(mirror: MemoryMirror) -> None:
    mirror.remote.user_write("p", b"moved on there")


def delete_local(mirror: MemoryMirror) -> None:
    mirror.local.user_delete("p")


def delete_remote(mirror: MemoryMirror) -> None:
    mirror.remote.user_delete("p")


@pytest.mark.parametrize(
    ("local", "remote", "is_agreed", "expected", "move"),
    [
        (b"new", None, False, Upload, edit_local),
        (b"new", None, False, Upload, delete_local),
        (b"new", None, False, Upload, edit_remote),
        (b"new", b"old", True, Upload, edit_local),
        (b"new", b"old", True, Upload, delete_local),
        (b"new", b"old", True, Upload, edit_remote),
        (b"new", b"old", True, Upload, delete_remote),
        (None, b"new", False, Download, edit_remote),
        (None, b"new", False, Download, delete_remote),
        (None, b"new", False, Download, edit_local),
        (b"old", b"new", True, Download, edit_remote),
        (b"old", b"new", True, Download, delete_remote),
        (b"old", b"new", True, Download, edit_local),
        (b"old", b"new", True, Download, delete_local),
        (b"old", None, True, DeleteLocal, edit_local),
        (b"old", None, True, DeleteLocal, delete_local),
        (b"old", None, True, DeleteLocal, edit_remote),  # the other side has it after all
        (None, b"old", True, DeleteRemote, edit_remote),
        (None, b"old", True, DeleteRemote, delete_remote),
        (None, b"old", True, DeleteRemote, edit_local),
        (b"mine", b"theirs", True, KeepBoth, edit_local),
        (b"mine", b"theirs", True, KeepBoth, delete_local),
    ],
)
def test_a_world_that_moved_is_left_as_it_is(
    mirror: MemoryMirror,
    local: bytes | None,
    remote: bytes | None,
    is_agreed: bool,  # noqa: FBT001  a column of the table
    expected: type[Operation],
    move: Callable[[MemoryMirror], None],
) -> None:
    if is_agreed:
        mirror.agree("p", b"old")
    for side, content in ((mirror.local, local), (mirror.remote, remote)):
        if content is None:
            side.files.pop("p", None)
        elif side.contents.get("p") != content:
            side.user_write("p", content)
    task = mirror.task("p")
    assert isinstance(task.operation, expected)

    move(mirror)
    before = mirror.snapshot()
    with pytest.raises(StaleError):
        mirror.executor.execute(task)

    assert mirror.snapshot() == before


@pytest.mark.parametrize("move", [edit_remote, delete_remote])
def test_a_conflict_whose_remote_moved_on_leaves_the_path_as_it_is(
    mirror: MemoryMirror, move: Callable[[MemoryMirror], None]
) -> None:
    """The copy stays behind: the next plan finds it under the same name."""
    mirror.local.user_write("p", b"mine")
    mirror.remote.user_write("p", b"theirs")
    task = mirror.task("p")

    move(mirror)
    with pytest.raises(StaleError):
        mirror.executor.execute(task)

    assert mirror.local.contents["p"] == b"mine"
    assert mirror.local.archive == {}


@pytest.mark.parametrize("operation", [ReadLocal, ReadRemote])
def test_a_content_that_changed_while_it_was_read_teaches_nothing(
    operation: type[ReadLocal | ReadRemote],
) -> None:
    mirror = MemoryMirror(EditedWhileRead(), EditedWhileRead())
    side = mirror.local if operation is ReadLocal else mirror.remote
    task = mirror.task_of(operation("p", side.user_write("p", b"before")))

    with pytest.raises(StaleError):
        mirror.executor.execute(task)


@pytest.mark.parametrize("content", [b"before", LARGE], ids=["sent", "copied"])
def test_what_changed_while_it_went_up_is_not_put_there(content: bytes) -> None:
    mirror = MemoryMirror(EditedWhileRead(knows_sha256=False))
    mirror.agree("other", content)
    mirror.local.user_write("p", content)
    task = mirror.task("p")

    with pytest.raises(StaleError):
        mirror.executor.execute(task)

    assert set(mirror.remote.files) == {"other"}


def test_an_upload_is_agreed_on_with_the_token_it_had_before_it_went(
    mirror: MemoryMirror,
) -> None:
    """A token looked up afterwards would be that of an edit made meanwhile."""
    token = mirror.local.user_write("p", b"sent")

    def edit(name: str) -> None:
        if name == "after write":
            mirror.local.user_write("p", b"edited meanwhile")

    mirror.remote.step = edit
    outcome = mirror.do(mirror.task("p"))

    assert outcome.synced is not None
    assert outcome.synced.local_token == token


def test_a_download_is_agreed_on_with_the_token_that_was_read(mirror: MemoryMirror) -> None:
    token = mirror.remote.user_write("p", b"read")

    def edit(name: str) -> None:
        if name == "after write":
            mirror.remote.user_write("p", b"edited meanwhile")

    mirror.local.step = edit
    outcome = mirror.do(mirror.task("p"))

    assert outcome.synced is not None
    assert outcome.synced.remote_token == token


@pytest.mark.parametrize("operation", [Upload, ReadLocal])
def test_a_file_that_is_being_written_is_left_alone(
    mirror: MemoryMirror, operation: type[Operation]
) -> None:
    token = mirror.local.user_write("p", b"half")
    mirror.local.open_for_writing.add("p")
    task = mirror.task("p")
    if operation is ReadLocal:
        task = mirror.task_of(ReadLocal("p", token))

    with pytest.raises(StaleError, match="open for writing"):
        mirror.executor.execute(task)

    assert mirror.remote.files == {}


# Several new files at once.


def test_new_files_that_come_together_are_each_agreed_on(mirror: MemoryMirror) -> None:
    for path in ("a.txt", "b.txt"):
        mirror.remote.user_write(path, path.encode(), Attributes(mtime_ns=MTIME_NS))
    tasks = [mirror.task("a.txt"), mirror.task("b.txt")]

    outcomes = mirror.executor.download_new(tasks)

    alone = MemoryMirror()
    for path in ("a.txt", "b.txt"):
        alone.remote.user_write(path, path.encode(), Attributes(mtime_ns=MTIME_NS))
    expected = [alone.do(alone.task(path)) for path in ("a.txt", "b.txt")]
    assert mirror.local.contents == alone.local.contents
    assert [without_time(outcome) for outcome in outcomes] == [
        without_time(outcome) for outcome in expected
    ]


def test_of_new_files_that_come_together_one_may_fail(mirror: MemoryMirror) -> None:
    for path in ("a.txt", "gone.txt", "taken.txt", "b.txt"):
        mirror.remote.user_write(path, path.encode())
    tasks = [mirror.task(path) for path in ("a.txt", "gone.txt", "taken.txt", "b.txt")]
    del mirror.remote.files["gone.txt"]
    mirror.local.user_write("taken.txt", b"somebody's own")

    results = mirror.executor.download_new(tasks)

    assert [type(result) for result in results] == [Outcome, StaleError, StaleError, Outcome]
    assert mirror.local.contents == {
        "a.txt": b"a.txt",
        "taken.txt": b"somebody's own",
        "b.txt": b"b.txt",
    }


def test_when_the_store_is_gone_nobody_waits_for_each_file_of_a_group(
    mirror: MemoryMirror,
) -> None:
    asked = []

    class Gone(MemoryStorage):
        def read(self, path: str, expect: str) -> Content:
            asked.append(path)
            raise UnreachableError("the store does not answer")

    for path in ("a.txt", "b.txt", "c.txt"):
        mirror.remote.user_write(path, path.encode())
    tasks = [mirror.task(path) for path in ("a.txt", "b.txt", "c.txt")]
    gone = MemoryMirror(remote=Gone())

    results = gone.executor.download_new(tasks)

    assert [type(result) for result in results] == [UnreachableError] * 3
    assert asked == ["a.txt"]
    assert gone.local.contents == {}


def test_an_upload_of_ours_whose_note_was_lost_is_known_among_new_files(
    mirror: MemoryMirror,
) -> None:
    ours = Attributes(version="V" * 26, sha256=sha256_of(b"ours"), writer="this")
    mirror.remote.user_write("ours.txt", b"ours", ours)
    mirror.remote.user_write("new.txt", b"new")
    mirror.intents.add(("ours.txt", "V" * 26))
    tasks = [mirror.task("ours.txt"), mirror.task("new.txt")]

    adopted, arrived = mirror.executor.download_new(tasks)

    assert isinstance(adopted, Outcome)
    assert adopted.synced is not None
    assert (adopted.synced.version, adopted.synced.local_token) == ("V" * 26, TOKEN_LOST)
    assert isinstance(arrived, Outcome)
    assert mirror.local.contents == {"new.txt": b"new"}


def without_time(outcome: object) -> Outcome:
    assert isinstance(outcome, Outcome)
    return replace(outcome, took_s=0.0, synced=without_tokens(outcome.synced))


def without_tokens(state: SyncedState | None) -> SyncedState | None:
    return state and replace(state, local_token="", remote_token="")
