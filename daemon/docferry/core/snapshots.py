"""When a snapshot of the ledger is taken, which ones are kept, and whose history they hold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from docferry.model import Ulid

#: Nothing was written down for so long: the work is done for now.
QUIET = timedelta(seconds=30)
#: A snapshot takes its time at most so rarely: a tenth of the disk and the network is enough.
RARER_THAN_IT_TAKES = 10
#: The newest may be damaged, and the next one too.
KEPT = 3


@dataclass(frozen=True, slots=True)
class Changes:
    """What was written into a mirror's history since its last snapshot."""

    last_history: int  #: the newest row
    first_at: datetime
    last_at: datetime

    def followed_by(self, later: Changes | None) -> Changes:
        """Give these and *later* ones as a whole."""
        if later is None:
            return self
        return Changes(later.last_history, self.first_at, later.last_at)


@dataclass(frozen=True, slots=True)
class Stored:
    """A snapshot that a bucket holds."""

    id: Ulid
    instance: str  #: of the ledger that it was taken of
    taken_at: datetime  #: as its name tells


def is_due(
    changes: Changes | None,
    last: tuple[datetime, timedelta] | None,
    now: datetime,
    every: timedelta,
) -> bool:
    """
    Say whether a snapshot is to be taken.

    Args:
        changes: None: there are none since the last one.
        last: When the last one was taken and how long that took; None: there is none.
        every: The latest time after the first change, however busy the mirror is.
    """
    if changes is None:
        return False
    if last is not None and now - last[0] < last[1] * RARER_THAN_IT_TAKES:
        return False
    return now - changes.last_at >= QUIET or now - changes.first_at >= every


def superseded(stored: Sequence[Stored], own: str) -> list[Ulid]:
    """
    Name those that may go: of the own ledger all but the newest few.

    Another ledger's are not ours to remove: it may be lost, and they all that is left of it.
    """
    ours = sorted((one.id for one in stored if one.instance == own), reverse=True)
    return ours[KEPT:]


def is_history_missed(stored: Sequence[Stored], own: str, first_at: datetime) -> bool:
    """
    Say whether the bucket holds a history of the mirror that this ledger began without.

    Args:
        first_at: When the own history begins.
    """
    return any(one.instance != own and one.taken_at < first_at for one in stored)
