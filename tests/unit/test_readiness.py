"""Whether a mirror is ready, for who restarts and balances."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from docferry.app.figures import readiness
from docferry.core.canary import LATE_IN_A_ROW
from docferry.engine.health import Facts
from docferry.model import MirrorHealth
from ledger_rows import NOW


@dataclass(frozen=True)
class Loop:
    facts: Facts
    is_alive: bool = True
    went_round_s: float = 0.0


@dataclass(frozen=True)
class Bird:
    late: int


@pytest.mark.parametrize("late", [0, LATE_IN_A_ROW])
def test_a_mirror_that_is_to_rest_is_ready_though_it_has_not_run_and_a_canary_was_late(
    late: int,
) -> None:
    loop = Loop(Facts(MirrorHealth.PAUSED, "paused by anna"))

    found = readiness({"docs": loop}, {"docs": Bird(late)})["docs"]

    assert (found.is_ready, found.reason) == (True, "paused by anna")


@pytest.mark.parametrize(("late", "is_ready"), [(LATE_IN_A_ROW - 1, True), (LATE_IN_A_ROW, False)])
def test_a_mirror_is_ready_after_its_first_full_run_while_its_canaries_come_through(
    late: int, *, is_ready: bool
) -> None:
    new, old = Loop(Facts()), Loop(Facts(last_full_at=NOW))

    found = readiness({"new": new, "old": old}, {"old": Bird(late)})

    assert not found["new"].is_ready
    assert found["old"].is_ready is is_ready
