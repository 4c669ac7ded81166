"""A folder under everything that people, programs and crashes do to it."""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from docferry.errors import (
    BlockedPathError,
    PermanentError,
    StaleError,
    TemporaryError,
    UnreachableError,
)
from docferry.model import Attributes, FileState, Unknown
from docferry.storage.local import LocalStorage
from docferry.storage.memory import BytesContent
from unit.folder import (
    ARCHIVE,
    NEW,
    OLD,
    VERSION,
    archived,
    edit_in_place,
    everything,
    rename_over,
    replace,
    staged,
    token,
    without_privileges,
)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "mirror"
    (root / ".docferry").mkdir(parents=True)
    return root


# Scanning.


def test_what_is_neither_file_nor_folder_is_unknown_and_so_is_what_is_below(root: Path) -> None:
    (root / "file").touch()
    (root / "link").symlink_to("file")
    (root / "link-").touch()  # sorts between "link" and "link/"
    os.mkfifo(root / "pipe")
    with socket.socket(socket.AF_UNIX) as bound:
        here = Path.cwd()
        os.chdir(root)  # the path of a socket has at most 107 bytes
        bound.bind("socket")
        os.chdir(here)

    entries = list(LocalStorage(root).scan())

    told = [(e.path, e.below) if isinstance(e, Unknown) else e[0] for e in entries]
    assert told == [
        "file",
        ("link", False),
        "link-",
        ("link", True),
        ("pipe", False),
        ("pipe", True),
        ("socket", False),
        ("socket", True),
    ]
    reasons = " ".join(e.reason for e in entries if isinstance(e, Unknown))
    assert all(word in reasons for word in ("symbolic link", "socket", "named pipe"))


def test_a_folder_that_cannot_be_read_is_unknown_and_never_empty() -> None:
    with without_privileges() as root:
        (root / "a").touch()
        (root / "closed").mkdir()
        (root / "closed" / "file").touch()
        (root / "closed").chmod(0)
        (root / "z").touch()
        storage = LocalStorage(root)

        entries = list(storage.scan())
        looks = [storage.stat("closed/file"), storage.stat("closed/missing")]

    assert [e.path if isinstance(e, Unknown) else e[0] for e in entries] == ["a", "closed", "z"]
    assert isinstance(entries[1], Unknown)
    assert entries[1].below
    assert "Permission denied" in entries[1].reason
    assert all(isinstance(look, Unknown) for look in looks)


def test_names_that_are_not_utf8_are_told_in_print(root: Path) -> None:
    (root / "a").touch()
    (root / os.fsdecode(b"caf\xe9.txt")).touch()
    (root / os.fsdecode(b"folder\xff")).mkdir()
    (root / os.fsdecode(b"folder\xff") / "file").touch()
    storage = LocalStorage(root)

    entries, odd = list(storage.scan()), storage.scan_odd()

    assert [e[0] for e in entries if not isinstance(e, Unknown)] == ["a"]
    told = [(e.path, e.below) for e in odd if isinstance(e, Unknown)]
    assert told == [("caf\\xe9.txt", False), ("folder\\xff", True)]
    assert all("UTF-8" in e.reason for e in odd if isinstance(e, Unknown))


def test_a_name_that_reads_like_an_unprintable_one_leaves_the_place_unknown(root: Path) -> None:
    (root / os.fsdecode(b"caf\xe9.txt")).touch()
    (root / "caf\\xe9.txt").touch()
    storage = LocalStorage(root)

    assert list(storage.scan()) == []
    assert [isinstance(entry, Unknown) for entry in storage.scan_odd()] == [True]


def test_only_the_reserved_folder_at_the_top_is_left_out(root: Path) -> None:
    for path in (".docferry/versions/x", ".docferry.txt", "a/.docferry/x", "%_~/.docferry/x"):
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).touch()
    storage = LocalStorage(root)

    assert [e[0] for e in storage.scan() if not isinstance(e, Unknown)] == [
        ".docferry.txt",
        "a/.docferry/x",
    ]
    assert storage.scan_odd() == []


@pytest.mark.parametrize("kind", ["missing", "file"])
def test_a_root_that_is_not_there_is_unreachable_not_empty(tmp_path: Path, kind: str) -> None:
    root = tmp_path / "mirror"
    if kind == "file":
        root.touch()
    storage = LocalStorage(root)

    for call in (
        lambda: list(storage.scan()),
        lambda: storage.stat("a"),
        lambda: storage.read("a", "1-1-1"),
        lambda: storage.delete("a", expect="1-1-1", archive=ARCHIVE),
        lambda: storage.write("a", BytesContent(b""), Attributes(), expect=None),
        storage.read_marker,
        storage.sweep_staging,
    ):
        with pytest.raises(UnreachableError, match="mounted"):
            call()


def test_a_root_that_is_swapped_during_the_walk_is_unreachable(root: Path) -> None:
    (root / "a").touch()
    (root / "b").touch()
    entries = LocalStorage(root).scan()
    next(entries)

    root.rename(root.with_name("away"))
    root.mkdir()

    with pytest.raises(UnreachableError, match="replaced"):
        list(entries)


def test_a_folder_that_vanishes_during_the_walk_is_gone(root: Path) -> None:
    for path in ("a/1", "b/1", "c/1", "c/d/1"):
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).touch()
    entries = LocalStorage(root).scan()
    first = next(entries)

    shutil.rmtree(root / "b")
    shutil.rmtree(root / "c/d")

    assert [e[0] for e in [first, *entries] if not isinstance(e, Unknown)] == ["a/1", "c/1"]


def test_another_file_system_below_the_root_is_left_alone() -> None:
    storage = LocalStorage(Path("/"))  # every Linux mounts /proc

    below = storage.stat("proc/version")
    itself = storage.stat("proc")

    assert isinstance(below, Unknown)
    assert isinstance(itself, Unknown)
    assert itself.below
    assert "another file system" in itself.reason


# Reading.


def test_the_state_tells_of_an_mtime_that_was_set_back(root: Path) -> None:
    (root / "a").write_bytes(OLD)
    os.utime(root / "a", ns=(1, 1))
    found = (root / "a").stat()

    state = LocalStorage(root).stat("a")

    token = f"{len(OLD)}-1-{found.st_ino}"
    assert state == FileState(token, None, len(OLD), found.st_ctime_ns)


def cut_short(file: Path) -> None:
    os.truncate(file, 3)


@pytest.mark.parametrize("change", [edit_in_place, rename_over, cut_short, os.unlink])
def test_a_file_that_changes_while_it_is_read_is_not_confirmed(
    root: Path, change: Callable[[Path], None]
) -> None:
    (root / "a").write_bytes(OLD)
    storage = LocalStorage(root)

    with storage.read("a", token(storage, "a")) as content:
        content.part(0, 3)
        change(root / "a")

        with pytest.raises(StaleError):
            content.confirm()


def test_a_file_that_is_cut_while_it_is_read_is_stale(root: Path) -> None:
    (root / "a").write_bytes(OLD)
    storage = LocalStorage(root)

    with storage.read("a", token(storage, "a")) as content:
        cut_short(root / "a")

        with pytest.raises(StaleError):
            content.sha256()


def test_a_file_that_may_not_be_read_is_named_with_the_remedy() -> None:
    with without_privileges() as root:
        (root / "a").write_bytes(OLD)
        (root / "a").chmod(0)
        storage = LocalStorage(root)

        with pytest.raises(PermanentError, match=r"mirror/a: Permission denied\. Give"):
            storage.read("a", token(storage, "a"))


@pytest.mark.parametrize("version", ["../../a", "", ".", "x/y", "a\0"])
def test_the_archive_is_no_way_to_somewhere_else(root: Path, version: str) -> None:
    (root / "a").write_bytes(OLD)

    with pytest.raises(StaleError):
        LocalStorage(root).read_archived(version)


def test_a_file_that_somebody_writes_is_told_from_one_at_rest(root: Path) -> None:
    storage = LocalStorage(root)
    with (root / "a").open("wb") as file:
        file.write(OLD)
        while_open = storage.is_being_written("a")

    assert while_open
    assert not storage.is_being_written("a")
    assert not storage.is_being_written("missing")
    assert not storage.is_being_written("a/below-a-file")


# Writing.


@pytest.mark.parametrize(("mask", "mode"), [(0o027, 0o640), (0o007, 0o660), (0o022, 0o644)])
def test_a_new_file_has_its_mtime_and_the_mode_of_new_files(
    root: Path, mask: int, mode: int
) -> None:
    attributes = Attributes(mtime_ns=1_234_567_890_123_456_789)
    mask = os.umask(mask)
    try:
        written = LocalStorage(root).write("a", BytesContent(NEW), attributes, expect=None)
    finally:
        os.umask(mask)

    found = (root / "a").stat()
    assert found.st_mtime_ns == 1_234_567_890_123_456_789
    assert written.token == f"{len(NEW)}-{found.st_mtime_ns}-{found.st_ino}"
    assert found.st_mode & 0o7777 == mode


def test_a_replaced_file_keeps_its_mode_but_no_set_user_id(root: Path) -> None:
    (root / "a").write_bytes(OLD)
    (root / "a").chmod(0o4710)
    storage = LocalStorage(root)

    replace(storage, "a", token(storage, "a"))

    assert (root / "a").stat().st_mode & 0o7777 == 0o710


@pytest.mark.parametrize("mtime_ns", [-(10**30), -1, 0, 10**30])
def test_an_mtime_that_is_nonsense_does_no_harm(root: Path, mtime_ns: int) -> None:
    storage = LocalStorage(root)

    written = storage.write("a", BytesContent(NEW), Attributes(mtime_ns=mtime_ns), expect=None)

    assert token(storage, "a") == written.token


def test_a_file_where_a_folder_is_needed_is_named(root: Path) -> None:
    (root / "a").mkdir()
    (root / "a" / "b").touch()
    storage = LocalStorage(root)

    with pytest.raises(BlockedPathError, match="a/b is not a folder") as caught:
        storage.write("a/b/c/d", BytesContent(NEW), Attributes(), expect=None)

    assert caught.value.blocked_by == "a/b"
    assert staged(root) == []
    assert storage.stat("a/b/c/d") is None


def test_a_folder_where_a_file_is_to_go_is_named(root: Path) -> None:
    (root / "a" / "b").mkdir(parents=True)

    with pytest.raises(BlockedPathError, match="a folder stands at a/b") as caught:
        LocalStorage(root).write("a/b", BytesContent(NEW), Attributes(), expect=None)

    assert caught.value.blocked_by == "a/b"


def test_no_link_leads_out_of_the_root(root: Path) -> None:
    outside = root.with_name("outside")
    outside.mkdir()
    (outside / "a").write_bytes(OLD)
    (root / "link").symlink_to(outside)
    (root / "file-link").symlink_to(outside / "a")
    storage = LocalStorage(root)
    theirs = (outside / "a").stat()
    expect = f"{theirs.st_size}-{theirs.st_mtime_ns}-{theirs.st_ino}"

    for path in ("link/a", "file-link"):
        assert isinstance(storage.stat(path), Unknown)
        with pytest.raises(StaleError):
            storage.read(path, expect)
        with pytest.raises(StaleError):
            storage.delete(path, expect=expect, archive=ARCHIVE)
        with pytest.raises(StaleError):
            replace(storage, path, expect)
    with pytest.raises(BlockedPathError):
        storage.write("link/new", BytesContent(NEW), Attributes(), expect=None)
    with pytest.raises(StaleError):
        storage.write("file-link", BytesContent(NEW), Attributes(), expect=None)

    assert [path.name for path in outside.iterdir()] == ["a"]
    assert (outside / "a").read_bytes() == OLD


@pytest.mark.parametrize("path", ["../a", "a/../../b", "/a", "a//b", "a/.", "a\0b", ".docferry/a"])
def test_a_path_that_is_none_is_refused(root: Path, path: str) -> None:
    storage = LocalStorage(root)

    with pytest.raises(PermanentError):
        storage.write(path, BytesContent(NEW), Attributes(), expect=None)
    with pytest.raises(PermanentError):
        storage.read(path, "1-1-1")

    assert everything(root.parent) == []


def test_a_folder_that_was_never_marked_takes_no_write_and_no_delete(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(OLD)
    storage = LocalStorage(tmp_path)

    with pytest.raises(UnreachableError, match="not mounted"):
        storage.write("b", BytesContent(NEW), Attributes(), expect=None)
    with pytest.raises(UnreachableError, match="not mounted"):
        storage.delete("a", expect=token(storage, "a"), archive=ARCHIVE)

    assert [path.name for path in tmp_path.iterdir()] == ["a"]
    storage.write_marker(b"marker")
    replace(storage, "a", token(storage, "a"))


def test_a_name_that_is_too_long_is_told(root: Path) -> None:
    storage = LocalStorage(root)

    with pytest.raises(PermanentError, match="too long"):
        storage.write("x" * 256, BytesContent(NEW), Attributes(), expect=None)

    assert staged(root) == []
    assert storage.stat("x" * 256) is None


def test_a_long_name_can_be_replaced_and_deleted(root: Path) -> None:
    path = "é" * 126 + ".md"
    (root / path).write_bytes(OLD)
    storage = LocalStorage(root)

    replace(storage, path, token(storage, path))
    storage.delete(path, expect=token(storage, path), archive=Attributes(version="0" * 26))

    assert sorted(everything(root)) == [NEW, OLD]


def test_a_folder_that_may_not_be_written_is_named_with_the_remedy() -> None:
    with without_privileges() as root:
        (root / "closed").mkdir()
        (root / "closed").chmod(0o555)
        storage = LocalStorage(root)

        with pytest.raises(PermanentError, match=r"closed/a: Permission denied\. Give"):
            storage.write("closed/a", BytesContent(NEW), Attributes(), expect=None)

        assert staged(root) == []


def test_a_write_that_fails_leaves_nothing_behind(root: Path) -> None:
    (root / "a").write_bytes(OLD)
    storage = LocalStorage(root)
    damaged = Attributes(sha256="0" * 64)

    with pytest.raises(TemporaryError, match="damaged"):
        storage.write("b/c", BytesContent(NEW), damaged, expect=None)
    with pytest.raises(TemporaryError, match="damaged"):
        storage.write("a", BytesContent(NEW), damaged, expect=token(storage, "a"), archive=ARCHIVE)

    assert staged(root) == []
    assert sorted(path.name for path in root.iterdir()) == [".docferry", "a"]
    assert (root / "a").read_bytes() == OLD


def test_a_file_that_is_open_for_writing_is_neither_replaced_nor_deleted(root: Path) -> None:
    (root / "a").write_bytes(OLD)
    storage = LocalStorage(root)

    with (root / "a").open("ab") as file:
        with pytest.raises(StaleError, match="open for writing"):
            replace(storage, "a", token(storage, "a"))
        with pytest.raises(StaleError, match="open for writing"):
            storage.delete("a", expect=token(storage, "a"), archive=ARCHIVE)
        file.write(b", and more")

    assert (root / "a").read_bytes() == OLD + b", and more"
    assert staged(root) == []


# Deleting and the archive.


def test_deleting_removes_the_folders_that_it_empties_and_no_others(root: Path) -> None:
    for path in ("a/keep", "a/b/c/file"):
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(OLD)
    storage = LocalStorage(root)

    storage.delete("a/b/c/file", expect=token(storage, "a/b/c/file"), archive=ARCHIVE)
    one_left = sorted(path.name for path in (root / "a").iterdir())
    storage.delete("a/keep", expect=token(storage, "a/keep"), archive=Attributes(version="B"))

    assert one_left == ["keep"]
    assert [path.name for path in root.iterdir()] == [".docferry"]


def test_a_version_that_is_archived_again_replaces_itself(root: Path) -> None:
    storage = LocalStorage(root)
    for _ in range(2):
        (root / "a").write_bytes(OLD)
        storage.delete("a", expect=token(storage, "a"), archive=ARCHIVE)

    assert everything(root) == [OLD]


def test_a_damaged_archive_is_put_aside_and_not_thrown_away(root: Path) -> None:
    (root / ".docferry/versions").mkdir()
    (root / ".docferry/versions" / VERSION).write_bytes(b"cut sho")
    (root / "a").write_bytes(OLD)
    storage = LocalStorage(root)

    storage.delete("a", expect=token(storage, "a"), archive=ARCHIVE)

    assert archived(root) == OLD
    assert sorted(everything(root)) == [b"cut sho", OLD]


def test_a_file_that_grows_while_it_is_read_is_given_up_at_once(root: Path) -> None:
    file = root / "log"
    file.write_bytes(b"line\n" * 10)
    storage = LocalStorage(root)

    with storage.read("log", token(storage, "log")) as content:
        content.part(0, 5)
        with file.open("ab") as log:
            log.write(b"line\n")
        with pytest.raises(StaleError):
            content.part(5, 5)
