"""
Proof of life for systemd's watchdog, and what the daemon does in one line.

The watchdog is petted by a timer, so that timers fire; and only while every mirror's loop goes
round, every pool of threads answers, and who else is to run now and then does. A slow store, or a
folder that hangs, is no reason for a restart: who waits for a store runs now and then, if only to
wait on, and whoever hangs in the kernel would hang there again.
"""

from __future__ import annotations

import pathlib
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from typing import Protocol

from docferry import notify
from docferry.app.figures import STUCK_AFTER_S
from docferry.core.words import counted
from docferry.engine.health import Facts
from docferry.engine.rounds import Going, all_going
from docferry.logs import get_logger
from docferry.model import MirrorHealth

log = get_logger(__name__)

BEAT_EVERY_S = 1.0
_PETS = 10  #: in the time after which systemd would restart us
#: Of a round that does go on, and of a pool, whose threads need not run while obstore sends a body,
#: for an hour at the most: that is 12 times the 5 min of the unit.
_LONG = 15
_TASKS = pathlib.Path("/proc/self/task")
_TROUBLE_FIRST = (MirrorHealth.BLOCKED, MirrorHealth.UNREACHABLE)


class Life(Protocol):
    """What a loop's health tells of it."""

    @property
    def facts(self) -> Facts: ...
    @property
    def went_round_s(self) -> float: ...
    @property
    def thread_id(self) -> int | None: ...


class Loop(Protocol):
    """What is asked of a mirror's loop."""

    @property
    def health(self) -> Life: ...


class Stillness:
    """Since when none of some threads has run, as far as was looked: it is to be asked often."""

    def __init__(self) -> None:
        self._runs = -1
        self._since_s = 0.0

    def lasts_s(self, threads: Iterable[int], now_s: float) -> float:
        threads = list(threads)
        runs = sum(map(_runs_of, threads))
        if runs != self._runs or any(map(waits_for_a_disk, threads)):
            self._runs, self._since_s = runs, now_s
        return now_s - self._since_s


class Pool(ThreadPoolExecutor):
    """Threads of which it can be told whether they still do anything."""

    def __init__(self, threads: int, name: str) -> None:
        self._ids: list[int] = []
        super().__init__(threads, name, initializer=self._begin)
        self._asked: Future[None] | None = None
        self._stillness = Stillness()

    def silent_s(self, now_s: float) -> float:
        """
        Say for how long it has neither taken up a task nor run at all. To be asked again and again.

        All its threads may have long to do; one that waits for ever does not run meanwhile.
        """
        if self._asked is None or self._asked.done():
            with suppress(RuntimeError):  # it is shut down: the end has begun
                self._asked = self.submit(_nothing)
            self._stillness = Stillness()
        return self._stillness.lasts_s(self._ids, now_s)

    def _begin(self) -> None:
        self._ids.append(threading.get_native_id())


class Supervision:
    """
    Tells systemd that the daemon lives, or what of it does not.

    Args:
        work: Says in a few words what else waits; "": nothing does. It must not wait itself.
        patience_s: How long a loop may take for a round; None: as long as $WATCHDOG_USEC says.
    """

    def __init__(
        self,
        loops: Mapping[str, Loop],
        pools: Callable[[], Iterable[tuple[str, Pool]]],
        work: Callable[[], str] = str,
        *,
        going: Callable[[], Iterable[Going]] = all_going,
        patience_s: float | None = None,
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._loops = loops
        self._pools = pools
        self._work = work
        self._going = going
        self._patience_s = patience_s or notify.watchdog_s() or STUCK_AFTER_S
        self._now_s = now_s
        self._looked_s = now_s()
        self._petted_s = self._looked_s - self._patience_s
        self._stillness: defaultdict[str, Stillness] = defaultdict(Stillness)
        self._told = ""
        self._is_hung = self._is_over = False
        self.remark = ""  #: goes before all else in the line, such as a refused configuration

    def beat(self) -> None:
        """For a timer, every `BEAT_EVERY_S`."""
        if self._is_over:
            return
        if (hung := self.hung()) is not None:
            self._tell_hung(hung)
            return
        if self._now_s() - self._petted_s >= self._patience_s / _PETS:
            self._petted_s = self._now_s()
            notify.watchdog()
        line = self.line()
        if line != self._told:
            self._told = line
            notify.status(line)

    def end(self) -> None:
        """Say that the end has begun, in which loops end one after the other."""
        self._is_over = True
        notify.stopping()

    def hung(self) -> str | None:
        """Name a thread that does not go on. None: all do."""
        now_s = self._now_s()
        if now_s - self._looked_s > self._patience_s / 2:
            self._stillness.clear()  # we stood still ourselves, with all the others
        self._looked_s = now_s
        for name, loop in list(self._loops.items()):
            if self._stands_still(name, loop.health, now_s):
                since_s = now_s - loop.health.went_round_s
                return f"the loop of mirror {name} has not gone round for {since_s:.0f} s"
        for name, pool in self._pools():
            silent_s = pool.silent_s(now_s)
            if silent_s > _LONG * self._patience_s:
                return f"the threads of {name} have not done anything for {silent_s:.0f} s"
        for going in self._going():
            still_s = self._stillness[f"thread {going.thread_id}"].lasts_s([going.thread_id], now_s)
            if still_s > self._patience_s * (_LONG if going.is_slow else 1):
                return f"{going.name} has not run for {still_s:.0f} s"
        return None

    def line(self) -> str:
        """Say what the daemon does."""
        parts = (self.remark, status_line(self._facts()), self._work())
        return "; ".join(part for part in parts if part)

    def _stands_still(self, name: str, life: Life, now_s: float) -> bool:
        threads = [] if life.thread_id is None else [life.thread_id]
        still_s = self._stillness[name].lasts_s(threads, now_s)
        round_s = now_s - life.went_round_s
        is_too_long = round_s > _LONG * self._patience_s
        is_still = min(round_s, still_s) > self._patience_s
        return (is_still or is_too_long) and not any(map(waits_for_a_disk, threads))

    def _tell_hung(self, hung: str) -> None:
        if not self._is_hung:
            log.error("daemon.hung", reason=hung)
            notify.status(f"hung, to be restarted: {hung}")
            notify.watchdog_trigger()
        self._is_hung = True

    def _facts(self) -> dict[str, Facts]:
        return {name: loop.health.facts for name, loop in list(self._loops.items())}


def status_line(mirrors: Mapping[str, Facts]) -> str:
    """Say in one line how all mirrors are, what is wrong before what is under way."""
    others = {
        name: facts for name, facts in mirrors.items() if facts.health is not MirrorHealth.IN_STEP
    }
    if not others:
        return f"{counted(len(mirrors), 'mirror')} in step"
    in_step = len(mirrors) - len(others)
    ordered = sorted(others, key=lambda name: others[name].health not in _TROUBLE_FIRST)
    return "; ".join(
        [f"{in_step} of {counted(len(mirrors), 'mirror')} in step"]
        + [f"{name} {_how(others[name])}" for name in ordered]
    )


def _how(facts: Facts) -> str:
    why = facts.reason or facts.progress
    return f"{facts.health} ({why})" if why else str(facts.health)


def waits_for_a_disk(thread_id: int) -> bool:
    """
    Say whether a thread is in the kernel's uninterruptible sleep: NFS that is silent, a dying disk.

    proc(5), stat: the state is the first word after the name, which may hold brackets itself.
    """
    try:
        text = (_TASKS / str(thread_id) / "stat").read_text()
    except OSError:
        return False
    return text.rpartition(")")[2].split()[:1] == ["D"]


def _runs_of(thread_id: int) -> int:
    """Count how often a thread has been given a processor; 0: it is no more."""
    try:
        text = (_TASKS / str(thread_id) / "status").read_text()
    except OSError:
        return 0
    lines = (line.partition(":") for line in text.splitlines())
    return sum(int(value) for key, _, value in lines if key.endswith("ctxt_switches"))


def _nothing() -> None:
    pass
