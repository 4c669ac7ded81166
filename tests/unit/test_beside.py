"""What may hang is asked beside the scrapes: each by itself, and old answers are not told."""

from __future__ import annotations

import threading
from collections.abc import Callable

from docferry.app.machine import Beside
from processes import wait_for


class Clock:
    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


def answered(beside: Beside[str, int], answers: dict[str, int]) -> None:
    wait_for(lambda: beside.answers() == answers, 5.0)


def test_an_answer_is_told_until_it_is_too_old() -> None:
    clock = Clock()
    beside: Beside[str, int] = Beside(10.0, clock)
    beside.ask({"disk": lambda: 1})
    answered(beside, {"disk": 1})

    clock.now_s += 40
    still = beside.answers()
    clock.now_s += 1

    assert still == {"disk": 1}
    assert beside.answers() == {}


def test_who_does_not_answer_holds_up_nobody_and_is_not_asked_twice() -> None:
    clock, go_on, asked = Clock(), threading.Event(), []
    beside: Beside[str, int] = Beside(10.0, clock)

    def hang() -> int:
        asked.append(1)
        go_on.wait(30)
        return 7

    for n in range(3):
        beside.ask({"hung": hang, "other": lambda n=n: n})  # type: ignore[misc]
        answered(beside, {"other": n})
        clock.now_s += 10

    assert len(asked) == 1
    go_on.set()
    answered(beside, {"hung": 7, "other": 2})


def test_what_is_not_due_is_not_asked_and_what_failed_is_asked_sooner() -> None:
    clock, asked = Clock(), []
    beside: Beside[str, int] = Beside(3600.0, clock)

    def question(name: str, answer: Callable[[], int]) -> Callable[[], int]:
        def ask() -> int:
            asked.append(name)
            return answer()

        return ask

    def refused() -> int:
        raise OSError("refused")

    for _ in range(3):
        beside.ask({"good": question("good", lambda: 1), "bad": question("bad", refused)})
        answered(beside, {"good": 1})
        wait_for(lambda: not beside.is_asking, 5.0)
        clock.now_s += 61

    assert sorted(asked) == ["bad", "bad", "bad", "good"]


def test_what_is_asked_for_no_more_is_told_no_more() -> None:
    beside: Beside[str, int] = Beside(10.0)
    beside.ask({"a": lambda: 1, "b": lambda: 2})
    answered(beside, {"a": 1, "b": 2})

    beside.ask({"a": lambda: 1})

    assert beside.answers() == {"a": 1}
