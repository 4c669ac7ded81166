"""What looks after the past of each mirror: its chores, and when they are done."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial

from docferry.app.sides import Sides
from docferry.core.filters import Filter
from docferry.engine import snapshot
from docferry.engine.archived import BucketVersions
from docferry.engine.bring_up import BringUp
from docferry.engine.erase import Erasure
from docferry.engine.keeper import Chore, Keeper
from docferry.engine.patrol import Patrol
from docferry.engine.retention import Retention
from docferry.engine.snapshot import Snapshots
from docferry.engine.strangers import SWEEP_EVERY_S, StoreVersions
from docferry.engine.timers import Timers
from docferry.errors import PermanentError
from docferry.ledger import Ledger
from docferry.model import Erase, Path, RequestKind, Ulid

#: How often each chore is done, in seconds, besides when something happens that calls for it.
EVERY_S = {
    StoreVersions.name: SWEEP_EVERY_S,
    "bring-up": 3600.0,
    "retention": 3600.0,
    "snapshots": snapshot.EVERY_S,
}
#: A patrol goes on in steps, some in each cycle, and never more often than it pays.
PATROL_EVERY_S = (1.0, 60.0)
#: What a daemon does at its end that does not stay: the patrol goes on for days.
ONCE = (StoreVersions.name, "bring-up", "retention", "snapshot-now")


@dataclass(frozen=True, slots=True)
class _Function:
    """A function as a chore."""

    name: str
    run: Callable[[Callable[[], bool]], None]


class Keepers:
    """The keepers of all mirrors."""

    def __init__(
        self, ledger: Ledger, new_ulid: Callable[[], Ulid], now: Callable[[], datetime]
    ) -> None:
        self._ledger = ledger
        self._new_ulid = new_ulid
        self._now = now
        self._keepers: dict[str, Keeper] = {}
        self._every_s: dict[str, dict[str, float]] = {}
        self._store_versions: dict[str, StoreVersions] = {}

    def add(self, sides: Sides, is_ready: Callable[[], bool]) -> None:
        """
        Make the keeper of one mirror.

        Args:
            is_ready: Whether its sides have proven themselves and answer.
        """
        options, ledger = sides.options, self._ledger
        name, bucket_versions = options.name, partial(_bucket_versions, sides)
        self._store_versions[name] = self._store_versions_of(sides)
        snapshots = Snapshots(
            name,
            ledger,
            sides.remote,
            every_s=options.snapshot_s,
            new_ulid=self._new_ulid,
            now=self._now,
        )
        chores: list[Chore] = [
            self._store_versions[name],  # first: what seems lost may be found by it
            BringUp(name, sides.local, sides.remote, ledger, sides.contents),
            Retention(
                name,
                options.retention,
                sides.places,
                ledger,
                bucket_versions=bucket_versions,
                now=_by_the_clock,
            ),
            snapshots,
            _Function("snapshot-now", snapshots.take_if_changed),
            Patrol(options, sides.places, ledger, sides.contents, self._new_ulid, self._now),
        ]
        least_s, most_s = PATROL_EVERY_S
        patrol_s = min(most_s, max(least_s, options.patrol_s / 10))
        self._every_s[name] = EVERY_S | {Patrol.name: patrol_s}
        self._keepers[name] = keeper = Keeper(name, chores, is_ready)
        erasure = Erasure(
            name,
            sides.local,
            sides.remote,
            sides.places,
            ledger,
            bucket_versions=bucket_versions,
            is_history_missed=snapshots.are_missed,
            renew_snapshots=snapshots.renew,
            alone=keeper.alone,
            now=self._now,
        )
        sides.on_request.use(erase=partial(self._erase, erasure))

    def start(self, timers: Timers, on_exit: ExitStack, time_left_s: Callable[[], float]) -> None:
        """Start them, with their timers; *on_exit* stops them."""
        for mirror, keeper in self._keepers.items():
            for chore, every_s in self._every_s[mirror].items():
                # At once: an earlier daemon may have left something to do.
                poke = partial(keeper.poke, chore)
                timers.every(every_s, f"{chore}-{mirror}", poke, at_once=True)
            keeper.start()
            on_exit.callback(_stop, keeper, time_left_s)

    def poke(self, mirror: str, chore: str) -> None:
        """Let a chore be done soon."""
        self._keepers[mirror].poke(chore)

    def remote_changed(self, mirror: str, paths: Sequence[Path]) -> None:
        """Look what else the bucket has held at *paths*."""
        self._store_versions[mirror].changed(paths)
        self.poke(mirror, StoreVersions.name)

    def asked(self, mirror: str, kind: RequestKind) -> None:
        """Do what was asked for of a whole mirror."""
        self.poke(mirror, kind.value)

    def run_once(self) -> None:
        """Do now what is not to be left for a daemon that stays."""
        for keeper in self._keepers.values():
            keeper.run_now(ONCE)

    def _store_versions_of(self, sides: Sides) -> StoreVersions:
        options = sides.options
        return StoreVersions(
            options.name,
            sides.remote,
            self._ledger,
            takes=Filter(options.include, options.exclude).takes,
            new_ulid=self._new_ulid,
            now=self._now,
            on_found=partial(self.poke, options.name, BringUp.name),
        )

    def _erase(self, erasure: Erasure, operation: Erase) -> None:
        request = self._ledger.requests.get(operation.request)
        if request is None:
            raise PermanentError(f"request {operation.request} is not in the ledger any more")
        erasure.run(request)


def _bucket_versions(sides: Sides) -> BucketVersions | None:
    return sides.remote.bucket_versions if sides.remote.profile.versioning else None


def _by_the_clock() -> datetime:
    """
    Tell the time by which versions are let go: as the store, which answers, takes it for true.

    The time of history may be years ahead, if a clock once was: all would be old enough.
    """
    return datetime.now(UTC)


def _stop(keeper: Keeper, time_left_s: Callable[[], float]) -> None:
    keeper.stop(time_left_s())
