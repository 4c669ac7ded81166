"""
Deletions wait here until a guard, or a person, lets them travel.

They are parked in the ledger while a plan is made, judged together once everything
else of the plan is done (a rename has then put its content elsewhere), and either
carried out or turned into a hold.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime

from docferry.core.guards import DELETION_WINDOW, refuse_deletions
from docferry.ledger import HoldRow, Ledger
from docferry.logs import get_logger
from docferry.model import DeleteLocal, Deletion, HoldState, Path, Sha256, Side

log = get_logger(__name__)

_PARK_AT_ONCE = 1000


class Deletions:
    """The parked and the held deletions of one mirror. Used by its loop alone."""

    def __init__(
        self,
        mirror: str,
        ledger: Ledger,
        limit: int,
        before_judging: Callable[[], None] = lambda: None,
    ) -> None:
        self._mirror = mirror
        self._before_judging = before_judging
        self._ledger = ledger
        self._limit = limit
        self._unsaved: list[tuple[Deletion, Sha256]] = []
        self._parked = 0
        self._side: Side | None = None  # whose files are gone
        ledger.holds.drop_parked(mirror)  # a plan that was cut off by the last stop

    def park(self, deletion: Deletion, sha256: Sha256) -> None:
        self._unsaved.append((deletion, sha256))
        self._parked += 1
        self._side = Side.REMOTE if isinstance(deletion, DeleteLocal) else Side.LOCAL
        if len(self._unsaved) >= _PARK_AT_ONCE:
            self._save()

    @property
    def parked(self) -> int:
        return self._parked

    @property
    def is_anything_at_stake(self) -> bool:
        """Whether the next judgement can let a deletion travel, or end a hold."""
        return self._parked > 0 or self._held() is not None

    def is_parked(self, path: Path) -> bool:
        """Say whether the deletion of *path*, or of a file below it, waits to be judged."""
        self._save()
        return self._ledger.holds.is_parked(self._mirror, path)

    def forget(self) -> None:
        """Drop what is parked: the plan it belongs to did not finish."""
        self._unsaved.clear()
        self._parked, self._side = 0, None
        self._ledger.holds.drop_parked(self._mirror)

    def judge(
        self, now: datetime, is_empty: Callable[[Side], bool], *, is_complete: bool
    ) -> Iterator[list[Deletion]]:
        """
        Yield the parked deletions that may travel, in groups; hold the others.

        Args:
            is_empty: Does that side hold no file at all?
            is_complete: The plan saw both sides whole, so a hold that it did not
                find again is no longer needed.
        """
        self._save()
        if self._parked:
            self._before_judging()
        held = self._held()
        reason = self._refuse(now, held, is_empty)
        if reason is not None:
            self._hold(held, reason, now, is_complete=is_complete)
        elif self._parked:
            while group := self._ledger.holds.take_parked(self._mirror, 500):
                yield group
        elif is_complete and held is not None:
            self._ledger.holds.finish(held.id, now)
            log.info("hold.resolved", mirror=self._mirror, hold=held.id, deletions=held.count)
        self._parked, self._side = 0, None

    def _refuse(
        self, now: datetime, held: HoldRow | None, is_empty: Callable[[Side], bool]
    ) -> str | None:
        if not self._parked or self._side is None:
            return None
        holds = self._ledger.holds
        files, _ = self._ledger.synced.count(self._mirror)
        return refuse_deletions(
            lost=holds.parked_lost(self._mirror),
            recent=self._ledger.history.deletions_since(self._mirror, now - DELETION_WINDOW),
            limit=self._limit,
            held=0 if held is None else held.count,
            emptied=self._side if self._parked >= files and is_empty(self._side) else None,
        )

    def _hold(self, held: HoldRow | None, reason: str, now: datetime, *, is_complete: bool) -> None:
        hold = self._ledger.holds.hold(
            self._mirror, held.reason if held else reason, now, replace=is_complete
        )
        if held is None or held.count != hold.count:
            log.error(
                "hold.opened",
                mirror=self._mirror,
                hold=hold.id,
                deletions=hold.count,
                reason=hold.reason,
                remedy=f"docferry holds show {hold.id}, then approve or discard it",
            )

    def _held(self) -> HoldRow | None:
        found = self._ledger.holds.all(self._mirror, (HoldState.OPEN,), kind="deletions")
        return found[0] if found else None

    def _save(self) -> None:
        if self._unsaved:
            self._ledger.holds.park(self._mirror, self._unsaved)
            self._unsaved = []
