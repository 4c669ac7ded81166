"""Several new files at once: each as if alone, whole and durable or not at all."""

from __future__ import annotations

import errno
from collections.abc import Callable
from pathlib import Path

import pytest

from docferry.errors import (
    BlockedPathError,
    DocferryError,
    StaleError,
    TemporaryError,
    UnreachableError,
)
from docferry.model import Attributes, Written
from docferry.storage.base import NewFile
from docferry.storage.local import LocalStorage
from docferry.storage.memory import BytesContent, sha256_of
from docferry.storage.whole_sync import WholeSync
from unit.folder import FILE_SYSTEMS, THEIRS, everything, staged, token

MTIME_NS = 1_700_000_000_000_000_001
SEVERAL = ("a.txt", "folder/b.txt", "folder/c.txt", "folder/deep/er/d.txt")


class Crash(Exception):
    """The process ends here."""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / ".docferry").mkdir()
    return tmp_path


def new(path: str, sha256: str | None = None) -> NewFile:
    attributes = Attributes(mtime_ns=MTIME_NS, sha256=sha256)
    return NewFile(path, BytesContent(path.encode()), attributes)


@pytest.mark.parametrize("file_system", FILE_SYSTEMS)
def test_each_gets_its_name_content_and_mtime(root: Path, file_system: str) -> None:
    storage = LocalStorage(root, renames=FILE_SYSTEMS[file_system]())

    results = storage.create([new(path) for path in SEVERAL])

    assert results == [
        Written(token(storage, path), sha256_of(path.encode()), len(path)) for path in SEVERAL
    ]
    assert [(root / path).read_text() for path in SEVERAL] == [*SEVERAL]
    assert {(root / path).stat().st_mtime_ns for path in SEVERAL} == {MTIME_NS}
    assert staged(root) == []


def test_one_that_fails_does_not_keep_the_others_from_coming(root: Path) -> None:
    (root / "taken.txt").write_bytes(THEIRS)
    (root / "a folder").mkdir()
    large = NewFile("taken.txt", BytesContent(bytes(100_000)), Attributes())
    files = [
        new("first.txt"),
        new("taken.txt"),
        large,
        new("a folder"),
        new("first.txt/below"),
        new("damaged.txt", sha256="0" * 64),
        new("../outside"),
        new("last.txt"),
    ]

    results = LocalStorage(root).create(files)

    assert [type(result) for result in results[:-2]] == [
        Written,
        StaleError,
        StaleError,
        BlockedPathError,
        BlockedPathError,
        TemporaryError,
    ]
    assert isinstance(results[-2], DocferryError)
    assert isinstance(results[-1], Written)
    assert sorted(everything(root)) == sorted([THEIRS, b"first.txt", b"last.txt"])
    assert not (root.parent / "outside").exists()


def test_a_folder_without_a_marker_gets_nothing(tmp_path: Path) -> None:
    results = LocalStorage(tmp_path).create([new("a.txt"), new("b.txt")])

    assert [type(result) for result in results] == [UnreachableError, UnreachableError]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("step", ["staged", "visible"])
@pytest.mark.parametrize("times", [1, 2, 4])
def test_after_a_crash_each_is_there_whole_or_not_at_all(root: Path, step: str, times: int) -> None:
    storage = LocalStorage(root, step=crash_at(step, times))

    with pytest.raises(Crash):
        storage.create([new(path) for path in SEVERAL])
    LocalStorage(root).sweep_staging()

    arrived = times if step == "visible" else 0
    assert everything(root) == [path.encode() for path in SEVERAL[:arrived]]


def test_what_a_person_puts_there_meanwhile_stays(root: Path) -> None:
    def interfere(step: str) -> None:
        if step == "staged":
            (root / "b.txt").write_bytes(THEIRS)

    results = LocalStorage(root, step=interfere).create([new("a.txt"), new("b.txt")])

    assert isinstance(results[0], Written)
    assert isinstance(results[1], StaleError)
    assert (root / "b.txt").read_bytes() == THEIRS
    assert staged(root) == []


def crash_at(name: str, times: int) -> Callable[[str], None]:
    """Crash when the step *name* comes for the *times*-th time."""
    left = times

    def step(now: str) -> None:
        nonlocal left
        left -= now == name
        if left == 0:
            raise Crash

    return step


# Many at once: one sync for all of them.

MANY = [f"{number:02}.txt" for number in range(12)]


def named(root: Path) -> list[str]:
    return sorted(path.name for path in root.iterdir() if path.name != ".docferry")


class Noted(WholeSync):
    """Notes what is in the folder, and what is still staged, when all is brought to the disk."""

    def __init__(self, root: Path) -> None:
        super().__init__()
        self.root = root
        self.seen: list[tuple[int, int]] = []

    def is_worth_it(self, dir_fd: int) -> bool:
        return True

    def run(self, dir_fd: int) -> None:
        self.seen.append((len(named(self.root)), len(staged(self.root))))
        super().run(dir_fd)


class Full(Noted):
    def run(self, dir_fd: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")


def test_many_are_on_the_disk_together_before_any_has_its_name(root: Path) -> None:
    noted = Noted(root)

    results = LocalStorage(root, whole_sync=noted).create([new(path) for path in MANY])

    assert noted.seen == [(0, 12)]
    assert [type(result) for result in results] == [Written] * 12
    assert named(root) == MANY


def test_a_few_are_brought_to_the_disk_one_by_one(root: Path) -> None:
    noted = Noted(root)

    LocalStorage(root, whole_sync=noted).create([new(path) for path in MANY[:3]])

    assert noted.seen == []


def test_many_that_the_disk_does_not_take_are_all_refused(root: Path) -> None:
    results = LocalStorage(root, whole_sync=Full(root)).create([new(path) for path in MANY])

    assert all(isinstance(result, TemporaryError) for result in results)
    assert "No space left" in str(results[0])
    assert (named(root), staged(root)) == ([], [])
