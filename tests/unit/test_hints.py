"""Hints on their way to the loops: followed, limited, lost without harm."""

from __future__ import annotations

import os
import socket
import stat
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from config_files import BASE, OTHER, Written
from docferry import metrics
from docferry.app.hints import MOST_WAITING, NAME, Followed, HintSocket, tell_daemon
from docferry.config import Config
from docferry.core.hinted import MARKS_AT_ONCE, POLLS_EVERY_S
from docferry.core.notifications import Found, Hint, Nothing, Why
from docferry.engine.runs import Run
from events import logged

PATIENCE_S = 10.0
A = (Hint("documents", "docs/a"),)
#: Longer than what unix(7) takes for a socket.
LONG = "state-" + "x" * 120


class Loop:
    """A loop that only keeps what it is asked for, and lets a test wait for it."""

    def __init__(self) -> None:
        self.marked: list[str] = []
        self.asked: list[Run] = []
        self.waiting = 0
        self._asked = threading.Semaphore(0)

    def mark(self, path: str) -> None:
        self.marked.append(path)
        self._asked.release()

    def request(self, run: Run) -> None:
        self.asked.append(run)
        self._asked.release()

    def wait(self, times: int = 1) -> None:
        for _ in range(times):
            assert self._asked.acquire(timeout=PATIENCE_S), "nothing came"


class Room:
    """Two mirrors of two buckets, a clock, and what follows hints there."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.loops = {name: Loop() for name in config.mirrors}
        self.now_s = 0.0
        self.follow = Followed(
            lambda: self.config, self.loops, lambda mirror: {}, now_s=lambda: self.now_s
        )

    @property
    def docs(self) -> Loop:
        return self.loops["docs"]


@pytest.fixture
def room(tmp_path: Path) -> Room:
    return Room(Written(tmp_path / "docferry.toml").load(BASE + OTHER))


def counted(source: str, outcome: str) -> float:
    name, labels = "docferry_hints_total", {"source": source, "outcome": outcome}
    return metrics.REGISTRY.get_sample_value(name, labels) or 0.0


# What is done with them.


def test_a_hint_has_its_path_looked_at_and_no_other_mirror_hears_of_it(room: Room) -> None:
    before = counted("main", "followed")

    room.follow("main", "main", A)

    assert (room.docs.marked, room.docs.asked) == (["a"], [])
    assert room.loops["other"].marked == []
    assert counted("main", "followed") == before + 1


def test_a_hint_of_another_store_is_nobodys(room: Room) -> None:
    before = counted("second", "elsewhere")

    room.follow("second", "second", A)

    assert room.docs.marked == []
    assert counted("second", "elsewhere") == before + 1


def test_a_hint_of_what_a_mirror_leaves_out_costs_nothing(room: Room) -> None:
    room.follow("main", "main", (Hint("documents", "docs/a.tmp"),))

    assert room.docs.marked == []


def test_a_filter_that_changed_counts_from_then_on(room: Room) -> None:
    room.follow("main", "main", A)
    mirror = replace(room.config.mirrors["docs"], exclude=("a",))
    room.config = replace(room.config, mirrors={"docs": mirror})

    room.follow("main", "main", A)

    assert room.docs.marked == ["a"]


def test_why_there_was_no_hint_is_counted(room: Room) -> None:
    before = counted("main", "test")

    room.follow("main", "main", Nothing(Why.TEST))

    assert counted("main", "test") == before + 1


def test_a_flood_ends_in_one_poll_and_another_one_later(room: Room) -> None:
    flood = tuple(Hint("documents", f"docs/{number}") for number in range(3000))

    room.follow("main", "main", flood)
    first_s = room.follow.ask_owed()
    room.follow("main", "main", flood)
    then_s = room.follow.ask_owed()

    assert len(room.docs.marked) == MARKS_AT_ONCE
    assert (first_s, then_s, room.docs.asked) == (None, POLLS_EVERY_S, [Run.POLL])

    room.now_s = POLLS_EVERY_S

    assert room.follow.ask_owed() is None
    assert room.docs.asked == [Run.POLL, Run.POLL]


def test_where_much_waits_already_a_poll_is_to_do_it(room: Room) -> None:
    room.docs.waiting = MOST_WAITING

    room.follow("main", "main", A)
    room.follow.ask_owed()

    assert (room.docs.marked, room.docs.asked) == ([], [Run.POLL])


def test_a_poll_owed_to_a_mirror_that_went_is_forgotten(room: Room) -> None:
    room.docs.waiting = MOST_WAITING
    room.follow("main", "main", A)
    del room.loops["docs"]

    assert room.follow.ask_owed() is None
    assert room.follow.ask_owed() is None


# The socket.


@pytest.fixture
def state(tmp_path: Path) -> Path:
    folder = tmp_path / LONG
    folder.mkdir()
    return folder


@pytest.fixture
def hear(state: Path, room: Room) -> Iterator[Callable[[], HintSocket]]:
    """Let somebody hear until the test ends."""
    started: list[HintSocket] = []

    def make() -> HintSocket:
        started.append(HintSocket(state, room.follow, lambda: room.config.stores))
        started[-1].start()
        return started[-1]

    yield make
    for hints in started:
        hints.stop()


def test_what_is_told_is_followed(state: Path, room: Room, hear: Callable[[], HintSocket]) -> None:
    hear()

    is_told = tell_daemon(state, "main", A)

    room.docs.wait()
    assert is_told
    assert room.docs.marked == ["a"]


def test_many_hints_of_one_body_all_arrive(
    state: Path, room: Room, hear: Callable[[], HintSocket]
) -> None:
    hear()
    many = tuple(Hint("documents", f"docs/{number}/{'x' * 200}") for number in range(500))

    tell_daemon(state, "main", many)

    room.docs.wait(500)
    assert len(room.docs.marked) == 500


def test_a_flood_over_the_socket_has_a_poll_asked_for(
    state: Path, room: Room, hear: Callable[[], HintSocket]
) -> None:
    room.docs.waiting = MOST_WAITING
    hear()

    tell_daemon(state, "main", A)

    room.docs.wait()
    assert room.docs.asked == [Run.POLL]


def test_what_names_no_store_or_is_garbage_is_counted_and_no_more(
    state: Path, room: Room, hear: Callable[[], HintSocket]
) -> None:
    before = counted("unknown", "elsewhere"), counted("unknown", "strange")
    hear()

    tell_daemon(state, "nobody", A)
    _send(state, b"\xff" * 100)
    tell_daemon(state, "main", A)

    room.docs.wait()
    after = counted("unknown", "elsewhere"), counted("unknown", "strange")
    assert (after[0] - before[0], after[1] - before[1]) == (1, 1)
    assert room.docs.marked == ["a"]


def _send(state: Path, datagram: bytes) -> None:
    folder = os.open(state, os.O_PATH)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        sender.sendto(datagram, f"/proc/self/fd/{folder}/{NAME}")
    os.close(folder)


def test_nobody_else_may_tell(state: Path, hear: Callable[[], HintSocket]) -> None:
    hear()

    assert stat.S_IMODE((state / NAME).stat().st_mode) == 0o600


def test_whoever_stops_leaves_nothing(state: Path, room: Room) -> None:
    hints = HintSocket(state, room.follow, lambda: room.config.stores)
    hints.start()
    was_there = stat.S_ISSOCK((state / NAME).lstat().st_mode)

    hints.stop()

    assert was_there
    assert not any(state.iterdir())


def test_the_socket_of_a_killed_daemon_is_replaced(
    state: Path, room: Room, hear: Callable[[], HintSocket]
) -> None:
    with _bound(state):
        pass  # closed, and its file stays
    hear()

    tell_daemon(state, "main", A)

    room.docs.wait()


def _bound(state: Path) -> socket.socket:
    killed = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    folder = os.open(state, os.O_PATH)
    killed.bind(f"/proc/self/fd/{folder}/{NAME}")
    os.close(folder)
    return killed


def _file(path: Path) -> None:
    path.write_text("mine")


def _folder(path: Path) -> None:
    path.mkdir()


def _link(path: Path) -> None:
    path.with_name("elsewhere").write_text("mine")
    path.symlink_to("elsewhere")


@pytest.mark.parametrize("stranger", [_file, _folder, _link])
def test_what_is_in_the_way_stays_and_is_told_of(
    state: Path, room: Room, stranger: Callable[[Path], None]
) -> None:
    stranger(state / NAME)
    before = (state / NAME).lstat()
    hints = HintSocket(state, room.follow, lambda: room.config.stores)

    with logged() as events:
        hints.start()
        is_told = tell_daemon(state, "main", A)
        hints.stop()

    assert [event["event"] for event in events] == ["hints.failed"]
    assert not is_told
    assert os.path.samestat(before, (state / NAME).lstat())
    assert {path.read_text() for path in state.iterdir() if path.is_file()} <= {"mine"}


def test_what_somebody_has_put_in_its_place_stays(state: Path, room: Room) -> None:
    hints = HintSocket(state, room.follow, lambda: room.config.stores)
    hints.start()
    (state / NAME).unlink()
    _file(state / NAME)

    hints.stop()

    assert (state / NAME).read_text() == "mine"


def test_without_a_place_for_it_nothing_is_heard_and_nothing_fails(
    tmp_path: Path, room: Room
) -> None:
    hints = HintSocket(tmp_path / "gone", room.follow, lambda: room.config.stores)

    with logged() as events:
        hints.start()
        is_told = tell_daemon(tmp_path / "gone", "main", A)
        hints.stop()

    assert not is_told
    assert [event["event"] for event in events] == ["hints.failed"]


def test_whoever_tells_too_much_loses_it(state: Path) -> None:
    with _bound(state):  # nobody reads
        told = [tell_daemon(state, "main", A) for _ in range(10_000)]

    assert told[0]
    assert not told[-1]


def test_whoever_waits_for_room_has_it_when_there_is_some(state: Path) -> None:
    with _bound(state) as receiver:
        while tell_daemon(state, "main", A):
            pass
        room = threading.Timer(0.0, receiver.recv, [1000])

        room.start()
        is_told = tell_daemon(state, "main", A, within_s=PATIENCE_S)

    room.join()
    assert is_told


@pytest.mark.parametrize("found", [(), A, Nothing(Why.STRANGE)])
def test_where_nobody_hears_nothing_is_made(state: Path, found: Found) -> None:
    assert not tell_daemon(state, "main", found)
    assert not any(state.iterdir())
