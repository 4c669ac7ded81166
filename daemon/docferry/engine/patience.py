"""How long a mirror waits for what may come right by itself."""

from __future__ import annotations

from dataclasses import dataclass

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
