"""What becomes of a job whose attempt failed: tried again, given up, or not to be done."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TypeAlias

from docferry.core.retry import delay_s
from docferry.core.words import counted
from docferry.job import Failure

#: A converter that asks for more patience than this is asked again all the same.
LONGEST_RETRY_AFTER_S = 3600.0
#: Where nothing else slows down what is tried again, or others are to be tried first.
_LONGER_S = 30.0
#: The same converter mostly says the same again; one that answers over a network may not.
_TRIED_TWICE = (Failure.REFUSED, Failure.EMPTY, Failure.WRONG_TYPE, Failure.TOO_LARGE)
_AFTER_OPENING = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Failed:
    """An attempt that came to nothing."""

    failure: Failure
    reason: str  #: for a person
    output: str = ""  #: the end of what the converter said
    retry_after_s: float | None = None  #: what the converter asked for
    is_in_doubt: bool = False  #: it had the document in its hands when it failed
    is_lasting: bool = False  #: waiting alone mends nothing, whoever's fault it is


@dataclass(frozen=True, slots=True)
class Again:
    """Queue the job again."""

    run_at: datetime
    counts: bool  #: the attempt that failed


@dataclass(frozen=True, slots=True)
class GiveUp:
    """The job is a dead letter until a person looks at it."""

    failure: Failure
    reason: str


@dataclass(frozen=True, slots=True)
class Skip:
    """There is nothing to be done any more."""

    reason: str


AfterFailure: TypeAlias = Again | GiveUp | Skip


def after_failure(
    failed: Failed,
    *,
    attempts: int,
    max_attempts: int,
    now: datetime,
    jitter: float,
    is_blamed: bool = False,
    opens_at: datetime | None = None,
) -> AfterFailure:
    """
    Decide what becomes of a job that failed.

    The document's own failures cost an attempt. What is not its own (a converter that is
    down or not installed, a folder that cannot be written) never does, however long it lasts.

    Args:
        attempts: How often it was tried and that counts, this time included.
        jitter: In [0, 1), spreads the retries.
        is_blamed: An outage of which the document is the reason: see `breaker.is_blamed`.
        opens_at: When the converter is tried again; None: it was not given up on. A document
            that it may have failed over is not the one to try it with.
    """
    if is_blamed:
        reason = f"it fails whenever it is given this document: {failed.reason}"
        failed = replace(failed, failure=Failure.CRASHED, reason=reason)
    match failed.failure:
        case Failure.CHANGED:
            return Skip(failed.reason)
        case Failure.EXPIRED:
            return GiveUp(failed.failure, failed.reason)
        case Failure.OUTAGE | Failure.CONFIGURATION | Failure.STORING | Failure.OTHER if (
            not failed.is_lasting
        ):
            wait_s = delay_s(3, jitter=jitter)
            return Again(_run_at(failed, wait_s, now, jitter, opens_at), counts=False)
        case _ if attempts >= _most(failed.failure, max_attempts):
            return GiveUp(failed.failure, failed.reason)
        case _:
            wait_s = delay_s(attempts, jitter=jitter)
            return Again(_run_at(failed, wait_s, now, jitter, opens_at), counts=True)


def lost_too_often(
    attempts: int, max_attempts: int, failure: Failure | None, last_error: str | None
) -> GiveUp | None:
    """
    Say whether a job that was just claimed is not to be tried once more.

    An attempt that ended with docferry itself, or with a worker that never came back, tells
    nothing by itself; but a document that ends docferry each time must not do so for ever.

    Args:
        attempts: This one included.
        failure, last_error: Of the last attempt: it was lost, or its rule allowed more then.
    """
    if attempts <= max_attempts:
        return None
    how = last_error or "docferry itself ended"
    return GiveUp(
        Failure.CRASHED if failure in (None, Failure.OTHER) else failure,
        f"it was tried {counted(attempts - 1, 'time')}, at last: {how}",
    )


def _most(failure: Failure, max_attempts: int) -> int:
    return min(2, max_attempts) if failure in _TRIED_TWICE else max_attempts


def _run_at(
    failed: Failed, wait_s: float, now: datetime, jitter: float, opens_at: datetime | None
) -> datetime:
    asked_s = min(failed.retry_after_s or 0.0, LONGEST_RETRY_AFTER_S)
    if failed.is_in_doubt or failed.failure in (Failure.STORING, Failure.OTHER):
        wait_s = max(wait_s, _LONGER_S * (1 + jitter))
    run_at = now + timedelta(seconds=max(asked_s, wait_s))
    if not failed.is_in_doubt or opens_at is None:
        return run_at
    return max(run_at, opens_at + _AFTER_OPENING)
