"""Renames that look first, and the question who is writing."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from docferry.storage.atomic import Place, Renames, has_writer, open_folder

EVERY_FILE_SYSTEM = pytest.mark.parametrize(
    "renames",
    [Renames(), Renames(with_flags=False), Renames(with_flags=False, with_links=False)],
    ids=["all", "without flags", "without flags and links"],
)

# Asks again and again while the other end opens the file for writing again and again:
# sooner or later an open comes while the lease is held, and breaks it.
ASK_WHILE_IT_IS_OPENED = """
import os, sys
from docferry.storage.atomic import has_writer
fd = os.open(sys.argv[1], os.O_RDONLY)
pid = os.fork()
if not pid:
    for _ in range(20_000):
        os.close(os.open(sys.argv[1], os.O_WRONLY))
    os._exit(0)
answers = set()
while os.waitpid(pid, os.WNOHANG) == (0, 0):
    answers.add(has_writer(fd))
print(answers <= {True, False})
"""


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[int]:
    fd = open_folder(str(tmp_path))
    yield fd
    os.close(fd)


@EVERY_FILE_SYSTEM
def test_a_free_name_is_taken(folder: int, tmp_path: Path, renames: Renames) -> None:
    (tmp_path / "a").write_text("a")

    renames.to_free_name(Place(folder, "a"), Place(folder, "b"))

    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"b": "a"}


@EVERY_FILE_SYSTEM
@pytest.mark.parametrize("kind", ["file", "folder", "dangling link"])
def test_a_name_that_is_taken_stays_as_it_is(
    folder: int, tmp_path: Path, renames: Renames, kind: str
) -> None:
    (tmp_path / "a").write_text("a")
    taken = tmp_path / "b"
    if kind == "file":
        taken.write_text("b")
    elif kind == "folder":
        taken.mkdir()
    else:
        taken.symlink_to("nowhere")
    before = taken.lstat()

    with pytest.raises(FileExistsError):
        renames.to_free_name(Place(folder, "a"), Place(folder, "b"))

    assert (tmp_path / "a").read_text() == "a"
    assert (taken.lstat().st_ino, taken.lstat().st_mode) == (before.st_ino, before.st_mode)


@EVERY_FILE_SYSTEM
def test_a_folder_moves_to_a_free_name_too(folder: int, tmp_path: Path, renames: Renames) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "file").touch()

    renames.to_free_name(Place(folder, "a"), Place(folder, "b"))

    assert [path.name for path in (tmp_path / "b").iterdir()] == ["file"]
    assert not (tmp_path / "a").exists()


def test_two_names_swap_what_they_name(folder: int, tmp_path: Path) -> None:
    (tmp_path / "a").write_text("a")
    (tmp_path / "b").write_text("b")

    assert Renames().exchange(Place(folder, "a"), Place(folder, "b"))

    assert ((tmp_path / "a").read_text(), (tmp_path / "b").read_text()) == ("b", "a")
    with pytest.raises(FileNotFoundError):
        Renames().exchange(Place(folder, "a"), Place(folder, "missing"))


def test_what_a_file_system_cannot_do_is_said(folder: int, tmp_path: Path) -> None:
    (tmp_path / "a").write_text("a")
    (tmp_path / "b").write_text("b")
    poor = Renames(with_flags=False, with_links=False)

    assert not poor.exchange(Place(folder, "a"), Place(folder, "b"))
    assert not poor.link(Place(folder, "a"), Place(folder, "c"))

    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b"]


def test_no_link_is_followed_and_no_pipe_waited_for(folder: int, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to("file")
    (tmp_path / "folder").symlink_to(".")
    os.mkfifo(tmp_path / "pipe")

    with pytest.raises(OSError, match="symbolic links"):
        Place(folder, "link").open(os.O_RDONLY)
    with pytest.raises(NotADirectoryError):
        open_folder("folder", dir_fd=folder)
    os.close(Place(folder, "pipe").open(os.O_RDONLY))


def test_a_writer_is_noticed_as_long_as_it_has_the_file_open(folder: int, tmp_path: Path) -> None:
    (tmp_path / "a").touch()
    fd = Place(folder, "a").open(os.O_RDONLY)

    with (tmp_path / "a").open("a"):
        while_open = has_writer(fd)
    afterwards = has_writer(fd)
    os.close(fd)

    assert while_open is True
    assert afterwards is False


def test_asking_for_writers_survives_one_that_comes_at_the_wrong_moment(tmp_path: Path) -> None:
    (tmp_path / "a").touch()

    asked = subprocess.run(
        [sys.executable, "-c", ASK_WHILE_IT_IS_OPENED, str(tmp_path / "a")],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )

    assert (asked.returncode, asked.stdout, asked.stderr) == (0, "True\n", "")


def test_a_link_is_not_opened(folder: int, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_text("theirs")
    os.symlink(tmp_path / "elsewhere", "link", dir_fd=folder)

    with pytest.raises(OSError, match="Too many levels of symbolic links"):
        Place(folder, "link").open(os.O_RDONLY)
