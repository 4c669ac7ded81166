"""What limits of a store may be: bytes a second by the hour, requests a second, a budget."""

from __future__ import annotations

import re

from docferry.config.faults import shown
from docferry.config.values import Check, Wrong, read_list, read_text
from docferry.core.traffic import ALL_DAY, UNLIMITED, Hours, Timetable

_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_UNITS_BYTES = {"kib": 1 << 10, "mib": 1 << 20, "gib": 1 << 30}
#: With less, all threads of a store together are slower than it waits for the next bytes.
_LEAST_BYTES_PER_S = 64 << 10
_UNLIMITED = "unlimited"
_RATE = re.compile(r"(\d+(?:\.\d+)?) ?([a-z]+)(?:/s)?")
_HOURS = re.compile(r"(?:([a-z,-]+) )?(\d{1,2}):(\d{2})-(\d{1,2}):(\d{2})")
_DAY_MINUTES = 24 * 60

_UNITS_S = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "month": 30 * 86400.0}
_PER = re.compile(r"(\d{1,12}) ?/ ?([a-z]+)")


def _bandwidth(value: object) -> Timetable:
    if value in ("", _UNLIMITED):
        return UNLIMITED
    is_list = isinstance(value, list) or (isinstance(value, str) and value.startswith("["))
    return Timetable(tuple(map(_line, read_list(value) if is_list else [value])))


def _line(written: object) -> Hours:
    """Read a line such as "Mon-Fri 08:00-18:00 2MiB"; without hours it is of all of them."""
    *when, rate = read_text(written).lower().rsplit(" ", 1)
    if not when:
        return Hours(*ALL_DAY, _bytes_per_s(rate, written))
    match = _HOURS.fullmatch(when[0].strip())
    if not match:
        raise Wrong(f"has {shown(written)} in it")
    begin, end = (_minute(match[n], match[n + 1], written) for n in (2, 4))
    return Hours(_days(match[1], written), begin, end, _bytes_per_s(rate, written))


def _bytes_per_s(rate: str, written: object) -> float | None:
    if rate == _UNLIMITED:
        return None
    match = _RATE.fullmatch(rate)
    if not match or match[2] not in _UNITS_BYTES:
        raise Wrong(f"has {shown(written)} in it")
    found = float(match[1]) * _UNITS_BYTES[match[2]]
    if found < _LEAST_BYTES_PER_S:
        raise Wrong(f"has {shown(written)} in it, which is less than 64KiB")
    return found


def _days(written: str | None, line: object) -> frozenset[int]:
    if written is None:
        return ALL_DAY[0]
    found: set[int] = set()
    for part in written.split(","):
        first, _, last = part.partition("-")
        if not {first, last or first} <= set(_DAYS):
            raise Wrong(f"has {shown(line)} in it")
        begin, end = _DAYS.index(first), _DAYS.index(last or first)
        found |= {day % 7 for day in range(begin, end + 1 + (7 if end < begin else 0))}
    return frozenset(found)


def _minute(hour: str, minute: str, line: object) -> int:
    found = int(hour) * 60 + int(minute)
    if int(minute) > 59 or found > _DAY_MINUTES:
        raise Wrong(f"has {shown(line)} in it")
    return found


def _per(unit_s: float, least: float, value: object) -> float | None:
    """Read "20000/h" as so many in *unit_s*; "" or 0: None."""
    if value in ("", 0, "0"):
        return None
    match = _PER.fullmatch(value.strip().lower()) if isinstance(value, str) else None
    if not match or match[2] not in _UNITS_S:
        raise Wrong(f"is {shown(value)}")
    found = int(match[1]) * unit_s / _UNITS_S[match[2]]
    if found < least:
        raise Wrong(f"is {shown(value)}")
    return found


BANDWIDTH = Check(
    _bandwidth,
    '"10MiB" a second, or a list such as ["Mon-Fri 08:00-18:00 2MiB", "22:00-06:00 unlimited", '
    '"10MiB"], of which the first that has the hour counts; 64KiB or more',
)
REQUESTS = Check(
    lambda value: _per(1.0, 1.0, value), 'requests such as "100/s", at least "1/s"; "" for any'
)
BUDGET = Check(
    lambda value: _per(3600.0, 1.0, value),
    'requests such as "20000/h", "300000/d" or "9000000/month" (of 30 days); "" for none',
)
