"""What a ULID tells by itself: when it was made."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from docferry.model import Ulid

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_TIME_CHARS = 10  # the time in milliseconds; the rest is random
_LENGTH = 26
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
#: Clocks differ; more than this they do not, or nothing that they say is worth anything.
_AHEAD = timedelta(days=1)


def time_of(ulid: Ulid) -> datetime | None:
    """Give the time in *ulid*; None: it is no ULID, or tells of no time that we can write."""
    if len(ulid) != _LENGTH or not all(char in _ALPHABET for char in ulid):
        return None
    milliseconds = 0
    for char in ulid[:_TIME_CHARS]:
        milliseconds = milliseconds * len(_ALPHABET) + _ALPHABET.index(char)
    try:
        return _EPOCH + timedelta(milliseconds=milliseconds)
    except OverflowError:
        return None


def first_of(at: datetime) -> Ulid:
    """Give the least ULID of that millisecond: what was made before has a lesser one."""
    milliseconds = max(0, (at - _EPOCH) // timedelta(milliseconds=1))
    chars = ""
    for _ in range(_TIME_CHARS):
        milliseconds, digit = divmod(milliseconds, len(_ALPHABET))
        chars = _ALPHABET[digit] + chars
    return chars + _ALPHABET[0] * (_LENGTH - _TIME_CHARS)


def is_credible(ulid: Ulid, now: datetime) -> bool:
    """
    Say whether *ulid* was made by *now*.

    The next one is always greater than the greatest that was ever seen: one of the far
    future would leave no room for others.
    """
    made_at = time_of(ulid)
    return made_at is not None and made_at <= now + _AHEAD
