"""Webhooks: what is told, to whom, and what becomes of a delivery that was tried."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import TypeAlias
from urllib.parse import urlsplit

from docferry.core.canary import CANARY_PATH
from docferry.core.failures import LONGEST_RETRY_AFTER_S, Again
from docferry.core.filters import Filter
from docferry.core.retry import delay_s
from docferry.model import Path, Ulid

#: Seconds after the first, second … try that came to nothing: about three days in all.
#: standardwebhooks.com, "Deliverability and reliability".
_HOUR = 3600.0
SCHEDULE_S = (
    5.0,
    300.0,
    1800.0,
    2 * _HOUR,
    5 * _HOUR,
    10 * _HOUR,
    14 * _HOUR,
    20 * _HOUR,
    24 * _HOUR,
)
#: What could not even be handed over is given up after so long, however often it was tried.
WAITS_FOR = timedelta(days=3)
#: A mirror is stale whose bucket was not listed for ten times as long as configured, and so long.
STALE_AFTER = timedelta(minutes=15)
_STALE_POLLS = 10
_SPREAD = 0.2  # of a delay, at most so much is added


class EventType(StrEnum):
    """What is told. Closed: a receiver knows all that can come."""

    FILE_ADDED = "file.added"
    FILE_CHANGED = "file.changed"
    FILE_REMOVED = "file.removed"
    CONVERSION_DONE = "conversion.done"
    CONVERSION_DEAD = "conversion.dead"
    HOLD_OPENED = "hold.opened"
    MIRROR_STALE = "mirror.stale"
    MIRROR_WELL = "mirror.well"  # it was stale
    VERIFY_FOUND = "verify.found"  # damage, of a path; or all that a verification found
    TEST = "webhook.test"  # a person asks whether the way is open


class DeliveryState(StrEnum):
    QUEUED = "queued"  # waits for run_at, and for the one before it of its file
    RUNNING = "running"  # until lease_until
    DONE = "done"
    DEAD = "dead"  # given up on, until a person decides
    DISCARDED = "discarded"  # by a person, or as its webhook is no more


#: What a note of a change can be about, and which events it may become.
TELLS: Mapping[str, Sequence[EventType]] = {
    "history": (EventType.FILE_ADDED, EventType.FILE_CHANGED, EventType.FILE_REMOVED),
    "job": (EventType.CONVERSION_DONE, EventType.CONVERSION_DEAD),
    "hold": (EventType.HOLD_OPENED,),
    "request": (EventType.VERIFY_FOUND,),
    "rot": (EventType.VERIFY_FOUND,),
    "verify": (EventType.VERIFY_FOUND,),
    "stale": (EventType.MIRROR_STALE,),
    "well": (EventType.MIRROR_WELL,),
}
#: Stands for the event of a delivery as long as its note cannot be read. Never sent.
UNREADABLE = "unreadable"


@dataclass(frozen=True, slots=True)
class Note:
    """
    That something happened, as it was noted in the moment of the change.

    source: one of `TELLS`; another release may know more.
    ref: which row of it; of what no row says, what is told.
    """

    source: str
    ref: str
    mirror: str


@dataclass(frozen=True, slots=True)
class Event:
    """
    Something that happened.

    path, version: None: it is about no file.
    facts: what else the receiver is told; never a content or a secret.
    """

    type: EventType
    at: datetime
    mirror: str
    path: Path | None = None
    version: Ulid | None = None
    facts: Mapping[str, object] | None = None

    @property
    def order_key(self) -> str:
        """Give what is the same for events that are told one after the other."""
        return self.mirror if self.path is None else f"{self.mirror}/{self.path}"

    @property
    def payload(self) -> dict[str, object]:
        """Give what is sent, in the form of Standard Webhooks."""
        about: dict[str, object] = {"mirror": self.mirror}
        if self.path is not None:
            about["path"] = self.path
        if self.version is not None:
            about["version"] = self.version
        at = self.at.isoformat().replace("+00:00", "Z")
        return {"type": self.type, "timestamp": at, "data": about | dict(self.facts or {})}


@dataclass(frozen=True, slots=True)
class Wants:
    """Which events a webhook is told."""

    events: Sequence[str] = ("*",)  #: patterns: "file.*"
    mirrors: Sequence[str] = ()  #: (): all
    patterns: Sequence[str] = ()  #: of the paths of events about a file; (): any
    _paths: Filter = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_paths", Filter(self.patterns))

    def takes(self, event: Event) -> bool:
        if event.path == CANARY_PATH:
            return False
        return (
            any(fnmatchcase(event.type, pattern) for pattern in self.events)
            and (not self.mirrors or event.mirror in self.mirrors)
            and (event.path is None or self._paths.takes(event.path))
        )

    def may_take(self, note: Note) -> bool:
        """Say whether it may be wanted what *note* tells, of which nobody knows more."""
        return (not self.mirrors or note.mirror in self.mirrors) and any(
            fnmatchcase(event, pattern)
            for event in TELLS.get(note.source, ())
            for pattern in self.events
        )


def origin_of(url: str) -> str:
    """Give "https://host:8443": what of a URL is for people, as the rest may be a key."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def file_event(before: Ulid | None, now: Ulid | None) -> EventType | None:
    """
    Say what became of a path that held one version and holds another one now.

    Args:
        before, now: None: the path held nothing.

    Returns:
        None: nothing that anybody is to be told.
    """
    if before == now:
        return None
    if before is None:
        return EventType.FILE_ADDED
    return EventType.FILE_REMOVED if now is None else EventType.FILE_CHANGED


def is_stale(last_poll_at: datetime | None, since: datetime, poll_s: float, now: datetime) -> bool:
    """
    Say whether a mirror does not see any more what others upload.

    Args:
        since: When it began to be looked at: what a daemon that did not run has missed is
            not its mirrors' doing.
    """
    seen_at = since if last_poll_at is None else max(since, last_poll_at)
    return now - seen_at > max(STALE_AFTER, timedelta(seconds=_STALE_POLLS * poll_s))


# What came of a try.


@dataclass(frozen=True, slots=True)
class Delivered:
    """The receiver has taken it."""

    status: int


@dataclass(frozen=True, slots=True)
class Missed:
    """
    The receiver has not taken it, or nobody knows.

    status: what it answered; None: nothing.
    was_sent: it had the message in its hands: the message may be the reason.
    is_outage: others would fare no better just now.
    is_final: it says that no other try is wanted.
    """

    reason: str  #: for a person
    status: int | None = None
    retry_after_s: float | None = None  #: what it asked for
    was_sent: bool = True
    is_outage: bool = False
    is_final: bool = False


Answer: TypeAlias = Delivered | Missed


@dataclass(frozen=True, slots=True)
class Dead:
    """It is not tried again unless a person wants it."""

    reason: str


def judged(status: int, words: str, retry_after_s: float | None) -> Answer:
    """
    Say what an answer means.

    Any 2xx has it taken. 410 is "never again", for this one; what a webhook is for only the
    configuration says. All else may do better later, also a redirect: none is followed, for
    whoever it leads to was not checked, and the signature is for the configured one.

    Args:
        words: The begin of what it said.
    """
    if 200 <= status < 300:
        return Delivered(status)
    said = f": {words}" if words else ""
    what = " (a redirect, and none is followed)" if 300 <= status < 400 else ""
    return Missed(
        f"the receiver answered {status}{what}{said}",
        status,
        retry_after_s,
        is_outage=status == 429 or status >= 500,
        is_final=status == 410,
    )


def after_miss(
    missed: Missed,
    *,
    attempts: int,
    wanted_at: datetime,
    now: datetime,
    jitter: float,
    opens_at: datetime | None = None,
) -> Again | Dead:
    """
    Decide what becomes of a delivery that was not taken.

    What the receiver had in its hands goes by the schedule, so that one message that it fails
    over does not stand in the way of the others. What never came to it costs no attempt: the
    breaker says when it is tried again.

    Args:
        attempts: How often it was tried and that counts, this time included.
        wanted_at: Since when it is to be delivered.
        jitter: In [0, 1), spreads the tries.
        opens_at: When the receiver is tried again; None: it was not given up on.
    """
    if missed.is_final:
        return Dead(f"{missed.reason}; it wants no other try")
    if missed.was_sent and attempts > len(SCHEDULE_S):
        return Dead(f"{missed.reason}; it was tried {attempts} times in about three days")
    if not missed.was_sent and now - wanted_at >= WAITS_FOR:
        return Dead(f"{missed.reason}; it has been tried for {WAITS_FOR.days} days")
    wait_s = delay_s(3, jitter=jitter)
    if missed.was_sent:
        wait_s = SCHEDULE_S[max(attempts, 1) - 1] * (1 + _SPREAD * jitter)
    wait_s = max(wait_s, min(missed.retry_after_s or 0.0, LONGEST_RETRY_AFTER_S))
    run_at = now + timedelta(seconds=wait_s)
    if not missed.was_sent and opens_at is not None:
        run_at = max(run_at, opens_at)
    return Again(run_at, counts=missed.was_sent)
