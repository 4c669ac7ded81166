"""Fewer at a time once a store asks for less or is slower than it is used to; then more again."""

from __future__ import annotations

import random

import pytest

from docferry.core.concurrency import RAISE_AFTER, SETTLE_S, Allowance, Usual


def used(allowance: Allowance, times: int) -> Allowance:
    for _ in range(times):
        allowance = allowance.used()
    return allowance


def test_refusals_of_the_same_moment_count_once() -> None:
    allowance = Allowance(16, 16)
    for number in range(16):
        allowance = allowance.refused(100.0 + number * SETTLE_S / 20)

    assert allowance.limit == 8


def test_refusals_go_down_to_one_and_uses_up_again_one_by_one() -> None:
    allowance = Allowance(16, 16)
    for number in range(10):
        allowance = allowance.refused(number * 2 * SETTLE_S)
    lowest = allowance.limit

    allowance = used(allowance, 3 * RAISE_AFTER)

    assert (lowest, allowance.limit) == (1, 4)
    assert used(allowance, 100 * RAISE_AFTER).limit == 16


@pytest.mark.parametrize(("rise", "limit"), [(4.1, 15), (5.0, 12), (8.0, 8), (100.0, 8)])
def test_the_slower_a_store_is_the_fewer_it_gets(rise: float, limit: int) -> None:
    assert Allowance(16, 16).slowed(rise, 0.0).limit == limit


def test_a_store_that_is_slow_by_others_doing_is_still_used() -> None:
    allowance = Allowance(16, 16)
    for number in range(10):
        allowance = allowance.slowed(50.0, number * 2 * SETTLE_S)

    assert allowance.limit == 4


def test_slowness_does_not_give_more_to_a_store_that_asked_for_less() -> None:
    assert Allowance(1, 16).slowed(50.0, 0.0).limit == 1


class Answers:
    """Answers of a store: ten a second, each by *seed* a little quicker or slower."""

    def __init__(self, usual: Usual, seed: int = 1) -> None:
        self._usual = usual
        self._random = random.Random(seed)
        self._now_s = 0.0

    def come(self, took_s: float, *, for_s: float) -> list[float]:
        """Give by how much the store was told to be too slow, each time."""
        told = []
        for _ in range(int(for_s * 20)):
            self._now_s += 0.05
            rise = self._usual.took(took_s * self._random.uniform(0.7, 1.6), self._now_s)
            if rise is not None:
                told.append(rise.times)
        return told


@pytest.mark.parametrize("seed", range(5))
def test_a_store_that_is_as_it_always_was_is_not_slow(seed: int) -> None:
    answers = Answers(Usual(), seed)

    assert answers.come(0.02, for_s=30) == []
    assert answers.come(0.06, for_s=30) == []  # three times


def test_a_store_that_takes_far_longer_than_it_used_to_is_slow() -> None:
    answers = Answers(Usual())
    answers.come(0.02, for_s=10)

    told = answers.come(0.4, for_s=5)

    assert len(told) >= 4
    assert all(4 < times < 40 for times in told)


def test_what_nobody_feels_is_not_slow() -> None:
    answers = Answers(Usual())
    answers.come(0.002, for_s=10)

    assert answers.come(0.05, for_s=10) == []


def test_a_few_slow_answers_among_quick_ones_say_nothing() -> None:
    usual = Usual()
    quick = [usual.took(0.02, number / 20) for number in range(100)]

    mixed = [
        usual.took(3.0 if number % 5 == 0 else 0.02, number / 20) for number in range(100, 500)
    ]

    assert not any(quick + mixed)


def test_slowness_that_lasts_becomes_usual_after_some_minutes() -> None:
    answers = Answers(Usual())
    answers.come(0.05, for_s=10)

    at_first = answers.come(0.5, for_s=60)
    answers.come(0.5, for_s=1200)

    assert at_first
    assert answers.come(0.5, for_s=60) == []


def test_a_store_that_was_slow_when_docferry_began_is_soon_known_to_be_quick() -> None:
    answers = Answers(Usual())
    answers.come(0.5, for_s=10)
    answers.come(0.02, for_s=20)

    assert answers.come(0.4, for_s=5)
