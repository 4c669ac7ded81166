"""What Prometheus sees of webhooks: what came of each try, and what waits."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from prometheus_client import Counter
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from docferry.errors import DocferryError
from docferry.metrics import REGISTRY, SCRAPE_FAILURES

DELIVERIES = Counter(
    "webhook_deliveries",
    "Tries to deliver, by what came of them (done, failed, unreachable, dead).",
    ("webhook", "outcome"),
    namespace="docferry",
    registry=REGISTRY,
)

UNREADABLE = Counter(
    "webhook_events_unreadable",
    "Events that no webhook was told of, for what was noted of them cannot be read.",
    namespace="docferry",
    registry=REGISTRY,
)


@dataclass(frozen=True, slots=True)
class Waiting:
    """What is true of one webhook right now."""

    queued: int = 0  #: those under way too
    dead: int = 0
    oldest_at: datetime | None = None  #: of those that wait; None: none does
    is_down: bool = False  #: its receiver is given nothing for a while


class LiveWebhooks(Collector):
    """
    Asks how the webhooks stand whenever it is scraped.

    Args:
        webhooks: By name. Called in a scrape's thread.
        now: The clock; for ages.
    """

    def __init__(
        self,
        webhooks: Callable[[], Mapping[str, Waiting]],
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._webhooks = webhooks
        self._now = now

    def describe(self) -> Iterable[GaugeMetricFamily]:
        return _families({}, datetime.now(UTC))

    def collect(self) -> Iterator[GaugeMetricFamily]:
        try:
            yield from _families(self._webhooks(), self._now())
        except DocferryError:
            SCRAPE_FAILURES.inc()


_GAUGES: tuple[tuple[str, str, Callable[[Waiting, datetime], float]], ...] = (
    ("webhook_queued", "Deliveries that wait, or are under way.", lambda w, _: w.queued),
    ("webhook_dead", "Deliveries that were given up on.", lambda w, _: w.dead),
    (
        "webhook_oldest_age_seconds",
        "Age of the oldest delivery that waits; 0: none does.",
        lambda w, now: _age_s(w.oldest_at, now),
    ),
    (
        "webhook_receiver_up",
        "0: the receiver failed again and again, and is only tried now and then.",
        lambda w, _: not w.is_down,
    ),
)


def _families(webhooks: Mapping[str, Waiting], now: datetime) -> list[GaugeMetricFamily]:
    families = []
    for name, meaning, value in _GAUGES:
        family = GaugeMetricFamily(f"docferry_{name}", meaning, labels=["webhook"])
        for webhook, waiting in webhooks.items():
            family.add_metric([webhook], float(value(waiting, now)))
        families.append(family)
    return families


def _age_s(at: datetime | None, now: datetime) -> float:
    return 0.0 if at is None else max(0.0, (now - at).total_seconds())
