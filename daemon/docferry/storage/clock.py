"""Compare two clocks by the Date of an answer."""

from __future__ import annotations

from datetime import datetime
from email.utils import parsedate_to_datetime


def skew_s(date: str | None, sent_at: datetime, answered_at: datetime) -> float | None:
    """
    Give how far the clock of whoever said *date* is ahead; None: it told no time.

    HTTP tells whole seconds, cut off.
    """
    if date is None:
        return None
    try:
        theirs = parsedate_to_datetime(date).timestamp()
    except ValueError:
        return None
    # What it said may be anything from `theirs` to a second more, at any moment in between.
    earliest, latest = theirs - answered_at.timestamp(), theirs + 1 - sent_at.timestamp()
    if earliest <= 0 <= latest:
        return 0.0
    return round(earliest if earliest > 0 else latest, 1)
