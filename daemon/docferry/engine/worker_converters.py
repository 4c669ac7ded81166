"""How converters do: whose slots are taken, whose breaker is open, who is tried out alone."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from types import MappingProxyType

from docferry.convert.base import Converter
from docferry.core import breaker as breakers
from docferry.core.breaker import Breaker
from docferry.core.failures import Failed
from docferry.job import BreakerState, ConverterRow
from docferry.logs import get_logger
from docferry.model import Ulid

log = get_logger(__name__)

NOTHING: Mapping[str, int] = MappingProxyType({})
#: So much work may wait for each slot, fetched already: a person's document that comes now
#: goes behind it.
AHEAD_S = 0.5
MOST_AHEAD = 4
#: What takes longer to fetch keeps no place any more: its mirror may hang, and others have theirs.
LONG_FETCHED = timedelta(seconds=5)


@dataclass(slots=True)
class _One:
    """How one converter does."""

    slots: int
    breaker: Breaker
    #: Documents that are claimed and fetched, and wait for a slot; since when.
    ahead: dict[Ulid, datetime] = field(default_factory=dict)
    taken: int = 0
    suspects: set[Ulid] = field(default_factory=set)  #: claimed, each to have it for itself
    alone: Ulid | None = None  #: the job that has it for itself
    tried_by: Ulid | None = None  #: the job that finds out whether it works again
    took_s: float | None = None  #: what a document takes it, of late; None: not known
    told: Breaker | None = None  #: what others were told last
    good_after: datetime | None = None  #: it works again, and had not since then: to be told


@dataclass(eq=False, slots=True)
class _Waiting:
    """A job whose document is at hand, and that waits for a slot of each of its converters."""

    job: Ulid
    names: Collection[str]
    why_not: str | None = None
    is_over: threading.Event = field(default_factory=threading.Event)


class Converters:
    """
    What is known of converters while the daemon runs. Thread-safe.

    A job over which a converter seems to have failed is tried again with nothing beside it:
    whose failure it is can be told only so.

    Args:
        jitter: Gives a random number in [0, 1).
        put: Writes down for others how a converter does.
        on_up: Called with a converter's name when it works again, and since when it had not.
        were_down: Since when those had not worked that an earlier daemon left so. They are
            trusted all the same; but what was given up on since then is to come back.
    """

    def __init__(
        self,
        converters: Iterable[Converter],
        *,
        now: Callable[[], datetime],
        jitter: Callable[[], float],
        put: Callable[[ConverterRow], None],
        on_up: Callable[[str, datetime], None],
        were_down: Mapping[str, datetime] = MappingProxyType({}),
    ) -> None:
        self._now = now
        self._jitter = jitter
        self._put = put
        self._on_up = on_up
        self._lock = threading.Lock()
        self._telling = threading.Lock()
        self._all = {
            one.name: _One(one.slots, breakers.closed(now(), were_down.get(one.name)))
            for one in converters
        }
        self._entered: dict[Ulid, datetime | None] = {}  #: those that have a place, or slots since
        self._waiting: list[_Waiting] = []  #: for slots, those that came first in front
        self._is_stopping = False
        self._suspects: dict[Ulid, datetime] = {}  #: when a job last failed in doubt

    @property
    def waiting(self) -> list[Ulid]:
        """Those that wait for a slot, in their order."""
        with self._lock:
            return [one.job for one in self._waiting]

    def are_free(self, names: Collection[str], claimed: Mapping[str, int] = NOTHING) -> bool:
        """
        Say whether each has a free slot, or will have one soon, and is given a document now.

        Args:
            claimed: How many documents each is about to be given besides.
        """
        now = self._now()
        with self._lock:
            return all(
                _has_room(one, self._ahead_of(one, now), claimed.get(name, 0))
                and not one.suspects
                and breakers.may_start(one.breaker, now)
                for name, one in zip(names, self._named(names), strict=True)
            )

    def are_up(self, names: Collection[str]) -> bool:
        """Say whether none of them is known to be down."""
        with self._lock:
            return all(one.breaker.state is BreakerState.CLOSED for one in self._named(names))

    def take(self, job: Ulid, names: Collection[str], doubted_at: datetime | None = None) -> None:
        """
        Keep a place of each for *job*. It alone tries out those that were down.

        Args:
            doubted_at: When one last failed with its document in its hands: an earlier daemon
                may have seen that, and gone down with it.
        """
        now = self._now()
        with self._lock:
            if doubted_at is not None:
                self._suspects.setdefault(job, doubted_at)
            self._entered[job] = None
            for one in self._named(names):
                one.ahead[job] = now
                if self._goes_alone(job):
                    one.suspects.add(job)
                if one.breaker.state is not BreakerState.CLOSED:
                    one.tried_by = job
                one.breaker = breakers.on_probe_start(one.breaker, now)

    def enter(self, job: Ulid, names: Collection[str]) -> str | None:
        """
        Wait for a slot of each; a suspect, until it has them for itself.

        Returns:
            Why there will be none; None: it has them.
        """
        waiting = _Waiting(job, names)
        with self._lock:
            self._waiting.append(waiting)
            self._let_in()
        waiting.is_over.wait()
        return waiting.why_not

    def give_back(self, job: Ulid, names: Collection[str], *, worked: bool = False) -> None:
        """
        Give the slots back, if it has not done so. For others: the result may wait for its place.

        What was not tried out after all, the next document does.

        Args:
            worked: They made of it what they promise: how long that took counts.
        """
        now = self._now()
        with self._lock:
            if job not in self._entered:
                return
            entered_at = self._entered.pop(job)
            for one in self._named(names):
                if entered_at is None:
                    del one.ahead[job]
                else:
                    one.taken -= 1
                if entered_at is not None and worked:
                    one.took_s = _average(one.took_s, (now - entered_at).total_seconds())
                one.suspects.discard(job)
                if one.alone == job:
                    one.alone = None
                if one.tried_by == job:
                    one.tried_by = None
                    one.breaker = breakers.on_probe_end(one.breaker, now)
            self._let_in()

    def stop(self) -> None:
        """Let nobody in any more."""
        with self._lock:
            self._is_stopping = True
            self._let_in()

    def _let_in(self) -> None:
        """
        Let those in that can be, and those go that never will. Nobody else is woken.

        Nobody gets before a suspect that waits: it would wait as long as others come.
        """
        still: list[_Waiting] = []
        kept: set[str] = set()
        for one in self._waiting:
            one.why_not = self._why_never(one.job, one.names)
            if one.why_not is None:
                ours = [*self._named(one.names)]
                if not kept.isdisjoint(one.names) or not self._may(one.job, ours):
                    still.append(one)
                    kept.update(one.names if self._goes_alone(one.job) else ())
                    continue
                self._give_slots(one.job, ours)
            one.is_over.set()
        self._waiting = still

    def _give_slots(self, job: Ulid, ours: Sequence[_One]) -> None:
        self._entered[job] = self._now()
        for one in ours:
            del one.ahead[job]
            one.taken += 1
            one.alone = job if self._goes_alone(job) else None

    def _ahead_of(self, one: _One, now: datetime) -> int:
        """Count what will soon be given to a converter: not what nobody knows when it is here."""
        here = {waiting.job for waiting in self._waiting}
        return sum(
            1 for job, since in one.ahead.items() if job in here or now - since < LONG_FETCHED
        )

    def _may(self, job: Ulid, ours: Sequence[_One]) -> bool:
        is_alone = self._goes_alone(job)
        return all(one.alone is None and one.taken < (1 if is_alone else one.slots) for one in ours)

    def _goes_alone(self, job: Ulid) -> bool:
        """Say whether a converter may have failed over *job*: those beside it would be suspects."""
        return job in self._suspects

    def _why_never(self, job: Ulid, names: Collection[str]) -> str | None:
        if self._is_stopping:
            return "docferry stops"
        for name, one in zip(names, self._named(names), strict=True):
            if one.breaker.state is not BreakerState.CLOSED and one.tried_by != job:
                return f"{name} is down: {one.breaker.reason}"
        return None

    def answers(self, name: str) -> None:
        """Note that it judged a document, be it by refusing it: it is not down."""
        with self._lock:
            one = self._all[name]
            one.good_after = one.good_after or one.breaker.down_since
            one.breaker = breakers.after_success(one.breaker, self._now())

    def is_to_blame(self, job: Ulid, name: str, failed: Failed) -> bool:
        """
        Note that converter *name* failed as if it were down, and say whether *job* is to blame.

        Then nothing is held against the converter.
        """
        now = self._now()
        with self._lock:
            one = self._all[name]
            before = self._suspects.get(job)
            if breakers.is_blamed(one.breaker, failed, before, is_alone=one.taken == 1):
                return True  # and once it is, no further witness is needed
            if failed.is_in_doubt:
                self._suspects[job] = now
            one.breaker = breakers.after_outage(one.breaker, failed, now, self._jitter())
            self._let_in()
            return False

    def opens_at(self, name: str) -> datetime | None:
        """Say when it is tried out; None: it is not down."""
        with self._lock:
            return self._all[name].breaker.retry_at

    def forget(self, job: Ulid) -> None:
        """Forget what was in doubt about *job*: it is over."""
        with self._lock:
            self._suspects.pop(job, None)

    def tell(self) -> None:
        """
        Write down and log whose breaker has changed, and tell who works again.

        Raises:
            TemporaryError: The ledger could not be written; the next call tells.
        """
        with self._telling:
            for name, one in self._all.items():
                self._tell_breaker(name, one)
                with self._lock:
                    since = one.good_after
                if since is not None:
                    self._on_up(name, since)
                    one.good_after = None

    def _tell_breaker(self, name: str, one: _One) -> None:
        with self._lock:
            now, before = one.breaker, one.told
        was = BreakerState.CLOSED if before is None else before.state
        if now.state is was and (before is None or now.retry_at == before.retry_at):
            return
        self._put(now.row(name))
        one.told = now
        if now.state is BreakerState.CLOSED:
            log.info("converter.up", converter=name)
        elif was is BreakerState.CLOSED:
            log.warning("converter.down", converter=name, reason=now.reason, retry_at=now.retry_at)

    def _named(self, names: Collection[str]) -> Iterator[_One]:
        return (self._all[name] for name in names)


def _has_room(one: _One, ahead: int, claimed: int) -> bool:
    """
    Say whether one more document may be claimed for it.

    More than it has slots, where they are quickly done: fetching them, and the claim, take
    longer than the conversion. Those are claimed several at a time, for a claim costs much.
    """
    if one.breaker.state is not BreakerState.CLOSED:
        return ahead + one.taken + claimed < 1
    waiting = 0 if one.took_s is None else int(min(MOST_AHEAD, AHEAD_S / max(one.took_s, 0.001)))
    most = one.slots * (1 + waiting)
    if not claimed:
        most -= one.slots * waiting // 2
    return ahead + one.taken + claimed < most


def _average(before_s: float | None, now_s: float) -> float:
    return now_s if before_s is None else 0.7 * before_s + 0.3 * now_s
