"""The meters of this process, one for each store, whoever of it asks the store for something."""

from __future__ import annotations

import threading

from docferry.config import StoreConfig
from docferry.storage.s3_meter import Meter


class Meters:
    """For any thread."""

    def __init__(self) -> None:
        self._meters: dict[str, Meter] = {}
        self._lock = threading.Lock()

    def of(self, store: StoreConfig) -> Meter:
        """Give the meter of a store, within the limits that are configured now."""
        with self._lock:
            meter = self._meters.setdefault(store.name, Meter())
        meter.limits = store.limits
        return meter

    def take(self, store: StoreConfig, meter: Meter) -> Meter:
        """Use *meter* for a store from now on, in the place of what there was; give it."""
        with self._lock:
            self._meters[store.name] = meter
        return self.of(store)

    def named_limits(self, store: str) -> str:
        """Name what of a store is limited now; "": nothing, or nobody asks it for anything."""
        with self._lock:
            meter = self._meters.get(store)
        return "" if meter is None else meter.limits.named(store)

    def counts(self) -> dict[tuple[str, str, str], int]:
        """Give the requests since the process began: by store, mirror and kind."""
        with self._lock:
            meters = dict(self._meters)
        return {
            (store, mirror, ask.value): count
            for store, meter in meters.items()
            for (mirror, ask), count in meter.counts().items()
        }


METERS = Meters()
