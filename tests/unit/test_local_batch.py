"""Several contents at once: each as if alone, whole and durable or not at all."""

from __future__ import annotations

import errno
from collections.abc import Callable
from dataclasses import replace
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
from docferry.storage.base import Arrival
from docferry.storage.local import LocalStorage
from docferry.storage.memory import BytesContent, sha256_of
from docferry.storage.whole_sync import WholeSync
from unit.folder import FILE_SYSTEMS, THEIRS, edit_in_place, everything, staged, token

MTIME_NS = 1_700_000_000_000_000_001
SEVERAL = ("a.txt", "folder/b.txt", "folder/c.txt", "folder/deep/er/d.txt")


class Crash(Exception):
    """The process ends here."""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / ".docferry").mkdir()
    return tmp_path


def new(path: str, sha256: str | None = None) -> Arrival:
    attributes = Attributes(mtime_ns=MTIME_NS, sha256=sha256)
    return Arrival(path, BytesContent(path.encode()), attributes)


@pytest.mark.parametrize("file_system", FILE_SYSTEMS)
def test_each_gets_its_name_content_and_mtime(root: Path, file_system: str) -> None:
    storage = LocalStorage(root, renames=FILE_SYSTEMS[file_system]())

    results = storage.write_all([new(path) for path in SEVERAL])

    assert results == [
        Written(token(storage, path), sha256_of(path.encode()), len(path)) for path in SEVERAL
    ]
    assert [(root / path).read_text() for path in SEVERAL] == [*SEVERAL]
    assert {(root / path).stat().st_mtime_ns for path in SEVERAL} == {MTIME_NS}
    assert staged(root) == []


def test_one_that_fails_does_not_keep_the_others_from_coming(root: Path) -> None:
    (root / "taken.txt").write_bytes(THEIRS)
    (root / "a folder").mkdir()
    large = Arrival("taken.txt", BytesContent(bytes(100_000)), Attributes())
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

    results = LocalStorage(root).write_all(files)

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
    results = LocalStorage(tmp_path).write_all([new("a.txt"), new("b.txt")])

    assert [type(result) for result in results] == [UnreachableError, UnreachableError]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("step", ["staged", "visible"])
@pytest.mark.parametrize("times", [1, 2, 4])
def test_after_a_crash_each_is_there_whole_or_not_at_all(root: Path, step: str, times: int) -> None:
    storage = LocalStorage(root, step=crash_at(step, times))

    with pytest.raises(Crash):
        storage.write_all([new(path) for path in SEVERAL])
    LocalStorage(root).sweep_staging()

    arrived = times if step == "visible" else 0
    assert everything(root) == [path.encode() for path in SEVERAL[:arrived]]


def test_what_a_person_puts_there_meanwhile_stays(root: Path) -> None:
    def interfere(step: str) -> None:
        if step == "staged":
            (root / "b.txt").write_bytes(THEIRS)

    results = LocalStorage(root, step=interfere).write_all([new("a.txt"), new("b.txt")])

    assert isinstance(results[0], Written)
    assert isinstance(results[1], StaleError)
    assert (root / "b.txt").read_bytes() == THEIRS
    assert staged(root) == []


# In the place of others.


def version_of(path: str) -> str:
    return f"01JD{SEVERAL.index(path):022}"


def old(path: str) -> bytes:
    return f"{path}, as it was".encode()


def over(storage: LocalStorage, path: str) -> Arrival:
    """Give what replaces *path*, once that holds its old content."""
    file = storage.root / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(old(path))
    archive = Attributes(version=version_of(path))
    return replace(new(path), expect=token(storage, path), archive=archive)


def archived(root: Path) -> dict[str, bytes]:
    folder = root / ".docferry/versions"
    return {path.name: path.read_bytes() for path in folder.iterdir()} if folder.exists() else {}


@pytest.mark.parametrize("file_system", FILE_SYSTEMS)
def test_what_is_replaced_is_archived_beside_what_is_new(root: Path, file_system: str) -> None:
    storage = LocalStorage(root, renames=FILE_SYSTEMS[file_system]())
    first, second, *others = SEVERAL
    arrivals = [over(storage, first), over(storage, second), *map(new, others)]

    results = storage.write_all(arrivals)

    assert results == [
        Written(token(storage, path), sha256_of(path.encode()), len(path)) for path in SEVERAL
    ]
    assert [(root / path).read_text() for path in SEVERAL] == [*SEVERAL]
    assert archived(root) == {version_of(path): old(path) for path in (first, second)}
    assert staged(root) == []


def test_what_a_person_writes_meanwhile_stays_and_the_others_are_replaced(root: Path) -> None:
    storage = LocalStorage(root, step=lambda step: interfere(step))
    arrivals = [over(storage, path) for path in SEVERAL]

    def interfere(step: str) -> None:
        if step == "named":  # the first; all are staged
            edit_in_place(root / SEVERAL[1])

    results = storage.write_all(arrivals)

    assert [type(result) for result in results] == [Written, StaleError, Written, Written]
    assert (root / SEVERAL[1]).read_bytes() == THEIRS
    assert archived(root) == {version_of(path): old(path) for path in SEVERAL if path != SEVERAL[1]}
    assert staged(root) == []


def test_what_is_not_there_as_expected_is_refused_before_a_byte_is_moved(root: Path) -> None:
    steps: list[str] = []
    storage = LocalStorage(root, step=steps.append)
    arrivals = [over(storage, path) for path in SEVERAL[:2]]
    (root / SEVERAL[0]).write_bytes(THEIRS)
    (root / SEVERAL[1]).unlink()

    results = storage.write_all(arrivals)

    assert [type(result) for result in results] == [StaleError, StaleError]
    assert steps == []
    assert everything(root) == [THEIRS]


def test_without_a_version_to_archive_under_nothing_is_touched(root: Path) -> None:
    storage = LocalStorage(root)
    arrivals = [over(storage, path) for path in SEVERAL[:2]]

    with pytest.raises(ValueError, match="needs a version"):
        storage.write_all([arrivals[0], replace(arrivals[1], archive=None)])

    assert sorted(everything(root)) == sorted(map(old, SEVERAL[:2]))


@pytest.mark.parametrize("step", ["staged", "named", "exchanged", "archived", "visible"])
@pytest.mark.parametrize("times", [1, 3, 4])
def test_after_a_crash_each_path_holds_one_content_or_the_other_and_none_is_lost(
    root: Path, step: str, times: int
) -> None:
    arrivals = [over(LocalStorage(root), path) for path in SEVERAL]
    storage = LocalStorage(root, step=crash_at(step, times))

    with pytest.raises(Crash):
        storage.write_all(arrivals)
    recovered = LocalStorage(root).sweep_staging()

    kept = archived(root)
    assert recovered == []
    assert staged(root) == []
    for path in SEVERAL:
        is_replaced = version_of(path) in kept
        assert (root / path).read_bytes() == (path.encode() if is_replaced else old(path))
        assert kept.get(version_of(path), old(path)) == old(path)


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
        self.look: Callable[[], int] = lambda: len(named(root))
        self.seen: list[tuple[int, int]] = []

    def is_worth_it(self, dir_fd: int) -> bool:
        return True

    def run(self, dir_fd: int) -> None:
        self.seen.append((self.look(), len(staged(self.root))))
        super().run(dir_fd)


class Full(Noted):
    def run(self, dir_fd: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")


def test_many_are_on_the_disk_together_before_any_has_its_name(root: Path) -> None:
    noted = Noted(root)

    results = LocalStorage(root, whole_sync=noted).write_all([new(path) for path in MANY])

    assert noted.seen == [(0, 12)]
    assert [type(result) for result in results] == [Written] * 12
    assert named(root) == MANY


def test_many_are_on_the_disk_together_before_any_takes_the_place_of_another(root: Path) -> None:
    noted = Noted(root)
    storage = LocalStorage(root, whole_sync=noted)
    for path in MANY:
        (root / path).write_bytes(THEIRS)
    arrivals = [
        replace(new(path), expect=token(storage, path), archive=Attributes(version=f"V{number}"))
        for number, path in enumerate(MANY)
    ]
    noted.look = lambda: sum((root / path).read_bytes() == THEIRS for path in MANY)

    storage.write_all(arrivals)

    assert noted.seen == [(12, 12)]
    assert [(root / path).read_text() for path in MANY] == MANY


def test_a_few_are_brought_to_the_disk_one_by_one(root: Path) -> None:
    noted = Noted(root)

    LocalStorage(root, whole_sync=noted).write_all([new(path) for path in MANY[:3]])

    assert noted.seen == []


def test_many_that_the_disk_does_not_take_are_all_refused(root: Path) -> None:
    results = LocalStorage(root, whole_sync=Full(root)).write_all([new(path) for path in MANY])

    assert all(isinstance(result, TemporaryError) for result in results)
    assert "No space left" in str(results[0])
    assert (named(root), staged(root)) == ([], [])
