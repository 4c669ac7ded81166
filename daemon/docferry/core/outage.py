"""When a side that does not answer, or that a guard refuses, is asked again."""

from __future__ import annotations

from dataclasses import dataclass

from docferry.core.retry import delay_s
from docferry.errors import DocferryError, PermanentError, RefusedKeysError, UnreachableError
from docferry.model import MirrorHealth

#: It is asked at least this often.
LONGEST_PAUSE_S = 60.0


@dataclass(frozen=True, slots=True)
class Pause:
    """Nothing travels until *retry_s*."""

    attempts: int  #: in a row that came to nothing
    retry_s: float  #: on the clock of *now_s*


def pause_after(before: Pause | None, *, now_s: float, jitter: float) -> Pause:
    """
    Give the pause that a failure begins, or prolongs.

    Args:
        now_s: Of a clock that never steps back.
        jitter: In [0, 1), spreads the tries.
    """
    if before is not None and now_s < before.retry_s:
        return before  # what was under way when it began comes in by and by: that is no new try
    attempts = 1 if before is None else before.attempts + 1
    return Pause(attempts, now_s + min(LONGEST_PAUSE_S, delay_s(attempts, jitter=jitter)))


def health_after(error: DocferryError) -> MirrorHealth:
    """Say how a mirror is whose round *error* broke off."""
    match error:
        case RefusedKeysError():
            return MirrorHealth.BLOCKED
        case UnreachableError():
            return MirrorHealth.UNREACHABLE
        case PermanentError():
            return MirrorHealth.BLOCKED
        case _:
            return MirrorHealth.WAITING
