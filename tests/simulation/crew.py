"""Threads of which one runs at a time; the seed says which goes on, and the clock follows them."""

from __future__ import annotations

import hashlib
import queue
import random
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import greenlet  # type: ignore[import-untyped]

from docferry.engine.gate import Gate
from docferry.engine.timing import Timing

T = TypeVar("T")

EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
#: Each step of a thread takes so long.
STEP_S = 0.002


class Trace:
    """What happened, in its order. The same seed gives the same."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def __call__(self, line: str) -> None:
        self.lines.append(line)

    def digest(self) -> str:
        return hashlib.sha256("\n".join(self.lines).encode()).hexdigest()


class _Hand:
    """One thread: what it does, and what it waits for."""

    def __init__(
        self, name: str, work: Callable[[], object], may_begin: Callable[[], bool]
    ) -> None:
        self.name = name
        self.flow = greenlet.greenlet(work)
        self.is_ready = may_begin
        self.until_s: float | None = None

    def can_go_on(self, now_s: float) -> bool:
        return (self.until_s is not None and now_s >= self.until_s) or self.is_ready()


class Crew:
    """The threads of one history. What calls from none of them (a person) never waits."""

    def __init__(self, chance: random.Random, trace: Trace) -> None:
        self.chance = chance
        self.trace = trace
        self.now_s = 1000.0  #: monotonic
        self.ahead_s = 0.0  #: of the machine's idea of the time, before the true one
        self._hands: list[_Hand] = []
        self._dead: list[_Hand] = []
        self._is_over = False

    def begin(
        self, name: str, work: Callable[[], object], may_begin: Callable[[], bool] = lambda: True
    ) -> None:
        """Begin a thread, once *may_begin* says so and it is its turn."""
        self._hands.append(_Hand(name, work, may_begin))

    def point(self, name: str) -> None:
        """Let others go on in between: here is a step of the thread that calls."""
        if self._is_person():
            return
        self._refuse_the_dead()
        self.now_s += STEP_S
        self.trace(f"{self.now_s:.3f} {name}")
        greenlet.getcurrent().parent.switch()

    def wait(self, is_ready: Callable[[], bool], for_s: float | None) -> None:
        """Let others go on until *is_ready* says so, or for so long; None: however long."""
        if self._is_person():
            return
        self._refuse_the_dead()
        hand = next(one for one in self._hands if one.flow is greenlet.getcurrent())
        hand.is_ready = is_ready
        hand.until_s = None if for_s is None else self.now_s + for_s
        hand.flow.parent.switch()

    def go_on(self) -> bool:
        """Let one thread make a step; False: all of them wait."""
        able = [hand for hand in self._hands if hand.can_go_on(self.now_s)]
        if not able:
            return False
        hand = self.chance.choice(able) if len(able) > 1 else able[0]
        hand.is_ready, hand.until_s = _always, None
        hand.flow.switch()
        if hand.flow.dead:
            self._hands.remove(hand)
        return True

    def next_due_s(self) -> float | None:
        """Say when (monotonic) the first of those that wait goes on by itself; None: none does."""
        due_s = [hand.until_s for hand in self._hands if hand.until_s is not None]
        return min(due_s, default=None)

    def who(self) -> object:
        """Give whoever runs now: a thread, or a person."""
        return greenlet.getcurrent()

    @property
    def are_any(self) -> bool:
        return bool(self._hands)

    def die(self) -> None:
        """End all threads where they stand: a crash. Nothing of theirs is ever run again."""
        self._dead += self._hands
        self._hands = []

    def bury(self) -> None:
        """Free what the dead hold, once the history is over."""
        self._is_over = True
        for hand in (*self._dead, *self._hands):
            hand.flow.throw(greenlet.GreenletExit)
        self._dead, self._hands = [], []

    def _refuse_the_dead(self) -> None:
        if self._is_over:
            raise greenlet.GreenletExit

    def _is_person(self) -> bool:
        return greenlet.getcurrent().parent is None


class SeededTiming(Timing):
    """Time and chance of which all comes from the seed."""

    def __init__(self, crew: Crew) -> None:
        self._crew = crew

    def monotonic(self) -> float:
        return self._crew.now_s

    def now(self) -> datetime:
        return EPOCH + timedelta(seconds=self._crew.now_s + self._crew.ahead_s)

    def time_ns(self) -> int:
        return int((EPOCH.timestamp() + self._crew.now_s + self._crew.ahead_s) * 1e9)

    def jitter(self) -> float:
        return self._crew.chance.random()

    def random_bits(self, count: int) -> int:
        return self._crew.chance.getrandbits(count)

    def wait(self, event: threading.Event, timeout_s: float | None) -> None:
        self._crew.wait(event.is_set, timeout_s)

    def take(self, coming: queue.SimpleQueue[T], timeout_s: float) -> T:
        self._crew.wait(lambda: not coming.empty(), timeout_s)
        return coming.get_nowait()


class Turn:
    """Lets one thread of a crew in at a time."""

    def __init__(self, crew: Crew) -> None:
        self._crew = crew
        self._is_taken = False

    def __enter__(self) -> None:
        while self._is_taken:
            self._crew.wait(lambda: not self._is_taken, None)
        self._is_taken = True

    def __exit__(self, *_: object) -> None:
        self._is_taken = False


class Pool(Executor):
    """
    Runs what is submitted in threads of a crew, as many at a time as its gate lets through.

    `map` works in the caller's thread, in an order of the seed's.
    """

    def __init__(self, crew: Crew, gate: Gate) -> None:
        self._crew = crew
        self._gate = gate
        self._active = 0

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        def work() -> None:
            self._active += 1
            try:
                fn(*args, **kwargs)
            finally:
                self._active -= 1

        self._crew.begin("carry", work, lambda: self._active < self._gate.limit)
        return Future()

    def map(
        self,
        fn: Callable[..., T],
        *iterables: Iterable[Any],
        timeout: float | None = None,
        chunksize: int = 1,
    ) -> Iterator[T]:
        calls = list(zip(*iterables, strict=True))
        order = list(range(len(calls)))
        self._crew.chance.shuffle(order)
        ends: dict[int, T | Exception] = {}
        for number in order:
            try:
                ends[number] = fn(*calls[number])
            except Exception as error:  # noqa: BLE001  raised where a pool would raise it
                ends[number] = error
        return _given(deque(ends[number] for number in range(len(calls))))


def _given(ends: deque[T | Exception]) -> Iterator[T]:
    while ends:
        end = ends.popleft()
        if isinstance(end, Exception):
            raise end
        yield end


def _always() -> bool:
    return True
