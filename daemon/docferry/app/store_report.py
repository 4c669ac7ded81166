"""What the stores were asked for lately, put together for people and programs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

from docferry.config import Config
from docferry.ledger import Ledger
from docferry.ledger.traffic import TrafficRow

_HOUR = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class StoreReport:
    """One store that mirrors use."""

    name: str
    budget: float | None  #: requests an hour, as configured; None: none
    row: TrafficRow | None  #: as the daemon wrote it down last; None: it has not yet

    @property
    def sentences(self) -> tuple[str, ...]:
        """Say for people what there is to be said of it."""
        return () if self.row is None else tuple(_told(self.row, self.budget))


def stores(config: Config, ledger: Ledger) -> list[StoreReport]:
    """Report on each store that a mirror uses."""
    used = {mirror.store for mirror in config.mirrors.values()}
    return [
        StoreReport(name, store.budget, ledger.traffic.get(name))
        for name, store in config.stores.items()
        if name in used
    ]


def _told(row: TrafficRow, budget: float | None) -> Iterator[str]:
    total = sum(row.requests.values())
    kinds = sorted(row.requests.items(), key=lambda each: -each[1])
    each = f" ({', '.join(f'{kind} {count:,}' for kind, count in kinds)})" if kinds else ""
    yield f"{total:,} {'request' if total == 1 else 'requests'} {_while(row)}{each}"
    if row.stretch > 1:
        so_many = "" if budget is None else f" of {budget:,.0f} requests an hour"
        yield f"polls are {row.stretch:,g} times as far apart, to keep to the budget{so_many}"
    if row.is_over:
        yield "even so there are more than the budget has: documents do not wait for it"
    if row.at_a_time < row.most:
        yield (
            f"{row.at_a_time} of {row.most} transfers at a time: the store asked for less, or "
            "answers far more slowly than usual"
        )


def _while(row: TrafficRow) -> str:
    if row.at - row.since >= _HOUR:
        return "in the last hour"
    minutes = max(1, round((row.at - row.since) / timedelta(minutes=1)))
    return f"in the {minutes} min since {row.since:%H:%M} UTC"
