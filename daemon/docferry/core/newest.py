"""Of a bucket whose files are named by ULIDs: what a poll needs to list."""

from __future__ import annotations

from datetime import datetime, timedelta

from docferry.core.ulids import first_of
from docferry.model import Path

#: A file may be put so long after its name was made: uploads take time, and clocks differ.
LATE = timedelta(hours=1)


def listed_after(now: datetime, listed_whole_at: datetime | None, relist: timedelta) -> Path | None:
    """
    Say after which path a poll lists.

    Args:
        listed_whole_at: When all was listed the last time; None: not since the start.
        relist: How often all of it is listed; 0: each time.

    Returns:
        None: All of it. Else whatever sorts before was found by an earlier poll, unless it was
        changed or deleted since, or put more than LATE after its name was made: that is found
        when all is listed.
    """
    if listed_whole_at is None or not listed_whole_at <= now < listed_whole_at + relist:
        return None
    return first_of(now - LATE)
