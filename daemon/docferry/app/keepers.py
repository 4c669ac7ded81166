"""What looks after the past of a mirror: its chores, and when they are done."""

from __future__ import annotations

from collections.abc import Callable, Sequence
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


class MirrorKeeper:
    """
    The keeper of one mirror, with all its chores.

    Args:
        is_ready: Whether its sides have proven themselves and answer.
        is_paused: Whether a person lets it rest.
    """

    def __init__(
        self,
        sides: Sides,
        ledger: Ledger,
        new_ulid: Callable[[], Ulid],
        now: Callable[[], datetime],
        is_ready: Callable[[], bool],
        is_paused: Callable[[], bool],
    ) -> None:
        self._sides = sides
        self._ledger = ledger
        self._new_ulid = new_ulid
        self._now = now
        self._store_versions = self._make_store_versions()
        snapshots = Snapshots(
            sides.options.name,
            ledger,
            sides.remote,
            every_s=sides.options.snapshot_s,
            new_ulid=new_ulid,
            now=now,
        )
        self._keeper = Keeper(sides.options.name, self._chores(snapshots), is_ready, is_paused)
        sides.on_request.use(erase=partial(self._erase, self._make_erasure(snapshots)))

    def start(self, every: Callable[[float, str, Callable[[], None]], None]) -> None:
        """Start it. *every* lets a function be called now, and again after so many seconds."""
        least_s, most_s = PATROL_EVERY_S
        patrol_s = min(most_s, max(least_s, self._sides.options.patrol_s / 10))
        for chore, every_s in (EVERY_S | {Patrol.name: patrol_s}).items():
            every(every_s, chore, partial(self.poke, chore))
        self._keeper.start()

    def stop(self, timeout_s: float) -> bool:
        """End after the step under way. False: that takes longer than *timeout_s*."""
        return self._keeper.stop(timeout_s)

    def poke(self, chore: str) -> None:
        """Let a chore be done soon."""
        self._keeper.poke(chore)

    def remote_changed(self, paths: Sequence[Path]) -> None:
        """Look what else the bucket has held at *paths*."""
        self._store_versions.changed(paths)
        self.poke(StoreVersions.name)

    def asked(self, kind: RequestKind) -> None:
        """Do what was asked for of the whole mirror."""
        self.poke(kind.value)

    def run_once(self) -> None:
        """Do now what is not to be left for a daemon that stays."""
        self._keeper.run_now(ONCE)

    def _chores(self, snapshots: Snapshots) -> list[Chore]:
        sides, options, ledger = self._sides, self._sides.options, self._ledger
        return [
            self._store_versions,  # first: what seems lost may be found by it
            BringUp(options.name, sides.local, sides.remote, ledger, sides.contents),
            Retention(
                options.name,
                options.retention,
                sides.places,
                ledger,
                bucket_versions=partial(_bucket_versions, sides),
                now=_by_the_clock,
            ),
            snapshots,
            _Function("snapshot-now", snapshots.take_if_changed),
            Patrol(options, sides.places, ledger, sides.contents, self._new_ulid, self._now),
        ]

    def _make_erasure(self, snapshots: Snapshots) -> Erasure:
        sides = self._sides
        return Erasure(
            sides.options.name,
            sides.local,
            sides.remote,
            sides.places,
            self._ledger,
            bucket_versions=partial(_bucket_versions, sides),
            is_history_missed=snapshots.are_missed,
            renew_snapshots=snapshots.renew,
            alone=self._keeper.alone,
            now=self._now,
        )

    def _make_store_versions(self) -> StoreVersions:
        options = self._sides.options
        return StoreVersions(
            options.name,
            self._sides.remote,
            self._ledger,
            takes=Filter(options.include, options.exclude).takes,
            new_ulid=self._new_ulid,
            now=self._now,
            on_found=partial(self.poke, BringUp.name),
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
