"""What the charts of the page are made of."""

from __future__ import annotations

import pathlib
from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest

from docferry.app.faces import Beat
from docferry.config import Config
from docferry.ledger import Ledger
from docferry.model import Mode
from docferry.web.desk import Desk
from docferry.web.pulse import KEPT, Pulse
from ledger_rows import MINUTE, NOW, fresh_ledger, uploaded

SIZE = 10  # bytes, of each upload


class Clock:
    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def ledger(tmp_path: pathlib.Path) -> Iterator[Ledger]:
    with fresh_ledger(tmp_path / "ledger.sqlite3") as opened:
        yield opened


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def pulse(ledger: Ledger, clock: Clock) -> Pulse:
    return Pulse(Desk(Config(), ledger, Beat(is_alive=True, mirrors={}), clock))


def upload(ledger: Ledger, at: datetime, *paths: str, mirror: str = "docs") -> None:
    ledger.record(mirror, [uploaded(path) for path in paths], at=at)


def test_what_travelled_is_told_by_minutes(ledger: Ledger, pulse: Pulse) -> None:
    upload(ledger, NOW - 2 * MINUTE, "a")
    upload(ledger, NOW - MINUTE / 2, "b", "c")
    upload(ledger, NOW, "d")

    pulse.look()

    found = pulse.points(["docs"], MINUTE, 4)
    assert [one.operations for one in found] == [0, 1, 2, 1]
    assert [one.moved_bytes for one in found] == [0, SIZE, 2 * SIZE, SIZE]
    assert found[-1].at == NOW


def test_only_what_is_new_is_added(ledger: Ledger, pulse: Pulse) -> None:
    upload(ledger, NOW, "a")
    pulse.look()
    pulse.look()
    upload(ledger, NOW, "b")
    pulse.look()

    assert pulse.points(["docs"], MINUTE, 1)[0].operations == 2


def test_what_was_not_read_back_is_not_said_to_be_nothing(ledger: Ledger, clock: Clock) -> None:
    for ago, paths in ((3, "a"), (2, "b"), (1, "cd"), (0, "e")):
        upload(ledger, NOW - ago * MINUTE, *paths)
    desk = Desk(Config(), ledger, Beat(is_alive=True, mirrors={}), clock)
    pulse = Pulse(desk, most_read_back=2)

    pulse.look()

    found = pulse.points(["docs"], MINUTE, 5)
    assert [one.operations for one in found] == [None, None, None, None, 1]


def test_other_mirrors_are_not_told_of(ledger: Ledger, pulse: Pulse) -> None:
    upload(ledger, NOW, "a")
    upload(ledger, NOW, "b", mirror="secret")
    pulse.look()

    assert pulse.points(["docs"], MINUTE, 1)[0].operations == 1
    assert pulse.points(["docs", "secret"], MINUTE, 1)[0].operations == 2


def test_a_wait_is_told_at_its_worst_and_only_of_minutes_that_were_looked_at(
    ledger: Ledger, pulse: Pulse, clock: Clock
) -> None:
    place = {"store": "main", "bucket": "b", "prefix": "", "local": "/x", "mode": Mode.TWO_WAY}
    ledger.mirrors.put("docs", **place)
    ledger.mirrors.put("docs", **place, dirty=1, oldest_dirty_at=NOW - 7 * MINUTE)
    pulse.look()
    ledger.mirrors.put("docs", **place, dirty=0, oldest_dirty_at=None)
    pulse.look()

    found = pulse.points(["docs"], MINUTE, 2)
    assert [one.lag_s for one in found] == [None, 7 * 60.0]


def test_what_is_older_than_a_day_is_forgotten(ledger: Ledger, pulse: Pulse, clock: Clock) -> None:
    upload(ledger, NOW, "a")
    pulse.look()

    clock.now = NOW + KEPT + timedelta(minutes=2)
    pulse.look()

    clock.now = NOW
    assert pulse.points(["docs"], MINUTE, 1)[0].operations == 0
