"""
What Prometheus sees of the API and the page: what the process that serves them tells of itself.

It counts, and the daemon, which is scraped, has what it said last. A process that is started anew
begins at nothing, as a counter may.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector

#: Seconds until an answer began; the last is +Inf.
BOUNDS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, float("inf"))


@dataclass(frozen=True, slots=True)
class ApiFigures:
    """
    What the process has counted since its begin.

    requests: by method and class of status ("2xx").
    took: how many took as long as each of `BOUNDS_S`, and no less than the one before.
    listeners: who follows events at the moment.
    store_requests: to stores, by store, mirror and kind.
    """

    requests: Mapping[tuple[str, str], int] = field(default_factory=dict)
    took: tuple[int, ...] = (0,) * len(BOUNDS_S)
    took_s: float = 0.0
    listeners: int = 0
    store_requests: Mapping[tuple[str, str, str], int] = field(default_factory=dict)


class LiveApi(Collector):
    """
    Tells how the API does whenever it is scraped.

    Args:
        figures: What its process said last. Called in a scrape's thread.
    """

    def __init__(self, figures: Callable[[], ApiFigures]) -> None:
        self._figures = figures

    def describe(
        self,
    ) -> Iterable[CounterMetricFamily | GaugeMetricFamily | HistogramMetricFamily]:
        return self.collect_of(ApiFigures())

    def collect(
        self,
    ) -> Iterator[CounterMetricFamily | GaugeMetricFamily | HistogramMetricFamily]:
        return self.collect_of(self._figures())

    @staticmethod
    def collect_of(
        figures: ApiFigures,
    ) -> Iterator[CounterMetricFamily | GaugeMetricFamily | HistogramMetricFamily]:
        """Give *figures* as Prometheus has them."""
        requests = CounterMetricFamily(
            "docferry_api_requests",
            "Requests to the API and the page, by what they were answered (2xx, 4xx, …).",
            labels=["method", "status"],
        )
        for labels, count in sorted(figures.requests.items()):
            requests.add_metric(list(labels), count)
        yield requests
        took = HistogramMetricFamily(
            "docferry_api_request_seconds",
            "How long requests to the API and the page took until their answer began.",
            labels=[],
        )
        took.add_metric([], _buckets(figures.took), figures.took_s)
        yield took
        listeners = GaugeMetricFamily(
            "docferry_api_listeners", "Who follows events of the API and the page, right now."
        )
        listeners.add_metric([], figures.listeners)
        yield listeners


def _buckets(took: Iterable[int]) -> list[tuple[str, float]]:
    """Prometheus has in each how many took no longer."""
    buckets, so_far = [], 0
    for bound_s, count in zip(BOUNDS_S, took, strict=True):
        so_far += count
        buckets.append(("+Inf" if bound_s == float("inf") else str(bound_s), float(so_far)))
    return buckets
