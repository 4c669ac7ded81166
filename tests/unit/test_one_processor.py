"""Threads that share a processor for a while, and may run anywhere afterwards."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from docferry.engine.one_processor import (
    on_one_processor,
    run_anywhere,
    run_on_one_processor,
)


@pytest.fixture
def allowed() -> set[int]:
    return os.sched_getaffinity(0)


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
    def fail() -> None:
        with on_one_processor():
            raise ValueError("inside")

    with ThreadPoolExecutor(1) as pool:
        with pytest.raises(ValueError, match="inside"):
            pool.submit(fail).result()
        afterwards = pool.submit(os.sched_getaffinity, 0).result()

    assert afterwards == allowed


def test_a_thread_stays_on_its_processor_until_it_may_run_anywhere(allowed: set[int]) -> None:
    with ThreadPoolExecutor(1) as pool:
        pool.submit(run_on_one_processor).result()
        meanwhile = pool.submit(os.sched_getaffinity, 0).result()
        pool.submit(run_anywhere).result()
        afterwards = pool.submit(os.sched_getaffinity, 0).result()

    assert len(meanwhile) == 1
    assert afterwards == allowed


def test_a_thread_that_was_started_inside_is_let_go_as_well(allowed: set[int]) -> None:
    found: list[set[int]] = []

    def look() -> None:
        run_anywhere()
        found.append(os.sched_getaffinity(0))

    with ThreadPoolExecutor(1) as pool:
        pool.submit(start_inside, look).result()

    assert found == [allowed]


def start_inside(look: Callable[[], None]) -> None:
    with on_one_processor():
        thread = threading.Thread(target=look)
        thread.start()
        thread.join()


def test_the_main_thread_says_where_the_others_may_run_and_is_left_alone(
    allowed: set[int],
) -> None:
    with on_one_processor():
        inside = os.sched_getaffinity(0)

    assert inside == allowed


def test_where_there_is_one_processor_nothing_is_chosen(allowed: set[int]) -> None:
    def look() -> set[int]:
        with on_one_processor():
            return os.sched_getaffinity(0)

    with ThreadPoolExecutor(1) as pool:
        pool.submit(os.sched_getaffinity, 0).result()  # its thread began while there were more
        os.sched_setaffinity(0, {min(allowed)})
        try:
            inside = pool.submit(look).result()
        finally:
            os.sched_setaffinity(0, allowed)

    assert inside == allowed
