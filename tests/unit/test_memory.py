"""What is free does not stay with the process."""

from __future__ import annotations

import psutil

from docferry.app.memory import give_back

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
