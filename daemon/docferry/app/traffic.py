"""
How often buckets are polled, and what their stores were asked for lately, written down.

A budget is watched by the hour: where the requests of the last one come to more, the polls of
all mirrors of the store are stretched; nothing else ever waits for it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Protocol

from docferry.app.meters import METERS
from docferry.app.traffic_figures import Requests, TrafficFigures
from docferry.config import Config, MirrorConfig, StoreConfig
from docferry.core.traffic import (
    LastHour,
    Poll,
    PollCost,
    Spending,
    Turns,
    apart_s,
    in_an_hour,
    spending,
)
from docferry.engine.gate import Gate
from docferry.engine.look import Looks
from docferry.errors import DocferryError
from docferry.ledger import Ledger
from docferry.ledger.traffic import TrafficRow
from docferry.logs import get_logger
from docferry.storage.s3_meter import Ask, MirrorMeter

log = get_logger(__name__)

#: How often `StoreTraffic.look` is to be called.
LOOK_EVERY_S = 10.0
_HOUR = timedelta(hours=1)


def _utc_now() -> datetime:
    return datetime.now(UTC)


class Polls:
    """
    Has a mirror's bucket polled, as often as its store's budget allows. For a timer, as often as
    configured.

    Args:
        ask: Has it polled.
        stretch: How many times longer polls are to be apart.
    """

    def __init__(
        self,
        options: MirrorConfig,
        meter: MirrorMeter,
        ask: Callable[[], None],
        stretch: Callable[[], float],
        now: Callable[[], datetime] = _utc_now,
    ) -> None:
        self.options = options
        self._meter = meter
        self._ask = ask
        self._stretch = stretch
        self._now = now
        self._turns = Turns()
        self._cost = PollCost()
        self._begun = LastHour(now())

    def __call__(self) -> None:
        every_s = self.options.poll_s
        if not self._turns.take(apart_s(every_s, self._stretch()) / every_s):
            return
        self._cost.begins(self._meter.store.counts().get((self._meter.mirror, Ask.LIST), 0))
        self._begun.add("poll", self._now())
        self._ask()

    @property
    def poll(self) -> Poll:
        """How often it is to be polled, and what each poll takes."""
        return Poll(self.options.poll_s, self._cost.requests)

    def per_hour(self) -> float:
        """Give how many requests polls have taken in an hour."""
        now = self._now()
        begun = self._begun.counts(now).total() * self._cost.requests
        return in_an_hour(begun, self._begun.since, now)


class Threads(Protocol):
    """What is asked of a store's threads."""

    @property
    def gate(self) -> Gate: ...
    @property
    def looks(self) -> Looks: ...


class StoreTraffic:
    """
    Looks after all stores. `stretch` and `spendings` are for any thread.

    Args:
        config: The one that is in force.
        polls: Of the mirrors that run.
        threads: Of a store; None: nobody uses it.
    """

    def __init__(
        self,
        config: Callable[[], Config],
        ledger: Ledger,
        polls: Callable[[], Iterable[Polls]],
        threads: Callable[[str], Threads | None],
        now: Callable[[], datetime] = _utc_now,
    ) -> None:
        self._config = config
        self._ledger = ledger
        self._polls = polls
        self._threads = threads
        self._now = now
        self.spendings: dict[str, Spending] = {}  #: by store

    def stretch(self, store: str) -> float:
        """Say how many times longer polls of a store's mirrors are to be apart."""
        return self.spendings.get(store, Spending()).stretch

    def poll_s(self, mirror: MirrorConfig) -> float:
        """Say how far apart a mirror's polls are now."""
        return apart_s(mirror.poll_s, self.stretch(mirror.store))

    def use_limits(self) -> None:
        """Let limits and budgets as they are configured now count, in the middle of everything."""
        for store in self._config().stores.values():
            METERS.of(store)
        self.look()

    def figures(self, by_api: Requests) -> TrafficFigures:
        """
        Give what Prometheus is told.

        Args:
            by_api: Requests that the process of the API has sent.
        """
        stores = self._config().stores
        used = {name: threads for name in stores if (threads := self._threads(name))}
        return TrafficFigures(
            {"daemon": METERS.counts(), "api": by_api},
            {name: one.budget for name, one in stores.items() if one.budget is not None},
            {name: self.stretch(name) for name in used},
            {
                (name, of): gate.limit
                for name, threads in used.items()
                for of, gate in (("transfers", threads.gate), ("looks", threads.looks.gate))
            },
        )

    def look(self) -> None:
        """Decide anew how often it is polled, and write down what was asked for."""
        rows = self.decide()
        with suppress(DocferryError):  # the loops say so; the next look writes it down
            self._ledger.traffic.put(rows)

    def decide(self) -> list[TrafficRow]:
        """Decide anew how often it is polled; give what there is to be told of each store."""
        rows = []
        for name, store in self._config().stores.items():
            threads = self._threads(name)
            if threads is not None:
                rows.append(self._looked_at(store, threads.gate))
        return rows

    def _looked_at(self, store: StoreConfig, gate: Gate) -> TrafficRow:
        since, requests = METERS.of(store).last_hour()
        now = self._now()
        mine = [one for one in self._polls() if one.options.store == store.name]
        in_all = in_an_hour(requests.total(), since, now)
        others = max(0.0, in_all - sum(one.per_hour() for one in mine))
        found = spending(store.budget, others, [one.poll for one in mine])
        self._tell(store, found, in_all)
        self.spendings[store.name] = found
        return TrafficRow(
            store.name,
            now,
            max(since, now - _HOUR),
            dict(requests),
            round(found.stretch, 2),
            found.is_over,
            gate.limit,
            gate.most,
        )

    def _tell(self, store: StoreConfig, found: Spending, in_all: float) -> None:
        before = self.spendings.get(store.name, Spending())
        if (found.stretch > 1, found.is_over) == (before.stretch > 1, before.is_over):
            return
        facts = {"store": store.name, "budget_per_hour": store.budget, "per_hour": round(in_all)}
        if found.stretch > 1:
            stretch = round(found.stretch, 2)
            log.warning("budget.stretched", **facts, stretch=stretch, is_over=found.is_over)
        else:
            log.info("budget.eased", **facts)
