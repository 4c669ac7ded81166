"""
Circuit breaker: whether a converter is given documents, after it failed some.

An outage says nothing about a document, unless the converter had it in its hands: then
the document may be the reason. Which of them it is, time tells. A document on which the
converter failed, that has done others well since, and fails on it again, is to blame.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from docferry.core.failures import LONGEST_RETRY_AFTER_S, Failed
from docferry.job import BreakerState, ConverterRow, Failure

OPENS_AFTER = 5  #: outages in a row
SHORTEST_PAUSE_S = 5.0
LONGEST_PAUSE_S = 300.0
_DOUBLINGS = 10  # far beyond the longest pause


@dataclass(frozen=True, slots=True)
class Breaker:
    """What is known of a converter. `closed` makes the first one."""

    state: BreakerState
    failures: int  #: outages in a row
    since: datetime  #: of this state
    retry_at: datetime | None = None  #: when an open one is tried out
    reason: str | None = None  #: what it last failed with; None: it works
    openings: int = 0  #: how often it opened in a row, each time after a try
    down_since: datetime | None = None  #: the first outage of this row
    succeeded_at: datetime | None = None  #: when it last did what it is for

    def row(self, name: str) -> ConverterRow:
        """
        Give what others are told of the converter called *name*.

        A converter is down since it first failed, however often it was tried out since.
        """
        is_up = self.state is BreakerState.CLOSED
        since = self.since if is_up else self.down_since or self.since
        return ConverterRow(name, self.state, self.reason, since, self.retry_at)


def closed(now: datetime, down_since: datetime | None = None) -> Breaker:
    """
    Give the breaker of a converter that nothing is known of: it is trusted.

    Args:
        down_since: When it had first failed, where it had not worked again since.
    """
    return Breaker(BreakerState.CLOSED, 0, now, down_since=down_since)


def may_start(breaker: Breaker, now: datetime) -> bool:
    """
    Say whether the converter may be given a document now.

    When an open one's time has come, one document may: say so by `on_probe_start`, in the
    same breath, and there will be no second one.
    """
    match breaker.state:
        case BreakerState.CLOSED:
            return True
        case BreakerState.OPEN:
            return breaker.retry_at is None or now >= breaker.retry_at
        case BreakerState.HALF_OPEN:
            return False


def on_probe_start(breaker: Breaker, now: datetime) -> Breaker:
    """One document tries the converter out. A closed breaker stays as it is."""
    if breaker.state is BreakerState.CLOSED:
        return breaker
    return replace(breaker, state=BreakerState.HALF_OPEN, since=now, retry_at=None)


def on_probe_end(breaker: Breaker, now: datetime) -> Breaker:
    """Let another document try: this one told nothing, as it never came to the converter."""
    if breaker.state is not BreakerState.HALF_OPEN:
        return breaker
    return replace(breaker, state=BreakerState.OPEN, since=now, retry_at=now)


def after_success(breaker: Breaker, now: datetime) -> Breaker:
    """The converter has answered; that it refuses a document is an answer too."""
    since = breaker.since if breaker.state is BreakerState.CLOSED else now
    return Breaker(BreakerState.CLOSED, 0, since, succeeded_at=now)


def after_outage(breaker: Breaker, failed: Failed, now: datetime, jitter: float) -> Breaker:
    """
    Count an outage.

    It opens after some in a row, after one that no waiting mends (configuration), and when
    the document that tried it out failed. What was under way when it opened comes in by and
    by, and prolongs nothing.

    Args:
        jitter: In [0, 1), spreads the tries.
    """
    if breaker.state is BreakerState.OPEN:
        return replace(breaker, reason=failed.reason)
    counted = replace(
        breaker,
        failures=breaker.failures + 1,
        reason=failed.reason,
        down_since=breaker.down_since or now,
    )
    if breaker.state is BreakerState.CLOSED and not _opens(counted, failed):
        return counted
    return replace(
        counted,
        state=BreakerState.OPEN,
        since=now,
        retry_at=now + timedelta(seconds=_pause_s(breaker.openings, failed, jitter)),
        openings=breaker.openings + 1,
    )


def is_blamed(
    breaker: Breaker, failed: Failed, failed_before_at: datetime | None, *, is_alone: bool = True
) -> bool:
    """
    Say whether the document is the reason of an outage.

    Args:
        breaker: As it was before this outage.
        failed_before_at: When an attempt with this document last failed; None: none did.
        is_alone: The converter had no other document in its hands. With several at a time
            a suspect (`failed_before_at` is given, and the converter failed) goes alone,
            or those beside it come into its fault.
    """
    return (
        failed.is_in_doubt
        and is_alone
        and failed.failure in (Failure.OUTAGE, Failure.CONFIGURATION)
        and failed_before_at is not None
        and breaker.succeeded_at is not None
        and breaker.succeeded_at > failed_before_at
    )


def _opens(counted: Breaker, failed: Failed) -> bool:
    return failed.failure is Failure.CONFIGURATION or counted.failures >= OPENS_AFTER


def _pause_s(openings: int, failed: Failed, jitter: float) -> float:
    """Double each time; half of it is random. Who asks for more time gets it."""
    longest_s = min(LONGEST_PAUSE_S, SHORTEST_PAUSE_S * 2.0 ** min(openings, _DOUBLINGS))
    asked_s = min(failed.retry_after_s or 0.0, LONGEST_RETRY_AFTER_S)
    return max(asked_s, longest_s * (1 + jitter) / 2)
