"""A hung thread leads to a restart; a slow store, a silent folder and a pause do not."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import pytest

from docferry.app.conversion import counted_jobs
from docferry.app.supervision import Pool, Supervision, status_line
from docferry.engine.health import Facts
from docferry.engine.rounds import Going, all_going, going_round
from docferry.job import JobState
from docferry.model import MirrorHealth
from docferry.storage.s3_connect import S3Options

PATIENCE_S = 300.0
BEAT_S = 1.0
UNIT = Path(__file__).parents[2] / "systemd" / "docferry.service"


@dataclass(slots=True)
class Life:
    """What the supervision sees of a loop; its thread really is one, that waits to be let run."""

    thread_id: int | None
    went_round_s: float = 0.0
    facts: Facts = field(default_factory=Facts)


@dataclass(slots=True)
class Loop:
    health: Life


class Waiting:
    """A thread that runs only when it is told to."""

    def __init__(self) -> None:
        self._told = threading.Semaphore(0)
        self._ran = threading.Semaphore(0)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._is_over = False
        self._thread.start()
        self.runs()

    @property
    def id(self) -> int | None:
        return self._thread.native_id

    def runs(self) -> None:
        self._told.release()
        assert self._ran.acquire(timeout=10)

    def end(self) -> None:
        self._is_over = True
        self._told.release()
        self._thread.join(10)

    def _run(self) -> None:
        while self._told.acquire() and not self._is_over:
            self._ran.release()


class Watch:
    """A clock, and a supervision that looks at one loop each second of it."""

    def __init__(self, thread: Waiting) -> None:
        self.now_s = 0.0
        self.thread = thread
        self.life = Life(thread.id)
        self.pools: list[tuple[str, Pool]] = []
        self.going: list[Going] = []
        self.supervision = Supervision(
            {"docs": Loop(self.life)},
            lambda: self.pools,
            going=lambda: self.going,
            patience_s=PATIENCE_S,
            now_s=lambda: self.now_s,
        )

    def goes_on(self, seconds: float, *, runs_every_s: float | None = None) -> str | None:
        """Let time pass, and the loop's thread run so often; give what hangs, if anything does."""
        ran_s = end_s = self.now_s
        end_s += seconds
        while self.now_s < end_s:
            self.now_s += BEAT_S
            if runs_every_s is not None and self.now_s - ran_s >= runs_every_s:
                ran_s = self.now_s
                self.thread.runs()
            if (hung := self.supervision.hung()) is not None:
                return hung
        return None


@pytest.fixture
def watch() -> Iterator[Watch]:
    thread = Waiting()
    yield Watch(thread)
    thread.end()


def test_a_loop_whose_thread_does_not_run_is_hung(watch: Watch) -> None:
    assert watch.goes_on(PATIENCE_S - 1) is None

    hung = watch.goes_on(PATIENCE_S)  # it may have been on its way to sleep for some of that
    assert hung is not None
    assert hung.startswith("the loop of mirror docs has not gone round for")


def test_a_loop_that_waits_for_a_slow_store_is_not(watch: Watch) -> None:
    silent_s = S3Options().timeout_s

    assert watch.goes_on(10 * PATIENCE_S, runs_every_s=silent_s) is None


def test_a_loop_that_runs_and_never_comes_round_is_hung_in_the_end(watch: Watch) -> None:
    assert watch.goes_on(20 * PATIENCE_S, runs_every_s=60.0) is not None


def test_a_loop_that_idles_is_not(watch: Watch) -> None:
    for _ in range(100):
        watch.life.went_round_s = watch.now_s
        assert watch.goes_on(30) is None


def test_a_loop_whose_thread_has_ended_is_hung(watch: Watch) -> None:
    watch.thread.end()

    assert watch.goes_on(2 * PATIENCE_S) is not None


def test_after_a_pause_of_the_machine_nobody_is_blamed(watch: Watch) -> None:
    assert watch.goes_on(10) is None

    watch.now_s += 10 * PATIENCE_S

    assert watch.supervision.hung() is None


def test_a_pool_is_hung_where_no_thread_of_it_runs_or_takes_anything_up(watch: Watch) -> None:
    pool, go_on = Pool(2, "carry"), threading.Event()
    watch.pools = [("store main", pool)]
    watch.life.went_round_s = 100 * PATIENCE_S  # it is not to be blamed
    begun: list[Future[bool]] = [pool.submit(go_on.wait) for _ in range(2)]
    try:
        hung = watch.goes_on(20 * PATIENCE_S)
    finally:
        go_on.set()
        for one in begun:
            one.result(10)
        pool.shutdown()

    assert hung is not None
    assert hung.startswith("the threads of store main have not done anything for")


def test_a_pool_that_answers_is_not(watch: Watch) -> None:
    with Pool(2, "carry") as pool:
        for _ in range(20):
            pool.silent_s(watch.now_s)
            pool.submit(int).result(10)
            watch.now_s += PATIENCE_S

            assert pool.silent_s(watch.now_s) <= PATIENCE_S


@pytest.mark.parametrize(("is_slow", "patience_s"), [(False, PATIENCE_S), (True, 15 * PATIENCE_S)])
def test_who_is_to_run_now_and_then_and_does_not_is_hung(
    watch: Watch, *, is_slow: bool, patience_s: float
) -> None:
    watch.life.went_round_s = 100 * PATIENCE_S  # it is not to be blamed
    watch.going = [Going("the worker", watch.thread.id or 0, is_slow)]

    assert watch.goes_on(patience_s - BEAT_S) is None
    hung = watch.goes_on(PATIENCE_S)
    assert hung is not None
    assert hung.startswith("the worker has not run for")


def test_who_runs_now_and_then_or_is_at_rest_is_not(watch: Watch) -> None:
    watch.life.went_round_s = 100 * PATIENCE_S
    watch.going = [Going("the worker", watch.thread.id or 0, is_slow=False)]

    assert watch.goes_on(10 * PATIENCE_S, runs_every_s=PATIENCE_S / 2) is None
    watch.going = []
    assert watch.goes_on(10 * PATIENCE_S) is None


def test_a_thread_is_to_run_until_it_is_done_and_for_ever_if_it_failed() -> None:
    def names() -> list[str]:
        return [one.name for one in all_going() if one.thread_id == threading.get_native_id()]

    with going_round("this one"):
        at_it = names()
    done = names()
    with pytest.raises(OSError, match="failed"), going_round("this one"):
        raise OSError("failed")
    failed = names()
    with going_round("this one"):
        pass

    assert (at_it, done, failed) == (["this one"], [], ["this one"])


def test_the_units_watchdog_waits_longer_than_a_store_may_be_silent() -> None:
    line = next(line for line in UNIT.read_text().splitlines() if line.startswith("WatchdogSec="))
    minutes = line.removeprefix("WatchdogSec=").removesuffix("min")
    options = S3Options()
    silent_s = options.attempts * (options.timeout_s + options.connect_timeout_s)

    assert timedelta(minutes=int(minutes)).total_seconds() > 2 * silent_s


@pytest.mark.parametrize(
    ("mirrors", "expected"),
    [
        ({}, "0 mirrors in step"),
        ({"a": Facts(MirrorHealth.IN_STEP)}, "1 mirror in step"),
        (
            {"a": Facts(MirrorHealth.WORKING, progress="7 done"), "b": Facts(MirrorHealth.IN_STEP)},
            "1 of 2 mirrors in step; a working (7 done)",
        ),
        (
            {
                "a": Facts(MirrorHealth.WORKING),
                "b": Facts(MirrorHealth.UNREACHABLE, "no answer"),
                "c": Facts(MirrorHealth.BLOCKED, "gone"),
            },
            "0 of 3 mirrors in step; b unreachable (no answer); c blocked (gone); a working",
        ),
    ],
)
def test_the_status_says_how_all_are_and_the_worst_first(
    mirrors: dict[str, Facts], expected: str
) -> None:
    assert status_line(mirrors) == expected


@pytest.mark.parametrize(
    ("some", "expected"),
    [
        ({JobState.DONE: 7, JobState.DISCARDED: 1}, ""),
        (
            {JobState.QUEUED: 3, JobState.RUNNING: 1, JobState.DEAD: 2},
            "conversions: 3 waiting, 1 running, 2 given up (docferry dead list)",
        ),
    ],
)
def test_the_status_says_what_conversions_there_are_to_do(
    some: dict[JobState, int], expected: str
) -> None:
    assert counted_jobs({state: some.get(state, 0) for state in JobState}) == expected


def test_the_line_has_what_else_waits_at_its_end() -> None:
    supervision = Supervision({}, lambda: [], lambda: "conversions: 1 waiting")

    assert supervision.line() == "0 mirrors in step; conversions: 1 waiting"
