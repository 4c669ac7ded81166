"""Which files are at rest: also those of which the time stamp says nothing."""

from __future__ import annotations

import pathlib
from collections.abc import Iterator

import pytest

from docferry.config import MirrorConfig
from docferry.engine.timing import Timing
from ledger_rows import fresh_ledger
from unit.desk import Desk

SETTLE_S = 2.0
AN_HOUR_NS = 3600 * 10**9


class SetTiming(Timing):
    """Seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def monotonic(self) -> float:
        return self.now_s


@pytest.fixture
def timing() -> SetTiming:
    return SetTiming()


@pytest.fixture
def desk(tmp_path: pathlib.Path, timing: SetTiming) -> Iterator[Desk]:
    with fresh_ledger(tmp_path / "ledger.sqlite3") as ledger:
        options = MirrorConfig(
            name="docs", store="s", bucket="b", local=tmp_path, settle_s=SETTLE_S
        )
        yield Desk(ledger, options, timing)


def test_an_edit_stamped_ahead_goes_up_once_it_was_seen_for_long_enough(
    desk: Desk, timing: SetTiming
) -> None:
    """Its stamp is of a clock that was set back since, or of a file server ahead of ours."""
    ahead_ns = timing.time_ns() + AN_HOUR_NS
    desk.agree("p")
    desk.mirror.local.user_write("p", b"edited")

    for _ in range(2):
        desk.planner.consider(desk.look("p", changed_ns=ahead_ns), is_snapshot=True)
        desk.work()
        timing.now_s += SETTLE_S

    assert desk.mirror.remote.contents["p"] == b"edited"


def test_an_edit_stamped_ahead_waits_until_it_was_seen_for_long_enough(
    desk: Desk, timing: SetTiming
) -> None:
    ahead_ns = timing.time_ns() + AN_HOUR_NS
    desk.agree("p")
    for content in (b"half", b"whole"):
        desk.mirror.local.user_write("p", content)
        desk.planner.consider(desk.look("p", changed_ns=ahead_ns), is_snapshot=True)
        desk.work()
        timing.now_s += SETTLE_S / 2

    desk.planner.consider(desk.look("p", changed_ns=ahead_ns), is_snapshot=True)
    desk.work()

    assert desk.mirror.remote.contents["p"] == b"p"
