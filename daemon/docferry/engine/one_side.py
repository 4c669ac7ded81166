"""A run that compares one side with the ledger: what differs is looked at, and nothing else is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta

from docferry.core.merge import Unseen
from docferry.core.newest import listed_after
from docferry.engine.consider import Planner, Tools
from docferry.engine.deletions import Deletions
from docferry.engine.dirty import DirtyPaths
from docferry.engine.health import Health
from docferry.engine.identity import Places
from docferry.engine.look import changed_after, changed_on, gone_from
from docferry.engine.runs import Run, seconds_between
from docferry.logs import get_logger
from docferry.model import Path, Side, Unknown

log = get_logger(__name__)

#: More differences than this in a poll or a folder: a full run is cheaper.
MOST_MARKS = 2000


class OneSide:
    """Polls and walks of one mirror. Used by its loop alone."""

    def __init__(
        self,
        places: Places,
        tools: Tools,
        planner: Planner,
        dirty: DirtyPaths,
        deletions: Deletions,
        health: Health,
        on_wait: Callable[[], None],
        request: Callable[[Run], None],
    ) -> None:
        self._places = places
        self._ledger = tools.ledger
        self._timing = tools.timing
        self._planner = planner
        self._dirty = dirty
        self._deletions = deletions
        self._health = health
        self._on_wait = on_wait
        self._request = request
        self._relist = timedelta(seconds=tools.options.relist_s)
        self._listed_at: datetime | None = None  #: when all of the bucket was listed
        self._agreed_listing: int | None = None  #: operations done when a poll found no change

    def listed(self, *, differs: bool) -> None:
        """Note that the whole bucket was listed, and whether it was as agreed."""
        self._agreed_listing = None if differs else self._planner.carrier.done
        self._listed_at = self._timing.now()

    def forget(self) -> None:
        """Note that it has to be compared again, even if it is as it was listed last."""
        self._agreed_listing = None

    def run(self, side: Side) -> bool:
        """
        Compare *side* with the ledger; what differs becomes dirty.

        Returns:
            False: Too much does, and a full run is to follow.
        """
        began = self._timing.now()
        after = listed_after(began, self._listed_at, self._relist)
        if side is Side.REMOTE and after is not None:
            return self._look_at_newest(after, began)
        if side is Side.REMOTE and self._is_as_agreed():
            self._health.note(last_poll_at=began)
            return True
        if side is Side.LOCAL:
            self._planner.problems.walk_begins()
        marks = 0
        for path in self._changed_on(side):
            self._dirty.mark(path)
            marks += 1
        held = self._deletions.gone_from(side, MOST_MARKS + 1)
        if max(marks, len(held)) > MOST_MARKS:
            self._request(Run.FULL)
            return False
        for path in held:  # it may be there, and as agreed
            self._dirty.mark(path)
        if side is Side.REMOTE:
            self.listed(differs=marks > 0)
            self._health.note(last_poll_at=began)
        else:
            self._planner.problems.walk_ended()
            self._health.note(last_scan_at=began)
        took_s = seconds_between(began, self._timing.now())
        log.debug("run.done", mirror=self._health.mirror, run=side, took_s=took_s)
        return True

    def gone_from(self, side: Side) -> Iterator[Path]:
        """Give the paths of the mirror that were agreed on, and that *side* has no more."""
        mirror = self._health.mirror
        found = gone_from(side, mirror, self._places, self._ledger, self._on_wait)
        return filter(self._planner.takes, found)

    def _is_as_agreed(self) -> bool:
        """Say whether the bucket is as the last poll saw it, and nothing was done since."""
        if self._agreed_listing != self._planner.carrier.done:
            return False
        # By an earlier listing some may be gone. It lied: they are there, and to be looked at.
        is_any_gone = self._deletions.gone_from(Side.REMOTE, 1)
        return not is_any_gone and self._places.remote.is_as_scanned()

    def _look_at_newest(self, after: Path, began: datetime) -> bool:
        """Do so for what comes after *after*."""
        mirror = self._health.mirror
        for marks, found in enumerate(changed_after(after, mirror, self._places, self._ledger)):
            if marks >= MOST_MARKS:
                self._request(Run.FULL)
                return False
            if not isinstance(found, Unknown) and self._planner.takes(found):
                self._dirty.mark(found)
        self._health.note(last_poll_at=began)
        return True

    def _changed_on(self, side: Side) -> Iterator[Path]:
        mirror = self._health.mirror
        for found in changed_on(side, mirror, self._places, self._ledger, self._on_wait):
            if isinstance(found, Unknown):
                self._planner.problems.unseen(Unseen(side, found))
            elif self._planner.takes(found):
                yield found
