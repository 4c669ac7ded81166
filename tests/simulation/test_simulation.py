"""
Every promise is kept in as many histories as there is time for.

Which histories, and how many, depends on how long they may take; what comes of each does not.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from simulation.acts import Act, Kind, script_of
from simulation.history import room
from simulation.shrink import shortest, told

ROOT = Path(__file__).parents[2]
#: How long the histories of one run of the tests may take. A failing one is told by its seed.
WITHIN_S = 90.0 if os.environ.get("CI") else 15.0
#: At the least, however slow the machine.
FEWEST = 25
#: Each once broke a promise, or nearly so: kept for good.
KNOWN = (17, 59, 422, 457)


def test_every_promise_is_kept_in_every_history() -> None:
    until_s, seed = time.monotonic() + WITHIN_S, 0
    with room() as where:
        while seed < FEWEST or time.monotonic() < until_s:
            lived = where.live(script_of(seed))
            assert lived.broken is None, told(shortest(where, lived), seed)
            seed += 1
    sys.stdout.write(f"{seed} histories\n")


@pytest.mark.parametrize("seed", KNOWN)
def test_a_history_that_once_broke_a_promise_keeps_it(seed: int) -> None:
    with room() as where:
        lived = where.live(script_of(seed))

    assert lived.broken is None


def test_the_same_seed_gives_the_same_history_in_every_process() -> None:
    with room() as where:
        here = [where.live(script_of(seed)).digest for seed in (2, 3, 2)]

    elsewhere = [
        _digest_in_a_process(seed, hash_seed=hash_seed) for seed, hash_seed in ((2, 1), (3, 7))
    ]

    assert here == [*elsewhere, here[0]]
    assert here[0] != here[1]


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


def _digest_in_a_process(seed: int, *, hash_seed: int) -> str:
    result = subprocess.run(
        [sys.executable, "-m", "simulation", "--seed", str(seed)],
        env=os.environ
        | {
            "PYTHONHASHSEED": str(hash_seed),
            "PYTHONPATH": os.pathsep.join([str(ROOT / "daemon"), str(ROOT / "tests")]),
        },
        capture_output=True,
        text=True,
        check=True,
    )
    return result.stdout.split()[-1]
