"""Read the moment that a person names."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, tzinfo

_AGO = re.compile(r"(\d+(?:\.\d+)?)\s*(s|min|m|h|d|w)(?:\s+ago)?", re.IGNORECASE)
_SECONDS = {"s": 1, "m": 60, "min": 60, "h": 3600, "d": 86400, "w": 604800}

FORMS = '"2026-11-26", "2026-11-26 13:00", "2026-11-26T13:00:00Z", or how long ago: "2h", "3d"'


def moment(text: str, now: datetime, zone: tzinfo | None = None) -> datetime | None:
    """
    Give the moment that *text* means. None: it is none.

    A date is its beginning. Without a zone of its own it is in *zone*; None: the machine's.
    """
    ago = _AGO.fullmatch(text.strip())
    if ago is not None:
        try:
            return now - timedelta(seconds=float(ago[1]) * _SECONDS[ago[2].lower()])
        except OverflowError:
            return None
    try:
        found = datetime.fromisoformat(text.strip())
        if found.tzinfo is None:
            found = found.astimezone() if zone is None else found.replace(tzinfo=zone)
        return found.astimezone(now.tzinfo)
    except (ValueError, OverflowError):
        return None
