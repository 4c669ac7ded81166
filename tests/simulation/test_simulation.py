"""
Every promise is kept in as many histories as there is time for.

Which histories, and how many, depends on how long they may take; what comes of each does not.
"""

from __future__ import annotations

import functools
import os
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import ParamSpec

from simulation.__main__ import digest_of
from simulation.acts import Act, Kind, Script, script_of
from simulation.history import room
from simulation.shrink import shortest, told

ROOT = Path(__file__).parents[2]
#: How long the histories of one run of the tests may take. A failing one is told by its seed.
WITHIN_S = 90.0 if os.environ.get("CI") else 15.0
#: At the least, however slow the machine; at the most, however fast: new ones are for `make soak`.
FEWEST, MOST = 25, 8000
#: Each has once broken a promise in a way of its own; some by a fault of the simulation's.
ONCE_BROKEN = (
    2639,  # a conflict's copy under its second name, as a person took the first
    2676,  # what comes back after a refused deletion, under another name
    3715,  # a job that is written down and not seen through yet
    5225,  # a version of a file that was touched while its deletion is held
    5241,  # held as gone by a listing that lied, and not looked for again
    5431,  # a clock set back after the last look
    5503,  # held as gone although a listing in between had it
    6825,  # forgotten as the folder went away while it was walked
    7919,  # a number of a version given twice: a crash, and a clock that is behind
)
ONCE_BROKEN_BY_BURSTS = (
    506,  # an edit since a refusal gave way to what was asked back
    787,  # a hold that ended by itself: what had travelled before did not count any more
    869,  # what had travelled was in a hold of the other side's changes, and did not count there
)
#: Of so many all that happens is compared.
REPEATED = 8


P = ParamSpec("P")


def in_a_thread_of_its_own(test: Callable[P, None]) -> Callable[P, None]:
    """Run *test* so: what docferry's threads are at when they are thrown away stays with it."""

    @functools.wraps(test)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        with ThreadPoolExecutor(1) as pool:
            pool.submit(test, *args, **kwargs).result()

    return run


@in_a_thread_of_its_own
def test_every_promise_is_kept_in_every_history() -> None:
    live_through(WITHIN_S, script_of)


@in_a_thread_of_its_own
def test_every_promise_is_kept_in_every_history_with_programs_that_encrypt() -> None:
    live_through(WITHIN_S / 3, partial(script_of, has_bursts=True))


def live_through(within_s: float, draw: Callable[[int], Script]) -> None:
    until_s, seed = time.monotonic() + within_s, 0
    with room() as where:
        while seed < FEWEST or (seed < MOST and time.monotonic() < until_s):
            lived = where.live(draw(seed))
            assert lived.broken is None, told(shortest(where, lived))
            seed += 1
    sys.stdout.write(f"{seed} histories\n")


@in_a_thread_of_its_own
def test_a_history_that_once_broke_a_promise_keeps_them() -> None:
    with room() as where:
        for seed in ONCE_BROKEN:
            lived = where.live(script_of(seed))
            assert lived.broken is None, told(shortest(where, lived))
        for seed in ONCE_BROKEN_BY_BURSTS:
            lived = where.live(script_of(seed, has_bursts=True))
            assert lived.broken is None, told(shortest(where, lived))


@in_a_thread_of_its_own
def test_the_same_seeds_give_the_same_histories_in_every_process() -> None:
    seeds = range(40, 40 + REPEATED)

    here = [digest_of(seeds), digest_of(seeds)]

    assert here == [_digest_elsewhere(seeds, hash_seed) for hash_seed in (1, 7)]
    assert here[0] != digest_of(range(REPEATED))


@in_a_thread_of_its_own
def test_a_history_is_shortened_to_what_breaks_the_promise() -> None:
    """The promise that is broken here is the world's own: a content that nobody made."""
    noise = [Act(Kind.WRITE, 3, path=f"n{number}.txt") for number in range(4)]
    acts = (*noise, Act(Kind.INVENT, 0, path="x"), *noise)
    script = replace(script_of(1), acts=acts)
    with room() as where:
        lived = where.live(script)
        short = shortest(where, lived)

    assert lived.broken is not None
    assert [act.kind for act in short.script.acts] == [Kind.INVENT]
    assert replace(short.script, acts=()) == replace(script, acts=())


def _digest_elsewhere(seeds: range, hash_seed: int) -> str:
    """Give it as another process does, in which sets have another order."""
    which = ["--first", str(seeds.start), "--histories", str(len(seeds))]
    result = subprocess.run(
        [sys.executable, "-m", "simulation", *which, "--digest"],
        env=os.environ
        | {
            "PYTHONHASHSEED": str(hash_seed),
            "PYTHONPATH": os.pathsep.join([str(ROOT / "daemon"), str(ROOT / "tests")]),
        },
        capture_output=True,
        text=True,
        check=True,
    )
    return result.stdout.strip()
