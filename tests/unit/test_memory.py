"""What is free does not stay with the process."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator

import psutil
import pytest

from docferry.app.memory import SELDOM, collect_seldom, give_back

_MIB = 1 << 20
_BLOCK_BYTES = 16 * 1024  # the allocator's own: too large for Python's pools, too small for mmap


def test_memory_that_is_free_below_a_block_in_use_is_given_back() -> None:
    blocks = [bytes(_BLOCK_BYTES) for _ in range(64 * _MIB // _BLOCK_BYTES)]
    last = bytes(_BLOCK_BYTES)  # of its own: what is below it the allocator keeps by itself
    blocks.clear()
    before = psutil.Process().memory_info().rss

    give_back()

    given_back = before - psutil.Process().memory_info().rss
    assert last
    assert given_back > 48 * _MIB


@pytest.fixture
def collecting() -> Iterator[None]:
    before = gc.get_threshold()
    yield
    gc.set_threshold(*before)
    gc.unfreeze()


class Ring:
    """Refers to itself: it goes when somebody looks for rings, and not before."""

    def __init__(self) -> None:
        self.itself = self


@pytest.mark.usefixtures("collecting")
def test_rings_are_looked_for_in_what_is_new_alone() -> None:
    rings = [Ring()]
    there = weakref.ref(rings[0])
    collect_seldom()
    rings.append(Ring())
    new = weakref.ref(rings[1])
    rings.clear()

    gc.collect()

    assert there() is not None
    assert new() is None
    assert gc.get_threshold() == SELDOM
