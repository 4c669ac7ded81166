"""How long a mirror waits for what may come right by itself."""

from __future__ import annotations

from dataclasses import dataclass

from docferry.engine.timing import Timing

_RENAMES_S = 10.0
_BLOCKED_S = 3.0


@dataclass(frozen=True, slots=True)
class Patience:
    """Each in seconds."""

    absence_s: float  #: for a file that is missing: an editor may be in the middle of a save
    renames_s: float  #: for deletions: what still settles may be the same files renamed
    blocked_s: float  #: for a newcomer whose name is taken: what is there may be on its way out

    @classmethod
    def usual(cls, settle_s: float) -> Patience:
        """Give what suits people and programs that need *settle_s* to finish a file."""
        return cls(settle_s, _RENAMES_S + 2 * settle_s, _BLOCKED_S)


class ForRenames:
    """How long deletions wait for what may be the same files under new names."""

    def __init__(self, timing: Timing, patience: Patience) -> None:
        self._timing = timing
        self._patience = patience
        self._until_s: float | None = None  # monotonic

    def is_over(self) -> bool:
        """Say whether they have waited long enough: from the first time that it was asked on."""
        now_s = self._timing.monotonic()
        if self._until_s is None:
            self._until_s = now_s + self._patience.renames_s
        return now_s >= self._until_s

    def begin_anew(self) -> None:
        """Forget since when they wait: others follow."""
        self._until_s = None
