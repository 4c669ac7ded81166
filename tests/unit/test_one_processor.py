"""Threads that share a processor for a while, and may run anywhere afterwards."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from docferry.engine.one_processor import on_one_processor


@pytest.fixture(autouse=True)
def allowed() -> Iterator[set[int]]:
    before = os.sched_getaffinity(0)
    yield before
    os.sched_setaffinity(0, before)


def test_threads_inside_share_a_processor_and_run_anywhere_afterwards(allowed: set[int]) -> None:
    all_inside = threading.Barrier(3, timeout=30)

    def look() -> tuple[set[int], set[int]]:
        with on_one_processor():
            all_inside.wait()
            inside = os.sched_getaffinity(0)
        return inside, os.sched_getaffinity(0)

    with ThreadPoolExecutor(3) as pool:
        seen = [found.result() for found in [pool.submit(look) for _ in range(3)]]

    assert {len(inside) for inside, _ in seen} == {1}
    assert all(inside <= allowed for inside, _ in seen)
    assert all(afterwards == allowed for _, afterwards in seen)


def test_what_fails_inside_may_run_anywhere_afterwards(allowed: set[int]) -> None:
    with pytest.raises(ValueError, match="inside"), on_one_processor():
        raise ValueError("inside")

    assert os.sched_getaffinity(0) == allowed


def test_a_thread_that_was_started_inside_is_let_go_as_well(allowed: set[int]) -> None:
    found: list[set[int]] = []

    def look() -> None:
        with on_one_processor():
            pass
        found.append(os.sched_getaffinity(0))

    with ThreadPoolExecutor(1) as pool:
        pool.submit(start_inside, look).result()

    assert found == [allowed]


def start_inside(look: Callable[[], None]) -> None:
    with on_one_processor():
        thread = threading.Thread(target=look)
        thread.start()
        thread.join()


def test_where_there_is_one_processor_nothing_is_chosen(allowed: set[int]) -> None:
    only = {min(allowed)}
    os.sched_setaffinity(0, only)

    with on_one_processor():
        inside = os.sched_getaffinity(0)

    assert inside == os.sched_getaffinity(0) == only
