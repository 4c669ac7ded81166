"""One mirror's loop, told to rest, to go on and to look now, by another process."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from docferry.engine.carry import WINDOW
from docferry.engine.runs import Run
from docferry.errors import UnreachableError
from docferry.ledger.requests import NewRequest
from docferry.model import HoldState, MirrorHealth, OrderedRun, RequestKind, RequestState
from looped_mirror import Mirror
from processes import wait_for

THREADS = 4  # that carry: as in `looped_mirror`


def pause(mirror: Mirror) -> None:
    mirror.ledger.orders.pause("docs", "new disks", datetime.now(UTC))
    mirror.loop.heed()


def paused(mirror: Mirror) -> Mirror:
    pause(mirror)
    wait_for(lambda: mirror.health is MirrorHealth.PAUSED)
    return mirror


def resume(mirror: Mirror) -> None:
    mirror.ledger.orders.resume("docs", datetime.now(UTC))
    mirror.loop.heed()


def went_round(mirror: Mirror, times: int = 3) -> None:
    """Have the loop go round some times, for every reason that there is."""
    for _ in range(times):
        before_s = mirror.loop.went_round_s
        for run in Run:
            mirror.loop.request(run)
        wait_for(lambda since_s=before_s: mirror.loop.went_round_s > since_s)  # type: ignore[misc]


def in_step(mirror: Mirror) -> bool:
    return mirror.health is MirrorHealth.IN_STEP and mirror.files == mirror.remote.contents


def away(_: str) -> None:
    raise UnreachableError("no route")


def nothing(_: str) -> None: ...


def ordered(mirror: Mirror, run: OrderedRun) -> int:
    order, _ = mirror.ledger.orders.ask("docs", run, datetime.now(UTC))
    mirror.loop.heed()
    return order.id


def answered_by(mirror: Mirror, order: int) -> OrderedRun | None:
    row = mirror.ledger.orders.get(order)
    return None if row is None else row.answered_by


def test_of_a_paused_mirror_nothing_travels_and_nothing_is_deleted(
    new_mirror: Callable[..., Mirror],
) -> None:
    mirror = new_mirror()
    for path in ("gone here", "gone there", "kept"):
        (mirror.root / path).write_bytes(path.encode())
    mirror.start()

    paused(mirror)
    (mirror.root / "new here").write_bytes(b"1")
    (mirror.root / "gone here").unlink()
    mirror.remote.user_write("new there", b"2")
    mirror.remote.user_delete("gone there")
    for path in ("new here", "gone here", "new there", "gone there"):
        mirror.loop.mark(path)
    went_round(mirror)
    here, there = mirror.files, mirror.remote.contents
    resume(mirror)
    wait_for(lambda: in_step(mirror))

    assert sorted(here) == ["gone there", "kept", "new here"]
    assert sorted(there) == ["gone here", "kept", "new there"]
    assert sorted(mirror.files) == ["kept", "new here", "new there"]


def test_it_says_who_has_paused_it_and_that_it_is_neither_proven_nor_to_be_waited_for(
    new_mirror: Callable[..., Mirror],
) -> None:
    mirror = new_mirror()
    mirror.start()

    paused(mirror)

    row = mirror.ledger.mirrors.get("docs")
    assert row is not None
    assert (row.health, row.reason) == (MirrorHealth.PAUSED, mirror.loop.facts.reason)
    assert (row.reason or "").startswith("paused by daemon since ")
    assert (row.reason or "").endswith(" UTC: new disks")
    assert not mirror.loop.is_proven
    assert mirror.loop.has_given_up


def test_a_pause_outlives_its_loop(new_mirror: Callable[..., Mirror]) -> None:
    mirror = new_mirror()
    mirror.start()
    paused(mirror)
    mirror.restart()
    (mirror.root / "a").write_bytes(b"1")

    mirror.loop.start()
    wait_for(lambda: mirror.health is MirrorHealth.PAUSED)
    went_round(mirror)
    there = mirror.remote.contents
    resume(mirror)
    wait_for(lambda: in_step(mirror))

    assert there == {}
    assert mirror.remote.contents == {"a": b"1"}


class Halt:
    """Holds up whoever is about to write to the bucket."""

    def __init__(self) -> None:
        self.comes = threading.Semaphore(0)
        self.may_go_on = threading.Event()

    def __call__(self, name: str) -> None:
        if name == "before write":
            self.comes.release()
            assert self.may_go_on.wait(30)

    def wait_for(self, number: int) -> None:
        for _ in range(number):
            assert self.comes.acquire(timeout=30)


def halted(mirror: Mirror, number: int) -> Halt:
    """Have so many files go up, and as many threads as there are wait in the middle of it."""
    mirror.remote.step = halt = Halt()
    for each in range(number):
        (mirror.root / f"{each:03d}").write_bytes(b"%d" % each)
    mirror.loop.request(Run.FULL)
    halt.wait_for(min(number, THREADS))
    return halt


def test_what_is_under_way_ends_and_what_waits_for_a_thread_is_not_begun(
    new_mirror: Callable[..., Mirror],
) -> None:
    mirror = new_mirror()
    mirror.start()
    halt = halted(mirror, 20)

    pause(mirror)
    halt.may_go_on.set()
    wait_for(lambda: mirror.health is MirrorHealth.PAUSED and mirror.loop.done == THREADS)
    went_round(mirror)
    there = len(mirror.remote.contents)
    mirror.remote.step = nothing
    resume(mirror)
    wait_for(lambda: in_step(mirror))

    assert there == THREADS
    assert len(mirror.remote.contents) == 20
    assert mirror.ledger.problems.all("docs") == []


def test_a_run_that_waits_for_a_thread_is_left_and_all_of_it_done_afterwards(
    new_mirror: Callable[..., Mirror],
) -> None:
    mirror = new_mirror()
    mirror.start()
    halt = halted(mirror, WINDOW + 100)

    paused(mirror)  # while nothing ends
    halt.may_go_on.set()
    wait_for(lambda: mirror.loop.done == THREADS)
    there = len(mirror.remote.contents)
    mirror.remote.step = nothing
    resume(mirror)
    wait_for(lambda: in_step(mirror))

    assert there == THREADS
    assert len(mirror.remote.contents) == WINDOW + 100


def test_what_people_asked_for_and_decided_waits_for_the_end_of_the_pause(
    new_mirror: Callable[..., Mirror],
) -> None:
    mirror = new_mirror(delete_limit=1)
    for path in ("a", "b", "c"):
        (mirror.root / path).write_bytes(path.encode())
    mirror.start()
    for path in ("a", "b"):
        (mirror.root / path).unlink()
    mirror.run()
    [hold] = mirror.ledger.holds.all("docs", (HoldState.OPEN,))

    paused(mirror)
    mirror.ledger.holds.decide(hold.id, HoldState.APPROVED, datetime.now(UTC))
    asked = NewRequest("docs", "c", RequestKind.REMOVE)
    [request] = mirror.ledger.requests.add([asked], datetime.now(UTC))
    went_round(mirror)
    there = sorted(mirror.remote.contents)
    state = mirror.ledger.requests.get(request)
    resume(mirror)
    mirror.loop.request(Run.ASKED)
    wait_for(lambda: in_step(mirror) and mirror.files == {})

    assert there == ["a", "b", "c"]
    assert state is not None
    assert state.state is RequestState.OPEN


def test_a_deletion_that_waited_for_its_turn_is_found_again_after_the_pause(
    new_mirror: Callable[..., Mirror],
) -> None:
    mirror = new_mirror()
    (mirror.root / "gone").write_bytes(b"a")
    mirror.start()
    (mirror.root / "gone").unlink()
    began_at = mirror.loop.facts.last_full_at
    halt = halted(mirror, 1)  # so it is parked: what still moves may be the same file, renamed
    wait_for(lambda: mirror.loop.facts.last_full_at != began_at)

    pause(mirror)
    halt.may_go_on.set()
    wait_for(lambda: mirror.health is MirrorHealth.PAUSED and mirror.loop.done == 2)
    there = "gone" in mirror.remote.contents
    resume(mirror)
    wait_for(lambda: in_step(mirror))

    assert there
    assert "gone" not in mirror.remote.contents


def test_a_side_that_was_away_before_the_pause_is_asked_after_it(
    new_mirror: Callable[..., Mirror],
) -> None:
    mirror = new_mirror()
    mirror.start()
    mirror.remote.step = away
    (mirror.root / "a").write_bytes(b"1")
    mirror.loop.mark("a")
    wait_for(lambda: mirror.health is MirrorHealth.UNREACHABLE)

    paused(mirror)
    mirror.remote.step = nothing
    resume(mirror)
    wait_for(lambda: in_step(mirror))

    assert mirror.remote.contents == {"a": b"1"}


@pytest.mark.parametrize("run", OrderedRun)
def test_what_is_ordered_is_done_and_answered(
    new_mirror: Callable[..., Mirror], run: OrderedRun
) -> None:
    mirror = new_mirror()
    mirror.start()
    (mirror.root / "a").write_bytes(b"1")  # nobody marks it
    mirror.remote.user_write("b", b"2")

    order = ordered(mirror, run)
    wait_for(lambda: answered_by(mirror, order) is not None)
    mirror.settle()

    assert answered_by(mirror, order) is run
    assert ("a" in mirror.remote.contents) is (run is not OrderedRun.POLL)
    assert ("b" in mirror.files) is (run is not OrderedRun.RESCAN)


def test_what_is_ordered_of_a_paused_mirror_is_done_once_it_goes_on(
    new_mirror: Callable[..., Mirror],
) -> None:
    mirror = new_mirror()
    mirror.start()
    paused(mirror)

    order = ordered(mirror, OrderedRun.POLL)
    went_round(mirror)
    before = answered_by(mirror, order)
    resume(mirror)
    wait_for(lambda: answered_by(mirror, order) is not None)

    assert before is None
    assert answered_by(mirror, order) is OrderedRun.FULL


def test_what_is_ordered_while_a_side_is_away_is_answered_when_it_is_back(
    new_mirror: Callable[..., Mirror],
) -> None:
    mirror = new_mirror()
    mirror.start()
    mirror.root.rename(mirror.root.with_name("away"))

    order = ordered(mirror, OrderedRun.RESCAN)
    wait_for(lambda: mirror.health is MirrorHealth.UNREACHABLE)
    before = answered_by(mirror, order)
    mirror.root.with_name("away").rename(mirror.root)
    wait_for(lambda: answered_by(mirror, order) is not None)

    assert before is None
    assert answered_by(mirror, order) is OrderedRun.FULL


def test_what_was_ordered_before_the_start_is_answered_by_the_first_run(
    new_mirror: Callable[..., Mirror],
) -> None:
    mirror = new_mirror()
    order, _ = mirror.ledger.orders.ask("docs", OrderedRun.RESCAN, datetime.now(UTC))

    mirror.loop.heed()
    mirror.start()
    wait_for(lambda: answered_by(mirror, order.id) is not None)

    assert answered_by(mirror, order.id) is OrderedRun.FULL
