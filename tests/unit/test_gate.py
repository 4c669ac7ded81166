"""The gate: fewer operations at a time once a store asks for less, then more again."""

from __future__ import annotations

import threading

import pytest

from docferry.core.concurrency import RAISE_AFTER, SETTLE_S
from docferry.engine.gate import Gate


class Later:
    """A clock by which every look is long after the one before."""

    def __init__(self) -> None:
        self._now_s = 0.0

    def __call__(self) -> float:
        self._now_s += 2 * SETTLE_S
        return self._now_s


def use(gate: Gate, times: int) -> None:
    for _ in range(times):
        with gate:
            pass


def test_each_complaint_halves_the_limit_but_never_below_one() -> None:
    gate = Gate(16, Later())

    assert [gate.slow_down() for _ in range(6)] == [8, 4, 2, 1, 1, 1]


def test_those_who_were_refused_at_the_same_time_halve_it_once() -> None:
    gate = Gate(16, lambda: 5.0)

    assert [gate.slow_down() for _ in range(16)] == [8] * 16


def test_a_store_that_becomes_slow_gets_fewer_but_not_one_alone() -> None:
    gate = Gate(16, Later())

    assert [gate.ease(8.0) for _ in range(4)] == [8, 4, 4, 4]


def test_after_enough_uses_without_complaint_there_is_room_for_one_more() -> None:
    gate = Gate(16)
    gate.slow_down()

    use(gate, RAISE_AFTER - 1)
    before = gate.limit
    use(gate, 1)

    assert (before, gate.limit) == (8, 9)


def test_the_limit_never_rises_above_the_most() -> None:
    gate = Gate(2)
    gate.slow_down()

    use(gate, 5 * RAISE_AFTER)

    assert gate.limit == 2


def test_a_complaint_starts_the_count_anew() -> None:
    gate = Gate(8, Later())
    gate.slow_down()
    use(gate, RAISE_AFTER - 1)

    gate.slow_down()
    use(gate, RAISE_AFTER - 1)

    assert gate.limit == 2


def test_uses_that_fail_do_not_count() -> None:
    gate = Gate(4)
    gate.slow_down()

    for _ in range(2 * RAISE_AFTER):
        with pytest.raises(ValueError, match="failed"), gate:
            raise ValueError("failed")

    assert gate.limit == 2


class Crowd:
    """Threads that pass a gate and stay inside until they are let go."""

    def __init__(self, gate: Gate, size: int) -> None:
        self._gate = gate
        self._go = threading.Semaphore(0)
        self._entered = threading.Semaphore(0)
        self._threads = [threading.Thread(target=self._pass) for _ in range(size)]
        for thread in self._threads:
            thread.start()

    def _pass(self) -> None:
        with self._gate:
            self._entered.release()
            self._go.acquire()

    def have_entered(self, count: int) -> bool:
        return all(self._entered.acquire(timeout=10) for _ in range(count))

    def nobody_else_enters(self) -> bool:
        return not self._entered.acquire(timeout=0.05)

    def let_go(self, count: int) -> None:
        self._go.release(count)

    def end(self) -> None:
        self._go.release(len(self._threads))
        for thread in self._threads:
            thread.join(10)
        assert not any(thread.is_alive() for thread in self._threads)


def test_no_more_than_the_limit_are_inside_at_a_time() -> None:
    gate = Gate(2)
    crowd = Crowd(gate, 4)

    assert crowd.have_entered(2)
    assert crowd.nobody_else_enters()
    crowd.let_go(1)
    assert crowd.have_entered(1)
    assert crowd.nobody_else_enters()
    crowd.end()


def test_a_lower_limit_holds_for_those_who_wait_already() -> None:
    gate = Gate(2)
    crowd = Crowd(gate, 4)
    assert crowd.have_entered(2)

    gate.slow_down()
    crowd.let_go(1)

    assert crowd.nobody_else_enters()
    crowd.let_go(1)
    assert crowd.have_entered(1)
    crowd.end()


def test_a_raised_limit_lets_one_more_of_the_waiting_in() -> None:
    gate = Gate(2)
    gate.slow_down()
    use(gate, RAISE_AFTER - 1)
    crowd = Crowd(gate, 3)
    assert crowd.have_entered(1)
    assert crowd.nobody_else_enters()

    crowd.let_go(1)

    assert crowd.have_entered(2)
    crowd.end()
