"""Drop folders on real file systems: what comes to rest is moved, whole, and nothing is lost."""

from __future__ import annotations

import os
import pathlib
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from typing import Literal

import pytest
from ulid import ULID

from docferry.config import DropConfig
from docferry.engine.drop import target_of
from docferry.errors import StaleError
from docferry.model import FileState, Token
from docferry.storage.hand_over import HandOver
from docferry.storage.local import LocalStorage
from dropping import Drops, files_in, fresh
from watching import PATIENCE_S, wait_until


class Crash(BaseException):
    """The process is killed here."""


@pytest.fixture
def same(tmp_path: pathlib.Path) -> Iterator[Drops]:
    """Drop folder and mirror on one file system."""
    yield from fresh(tmp_path / "drop", tmp_path / "mirror")


@pytest.fixture
def across(tmp_path: pathlib.Path) -> Iterator[Drops]:
    """Drop folder and mirror on two file systems."""
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        assert pathlib.Path(folder).stat().st_dev != tmp_path.stat().st_dev
        yield from fresh(pathlib.Path(folder) / "drop", tmp_path / "mirror")


@pytest.fixture(params=["same", "across"])
def drops(request: pytest.FixtureRequest) -> Drops:
    drops: Drops = request.getfixturevalue(request.param)
    return drops


# Moving.


def test_a_file_at_rest_is_moved_and_keeps_its_mtime(drops: Drops) -> None:
    drops.start()
    (drops.folder / "a.txt").write_text("text")
    os.utime(drops.folder / "a.txt", ns=(1_600_000_000_123_456_789,) * 2)

    drops.wait_for("a.txt")
    drops.wait_until_empty()

    assert (drops.mirror / "a.txt").read_text() == "text"
    assert (drops.mirror / "a.txt").stat().st_mtime_ns == 1_600_000_000_123_456_789


def test_files_that_were_there_before_the_start_are_taken(drops: Drops) -> None:
    (drops.folder / "deep").mkdir()
    (drops.folder / "deep/a").write_text("a")

    drops.start(subfolder="in/box/")

    drops.wait_for("in/box/deep/a")
    assert drops.mirrored() == ["in/box/deep/a"]


def test_a_copied_tree_arrives_whole_and_its_folders_stay(
    drops: Drops, tmp_path: pathlib.Path
) -> None:
    paths = [f"{a}/{b}/{c}.txt" for a in "ab" for b in "cd" for c in range(10)]
    for path in paths:
        (tmp_path / "source" / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "source" / path).write_text(path)
    drops.start()

    subprocess.run(["cp", "-r", tmp_path / "source", drops.folder / "tree"], check=True)

    drops.wait_for(*(f"tree/{path}" for path in paths))
    drops.wait_until_empty()
    assert all((drops.mirror / "tree" / path).read_text() == path for path in paths)
    assert (drops.folder / "tree/a/c").is_dir()


def test_ulid_naming_puts_the_id_before_the_name_and_keeps_folders(drops: Drops) -> None:
    drops.start(naming="ulid", subfolder="inbox/")
    (drops.folder / "2024").mkdir()
    (drops.folder / "2024/a.txt").write_text("a")

    target = drops.placed.get(timeout=PATIENCE_S)

    folder, _, name = target.rpartition("/")
    assert folder == "inbox/2024"
    assert ULID.from_str(name[:26])
    assert name[26:] == "-a.txt"


def test_a_folder_deleted_and_made_again_is_served_again(same: Drops) -> None:
    drop = same.start()
    same.folder.rmdir()
    wait_until(lambda: "" in drop.problems)

    same.folder.mkdir()
    (same.folder / "a").write_text("a")

    same.wait_for("a")
    wait_until(lambda: not drop.problems)


# Waiting.


def test_a_file_that_is_open_for_writing_waits(drops: Drops) -> None:
    drops.start()
    with (drops.folder / "slow").open("w") as slow:
        slow.write("first half, ")
        slow.flush()
        (drops.folder / "quick").write_text("quick")
        drops.wait_for("quick")
        assert drops.mirrored() == ["quick"]
        slow.write("second half")

    drops.wait_for("slow")

    assert (drops.mirror / "slow").read_text() == "first half, second half"


def test_a_file_written_in_many_goes_is_taken_once_and_whole(drops: Drops) -> None:
    drops.start(settle_s=0.3)
    for n in range(500):
        with (drops.folder / "log").open("a") as file:
            file.write(f"{n}\n")

    drops.wait_for("log")

    assert (drops.mirror / "log").read_text().splitlines() == [str(n) for n in range(500)]
    assert drops.placed.empty()


def test_temporary_names_are_left_to_their_programs(drops: Drops) -> None:
    drop = drops.start()
    (drops.folder / "report.docx.part").write_text("half")
    (drops.folder / "~$report.docx").write_text("owner")
    (drops.folder / "last").write_text("x")
    drops.wait_for("last")

    (drops.folder / "report.docx.part").rename(drops.folder / "report.docx")

    drops.wait_for("report.docx")
    wait_until(lambda: drops.left() == ["~$report.docx"])
    assert drop.problems == {}


def test_an_unmounted_mirror_gets_nothing(drops: Drops) -> None:
    drops.mirror.rename(drops.mirror.with_name("away"))
    drops.mirror.mkdir()  # the mount point
    drop = drops.start()
    (drops.folder / "a").write_text("a")
    wait_until(lambda: "a" in drop.problems)
    assert files_in(drops.mirror) == []

    drops.mirror.rmdir()
    drops.mirror.with_name("away").rename(drops.mirror)

    drops.wait_for("a")
    wait_until(lambda: drop.problems == {})


def test_a_path_that_the_mirror_leaves_out_is_reported(same: Drops) -> None:
    same.left_out.add("a.bak")
    drop = same.start()
    (same.folder / "a.bak").write_text("a")

    wait_until(lambda: "filter" in drop.problems.get("a.bak", ""))

    assert same.left() == ["a.bak"]


def test_a_folder_in_the_way_is_reported(drops: Drops) -> None:
    (drops.mirror / "a").mkdir()
    drop = drops.start()
    (drops.folder / "a").write_text("a")

    wait_until(lambda: "a folder stands at a" in drop.problems.get("a", ""))

    assert drops.left() == ["a"]


def test_what_is_no_document_is_reported_and_left_alone(drops: Drops) -> None:
    (drops.folder / "link").symlink_to("/etc/hostname")
    os.mkfifo(drops.folder / "pipe")
    (drops.folder / os.fsdecode(b"caf\xe9")).write_text("x")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(drops.folder / "socket"))
        drop = drops.start()

        wait_until(lambda: set(drop.problems) == {"link", "pipe", "socket", "caf\\xe9"})

        assert "symbolic link" in drop.problems["link"]
        assert "UTF-8" in drop.problems["caf\\xe9"]
        assert drops.mirrored() == []
        (drops.folder / "link").unlink()
        wait_until(lambda: "link" not in drop.problems)


def test_an_unreadable_file_is_reported_until_it_can_be_read(tmp_path: pathlib.Path) -> None:
    script = """
import pathlib, sys
from docferry.config import DropConfig
from docferry.engine.drop import *
from dropping import Drops, files_in, fresh
from watching import wait_until

base = pathlib.Path(sys.argv[1])
(base / "drop").mkdir()
(base / "mirror").mkdir()
storage = LocalStorage(base / "mirror")
storage.write_marker(b"{}")
(base / "drop/secret").write_text("s")
(base / "drop/secret").chmod(0o000)
options = DropConfig("inbox", base / "drop", "documents", "", "path", 0.0)
ignore = lambda *_: True
drop = DropFolder(options, Destination(storage, ignore, ignore, ignore, ignore, ignore))
drop.start()
wait_until(lambda: "Permission denied" in drop.problems.get("secret", ""))
(base / "drop/secret").chmod(0o600)
wait_until(lambda: (base / "mirror/secret").exists())
wait_until(lambda: drop.problems == {})
drop.stop()
"""
    done = subprocess.run(
        ["unshare", "--user", sys.executable, "-c", script, str(tmp_path)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )

    assert done.returncode == 0, done.stderr


# A name that is taken.


def test_the_same_content_again_is_only_removed(drops: Drops) -> None:
    (drops.mirror / "a").write_text("same")
    before = (drops.mirror / "a").stat()
    drops.start()

    (drops.folder / "a").write_text("same")

    drops.wait_until_empty()
    assert (drops.mirror / "a").stat().st_ino == before.st_ino
    assert drops.versions == []


@pytest.mark.parametrize("old", ["old", "older"])
def test_another_content_waits_until_the_one_there_is_safe(drops: Drops, old: str) -> None:
    (drops.mirror / "a").write_text(old)
    drop = drops.start()
    (drops.folder / "a").write_text("new")
    wait_until(lambda: "not synced" in drop.problems.get("a", ""))
    assert (drops.mirror / "a").read_text() == old
    assert (drops.folder / "a").read_text() == "new"

    drops.safe.add("a")

    drops.wait_for("a")
    drops.wait_until_empty()
    assert (drops.mirror / "a").read_text() == "new"
    assert (drops.mirror / ".docferry/versions" / drops.versions[0]).read_text() == old
    wait_until(lambda: drop.problems == {})


def test_a_file_saved_again_while_it_is_copied_is_the_next_version(across: Drops) -> None:
    def save_again(path: str) -> None:
        across.before_placed = lambda path: None
        (across.folder / "new").write_text("second")
        (across.folder / "new").replace(across.folder / "a")

    across.before_placed = save_again
    drop = across.start()
    (across.folder / "a").write_text("first")
    wait_until(lambda: "a" in drop.problems)
    assert (across.mirror / "a").read_text() == "first"
    assert (across.folder / "a").read_text() == "second"

    across.safe.add("a")

    across.wait_until_empty()
    assert (across.mirror / "a").read_text() == "second"


# Crashes.


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
@pytest.mark.parametrize("naming", ["path", "ulid"])
@pytest.mark.parametrize(
    ("kind", "crash_at"),
    [("same", "renamed"), ("across", "placed"), ("across", "aside"), ("across", "settled")],
)
def test_a_crash_leaves_one_document_never_two_and_never_none(
    request: pytest.FixtureRequest,
    kind: str,
    crash_at: str,
    naming: Literal["path", "ulid"],
) -> None:
    drops: Drops = request.getfixturevalue(kind)
    crashed = threading.Event()

    def crash(step: str) -> None:
        if step == crash_at and not crashed.is_set():
            crashed.set()
            raise Crash

    drops.before_placed = lambda path: crash("placed")
    drops.start(naming=naming, step=crash)
    (drops.folder / "deep").mkdir()
    (drops.folder / "deep/a").write_text("precious")
    assert crashed.wait(PATIENCE_S)
    drops.stop()

    drops.start(naming=naming)

    drops.wait_until_empty()
    (document,) = drops.mirrored()
    assert (drops.mirror / document).read_text() == "precious"


def test_what_appears_at_the_name_of_a_file_being_removed_stays(tmp_path: pathlib.Path) -> None:
    file = tmp_path / "deep/a"
    file.parent.mkdir()
    file.write_text("old")
    token = token_of(tmp_path, "deep/a")

    HandOver(tmp_path, tmp_path, step=lambda step: late(step, file)).remove("deep/a", token)

    assert files_in(tmp_path) == ["deep/a"]
    assert file.read_text() == "new"


def late(step: str, file: pathlib.Path) -> None:
    if step == "aside":
        file.write_text("new")


def test_a_changed_file_is_given_back(tmp_path: pathlib.Path) -> None:
    (tmp_path / "a").write_text("old")
    token = token_of(tmp_path, "a")
    (tmp_path / "a").write_text("newer")

    with pytest.raises(StaleError):
        HandOver(tmp_path, tmp_path).remove("a", token)

    assert files_in(tmp_path) == ["a"]


def test_a_changed_file_caught_by_a_crash_is_given_back_once_its_name_is_free(
    tmp_path: pathlib.Path,
) -> None:
    aside = tmp_path / ".docferry/taken/1-2-3/deep"
    aside.mkdir(parents=True)
    (aside / "a").write_text("somebody's")
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep/a").write_text("newer")

    HandOver(tmp_path, tmp_path).recover()
    assert (aside / "a").read_text() == "somebody's"
    (tmp_path / "deep/a").unlink()
    HandOver(tmp_path, tmp_path).recover()

    assert files_in(tmp_path) == ["deep/a"]
    assert (tmp_path / "deep/a").read_text() == "somebody's"


def token_of(folder: pathlib.Path, path: str) -> Token:
    found = LocalStorage(folder).stat(path)
    assert isinstance(found, FileState)
    return found.token


# Names.


@pytest.mark.parametrize(
    ("name", "end"),
    [
        ("a.pdf", "-a.pdf"),
        ("x" * 251 + ".pdf", "x.pdf"),
        ("ä" * 126 + ".pdf", "ä.pdf"),
        ("a." + "b" * 250, "b"),
    ],
)
def test_a_ulid_name_fits_into_one_segment(name: str, end: str) -> None:
    options = DropConfig("inbox", pathlib.Path("/drop"), "documents", "in/", "ulid")
    state = FileState("1-2-3", None, 1, changed_ns=1_700_000_000_000_000_000)

    target = target_of(f"deep/{name}", state, options)

    assert target.startswith("in/deep/01HF7YAT00")
    assert target.endswith(end)
    assert len(target.removeprefix("in/deep/").encode()) <= 255
    assert target == target_of(f"deep/{name}", state, options)
    assert target != target_of(f"other/{name}", state, options)
