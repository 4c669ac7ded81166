"""
Deletions wait here until a guard, or a person, lets them travel.

They are parked in the ledger while a plan is made, judged together once everything
else of the plan is done (a rename has then put its content elsewhere), and either
carried out or turned into a hold. While a hold is open it is kept true: what is not to be
deleted any more leaves it, what is new comes into it, and its reason is that of what it holds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime

from docferry.core.guards import counts_since, refuse_deletions
from docferry.ledger import HoldRow, Ledger
from docferry.ledger.holds import Planned
from docferry.logs import get_logger
from docferry.model import Deletion, HoldState, Path, Sha256, Side

log = get_logger(__name__)

_PARK_AT_ONCE = 1000
_CARRY_AT_ONCE = 500


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
        # Not in the ledger yet: what is parked, and (None) what is not to be deleted any more.
        self._unsaved: dict[Path, tuple[Deletion, Sha256] | None] = {}
        self._parked = 0
        self._is_letting_through = False
        self._is_news = False  # something was parked or spared since the last judgement
        self._saw_all = False  # a plan that saw both sides whole is at its end
        ledger.holds.drop_parked(mirror)  # a plan that was cut off by the last stop
        self.is_holding = bool(ledger.holds.all(mirror, (HoldState.OPEN,), kind="deletions"))

    def park(self, deletion: Deletion, sha256: Sha256) -> None:
        self._unsaved[deletion.path] = deletion, sha256
        self._parked += 1
        self._is_news = True
        if len(self._unsaved) >= _PARK_AT_ONCE:
            self._save()

    def spare(self, path: Path) -> None:
        """
        Note that *path* is not to be deleted: if it is parked or held, it is so no more.

        Held or not: what becomes of it may make the hold's reason another, so it is judged anew.
        """
        if self.is_holding:
            self._is_news = True
        elif not self._parked:
            return
        self._unsaved[path] = None
        if len(self._unsaved) >= _PARK_AT_ONCE:
            self._save()

    @property
    def parked(self) -> int:
        return self._parked

    @property
    def are_to_be_judged(self) -> bool:
        """Whether there is anything new to judge, or a plan that saw both sides has ended."""
        return self._is_news or self._saw_all

    @property
    def is_anything_at_stake(self) -> bool:
        """Whether the next judgement can let a deletion travel, or end a hold."""
        return self._is_news or self.is_holding

    def saw_all(self) -> None:
        """Note the end of a plan that saw both sides whole: what it did not find is not so."""
        self._saw_all = True

    def is_parked(self, path: Path) -> bool:
        """Say whether the deletion of *path*, or of a file below it, waits to be judged."""
        below = f"{path}/"
        new = (each for each, parked in self._unsaved.items() if parked is not None)
        is_new = any(f"{each}/".startswith(below) for each in new)
        return is_new or self._ledger.holds.is_parked(self._mirror, path)

    def gone_from(self, side: Side, limit: int) -> list[Path]:
        """Give up to *limit* paths, parked or held as *side* did not have them any more."""
        if not self.is_holding and not self._parked:
            return []
        self._save()
        return self._ledger.holds.gone_from(self._mirror, side, limit)

    def forget(self) -> None:
        """Drop what is parked: the plan it belongs to did not finish."""
        self._unsaved.clear()
        self._parked = 0
        self._is_news = self._saw_all = False
        self._ledger.holds.drop_parked(self._mirror)

    def take_approved(self, now: datetime) -> list[Deletion]:
        """Give the first of those parked that a person has approved: they failed, and go first."""
        self._save()
        return self._ledger.holds.take_approved(self._mirror, _CARRY_AT_ONCE, now)

    def judge(self, now: datetime, is_empty: Callable[[Side], bool]) -> Iterator[list[Deletion]]:
        """
        Yield the parked deletions that may travel, in groups; hold the others.

        Args:
            is_empty: Does that side hold no file at all?
        """
        self._save()
        is_complete = self._saw_all  # what is held and was not found again need not be held
        self._is_news = self._saw_all = False
        self._before_judging()
        held = self._ledger.holds.to_judge(self._mirror)
        on_top_of = None if held is None or is_complete else held.id
        planned = self._ledger.holds.planned(self._mirror, on_top_of)
        reason = self._refuse(now, planned, held, is_empty)
        if reason is not None:
            self._hold(held, reason, now, is_complete=is_complete)
        elif planned.count:
            yield from self._let_through()
        elif held is not None and held.changes:
            self._hold(held, held.reason, now, is_complete=is_complete)  # they wait on
        elif held is not None:
            self._ledger.holds.finish(held.id, now)
            log.info("hold.resolved", mirror=self._mirror, hold=held.id, deletions=held.count)
        self.is_holding = reason is not None or (held is not None and held.changes > 0)
        parked = [one for one in self._unsaved.values() if one is not None]
        self._parked = len(parked)  # meanwhile: they are judged the next time

    def _let_through(self) -> Iterator[list[Deletion]]:
        self._is_letting_through = True
        try:
            while group := self._ledger.holds.take_parked(self._mirror, _CARRY_AT_ONCE):
                yield group
        finally:
            self._is_letting_through = False

    def _refuse(
        self,
        now: datetime,
        planned: Planned,
        held: HoldRow | None,
        is_empty: Callable[[Side], bool],
    ) -> str | None:
        if not planned.count:
            return None
        since = counts_since(now, None if held is None else held.created_at)
        return refuse_deletions(
            count=planned.count,
            lost=planned.lost,
            gone_from=planned.gone_from,
            recent=self._ledger.history.deletions_since(self._mirror, since),
            limit=self._limit,
            is_holding=held is not None,
            emptied=next(filter(is_empty, planned.gone_from), None),
        )

    def _hold(self, held: HoldRow | None, reason: str, now: datetime, *, is_complete: bool) -> None:
        hold = self._ledger.holds.hold(self._mirror, reason, now, replace=is_complete)
        if hold is not None and (held is None or held.count < hold.count):
            log.error(
                "hold.opened",
                mirror=self._mirror,
                hold=hold.id,
                deletions=hold.count - hold.changes,
                reason=hold.reason,
                remedy=f"docferry holds show {hold.id}, then approve or discard it",
            )

    def _save(self) -> None:
        if not self._unsaved or self._is_letting_through:  # they would go along, unjudged
            return
        unsaved, self._unsaved = self._unsaved, {}
        if parked := [one for one in unsaved.values() if one is not None]:
            self._ledger.holds.park(self._mirror, parked)
        if spared := [path for path, one in unsaved.items() if one is None]:
            self._ledger.holds.release(self._mirror, spared)
