"""A folder under crashes, and under people who come at the wrong moment."""

from __future__ import annotations

import shutil
import tempfile
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from docferry.errors import (
    DocferryError,
    PermanentError,
    StaleError,
)
from docferry.model import Attributes
from docferry.storage.local import LocalStorage
from docferry.storage.memory import BytesContent
from unit.folder import (
    ARCHIVE,
    FILE_SYSTEMS,
    NEW,
    OLD,
    THEIRS,
    archived,
    edit_in_place,
    everything,
    rename_over,
    replace,
    staged,
    token,
    without_privileges,
)


class Crash(Exception):
    """The process ends here."""


@pytest.fixture
def root() -> Iterator[Path]:
    """A marked folder in memory, where fsync costs nothing: hundreds of tests use it."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as name:
        (Path(name) / ".docferry").mkdir()
        yield Path(name)


# Many at once.


def test_a_reader_never_finds_the_path_missing_or_mixed(root: Path) -> None:
    storage = LocalStorage(root)
    contents = [bytes([number]) * 10_000 for number in range(100)]
    expect = storage.write("a", BytesContent(contents[0]), Attributes(), expect=None).token
    done = threading.Event()

    def watch() -> set[bytes]:
        seen = set()
        while not done.is_set():
            seen.add((root / "a").read_bytes())
        return seen

    with ThreadPoolExecutor(1) as pool:
        watching = pool.submit(watch)
        for number, content in enumerate(contents[1:]):
            archive = Attributes(version=f"V{number}")
            written = storage.write(
                "a", BytesContent(content), Attributes(), expect=expect, archive=archive
            )
            expect = written.token
        done.set()

    assert watching.result() <= set(contents)
    assert sorted(everything(root)) == contents


@pytest.mark.parametrize("file_system", FILE_SYSTEMS)
def test_of_many_that_replace_the_same_content_one_wins(root: Path, file_system: str) -> None:
    (root / "a").write_bytes(OLD)
    storage = LocalStorage(root, renames=FILE_SYSTEMS[file_system]())
    expect = token(storage, "a")
    together = threading.Barrier(12)

    def attempt(number: int) -> bytes | None:
        content = b"content %d" % number
        together.wait()
        try:
            storage.write("a", BytesContent(content), Attributes(), expect=expect, archive=ARCHIVE)
        except StaleError:
            return None
        return content

    with ThreadPoolExecutor(12) as pool:
        winners = [content for content in pool.map(attempt, range(12)) if content is not None]

    assert len(winners) == 1
    assert sorted(everything(root)) == sorted([*winners, OLD])


def test_files_come_and_go_in_one_folder_at_the_same_time(root: Path) -> None:
    storage = LocalStorage(root)

    def come_and_go(number: int) -> None:
        for turn in range(20):
            path = f"folder/deep/{number}"
            written = storage.write(path, BytesContent(NEW), Attributes(), expect=None)
            archive = Attributes(version=f"V{number}x{turn}")
            storage.delete(path, expect=written.token, archive=archive)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(come_and_go, range(8)))

    assert [path.name for path in root.iterdir()] == [".docferry"]
    assert everything(root) == [NEW] * 160


# Crashes, and people who come at the wrong moment.

CHANGES: dict[str, Callable[[LocalStorage, str], object]] = {
    "create": lambda storage, _: storage.write(
        "folder/new.txt", BytesContent(NEW), Attributes(), expect=None
    ),
    "replace": lambda storage, expect: replace(storage, "folder/a.txt", expect),
    "delete": lambda storage, expect: storage.delete(
        "folder/a.txt", expect=expect, archive=ARCHIVE
    ),
}


def steps_of(change: str, file_system: str) -> list[str]:
    """Carry the change out once to learn its steps."""
    steps: list[str] = []
    with tempfile.TemporaryDirectory() as name:
        carry_out(Path(name), change, file_system, steps.append)
    return steps


def carry_out(root: Path, change: str, file_system: str, step: Callable[[str], None]) -> None:
    (root / "folder").mkdir()
    (root / ".docferry").mkdir(exist_ok=True)
    (root / "folder/a.txt").write_bytes(OLD)
    storage = LocalStorage(root, step=step, renames=FILE_SYSTEMS[file_system]())
    CHANGES[change](storage, token(storage, "folder/a.txt"))


MOMENTS = [
    (change, file_system, step)
    for change in CHANGES
    for file_system in FILE_SYSTEMS
    for step in steps_of(change, file_system)
]


def remove(file: Path) -> None:
    file.unlink(missing_ok=True)


def move_away(file: Path) -> None:
    if file.exists():
        file.rename(file.with_name("moved.txt"))


def make_a_folder_of_it(file: Path) -> None:
    file.unlink(missing_ok=True)
    file.mkdir()
    (file / "inside.txt").write_bytes(THEIRS)


def make_a_link_of_it(file: Path) -> None:
    file.unlink(missing_ok=True)
    file.with_name("moved.txt").write_bytes(THEIRS)
    file.symlink_to("moved.txt")


def remove_the_folder(file: Path) -> None:
    shutil.rmtree(file.parent, ignore_errors=True)


ACTIONS: list[Callable[[Path], object]] = [
    edit_in_place,
    rename_over,
    remove,
    move_away,
    make_a_folder_of_it,
    make_a_link_of_it,
    remove_the_folder,
]
WRITING = {edit_in_place, rename_over, make_a_folder_of_it, make_a_link_of_it}


@pytest.mark.parametrize(("change", "file_system", "moment"), MOMENTS)
def test_after_a_crash_at_any_step_nothing_is_lost_and_nothing_lies_about(
    root: Path, change: str, file_system: str, moment: str
) -> None:
    def crash(step: str) -> None:
        if step == moment:
            raise Crash

    with pytest.raises(Crash):
        carry_out(root, change, file_system, crash)
    recovered = LocalStorage(root).sweep_staging()

    file = root / "folder/a.txt"
    assert recovered == []
    assert staged(root) == []
    assert OLD in everything(root)
    assert archived(root) in (None, OLD)
    if change == "create" or archived(root) is None:
        assert file.read_bytes() == OLD
    elif file_system != "without flags and links" and change == "replace":
        assert file.read_bytes() == NEW


@pytest.mark.parametrize("action", ACTIONS)
@pytest.mark.parametrize(("change", "file_system", "moment"), MOMENTS)
def test_whoever_comes_in_between_keeps_what_they_wrote(
    root: Path, change: str, file_system: str, moment: str, action: Callable[[Path], object]
) -> None:
    file = root / ("folder/new.txt" if change == "create" else "folder/a.txt")
    destroyed: set[bytes] = set()

    def interfere(step: str) -> None:
        if step == moment:
            destroyed.update(destroyed_by(action, file))

    with suppress(DocferryError):
        carry_out(root, change, file_system, interfere)

    assert_nothing_is_lost(root, action, destroyed)
    assert staged(root) == []


@pytest.mark.parametrize("action", ACTIONS)
@pytest.mark.parametrize(("change", "file_system", "moment"), MOMENTS)
def test_a_crash_right_after_somebody_came_in_between_loses_nothing(
    root: Path, change: str, file_system: str, moment: str, action: Callable[[Path], object]
) -> None:
    file = root / ("folder/new.txt" if change == "create" else "folder/a.txt")
    destroyed: set[bytes] = set()
    seen: list[str] = []

    def interfere_then_crash(step: str) -> None:
        if seen:
            raise Crash
        if step == moment:
            seen.append(step)
            destroyed.update(destroyed_by(action, file))

    with suppress(DocferryError, Crash):
        carry_out(root, change, file_system, interfere_then_crash)
    LocalStorage(root).sweep_staging()

    assert_nothing_is_lost(root, action, destroyed)
    assert staged(root) == []


def destroyed_by(action: Callable[[Path], object], file: Path) -> set[bytes]:
    """Act, and say which contents the person destroyed by it, with their own hands."""
    before = set(everything(file.parent)) if file.parent.exists() else set()
    if action in (rename_over, make_a_link_of_it) and not file.parent.exists():
        return before
    try:
        action(file)
    except FileNotFoundError:
        return before
    after = set(everything(file.parent)) if file.parent.exists() else set()
    return before - after


def assert_nothing_is_lost(
    root: Path, action: Callable[[Path], object], destroyed: set[bytes]
) -> None:
    left = everything(root)
    assert OLD in left or OLD in destroyed
    assert THEIRS in left or action not in WRITING
    assert archived(root) in (None, OLD)


def test_what_a_crash_caught_out_of_its_place_is_given_back_at_the_root(root: Path) -> None:
    def interfere(step: str) -> None:
        if step == "named":
            edit_in_place(root / "folder/a.txt")
        if step == "exchanged":
            raise Crash

    with pytest.raises(Crash):
        carry_out(root, "replace", "all", interfere)
    (recovered,) = LocalStorage(root).sweep_staging()

    assert recovered.startswith("a.conflict-")
    assert (root / recovered).read_bytes() == THEIRS
    assert archived(root) is None


def test_a_newcomer_that_somebody_wrote_into_is_not_thrown_away(root: Path) -> None:
    def interfere(step: str) -> None:
        if step == "named":
            rename_over(root / "folder/a.txt")  # so that it is exchanged back
        if step == "given back":
            (newcomer,) = (root / ".docferry/staging").iterdir()
            newcomer.write_bytes(b"written through a descriptor opened in between")

    with pytest.raises(StaleError):
        carry_out(root, "replace", "all", interfere)

    assert (root / "folder/a.txt").read_bytes() == THEIRS
    assert b"written through a descriptor opened in between" in everything(root / "folder")
    assert staged(root) == []


def test_the_last_of_several_people_keeps_the_path_and_the_others_are_beside(root: Path) -> None:
    file = root / "folder/a.txt"

    def interfere(step: str) -> None:
        if step == "named":
            rename_over(file)
        if step == "exchanged":
            file.with_name("draft").write_bytes(b"the newest of all")
            file.with_name("draft").rename(file)

    with pytest.raises(StaleError):
        carry_out(root, "replace", "all", interfere)

    assert file.read_bytes() == b"the newest of all"
    assert THEIRS in everything(root / "folder")
    assert archived(root) is None


def test_who_opened_the_file_in_the_last_moment_writes_to_the_path(root: Path) -> None:
    file = root / "folder/a.txt"
    with ExitStack() as stack:

        def interfere(step: str) -> None:
            if step == "named":
                stack.enter_context(file.open("ab")).write(b", and more")

        with pytest.raises(StaleError, match="open for writing"):
            carry_out(root, "replace", "all", interfere)

    assert file.read_bytes() == OLD + b", and more"
    assert archived(root) is None


@pytest.mark.parametrize("change", ["replace", "delete"])
def test_what_the_archive_cannot_take_stays_where_it_is(change: str) -> None:
    with without_privileges() as root:
        versions = root / ".docferry/versions"

        def interfere(step: str) -> None:
            if step in ("exchanged", "removed"):
                versions.chmod(0o555)

        with pytest.raises(PermanentError):
            carry_out(root, change, "all", interfere)

        assert (root / "folder/a.txt").read_bytes() == OLD
        assert staged(root) == []
