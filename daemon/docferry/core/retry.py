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
