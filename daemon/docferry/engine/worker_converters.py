"""How converters do: whose slots are taken, whose breaker is open, who is tried out alone."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from docferry.convert.base import Converter
from docferry.core import breaker as breakers
from docferry.core.breaker import Breaker
from docferry.core.failures import Failed
from docferry.logs import get_logger
from docferry.model import BreakerState, ConverterRow, Ulid

log = get_logger(__name__)


@dataclass(slots=True)
class _One:
    """How one converter does."""

    slots: int
    breaker: Breaker
    taken: int = 0
    alone: Ulid | None = None  #: the job that has it, or waits until it has it, for itself
    told: Breaker | None = None  #: what others were told last
    good_after: datetime | None = None  #: it works again, and had not since then: to be told


class Converters:
    """
    What is known of converters while the daemon runs. Thread-safe.

    A job over which a converter seems to have failed is tried again with nothing beside it:
    whose failure it is can be told only so.

    Args:
        jitter: Gives a random number in [0, 1).
        put: Writes down for others how a converter does.
        on_up: Called with a converter's name when it works again, and since when it had not.
    """

    def __init__(
        self,
        converters: Iterable[Converter],
        *,
        now: Callable[[], datetime],
        jitter: Callable[[], float],
        put: Callable[[ConverterRow], None],
        on_up: Callable[[str, datetime], None],
    ) -> None:
        self._now = now
        self._jitter = jitter
        self._put = put
        self._on_up = on_up
        self._changed = threading.Condition()
        self._telling = threading.Lock()
        closed = breakers.closed(now())
        self._all = {one.name: _One(one.slots, closed) for one in converters}
        self._suspects: dict[Ulid, datetime] = {}  #: when a job last failed in doubt

    def are_free(self, names: Collection[str]) -> bool:
        """Say whether each has a free slot, and is given a document now."""
        now = self._now()
        with self._changed:
            return all(
                one.taken < one.slots and one.alone is None and breakers.may_start(one.breaker, now)
                for one in self._named(names)
            )

    def are_up(self, names: Collection[str]) -> bool:
        """Say whether none of them is known to be down."""
        with self._changed:
            return all(one.breaker.state is BreakerState.CLOSED for one in self._named(names))

    def take(self, job: Ulid, names: Collection[str]) -> None:
        """Take a slot of each for *job*. It alone tries out those that were down."""
        now = self._now()
        with self._changed:
            for one in self._named(names):
                one.taken += 1
                one.alone = job if job in self._suspects else None
                one.breaker = breakers.on_probe_start(one.breaker, now)

    def wait_until_alone(self, job: Ulid, names: Collection[str]) -> None:
        """Wait, if *job* is to have them for itself, until those before it have ended."""
        with self._changed:
            self._changed.wait_for(
                lambda: all(one.alone != job or one.taken == 1 for one in self._named(names))
            )

    def give_back(self, job: Ulid, names: Collection[str]) -> None:
        """Give the slots back. What was not tried out after all, the next document does."""
        now = self._now()
        with self._changed:
            for one in self._named(names):
                one.taken -= 1
                if one.alone == job:
                    one.alone = None
                if one.taken == 0:
                    one.breaker = breakers.on_probe_end(one.breaker, now)
            self._changed.notify_all()

    def answers(self, name: str) -> None:
        """Note that it judged a document, be it by refusing it: it is not down."""
        with self._changed:
            one = self._all[name]
            one.good_after = one.good_after or one.breaker.down_since
            one.breaker = breakers.after_success(one.breaker, self._now())

    def is_to_blame(self, job: Ulid, name: str, failed: Failed) -> bool:
        """
        Note that converter *name* failed as if it were down, and say whether *job* is to blame.

        Then nothing is held against the converter.
        """
        now = self._now()
        with self._changed:
            one = self._all[name]
            before = self._suspects.get(job)
            if breakers.is_blamed(one.breaker, failed, before, is_alone=one.taken == 1):
                return True  # and once it is, no further witness is needed
            if failed.is_in_doubt:
                self._suspects[job] = now
            one.breaker = breakers.after_outage(one.breaker, failed, now, self._jitter())
            return False

    def opens_at(self, name: str) -> datetime | None:
        """Say when it is tried out; None: it is not down."""
        with self._changed:
            return self._all[name].breaker.retry_at

    def forget(self, job: Ulid) -> None:
        """Forget what was in doubt about *job*: it is over."""
        with self._changed:
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
                with self._changed:
                    since = one.good_after
                if since is not None:
                    self._on_up(name, since)
                    one.good_after = None

    def _tell_breaker(self, name: str, one: _One) -> None:
        with self._changed:
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
