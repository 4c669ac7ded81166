"""Versions that are said to be at paths without an agreement, and are there no more."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from docferry.core.merge import Difference
from docferry.engine.dirty import DirtyPaths
from docferry.ledger import Ledger
from docferry.model import Forget, Mode, Outcome, Path

_AT_ONCE = 500


class Left:
    """
    Lets the versions of one mirror leave that did not come back. Used by its loop alone.

    Where a deletion was refused, or both sides were joined anew, there is no agreement, and the
    version stays that of its path: one side has it. By then that side may have lost it, too, or
    the path is another one's, and its own comes down as an alias.
    """

    def __init__(
        self,
        mirror: str,
        mode: Mode,
        ledger: Ledger,
        dirty: DirtyPaths,
        now: Callable[[], datetime],
    ) -> None:
        self._mirror = mirror
        self._mode = mode
        self._ledger = ledger
        self._dirty = dirty
        self._now = now
        self._after: Path = ""  # so far a full run has had them looked at

    def looked(self, seen: Difference) -> None:
        """Note what was seen at a path that was looked at by itself."""
        path = seen.path
        if seen.is_nowhere and self._ledger.unagreed.at(self._mirror, path) is not None:
            self._ledger.record(self._mirror, [Outcome(Forget(path), synced=None)], at=self._now())
        if path == self._after:
            self._look_at_next()

    def full_run_ended(self) -> None:
        """Have them looked at: a full run does not meet what is in none of its trees."""
        if self._mode is Mode.TWO_WAY:  # else one side may keep any number to itself
            self._look_at_next()

    def _look_at_next(self) -> None:
        paths = self._ledger.unagreed.paths(self._mirror, _AT_ONCE, after=self._after)
        self._after = paths[-1] if len(paths) == _AT_ONCE else ""
        for path in paths:
            self._dirty.mark(path)
