"""
How long to wait before trying again.

Exponential backoff with full jitter: after an outage, thousands of files do not come
back all at once (https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/).
"""

from __future__ import annotations

from docferry.errors import DocferryError, PermanentError

BASE_S = 1.0
CAP_S = 300.0
FLOOR_S = 0.1
#: What only a person can mend: soon enough for one who is at it, at last four times an hour.
PERMANENT_BASE_S = 15.0
PERMANENT_CAP_S = 900.0

#: A file that changes while it is worked on is left alone in proportion to what that cost, where
#: it cost so much, and so long at the most.
COSTLY_S = 1.0
IN_VAIN_CAP_S = 3600.0
_MOST_TIMES_ITS_COST = 8

_DOUBLINGS = 16  # far beyond the cap; 2.0 ** attempts would overflow one day


def delay_s(attempts: int, *, jitter: float) -> float:
    """
    Give the seconds to wait after *attempts* failures in a row (1: after the first).

    *jitter* is random, in [0, 1): it chooses between the floor and 1, 2, 4 … 300 s.
    """
    ceiling_s = min(CAP_S, BASE_S * 2.0 ** min(max(attempts, 1) - 1, _DOUBLINGS))
    return max(FLOOR_S, ceiling_s * jitter)


def retry_after_s(error: DocferryError, attempts: int, *, jitter: float) -> float:
    """Give the seconds to wait after *attempts* failures in a row, the last one *error*."""
    match error:
        case PermanentError():
            doublings = min(max(attempts, 1) - 1, _DOUBLINGS)
            ceiling_s = min(PERMANENT_CAP_S, PERMANENT_BASE_S * 2.0**doublings)
            return ceiling_s * (1 + jitter) / 2  # at once would help nobody
        case _:
            return delay_s(attempts, jitter=jitter)


def after_vain_s(took_s: float, times: int) -> float:
    """
    Give the seconds to leave a file alone that changed under us, *times* in a row.

    A log that never rests would be hashed and sent, a gigabyte each time, for nothing. Once is
    an edit; from then on less and less of the time is spent in vain, at last a ninth. It need
    not wait on once it has rested for as long as a try takes.

    Args:
        took_s: How long the last try had gone on.
    """
    if times < 2 or took_s < COSTLY_S:
        return 0.0
    factor = min(2.0 ** min(times - 1, _DOUBLINGS), _MOST_TIMES_ITS_COST)
    return min(IN_VAIN_CAP_S, took_s * factor)


def still_in_vain_s(left_s: float, took_s: float, rested_s: float) -> float:
    """
    Give the seconds to leave such a file alone from now on.

    Args:
        left_s: Of what `after_vain_s` gave.
        rested_s: How long it has not changed; below zero where clocks differ.
    """
    return max(0.0, min(left_s, took_s - rested_s))
