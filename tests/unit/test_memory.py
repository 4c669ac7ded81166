"""What is free does not stay with the process."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator

import psutil
import pytest

from docferry.app.memory import SELDOM, collect_all, collect_seldom, give_back

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
def test_what_is_there_from_the_start_is_not_looked_at_until_all_is() -> None:
    ring = Ring()
    seen = weakref.ref(ring)
    collect_seldom()
    del ring

    gc.collect()
    is_left_alone = seen() is not None
    collect_all()

    assert is_left_alone
    assert seen() is None
    assert gc.get_threshold() == SELDOM


@pytest.mark.usefixtures("collecting")
def test_after_all_was_looked_at_what_is_there_is_left_alone_again() -> None:
    collect_seldom()
    ring = Ring()
    collect_all()
    seen = weakref.ref(ring)
    del ring

    gc.collect()

    assert seen() is not None
