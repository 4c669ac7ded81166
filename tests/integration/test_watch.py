"""The watch on a real file system: every kind of change becomes a hint."""

from __future__ import annotations

import os
import pathlib
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from docferry.engine.filesystems import kind_of, type_in, watch_limit
from watching import Watched, wait_until, watching


@pytest.fixture(params=["inotify", "polling"])
def either(request: pytest.FixtureRequest, tmp_path: pathlib.Path) -> Iterator[Watched]:
    with watching(tmp_path, request.param) as watched:
        yield watched


@pytest.fixture
def watched(tmp_path: pathlib.Path) -> Iterator[Watched]:
    with watching(tmp_path, "inotify") as watched:
        yield watched


# Every kind of change.


def test_a_written_file_is_named(either: Watched) -> None:
    (either.root / "new").write_text("new")

    either.wait_for("new")


def test_a_changed_file_is_named(either: Watched) -> None:
    (either.root / "old/file").write_text("changed")

    either.wait_for("old/file")


def test_a_deleted_file_is_named(either: Watched) -> None:
    (either.root / "old/file").unlink()

    either.wait_for("old/file")


def test_both_names_of_a_renamed_file_are_named(either: Watched) -> None:
    (either.root / "old/file").rename(either.root / "renamed")

    either.wait_for("old/file", "renamed")


def test_a_file_moved_in_is_named(either: Watched, tmp_path: pathlib.Path) -> None:
    (tmp_path / "outside").write_text("x")

    (tmp_path / "outside").rename(either.root / "inside")

    either.wait_for("inside")


def test_a_hard_link_is_named(either: Watched, tmp_path: pathlib.Path) -> None:
    (tmp_path / "outside").write_text("x")

    os.link(tmp_path / "outside", either.root / "linked")

    either.wait_for("linked")


def test_a_changed_mode_is_named(either: Watched) -> None:
    (either.root / "old/file").chmod(0o600)

    either.wait_for("old/file")


def test_a_file_replaced_by_a_saver_is_named(either: Watched) -> None:
    (either.root / "old/file~tmp").write_text("new")

    (either.root / "old/file~tmp").replace(either.root / "old/file")

    either.wait_for("old/file")


def test_a_copied_tree_is_covered(either: Watched, tmp_path: pathlib.Path) -> None:
    paths = make_tree(tmp_path / "source")

    subprocess.run(["cp", "-r", tmp_path / "source", either.root / "copy"], check=True)

    either.wait_for(*(f"copy/{path}" for path in paths))


def test_a_tree_moved_in_is_covered(either: Watched, tmp_path: pathlib.Path) -> None:
    paths = make_tree(tmp_path / "source")

    (tmp_path / "source").rename(either.root / "moved")

    either.wait_for(*(f"moved/{path}" for path in paths))


def test_a_renamed_directory_is_covered_under_both_names(either: Watched) -> None:
    (either.root / "old").rename(either.root / "new")

    either.wait_for("old/file", "new/file")


def test_a_removed_tree_is_covered(either: Watched) -> None:
    subprocess.run(["rm", "-r", either.root / "old"], check=True)

    either.wait_for("old/file")


def make_tree(root: pathlib.Path) -> list[str]:
    paths = [f"{a}/{b}/file{c}" for a in "abc" for b in "de" for c in range(3)]
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(path)
    return paths


# What inotify makes hard.


def test_directories_made_and_filled_at_once_by_another_process_are_covered(
    watched: Watched,
) -> None:
    script = (
        "import os\n"
        "for n in range(300):\n"
        "    os.makedirs(f'{n}/e/f')\n"
        "    for path in (f'{n}/1', f'{n}/e/2', f'{n}/e/f/3'):\n"
        "        open(path, 'w').write('x')\n"
    )

    subprocess.run([sys.executable, "-c", script], cwd=watched.root, check=True)

    watched.wait_for(*(f"{n}/{path}" for n in range(300) for path in ("1", "e/2", "e/f/3")))
    wait_until(lambda: watched.watch.state.directories == 2 + 3 * 300)


def test_files_written_late_into_new_directories_are_named(watched: Watched) -> None:
    (watched.root / "a/b/c").mkdir(parents=True)
    watched.wait_until_quiet()

    (watched.root / "a/b/c/file").write_text("x")

    assert "a/b/c/file" in watched.wait_until_quiet()


def test_writes_in_a_renamed_directory_are_named_under_the_new_name(watched: Watched) -> None:
    (watched.root / "old").rename(watched.root / "new")
    watched.wait_until_quiet()

    (watched.root / "new/file").write_text("changed")

    assert watched.wait_until_quiet() == {"new/file"}


def test_directories_that_swap_names_are_told_apart(watched: Watched) -> None:
    (watched.root / "other").mkdir()
    (watched.root / "old").rename(watched.root / "third")
    (watched.root / "other").rename(watched.root / "old")
    (watched.root / "third").rename(watched.root / "other")
    watched.wait_until_quiet()

    (watched.root / "other/file").write_text("changed")

    assert watched.wait_until_quiet() == {"other/file"}


def test_a_directory_moved_out_is_not_heard_of_again(
    watched: Watched, tmp_path: pathlib.Path
) -> None:
    (watched.root / "old/deep").mkdir()
    watched.wait_until_quiet()
    (watched.root / "old").rename(tmp_path / "outside")
    assert "old/" in watched.wait_until_quiet()

    (tmp_path / "outside/file").write_text("changed")
    (tmp_path / "outside/deep/new").write_text("new")

    assert watched.wait_until_quiet() == set()
    assert watched.watch.state.directories == 1


def test_a_file_moved_out_does_not_hold_back_what_follows(
    watched: Watched, tmp_path: pathlib.Path
) -> None:
    took_s = []
    for number in range(5):
        (watched.root / "old/file").rename(tmp_path / f"outside-{number}")
        started_s = time.monotonic()
        (watched.root / f"next-{number}").write_text("x")
        watched.wait_for(f"next-{number}")
        took_s.append(time.monotonic() - started_s)
        (watched.root / "old/file").write_text("another")
        watched.wait_until_quiet()

    # watchdog's own observer waits 0.5 s for the other half of a rename, each time.
    assert min(took_s) < 0.25


def test_reading_is_not_a_change(watched: Watched) -> None:
    (watched.root / "old/file").read_text()
    list((watched.root / "old").iterdir())

    assert watched.wait_until_quiet() == set()


def test_docferrys_own_folder_is_not_watched(either: Watched) -> None:
    (either.root / ".docferry/staging").mkdir(parents=True)
    (either.root / ".docferry/staging/part").write_text("x")
    (either.root / "deep/.docferry").mkdir(parents=True)
    (either.root / "deep/.docferry/file").write_text("a stranger's")

    hints = either.wait_for("deep/.docferry/file") | either.wait_until_quiet()
    assert not any(path.startswith(".docferry") for path in hints)


def test_a_link_to_a_directory_is_not_followed(either: Watched, tmp_path: pathlib.Path) -> None:
    (tmp_path / "outside").mkdir()
    (either.root / "link").symlink_to(tmp_path / "outside")
    either.wait_for("link")

    (tmp_path / "outside/file").write_text("x")

    assert not any(path.startswith("link/") for path in either.wait_until_quiet())


def test_names_that_are_not_utf8_are_named_as_python_reads_them(either: Watched) -> None:
    folder, file = os.fsdecode(b"caf\xe9"), os.fsdecode(b"na\xefve")
    (either.root / folder).mkdir()
    (either.root / folder / "file").touch()
    (either.root / file).touch()

    hints = either.wait_for(f"{folder}/", file)

    assert {f"{folder}/", file} <= hints


# Which file systems are polled.


def test_a_local_file_system_is_watched(tmp_path: pathlib.Path) -> None:
    assert kind_of(tmp_path) == "inotify"
    assert kind_of(pathlib.Path("/dev/shm")) == "inotify"
    assert watch_limit() > 0


@pytest.mark.parametrize(
    ("mount_id", "type_"),
    [("29", "ext4"), ("41", "nfs4"), ("42", "fuse.sshfs"), ("99", "")],
)
def test_the_type_is_read_from_mountinfo(mount_id: str, type_: str) -> None:
    text = (
        "29 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw\n"
        "41 29 0:52 / /mnt/a\\040b rw shared:2 master:3 - nfs4 server:/share rw\n"
        "42 29 0:53 / /mnt/c rw - fuse.sshfs me@host:/ rw\n"
    )

    assert type_in(text, mount_id) == type_
