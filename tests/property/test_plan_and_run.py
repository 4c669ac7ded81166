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
from hypothesis import given

from docferry.ledger.scratch import Scratch
from ledger_rows import fresh_ledger
from property.mixtures import Mixture, bring_about, mixtures
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


def _folder() -> tempfile.TemporaryDirectory[str]:
    # What a power cut leaves of the ledger is not asked here: no need to wait for a disk.
    return tempfile.TemporaryDirectory(dir=_MEMORY if _MEMORY.is_dir() else None)


@given(mixture=mixtures())
def test_a_run_does_what_was_planned_and_nothing_else(
    mixture: Mixture, new_mirror: Callable[[Mixture], WholeMirror], scratch: Scratch
) -> None:
    mirror = new_mirror(mixture)
    bring_about(mixture, mirror)
    before = mirror.snapshot()

    plan = mirror.plan(scratch)
    after_plan = mirror.snapshot()
    done = mirror.run()

    assert after_plan == before
    assert plan.refused == mirror.refused()
    assert Counter((step.kind, step.path) for step in plan.operations) == done
    assert (counted(plan.held_back), plan.hold_reason) == mirror.held_back()
    assert {path for path, _ in plan.left_alone} == mirror.problems("mode")
    assert {path for path, _ in plan.waiting} == mirror.problems("unseen")
