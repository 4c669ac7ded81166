"""What Prometheus sees of the requests to the stores, and of what keeps them few."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

#: By store, mirror and kind.
Requests = Mapping[tuple[str, str, str], int]


@dataclass(frozen=True, slots=True)
class TrafficFigures:
    """
    What is so now.

    requests: by whose process they are of ("daemon", "api").
    at_a_time: by store and what it is of (transfers, looks).
    """

    requests: Mapping[str, Requests] = field(default_factory=dict)
    budgets: Mapping[str, float] = field(default_factory=dict)
    stretches: Mapping[str, float] = field(default_factory=dict)
    at_a_time: Mapping[tuple[str, str], int] = field(default_factory=dict)


class LiveTraffic(Collector):
    """
    Tells of the stores whenever it is scraped.

    Args:
        figures: Called in a scrape's thread.
    """

    def __init__(self, figures: Callable[[], TrafficFigures]) -> None:
        self._figures = figures

    def describe(self) -> Iterable[CounterMetricFamily | GaugeMetricFamily]:
        return families_of(TrafficFigures())

    def collect(self) -> Iterator[CounterMetricFamily | GaugeMetricFamily]:
        return families_of(self._figures())


def families_of(figures: TrafficFigures) -> Iterator[CounterMetricFamily | GaugeMetricFamily]:
    """Give *figures* as Prometheus has them."""
    requests = CounterMetricFamily(
        "docferry_store_requests",
        "Requests to a store, each try of them, by what they are for (list, get, put, part, …) and"
        " by which process they were sent (daemon, api).",
        labels=["store", "mirror", "kind", "by"],
    )
    for by, counts in figures.requests.items():
        for labels, count in sorted(counts.items()):
            requests.add_metric([*labels, by], count)
    yield requests
    yield _gauge(
        "store_budget_requests", "Requests an hour that a store's budget has.", figures.budgets
    )
    yield _gauge(
        "store_poll_stretch",
        "How many times longer than configured polls are apart, to keep to the budget; 1: none.",
        figures.stretches,
    )
    at_a_time = GaugeMetricFamily(
        "docferry_store_concurrency",
        "How many of these a store gets at a time: fewer once it asked for less or became slow.",
        labels=["store", "of"],
    )
    for key, limit in figures.at_a_time.items():
        at_a_time.add_metric(list(key), limit)
    yield at_a_time


def _gauge(name: str, meaning: str, values: Mapping[str, float]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(f"docferry_{name}", meaning, labels=["store"])
    for store, value in values.items():
        family.add_metric([store], value)
    return family
