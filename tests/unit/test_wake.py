"""The wake-up: heard at once, harmless to everybody else, and no more than a hint."""

from __future__ import annotations

import fcntl
import os
import stat
import termios
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from docferry.app.wake import NAME, WakeUps, next_look_s, wake
from events import logged

PATIENCE_S = 10.0
NEVER_S = 3600.0


class Heard:
    """Counts what a daemon hears, and lets a test wait for it."""

    def __init__(self) -> None:
        self.at_s: list[float] = []
        self._heard = threading.Semaphore(0)

    def __call__(self) -> None:
        self.at_s.append(time.monotonic())
        self._heard.release()

    def wait(self) -> None:
        assert self._heard.acquire(timeout=PATIENCE_S), "nothing was heard"


@pytest.fixture
def hear(tmp_path: Path) -> Iterator[Callable[..., Heard]]:
    """Let somebody hear until the test ends."""
    started: list[WakeUps] = []

    def make(every_s: float = 0.0) -> Heard:
        heard = Heard()
        started.append(WakeUps(tmp_path, heard, every_s=every_s))
        started[-1].start()
        return heard

    yield make
    for wake_ups in started:
        wake_ups.stop()


@pytest.fixture
def fifo(tmp_path: Path) -> Iterator[int]:
    """Give the FIFO, open for both, as a daemon has it."""
    os.mkfifo(tmp_path / NAME)
    fd = os.open(tmp_path / NAME, os.O_RDWR | os.O_NONBLOCK)
    yield fd
    os.close(fd)


def is_fifo(path: Path) -> bool:
    return stat.S_ISFIFO(path.lstat().st_mode)


# The daemon's end.


def test_each_wake_up_is_heard(tmp_path: Path, hear: Callable[..., Heard]) -> None:
    heard = hear()

    for _ in range(3):
        wake(tmp_path)
        heard.wait()


def test_many_at_once_are_one(tmp_path: Path, fifo: int) -> None:
    left: list[bytes] = []
    is_told = threading.Event()

    def look() -> None:
        left.append(fcntl.ioctl(fifo, termios.FIONREAD, b"\0" * 4))
        is_told.set()

    os.write(fifo, b"\0" * 1000)
    wake_ups = WakeUps(tmp_path, look)

    wake_ups.start()

    assert is_told.wait(PATIENCE_S)
    wake_ups.stop()
    assert left[0] == b"\0" * 4  # unread bytes


def test_a_flood_wakes_only_so_often(tmp_path: Path, hear: Callable[..., Heard]) -> None:
    heard = hear(every_s=0.05)

    while len(heard.at_s) < 4:
        wake(tmp_path)

    pauses_s = [after - before for before, after in zip(heard.at_s, heard.at_s[1:], strict=False)]
    assert min(pauses_s) >= 0.045


def test_whoever_rests_after_a_wake_up_stops_at_once(tmp_path: Path) -> None:
    heard = Heard()
    wake_ups = WakeUps(tmp_path, heard, every_s=NEVER_S)
    wake_ups.start()
    wake(tmp_path)
    heard.wait()

    wake_ups.stop()

    assert len(heard.at_s) == 1


def test_whoever_was_never_woken_stops_at_once_and_leaves_nothing(tmp_path: Path) -> None:
    wake_ups = WakeUps(tmp_path, Heard())
    wake_ups.start()
    was_there = is_fifo(tmp_path / NAME)

    wake_ups.stop()

    assert was_there
    assert not any(tmp_path.iterdir())


def test_nobody_else_may_wake(tmp_path: Path, hear: Callable[..., Heard]) -> None:
    os.mkfifo(tmp_path / NAME)
    (tmp_path / NAME).chmod(0o666)

    hear()

    assert stat.S_IMODE((tmp_path / NAME).stat().st_mode) == 0o600


def test_what_a_killed_daemon_has_left_is_used(
    tmp_path: Path, hear: Callable[..., Heard], fifo: int
) -> None:
    heard = hear()

    wake(tmp_path)

    heard.wait()


def _file(path: Path) -> None:
    path.write_text("mine")


def _folder(path: Path) -> None:
    path.mkdir()


def _link(path: Path) -> None:
    path.with_name("elsewhere").write_text("mine")
    path.symlink_to("elsewhere")


@pytest.mark.parametrize("stranger", [_file, _folder, _link])
def test_what_is_in_the_way_stays_and_is_told_of(
    tmp_path: Path, stranger: Callable[[Path], None]
) -> None:
    stranger(tmp_path / NAME)
    found = (tmp_path / NAME).lstat()
    before = (found.st_ino, found.st_mode, found.st_size)
    wake_ups = WakeUps(tmp_path, Heard())

    with logged() as events:
        wake_ups.start()
        wake(tmp_path)
        wake_ups.stop()

    after = (tmp_path / NAME).lstat()
    assert [event["event"] for event in events] == ["wake.failed"]
    assert (after.st_ino, after.st_mode, after.st_size) == before
    assert {path.read_text() for path in tmp_path.iterdir() if path.is_file()} <= {"mine"}


def test_what_somebody_has_put_in_its_place_stays(tmp_path: Path) -> None:
    wake_ups = WakeUps(tmp_path, Heard())
    wake_ups.start()
    (tmp_path / NAME).unlink()
    _file(tmp_path / NAME)

    wake_ups.stop()

    assert (tmp_path / NAME).read_text() == "mine"


def test_without_a_place_for_it_nothing_is_heard_and_nothing_fails(tmp_path: Path) -> None:
    wake_ups = WakeUps(tmp_path / "gone", Heard())

    with logged() as events:
        wake_ups.start()
        wake_ups.stop()

    assert [event["event"] for event in events] == ["wake.failed"]


# The command's end.


def test_where_no_daemon_ever_ran_nothing_is_made(tmp_path: Path) -> None:
    wake(tmp_path)
    wake(tmp_path / "gone")

    assert not any(tmp_path.iterdir())


def test_where_nobody_hears_nobody_waits(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / NAME)

    wake(tmp_path)


def test_a_full_fifo_is_left_as_it_is(tmp_path: Path, fifo: int) -> None:
    with suppress(BlockingIOError):
        while True:
            os.write(fifo, b"\0" * 4096)

    wake(tmp_path)


@pytest.mark.parametrize(
    ("waited_s", "pause_s"), [(0.0, 0.02), (0.1, 0.02), (1.0, 0.1), (60.0, 0.2)]
)
def test_whoever_has_waited_long_looks_less_often(waited_s: float, pause_s: float) -> None:
    assert next_look_s(waited_s) == pytest.approx(pause_s)
