"""Read the moment that a person names, gone by or yet to come."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, tzinfo

_SPAN = re.compile(r"(\d+(?:\.\d+)?)\s*(s|min|m|h|d|w)", re.IGNORECASE)
_AGO = re.compile(rf"{_SPAN.pattern}(?:\s+ago)?", re.IGNORECASE)
_SECONDS = {"s": 1, "m": 60, "min": 60, "h": 3600, "d": 86400, "w": 604800}

SPANS = '"30min", "1h", "90d"'
FORMS_AHEAD = f'"2027-01-31", "2027-01-31 13:00", or how long from now: {SPANS}'
FORMS = '"2026-11-26", "2026-11-26 13:00", "2026-11-26T13:00:00Z", or how long ago: "2h", "3d"'


def moment(text: str, now: datetime, zone: tzinfo | None = None) -> datetime | None:
    """
    Give the moment that *text* means. None: it is none.

    A date is its beginning. Without a zone of its own it is in *zone*; None: the machine's.
    """
    ago = _AGO.fullmatch(text.strip())
    if ago is not None:
        try:
            return now - _span(ago)
        except OverflowError:
            return None
    return _written(text, now, zone)


def moment_ahead(text: str, now: datetime, zone: tzinfo | None = None) -> datetime | None:
    """
    Give the moment that *text* means, where a span is one from *now* on. None: it is none.

    A date is its beginning, as in `moment`; it may be gone by.
    """
    span = span_of(text)
    if span is None:
        return _written(text, now, zone)
    try:
        return now + span
    except OverflowError:
        return None


def span_of(text: str) -> timedelta | None:
    """Give how long *text* says. None: it says nothing of that, or longer than can be told."""
    found = _SPAN.fullmatch(text.strip())
    try:
        return None if found is None else _span(found)
    except OverflowError:
        return None


def _span(found: re.Match[str]) -> timedelta:
    return timedelta(seconds=float(found[1]) * _SECONDS[found[2].lower()])


def _written(text: str, now: datetime, zone: tzinfo | None) -> datetime | None:
    try:
        found = datetime.fromisoformat(text.strip())
        if found.tzinfo is None:
            found = found.astimezone() if zone is None else found.replace(tzinfo=zone)
        return found.astimezone(now.tzinfo)
    except (ValueError, OverflowError):
        return None
