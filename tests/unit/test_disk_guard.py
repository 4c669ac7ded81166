"""Disks that run short of room: what may still come in, and when all may again."""

from __future__ import annotations

import pathlib
from collections.abc import Callable

import pytest

from docferry.app.disks import Disks
from docferry.config import Config
from docferry.core.disk import Disk
from docferry.engine.disk_guard import DiskGuard, disk_of
from docferry.errors import FullError
from docferry.metrics import REGISTRY
from docferry.model import MARKER_PATH, Attributes
from docferry.storage.local import LocalStorage
from docferry.storage.memory import BytesContent
from ledger_rows import fresh_ledger

RESERVE = 100
DOCS = pathlib.Path("/srv/docs")


class Room:
    """A disk that people fill, and a guard that looks at it."""

    def __init__(self, free: int = 150, size: int = 10_000) -> None:
        self.disk: Disk | None = Disk(1, free, size)
        self.told: list[bool] = []
        self.guard = DiskGuard(RESERVE, lambda: [DOCS], self._tell, look=lambda folder: self.disk)

    def _tell(self, folder: pathlib.Path, why: str | None) -> None:
        self.told.append(why is not None)

    def has(self, free: int) -> None:
        self.disk = Disk(1, free, 10_000)
        self.guard.check()

    def takes(self, size: int) -> bool:
        try:
            with self.guard.taking(DOCS, size):
                return True
        except FullError:
            return False


@pytest.mark.parametrize(("size", "is_taken"), [(0, True), (50, True), (51, False)])
def test_what_would_not_leave_the_reserve_waits_and_smaller_ones_go_on(
    size: int, *, is_taken: bool
) -> None:
    assert Room(free=150).takes(size) is is_taken


def test_of_many_small_contents_only_some_look_at_the_disk() -> None:
    """To look costs as much as to write it; what is large is never let in by an old look."""
    looks, now_s = [], [0.0]

    def look(folder: pathlib.Path) -> Disk:
        looks.append(now_s[0])
        return Disk(1, 10**9, 10**10)

    guard = DiskGuard(
        RESERVE, lambda: [DOCS], lambda *told: None, look=look, monotonic=lambda: now_s[0]
    )
    for at_s, size in [(0, 64), (0.01, 64), (0.02, 65 * 1024), (0.05, 64), (0.2, 64), (0.21, 0)]:
        now_s[0] = at_s
        with guard.taking(DOCS, size):
            pass

    assert looks == [0, 0.02, 0.2]


def test_what_is_on_its_way_in_has_its_room_already() -> None:
    room = Room(free=150)

    with room.guard.taking(DOCS, 30):
        meanwhile = room.takes(21), room.takes(20)

    assert meanwhile == (False, True)
    assert room.takes(50)  # it gave up, and needs its room no more


def test_what_has_come_in_is_not_asked_for_once_more() -> None:
    """Else nothing else comes in while a large file does, from its middle on."""
    room = Room(free=150)

    with room.guard.taking(DOCS, 40) as came:
        room.has(120)
        came(30)
        meanwhile = room.takes(11), room.takes(10)
        room.has(110)
        came(30)  # more than it said
        whole = room.takes(11), room.takes(10)

    assert (meanwhile, whole) == ((False, True), (False, True))
    assert room.takes(10)


def test_a_disk_that_was_short_takes_in_again_only_with_some_room_to_spare() -> None:
    room = Room()

    taken = []
    for free in (99, 109, 110):
        room.has(free)
        taken.append(room.takes(0))

    assert taken == [False, False, True]


def test_it_is_told_once_that_a_disk_is_short_and_once_that_it_is_not() -> None:
    room = Room()

    for free in (150, 99, 50, 99, 150, 150):
        room.has(free)

    assert room.told == [True, False]


def test_whoever_scrapes_sees_by_name_which_disk_is_short(tmp_path: pathlib.Path) -> None:
    free = {tmp_path: 150, DOCS: 150}
    config = Config(state_dir=tmp_path, disk_reserve=RESERVE)

    values = []
    with fresh_ledger(tmp_path / "ledger.sqlite3") as ledger:
        disks = Disks(config, ledger, {}, look=lambda folder: Disk(1, free[folder], 10_000))
        disks.room_in("docs", DOCS)
        for free[DOCS] in (150, 99, 150):
            disks.check()
            values.append((_is_short("state", ""), _is_short("mirror", "docs")))
        disks.leave("docs")

    assert values == [(0.0, 0.0), (0.0, 1.0), (0.0, 0.0)]
    assert _is_short("mirror", "docs") is None


def test_of_a_small_disk_a_quarter_is_kept_free_at_most() -> None:
    room = Room(free=60, size=200)

    room.guard.check()

    assert room.takes(10)
    assert not room.takes(11)


def test_a_disk_that_cannot_be_looked_at_refuses_nothing_by_guess() -> None:
    room = Room(free=0)
    room.disk = None

    room.guard.check()

    assert room.takes(1)
    assert room.told == []


def test_a_disk_is_looked_at_as_it_is(tmp_path: pathlib.Path) -> None:
    found = disk_of(tmp_path)

    assert found is not None
    assert found.device == tmp_path.stat().st_dev
    assert 0 < found.free <= found.size
    assert disk_of(tmp_path / "missing") is None


def _is_short(of: str, name: str) -> float | None:
    return REGISTRY.get_sample_value("docferry_disk_guard", {"of": of, "name": name})


@pytest.fixture
def folder(tmp_path: pathlib.Path) -> Callable[[Room], LocalStorage]:
    def make(room: Room) -> LocalStorage:
        storage = LocalStorage(tmp_path, room=lambda size: room.guard.taking(DOCS, size))
        storage.write_marker(b"{}")
        return storage

    return make


def test_nothing_half_is_left_in_a_folder_whose_disk_is_short(
    folder: Callable[[Room], LocalStorage], tmp_path: pathlib.Path
) -> None:
    storage = folder(Room(free=105))

    with pytest.raises(FullError, match="kept free"):
        storage.write("large", BytesContent(b"x" * 6), Attributes(), expect=None)
    storage.write("small", BytesContent(b"x" * 5), Attributes(), expect=None)

    found = {str(one.relative_to(tmp_path)) for one in tmp_path.rglob("*") if one.is_file()}
    assert found == {"small", MARKER_PATH}


def test_what_leaves_a_folder_needs_no_room(
    folder: Callable[[Room], LocalStorage], tmp_path: pathlib.Path
) -> None:
    room = Room(free=105)
    storage = folder(room)
    written = storage.write("a", BytesContent(b"x" * 5), Attributes(), expect=None)
    room.has(0)

    with storage.read("a", written.token) as content:
        sent = content.sha256()
    storage.delete("a", expect=written.token, archive=Attributes(version="1" * 26))

    assert sent == written.sha256
    assert (tmp_path / ".docferry" / "versions" / ("1" * 26)).read_bytes() == b"x" * 5
