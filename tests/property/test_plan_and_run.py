"""The plan is what a run then does: the same operations, the same hold, the same refusal."""

from __future__ import annotations

import itertools
import sqlite3
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import example, given

from docferry.ledger.scratch import Scratch
from docferry.model import HoldState, Mode
from ledger_rows import fresh_ledger
from property.mixtures import (
    CONTENTS,
    MARKER,
    Found,
    Held,
    Mixture,
    bring_about,
    mixtures,
)
from whole_mirror import WholeMirror, counted

_MEMORY = Path("/dev/shm")


@pytest.fixture(scope="module")
def scratch() -> Iterator[Scratch]:
    with _folder() as name, Scratch.open(Path(name) / "scratch.sqlite3") as ledger:
        yield ledger


@pytest.fixture(scope="module")
def new_mirror() -> Iterator[Callable[[Mixture], WholeMirror]]:
    """Make mirrors that know nothing of each other, in one ledger: to open one takes time."""
    numbers = itertools.count()
    with (
        _folder() as name,
        fresh_ledger(path := Path(name) / "ledger.sqlite3") as ledger,
        closing(sqlite3.connect(path, check_same_thread=False)) as rows,
        ThreadPoolExecutor(4) as pool,
    ):
        yield lambda mixture: WholeMirror(
            mixture.options(f"mirror-{next(numbers)}"), ledger, rows, pool
        )


def told(done: Counter[tuple[str, str]], mixture: Mixture) -> Counter[tuple[str, str]]:
    """Leave out what no plan need tell of: joined anew, versions that do not come back leave."""
    is_joined_anew = mixture.identity is HoldState.APPROVED
    return Counter(one for one in done.elements() if one[0] != "forget" or not is_joined_anew)


def _folder() -> tempfile.TemporaryDirectory[str]:
    # What a power cut leaves of the ledger is not asked here: no need to wait for a disk.
    return tempfile.TemporaryDirectory(dir=_MEMORY if _MEMORY.is_dir() else None)


ONE, TWO, SIX, *_ = CONTENTS
DOWN, UP = Found("b.txt", remote=ONE), Found("d/y", local=TWO)
GONE_HERE, GONE_THERE = Found("f", SIX, None, SIX), Found("f", SIX, SIX, None)

# Approved, and a rename after all: it counts as no loss when the next one is judged.
APPROVED, RENAMED = Found("f", SIX, SIX, None), Found("x.txt", remote=SIX)
HELD = Held(["f"], HoldState.APPROVED)


@given(mixture=mixtures())
@example(Mixture([Found("a/b/c", ONE, ONE, TWO)], identity=HoldState.APPROVED))  # a copy, no ending
@example(Mixture([DOWN, UP, Found("e.txt", ONE, TWO, SIX)]))  # a conflict, with its copy
@example(Mixture([Found("f", ONE, None, TWO, is_announced=True)], delete_limit=1))  # our own upload
@example(Mixture([Found("B.txt", ONE, ONE, None, is_touched=(True, False)), UP], delete_limit=1))
@example(Mixture([GONE_HERE, Found("B.txt", local=SIX)]))  # renamed
@example(Mixture([GONE_THERE, Found("B.txt", remote=SIX)]))
@example(Mixture([GONE_HERE, Found("B.txt", SIX, ONE, SIX)]))  # as it stands, no rename
@example(Mixture([GONE_HERE, UP, Found("B.txt", was_deleted=ONE)], delete_limit=1))
@example(Mixture([Found("f", SIX, SIX, None), DOWN], emptied="remote", delete_limit=3))
@example(Mixture([Found("a", ONE, ONE, ONE), Found("a/b", remote=TWO)]))  # its name is taken
@example(Mixture([Found("a", remote=ONE), Found("a/b", remote=TWO)]))
@example(Mixture([Found("a", ONE, ONE, None), Found("a/b", remote=TWO), UP], delete_limit=1))
@example(Mixture([Found("a", remote=TWO), Found("a/b", ONE, ONE, None), UP], delete_limit=1))
@example(Mixture([GONE_HERE, UP, DOWN], held=Held(["f"], HoldState.OPEN)))
@example(Mixture([GONE_HERE, UP, DOWN], held=Held(["f"], HoldState.APPROVED)))
@example(Mixture([GONE_HERE, UP, DOWN], held=Held(["f"], HoldState.DISCARDED)))
@example(
    Mixture(
        [GONE_HERE, Found("B.txt", SIX, None, SIX), Found("d/y", local=SIX)],
        held=Held(["f"], HoldState.APPROVED),
    )
)
@example(Mixture([GONE_HERE, UP], markers=(MARKER, None, MARKER)))
@example(Mixture([GONE_HERE, UP], markers=(MARKER, None, MARKER), identity=HoldState.APPROVED))
@example(Mixture([DOWN, GONE_THERE], mode=Mode.PUSH, delete_limit=1))
@example(Mixture([UP, GONE_HERE], mode=Mode.PULL, delete_limit=1))
@example(Mixture([Found("a", ONE, None, None)], identity=HoldState.APPROVED))  # it only leaves
@example(Mixture([APPROVED, RENAMED, Found("b.txt", TWO, None, TWO)], delete_limit=1, held=HELD))
def test_a_run_does_what_was_planned_and_nothing_else(
    new_mirror: Callable[[Mixture], WholeMirror], scratch: Scratch, mixture: Mixture
) -> None:
    mirror = new_mirror(mixture)
    bring_about(mixture, mirror)
    before = mirror.snapshot()

    plan = mirror.plan(scratch)
    after_plan = mirror.snapshot()
    done = mirror.run()

    assert after_plan == before
    assert plan.refused == mirror.refused()
    planned = Counter((step.kind, step.path) for step in plan.operations)
    assert told(planned, mixture) == told(done, mixture)
    assert (counted(plan.held_back), plan.hold_reason) == mirror.held_back()
    assert {path for path, _ in plan.left_alone} == mirror.problems("mode")
    assert {path for path, _ in plan.waiting} == mirror.problems("unseen")
