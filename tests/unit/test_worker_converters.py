"""Slots: who may have one, who waits, who has a converter for itself."""

from __future__ import annotations

from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait

import pytest

from conversion_bench import Louder, Time
from docferry.core.failures import Failed
from docferry.engine.worker_converters import MOST_AHEAD, Converters
from docferry.job import Failure
from processes import wait_for

NAMES = ("louder",)
IN_DOUBT = Failed(Failure.OUTAGE, "it fell over", is_in_doubt=True)
SLOTS = 2


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def converters(time: Time) -> Converters:
    return Converters(
        [Louder(slots=SLOTS)],
        now=time,
        jitter=lambda: 0.5,
        put=lambda row: None,
        on_up=lambda name, since: None,
    )


def convert(converters: Converters, time: Time, job: str, *, took_s: float) -> None:
    converters.take(job, NAMES)
    converters.enter(job, NAMES)
    time.pass_(took_s)
    converters.give_back(job, NAMES, worked=True)


def claimed(converters: Converters) -> int:
    """Say how many are claimed until there is room for no more."""
    count = 0
    while converters.are_free(NAMES, {"louder": count}):
        count += 1
    return count


def suspect(converters: Converters, job: str) -> None:
    """Have the converter fail with *job* in its hands."""
    converters.take(job, NAMES)
    converters.enter(job, NAMES)
    converters.is_to_blame(job, "louder", IN_DOUBT)
    converters.give_back(job, NAMES)


@pytest.mark.parametrize(
    ("took_s", "most"),
    [(0.01, SLOTS * (1 + MOST_AHEAD)), (0.2, SLOTS * 3), (0.6, SLOTS), (60.0, SLOTS)],
)
def test_as_much_is_claimed_ahead_as_is_done_in_a_moment(
    converters: Converters, time: Time, took_s: float, most: int
) -> None:
    convert(converters, time, "a", took_s=took_s)

    assert claimed(converters) == most


def test_of_an_unknown_converter_no_more_is_claimed_than_it_has_slots(
    converters: Converters,
) -> None:
    assert claimed(converters) == SLOTS


def test_a_converter_that_fails_quickly_is_not_quick(converters: Converters) -> None:
    """What is claimed ahead for it would have to go back when it is known to be down."""
    suspect(converters, "a")

    assert claimed(converters) == SLOTS


def test_more_is_claimed_only_when_half_of_what_is_ahead_is_done(
    converters: Converters, time: Time
) -> None:
    convert(converters, time, "a", took_s=0.01)
    most = claimed(converters)
    for number in range(most):
        converters.take(str(number), NAMES)

    found = []
    for number in range(most):
        found.append(converters.are_free(NAMES))
        converters.give_back(str(number), NAMES)

    assert found.index(True) == SLOTS * MOST_AHEAD // 2 + 1
    assert all(found[found.index(True) :])


def test_a_suspect_has_its_converter_for_itself(converters: Converters) -> None:
    suspect(converters, "bad")
    converters.take("good", NAMES)
    converters.enter("good", NAMES)
    order = []

    def enter() -> None:
        converters.enter("bad", NAMES)
        order.append("bad has it")

    converters.take("bad", NAMES)
    is_free = converters.are_free(NAMES)
    with ThreadPoolExecutor(1) as pool:
        entering = pool.submit(enter)
        order.append("good is done")
        converters.give_back("good", NAMES)
        entering.result(20)

    assert not is_free
    assert not converters.are_free(NAMES)
    assert order == ["good is done", "bad has it"]
    converters.give_back("bad", NAMES)
    assert converters.are_free(NAMES)


def test_who_is_to_blame_is_found_by_what_an_earlier_daemon_saw(
    converters: Converters, time: Time
) -> None:
    seen_at = time.now
    time.pass_(1)
    converters.answers("louder")

    converters.take("bad", NAMES, seen_at)
    converters.enter("bad", NAMES)

    assert converters.is_to_blame("bad", "louder", IN_DOUBT)


def test_slots_are_given_back_once(converters: Converters, time: Time) -> None:
    convert(converters, time, "a", took_s=60.0)

    converters.give_back("a", NAMES)

    assert claimed(converters) == SLOTS


def test_a_suspect_that_waits_lets_nobody_in_before_it(converters: Converters) -> None:
    """Where others always came first, it would wait until there is nothing else to do."""
    for bad in ("bad", "worse"):
        suspect(converters, bad)
    for job in ("bad", "good", "worse", "better"):
        converters.take(job, NAMES)
    converters.enter("bad", NAMES)
    seen = []
    with ThreadPoolExecutor(3) as pool:
        entering = [enter_behind(converters, pool, job) for job in ("good", "worse", "better")]
        for job, next_one in zip(("bad", "good", "worse"), [*entering], strict=True):
            converters.give_back(job, NAMES)
            done, _ = wait(entering, 20, FIRST_COMPLETED)
            seen.append((next_one in done, converters.waiting, converters.are_free(NAMES)))
            entering = [one for one in entering if one is not next_one]
        converters.stop()

    assert seen == [
        (True, ["worse", "better"], False),
        (True, ["better"], False),
        (True, [], True),
    ]


def enter_behind(converters: Converters, pool: ThreadPoolExecutor, job: str) -> Future[str | None]:
    """Have *job* wait for a slot, last of all."""
    entering = pool.submit(converters.enter, job, NAMES)
    wait_for(lambda: job in converters.waiting)
    return entering
