"""When a side that does not answer is asked again."""

from __future__ import annotations

import pytest

from docferry.core.outage import LONGEST_PAUSE_S, health_after, pause_after
from docferry.engine.outage import Outage
from docferry.errors import (
    BlockedPathError,
    DocferryError,
    PermanentError,
    RefusedKeysError,
    TemporaryError,
    ThrottledError,
    UnreachableError,
)
from docferry.model import MirrorHealth


def test_each_try_that_comes_to_nothing_doubles_the_pause() -> None:
    pause, now_s, pauses = None, 0.0, []
    for _ in range(8):
        pause = pause_after(pause, now_s=now_s, jitter=0.5)
        pauses.append(pause.retry_s - now_s)
        now_s = pause.retry_s

    assert pauses == [0.5, 1, 2, 4, 8, 16, 32, LONGEST_PAUSE_S]
    assert pause is not None
    assert pause.attempts == 8


def test_what_was_under_way_when_it_began_does_not_make_the_pause_longer() -> None:
    began = pause_after(None, now_s=100.0, jitter=0.5)

    latest = began
    for _ in range(16):
        latest = pause_after(latest, now_s=100.1, jitter=0.5)

    assert latest == began


@pytest.mark.parametrize(
    ("error", "health"),
    [
        (UnreachableError(""), MirrorHealth.UNREACHABLE),
        (ThrottledError(""), MirrorHealth.WAITING),
        (TemporaryError(""), MirrorHealth.WAITING),
        (PermanentError(""), MirrorHealth.BLOCKED),
        (BlockedPathError(""), MirrorHealth.BLOCKED),
        (RefusedKeysError(""), MirrorHealth.BLOCKED),  # a person must act
    ],
)
def test_what_broke_off_a_round_says_how_the_mirror_is(
    error: DocferryError, health: MirrorHealth
) -> None:
    assert health_after(error) is health


def test_a_side_that_may_have_changed_its_mind_is_asked_at_once() -> None:
    outage = Outage()
    for _ in range(100):
        outage.ask_now()
        outage.note()
        if outage.wait_s > 5:
            break
    assert outage.wait_s > 5

    outage.ask_now()

    assert outage.wait_s == 0
    assert outage.is_on  # until it has answered
