"""Slots of converters, taken by many at once: nobody is forgotten, nobody is one too many."""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from conversion_bench import Louder, Time
from docferry.core.failures import Failed
from docferry.engine.worker_converters import Converters
from docferry.job import Failure

SLOTS = {"one": 1, "two": 2, "three": 3}
AT_ONCE = 6
END_S = 20.0

#: What comes of a conversion: it works, its converter fails over it, or is not to be had.
ENDS = {
    "works": None,
    "in doubt": Failed(Failure.OUTAGE, "it fell over", is_in_doubt=True),
    "down": Failed(Failure.CONFIGURATION, "it is not installed any more"),
}
JOBS = st.lists(
    st.tuples(
        st.lists(st.sampled_from(sorted(SLOTS)), min_size=1, unique=True),
        st.lists(st.sampled_from(sorted(ENDS)), min_size=1, max_size=3),
    ),
    min_size=1,
    max_size=12,
)


@dataclass
class Floor:
    """Where documents are converted, and whoever is one too many is seen."""

    time: Time = field(default_factory=Time)
    inside: dict[str, set[str]] = field(default_factory=lambda: {name: set() for name in SLOTS})
    alone: set[str] = field(default_factory=set)  #: jobs over which a converter has failed
    wrong: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self.converters = Converters(
            [Louder(name, slots=slots) for name, slots in SLOTS.items()],
            now=self.time,
            jitter=lambda: 0.5,
            put=lambda row: None,
            on_up=lambda name, since: None,
        )

    def do(self, job: str, names: Sequence[str], ends: Sequence[str]) -> None:
        for end in ends:
            self.converters.take(job, names)
            if self.converters.enter(job, names) is None:
                self._convert(job, names, ENDS[end])
            self.converters.give_back(job, names)

    def _convert(self, job: str, names: Sequence[str], failed: Failed | None) -> None:
        self._look(job, names)
        os.sched_yield()
        with self.lock:
            for name in names:
                self.inside[name].remove(job)
        if failed is None:
            for name in names:
                self.converters.answers(name)
            self.converters.give_back(job, names, worked=True)
            return
        is_blamed = self.converters.is_to_blame(job, names[0], failed)
        if failed.is_in_doubt and not is_blamed:
            with self.lock:
                self.alone.add(job)

    def _look(self, job: str, names: Sequence[str]) -> None:
        with self.lock:
            for name in names:
                there = self.inside[name]
                there.add(job)
                if len(there) > (1 if there & self.alone else SLOTS[name]):
                    self.wrong.append(f"{name} has {there}, alone are to be {self.alone}")


@settings(deadline=None)
@given(JOBS)
def test_whoever_waits_for_slots_has_its_turn_and_suspects_have_theirs_alone(
    jobs: list[tuple[list[str], list[str]]],
) -> None:
    floor = Floor()
    pool = ThreadPoolExecutor(AT_ONCE)

    doing = [pool.submit(floor.do, str(number), *job) for number, job in enumerate(jobs)]
    pool.shutdown(wait=False)
    try:
        for one in doing:
            one.result(END_S)
    finally:
        floor.converters.stop()

    assert floor.wrong == []
    for name, slots in SLOTS.items():
        floor.converters.answers(name)
        assert free(floor.converters, name) >= slots


def free(converters: Converters, name: str) -> int:
    """Say how many more may be claimed for a converter."""
    return next(count for count in range(100) if not converters.are_free([name], {name: count}))
