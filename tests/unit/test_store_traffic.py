"""What a store is asked for is written down, and its mirrors' polls keep to its budget."""

from __future__ import annotations

import pathlib
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from docferry.app.meters import METERS
from docferry.app.store_report import stores
from docferry.app.traffic import Polls, StoreTraffic
from docferry.app.traffic_figures import LiveTraffic
from docferry.config import Config, MirrorConfig, StoreConfig
from docferry.core.traffic import SELDOM_S
from docferry.engine.gate import Gate
from docferry.ledger import Ledger
from docferry.storage.s3_meter import Ask, Meter
from ledger_rows import fresh_ledger

POLL_S = 10.0


class Desk:
    """A store with two mirrors whose polls list one page each, and time that passes as told."""

    def __init__(self, ledger: Ledger, folder: pathlib.Path, budget: float | None) -> None:
        self.ledger = ledger
        self.now = datetime(2026, 11, 27, 12, 0, tzinfo=UTC)
        store = StoreConfig(f"of-{folder.name}", budget=budget)
        mirrors = {
            name: MirrorConfig(name, store.name, "bucket", folder / name, poll_s=POLL_S)
            for name in ("docs", "processed")
        }
        self.config = Config(stores={store.name: store}, mirrors=mirrors)
        self.meter = METERS.take(store, Meter(now=lambda: self.now))
        self.gates = SimpleNamespace(gate=Gate(16), looks=SimpleNamespace(gate=Gate(8)))
        self.polled = 0
        self.traffic = StoreTraffic(
            lambda: self.config,
            ledger,
            lambda: self._polls,
            {store.name: self.gates}.get,
            lambda: self.now,
        )
        self._polls = [
            Polls(
                one,
                self.meter.of(one.name),
                lambda name=one.name: self._poll(name),  # type: ignore[misc]
                lambda: self.traffic.stretch(store.name),
                lambda: self.now,
            )
            for one in mirrors.values()
        ]

    @property
    def store(self) -> StoreConfig:
        (found,) = self.config.stores.values()
        return found

    def _poll(self, mirror: str) -> None:
        self.polled += 1
        self.meter.begin(mirror, Ask.LIST)
        self.meter.begin(mirror, Ask.GET)  # the marker

    def passes(self, time: timedelta, *, puts: int = 0) -> int:
        """Let time pass with so many documents each ten seconds; give how many requests came."""
        before = sum(self.meter.counts().values())
        for _ in range(int(time.total_seconds() / POLL_S)):
            self.now += timedelta(seconds=POLL_S)
            for poll in self._polls:
                poll()
            for _ in range(puts):
                self.meter.begin("docs", Ask.PUT)
            self.traffic.decide()
        self.traffic.look()
        return sum(self.meter.counts().values()) - before


@pytest.fixture
def ledger(tmp_path: pathlib.Path) -> Iterator[Ledger]:
    with fresh_ledger(tmp_path / "ledger.sqlite3") as ledger:
        yield ledger


HOUR = timedelta(hours=1)


def desk_with(ledger: Ledger, budget: float | None) -> Desk:
    return Desk(ledger, ledger.path.parent, budget)


def test_without_a_budget_it_is_polled_as_configured(ledger: Ledger) -> None:
    desk = desk_with(ledger, None)

    assert desk.passes(HOUR) == 2 * 2 * 360


@pytest.mark.parametrize("puts", [0, 1, 2])
def test_polls_and_documents_together_keep_to_the_budget(ledger: Ledger, puts: int) -> None:
    desk = desk_with(ledger, 1000)
    desk.passes(2 * HOUR, puts=puts)

    assert desk.passes(HOUR, puts=puts) <= 1000 * 1.02
    assert desk.traffic.stretch(desk.store.name) == pytest.approx(
        1440 / (1000 - 360 * puts), rel=0.05
    )


def test_documents_beyond_the_budget_all_go_and_it_is_polled_once_an_hour(ledger: Ledger) -> None:
    desk = desk_with(ledger, 1000)
    desk.passes(2 * HOUR, puts=5)
    polled, before = desk.polled, desk.meter.counts()["docs", Ask.PUT]

    desk.passes(HOUR, puts=5)

    assert desk.meter.counts()["docs", Ask.PUT] - before == 5 * 360
    assert desk.polled - polled == 2
    (report,) = stores(desk.config, ledger)
    assert report.row is not None
    assert report.row.is_over


def test_it_is_polled_as_configured_again_once_the_budget_allows(ledger: Ledger) -> None:
    desk = desk_with(ledger, 2000)
    desk.passes(2 * HOUR, puts=5)
    stretched = desk.traffic.poll_s(desk.config.mirrors["docs"])
    desk.passes(2 * HOUR)
    before = desk.polled

    desk.passes(HOUR)

    assert stretched > 2 * POLL_S
    assert desk.polled - before == 720
    assert desk.traffic.poll_s(desk.config.mirrors["docs"]) == POLL_S


def test_a_budget_that_is_raised_counts_at_once(ledger: Ledger) -> None:
    desk = desk_with(ledger, 100)
    desk.passes(HOUR)
    desk.config = replace(desk.config, stores={desk.store.name: replace(desk.store, budget=5000.0)})

    desk.traffic.use_limits()

    assert desk.passes(timedelta(minutes=5)) == pytest.approx(4 * 30, abs=4)


def test_what_is_written_down_says_since_when_it_counts(ledger: Ledger) -> None:
    desk = desk_with(ledger, None)

    desk.passes(timedelta(minutes=12))
    (early,) = stores(desk.config, ledger)
    desk.passes(HOUR)
    (later,) = stores(desk.config, ledger)

    assert early.sentences == ("288 requests in the 12 min since 12:00 UTC (list 144, get 144)",)
    assert later.row is not None
    assert later.row.at - later.row.since == HOUR
    assert later.sentences[0].startswith("1,4")
    assert "in the last hour" in later.sentences[0]


def test_a_person_is_told_of_stretched_polls_and_of_fewer_transfers(ledger: Ledger) -> None:
    desk = desk_with(ledger, 720)
    desk.gates.gate.slow_down()

    desk.passes(3 * HOUR)

    (report,) = stores(desk.config, ledger)
    assert report.sentences[1:] == (
        "polls are 2 times as far apart, to keep to the budget of 720 requests an hour",
        "8 of 16 transfers at a time: the store asked for less, or answers far more slowly than "
        "usual",
    )


def test_a_store_that_nobody_has_used_is_told_without_figures(ledger: Ledger) -> None:
    desk = desk_with(ledger, None)

    (report,) = stores(desk.config, ledger)

    assert (report.row, report.sentences) == (None, ())


def test_prometheus_is_told_of_each_process_kind_budget_and_gate(ledger: Ledger) -> None:
    desk = desk_with(ledger, 100)
    desk.passes(timedelta(minutes=5))
    name = desk.store.name
    registry = CollectorRegistry()

    registry.register(LiveTraffic(lambda: desk.traffic.figures({(name, "docs", "get"): 7})))

    told = generate_latest(registry).decode()
    lists = desk.meter.counts()["docs", Ask.LIST]
    stretch = desk.traffic.stretch(name)
    assert f'requests_total{{by="daemon",kind="list",mirror="docs",store="{name}"}} {lists}' in told
    assert f'requests_total{{by="api",kind="get",mirror="docs",store="{name}"}} 7.0' in told
    assert f'docferry_store_budget_requests{{store="{name}"}} 100.0' in told
    assert f'docferry_store_poll_stretch{{store="{name}"}} {stretch}' in told
    assert f'docferry_store_concurrency{{of="looks",store="{name}"}} 8.0' in told
    assert 1 < stretch <= SELDOM_S / POLL_S
