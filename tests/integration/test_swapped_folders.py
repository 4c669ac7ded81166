"""
A folder, or a file, that somebody swaps for a link between docferry's look and its leap.

Whoever may write to a mirror's folder could otherwise have docferry read, write and remove
what is docferry's to reach, and not theirs.
"""

from __future__ import annotations

import itertools
import os
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import FrameType

import pytest

from docferry.engine.inotify import InotifyTree, WatchLimitError
from docferry.engine.inotify import opened as opened_to_watch
from docferry.errors import DocferryError
from docferry.ledger.lock import MirrorLock
from docferry.model import Attributes, FileState, Unknown
from docferry.storage.atomic import Renames
from docferry.storage.base import Arrival
from docferry.storage.hand_over import HandOver
from docferry.storage.local import LocalStorage
from docferry.storage.memory import BytesContent
from swapping import Moments, always_swapping, everything_about, exchange, heard
from unit.folder import ARCHIVE, NEW, OLD, VERSION

SECRET = b"a secret of others"
ONLY_ELSEWHERE = "only-elsewhere"
RACE_S = 2.0

_OTHER = Attributes(version="01JD0000000000000000000002")
_KEPT = "01JD0000000000000000000003"


@dataclass
class Room:
    """A mirror, a drop folder, and what is beside them, which looks just like the mirror."""

    folder: Path
    step: Callable[[str], None] = lambda name: None
    renames: Renames = field(default_factory=Renames)

    def __post_init__(self) -> None:
        for name in ("mirror", "drop", "elsewhere"):
            content = SECRET if name == "elsewhere" else OLD
            root = self.folder / name
            for path in ("d/a", "d/e/b", f".docferry/versions/{_KEPT}", ".docferry/mirror.json"):
                (root / path).parent.mkdir(parents=True, exist_ok=True)
                (root / path).write_bytes(content)
            for path in (".docferry/staging", ".docferry/kept", ".docferry/taken/3-1-1/d"):
                (root / path).mkdir(parents=True)
        for at in (".docferry/staging/x.new", f"d/{ONLY_ELSEWHERE}", ".docferry/taken/3-1-1/d/a"):
            (self.elsewhere / at).write_bytes(SECRET)
        self.storage = LocalStorage(self.mirror, step=self.step, renames=self.renames)
        self.links: list[Path] = []

    @property
    def mirror(self) -> Path:
        return self.folder / "mirror"

    @property
    def drop(self) -> Path:
        return self.folder / "drop"

    @property
    def elsewhere(self) -> Path:
        return self.folder / "elsewhere"

    def link_beside(self, root: Path, path: str) -> Path:
        """Make the link that is to be swapped with *path*, at a name that is not looked at."""
        link = self.folder / f"link-{len(self.links)}"
        link.symlink_to(self.elsewhere / path)
        self.links.append(link)
        return link

    def token(self, path: str = "d/a", root: Path | None = None) -> str:
        state = LocalStorage(root or self.mirror).stat(path)
        return state.token if isinstance(state, FileState) else "3-1-1"


def read(room: Room) -> object:
    with room.storage.read("d/a", room.token()) as content:
        return b"".join(content.parts())


def look(room: Room) -> object:
    storage = room.storage
    found = storage.stat("d/a"), storage.is_being_written("d/a"), storage.blocker("d/a")
    assert not isinstance(found[0], FileState) or found[0].size != len(SECRET)
    return None


def list_all(room: Room) -> object:
    return [*room.storage.scan(), *room.storage.scan_odd(), *room.storage.paths_below("d")]


def write_new(room: Room) -> object:
    return room.storage.write("d/n/new", BytesContent(NEW), Attributes(), expect=None)


def replace(room: Room) -> object:
    content = BytesContent(NEW)
    return room.storage.write("d/a", content, Attributes(), expect=room.token(), archive=ARCHIVE)


def write_many(room: Room) -> object:
    new = Arrival("d/new", BytesContent(NEW), Attributes())
    old = Arrival("d/a", BytesContent(NEW), Attributes(), room.token(), ARCHIVE)
    return room.storage.write_all([new, old])


def take_in(room: Room) -> object:
    with room.storage.intake() as intake:
        intake.write(NEW)
        return intake.put("d/new", expect=None, archive=None)


def take_in_over(room: Room) -> object:
    with room.storage.intake() as intake:
        intake.write(NEW)
        return intake.put("d/a", expect=room.token(), archive=ARCHIVE)


def delete(room: Room) -> object:
    room.storage.delete("d/a", expect=room.token(), archive=ARCHIVE)
    return None


def make_last(room: Room) -> object:
    with room.storage.read("d/a", room.token()) as content:
        room.storage.make_last("d/a", content)
    return None


def use_archive(room: Room) -> object:
    archive = room.storage.archive
    archive.put(VERSION, BytesContent(NEW), Attributes())
    found = [*archive.scan(), archive.describe(_KEPT)]
    with suppress(DocferryError), archive.read(_KEPT) as content:
        found.append(b"".join(content.parts()))  # type: ignore[arg-type]
    archive.remove(_KEPT)
    return found


def tidy_up(room: Room) -> object:
    storage = room.storage
    found = [*storage.sweep_staging(unsure_s=0.0), *storage.look_at_kept(unsure_s=0.0)]
    storage.drop_staged([VERSION])
    return [*found, *storage.traces(f"d/{ONLY_ELSEWHERE}", [_KEPT])]


def mark(room: Room) -> object:
    room.storage.write_marker(b"{}")
    return None if room.storage.read_marker() == b"{}" else "another marker"


def lock(room: Room) -> object:
    with MirrorLock(room.mirror):
        return None


def hand_over(room: Room) -> object:
    token = room.token(root=room.drop)
    HandOver(room.drop, room.mirror, step=room.step).rename("d/a", token, "d/dropped")
    HandOver(room.drop, room.mirror).make_last("d/dropped", token)
    return None


def take_away(room: Room) -> object:
    over = HandOver(room.drop, room.mirror, unsure_s=0.0, step=room.step)
    over.require_removable("d/a")
    over.remove("d/a", room.token(root=room.drop))
    return None


def recover(room: Room) -> object:
    HandOver(room.drop, room.mirror, unsure_s=0.0, step=room.step).recover()
    return None


def watch(room: Room) -> object:
    hints: list[str] = []
    tree = InotifyTree(str(room.mirror), hints.append)
    try:
        tree.start()
    except WatchLimitError as error:
        raise DocferryError(str(error)) from error
    finally:
        tree.stop()
    with opened_to_watch(str(room.mirror), "d/e") as fd:
        return [*hints, *os.listdir(fd)]  # noqa: PTH208  it has no path to be asked by


ACTIONS = (
    *(read, look, list_all, write_new, replace, write_many, take_in, take_in_over, delete),
    *(make_last, use_archive, tidy_up, mark, lock, hand_over, take_away, recover, watch),
)
SWAPPED = ("d", "d/e", "d/a", ".docferry", ".docferry/staging", ".docferry/versions")


@pytest.fixture
def folder() -> Iterator[Path]:
    """Give a folder in memory: there are thousands of moments, and each is synced."""
    with tempfile.TemporaryDirectory(dir="/dev/shm") as name:
        yield Path(name)


def attempt(action: Callable[[Room], object], room: Room) -> None:
    try:
        given = action(room)
    except (DocferryError, FileNotFoundError, NotADirectoryError):  # the last: to watch, only
        given = None

    said = repr(given)
    assert SECRET.decode() not in said
    assert ONLY_ELSEWHERE not in said


@pytest.mark.parametrize("swapped", SWAPPED)
@pytest.mark.parametrize("action", ACTIONS)
def test_at_no_moment_does_a_swapped_name_lead_out_of_the_folder(
    action: Callable[[Room], object], swapped: str, folder: Path
) -> None:
    for number in itertools.count():
        if not swapped_at(number, action, swapped, folder / str(number)):
            break

    assert number > 1


def swapped_at(number: int, action: Callable[[Room], object], swapped: str, folder: Path) -> bool:
    """Try the action, and swap the name at that moment. False: there were not so many."""
    moments = Moments(number, lambda: swap(room, swapped))
    room = Room(folder, moments.pass_one)
    for root in (room.mirror, room.drop):
        room.link_beside(root, swapped)
    before = everything_about(room.elsewhere)

    with heard(lambda event, arguments: moments.pass_one()):
        attempt(action, room)

    assert everything_about(room.elsewhere) == before, f"at moment {number}"
    shutil.rmtree(folder)
    return moments.passed > number


@pytest.mark.parametrize("swapped", ["d", "d/e"])
@pytest.mark.parametrize("is_link_first", [True, False])
def test_a_file_behind_a_swapped_folder_is_never_taken_for_deleted(
    swapped: str,
    is_link_first: bool,  # noqa: FBT001
    folder: Path,
) -> None:
    room = Room(folder / "room")
    for root in (room.mirror, room.drop):
        room.link_beside(root, swapped)
    number, is_over = 0, False

    while not is_over:
        moments = Moments(number, partial(swap, room, swapped))
        if (room.mirror / swapped).is_symlink() != is_link_first:
            swap(room, swapped)
        with heard(partial(pass_one, moments)):
            found = room.storage.stat("d/e/b")
        assert found is not None, f"at moment {number}"
        number, is_over = number + 1, moments.passed <= number

    assert number > 2


def pass_one(moments: Moments, event: str, arguments: tuple[object, ...]) -> None:
    moments.pass_one()


def swap(room: Room, swapped: str) -> None:
    for root, link in zip((room.mirror, room.drop), room.links, strict=True):
        with suppress(OSError):  # docferry has taken it away
            exchange(root / swapped, link)


@pytest.mark.parametrize("renames", [Renames(), Renames(with_flags=False)], ids=["all", "no flags"])
def test_no_path_below_the_folder_is_ever_given_to_the_kernel(
    folder: Path, renames: Renames
) -> None:
    by_path: set[str] = set()

    def look_at(event: str, arguments: tuple[object, ...]) -> None:
        if any(str(one).startswith(inside) for one in arguments):
            by_path.add(f"{event}{arguments} in {action.__name__}")

    for action in ACTIONS:
        room = Room(folder / action.__name__, renames=renames)
        inside = (f"{room.mirror}/", f"{room.drop}/")
        with heard(look_at):
            attempt(action, room)

    # The folder that the lock is in is opened as itself, without following a link.
    assert {one for one in by_path if "in lock" not in one} == set()


def test_however_fast_it_is_swapped_nothing_leads_out_of_the_folder(folder: Path) -> None:
    room = Room(folder / "room")
    names = [(root, name) for root in (room.mirror, room.drop) for name in ("d", ".docferry")]
    before = everything_about(room.elsewhere)
    faults: list[BaseException] = []

    def again_and_again(action: Callable[[Room], object]) -> None:
        while time.monotonic() < ends and not faults:
            put_back(room.mirror)
            put_back(room.drop)
            try:
                attempt(action, room)
            except BaseException as error:  # noqa: BLE001
                faults.append(error)

    with ExitStack() as stack:
        for root, name in names:
            stack.enter_context(always_swapping(root / name, room.link_beside(root, name)))
        ends = time.monotonic() + RACE_S
        threads = [threading.Thread(target=again_and_again, args=(one,)) for one in ACTIONS]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    assert faults == []
    assert everything_about(room.elsewhere) == before


@pytest.mark.parametrize("swapped", ["d", "d/e"])
def test_a_folder_that_became_a_link_is_not_watched(swapped: str, folder: Path) -> None:
    for number in range(3):  # as many folders are watched
        room = Room(folder / str(number))
        room.link_beside(room.mirror, swapped)
        room.link_beside(room.drop, swapped)
        tree = InotifyTree(str(room.mirror), lambda path: None)

        with called("add_callback", Moments(number, partial(swap, room, swapped)).pass_one):
            tree.start()
        watched = inodes_watched()
        tree.stop()

        elsewhere = {(room.elsewhere / name).stat().st_ino for name in (".", "d", "d/e")}
        assert (room.mirror.stat().st_ino in watched, watched & elsewhere) == (True, set())


@contextmanager
def called(name: str, pass_one: Callable[[], None]) -> Iterator[None]:
    """Be told when this thread calls a function of watchdog's, before it asks the kernel."""

    def look(frame: FrameType, event: str, argument: object) -> None:
        if event == "call" and frame.f_code.co_name == name:
            pass_one()

    sys.setprofile(look)
    try:
        yield
    finally:
        sys.setprofile(None)


def inodes_watched() -> set[int]:
    """Give the inodes of what this process watches, as the kernel tells them."""
    files = Path("/proc/self/fdinfo").iterdir()
    found: set[int] = set()
    for file in files:
        with suppress(OSError):
            lines = [line.split() for line in file.read_text().splitlines()]
            found |= {int(line[2][4:], 16) for line in lines if line[0] == "inotify"}
    return found


def put_back(root: Path) -> None:
    """Make the document anew, but not through the link."""
    with suppress(OSError), opened_to_watch(str(root), "d") as folder_fd:
        fd = os.open("a", os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW, dir_fd=folder_fd)
        os.write(fd, OLD)
        os.close(fd)


@pytest.mark.parametrize("kind", ["pipe", "link to a device", "folder"])
def test_what_takes_a_files_place_after_the_look_makes_nobody_wait(kind: str, folder: Path) -> None:
    for action in (read, replace, delete, take_away):
        for number in itertools.count():
            if not put_instead_at(number, action, kind, folder / f"{action.__name__}-{number}"):
                break


def put_instead_at(number: int, action: Callable[[Room], object], kind: str, folder: Path) -> bool:
    moments = Moments(number, lambda: put_instead(room, kind))
    room = Room(folder, moments.pass_one)
    with heard(lambda event, arguments: moments.pass_one()):
        attempt(action, room)
    shutil.rmtree(folder)
    return moments.passed > number


def put_instead(room: Room, kind: str) -> None:
    for root in (room.mirror, room.drop):
        instead = room.folder / f"instead-of-{root.name}"
        match kind:
            case "pipe":
                os.mkfifo(instead)
            case "link to a device":
                instead.symlink_to("/dev/zero")
            case _:
                instead.mkdir()
        with suppress(OSError):
            exchange(root / "d/a", instead)


def test_what_is_unknown_is_never_taken_for_gone(folder: Path) -> None:
    room = Room(folder / "room")
    exchange(room.mirror / "d", room.link_beside(room.mirror, "d"))

    found = [entry for entry in room.storage.scan() if isinstance(entry, Unknown)]

    assert {entry.path for entry in found} == {"d"}
    assert isinstance(room.storage.stat("d/a"), Unknown)
