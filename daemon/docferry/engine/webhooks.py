"""
Webhooks: what happened is turned into deliveries, and each webhook's lane sends its own.

Both go on from what the ledger says: after a crash nothing is lost, and what was under way is
sent again, under the same id.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime

from ulid import ULID

from docferry.core.breaker import closed
from docferry.core.webhooks import Wants, is_stale
from docferry.deliver.figures import DELIVERIES, UNREADABLE
from docferry.deliver.send import Sends, send
from docferry.engine.rounds import going_round
from docferry.engine.webhook_lane import Lane, Surroundings, Webhook
from docferry.engine.webhook_telling import Told, told_of
from docferry.errors import DocferryError
from docferry.job import BreakerState
from docferry.ledger import Ledger
from docferry.logs import get_logger
from docferry.model import Ulid

log = get_logger(__name__)

IDLE_S = 1.0  #: how often the ledger is asked when nothing is noted: what waits may be due
APART_S = 0.1  #: how often it is asked at the most, however much is noted
_STEP = 200  # events that are looked at in one go: some tenths of a second


def _utc_now() -> datetime:
    return datetime.now(UTC)


def _new_ulid() -> Ulid:
    return str(ULID())


class Webhooks:
    """
    Tells receivers what happens.

    Args:
        polls: By mirror: when its bucket was last listed, and how often it is to be, in seconds.
            Without those that a person has paused.
        send: What sends a message.
        now, jitter, new_id: The clock, random numbers in [0, 1), and ids of messages.
    """

    def __init__(
        self,
        ledger: Ledger,
        webhooks: Iterable[Webhook],
        *,
        polls: Callable[[], Mapping[str, tuple[datetime | None, float]]] = dict,
        send: Sends = send,
        now: Callable[[], datetime] = _utc_now,
        jitter: Callable[[], float] = random.random,
        new_id: Callable[[], Ulid] = _new_ulid,
    ) -> None:
        self._ledger = ledger
        self._around = Surroundings(ledger, send, now, jitter)
        self._polls = polls
        self._now = now
        self._new_id = new_id
        self._looked_since: dict[str, datetime] = {}  # at each mirror
        self._lanes = {one.name: Lane(one, self._around) for one in webhooks}
        self._retired: list[Lane] = []
        self._deriving = threading.Lock()
        self._changed = threading.Condition()  # its lock: the lanes, and all below
        self._is_woken = self._is_stopping = self._is_started = False
        self._thread: threading.Thread | None = None

    # For any thread.

    def prepare(self) -> None:
        """Take over from an earlier daemon: what it had under way is sent again."""
        self._ledger.webhook_events.begin(self._lanes, self._now())
        self._trust(self._lanes)
        lost = self._ledger.deliveries.requeue_lost(self._now(), is_all=True)
        if lost:
            log.warning("webhook.lost", deliveries=lost)

    def start(self) -> None:
        """Begin; where there is no webhook, once there is one."""
        self.prepare()
        with self._changed:
            self._is_started = True
            self._start_thread()

    def wake(self) -> None:
        """Look now: something happened, or a person has decided."""
        with self._changed:
            self._is_woken = True
            self._changed.notify_all()

    def change(self, webhooks: Iterable[Webhook]) -> None:
        """
        Let *webhooks* be all that there are.

        Those that are as they were go on undisturbed; what is under way is seen through. What
        happened before is for whoever wanted it then.

        Raises:
            DocferryError: The ledger could not be asked or told. Nothing has changed.
        """
        self._derive_all()
        wanted = {one.name: one for one in webhooks}
        with self._deriving:
            self._ledger.webhook_events.begin(wanted, self._now())
            new = [one for one in wanted.values() if self._lane_of(one) is None]
            self._trust(one.name for one in new)
            with self._changed:
                self._replace_lanes(wanted, new)
        self.wake()

    def stop(self, timeout_s: float) -> bool:
        """
        Cut what is under way, and wait up to *timeout_s* for the threads. False: not all end.

        What was cut is sent again after the next start.
        """
        until_s = time.monotonic() + timeout_s
        with self._changed:  # no lane comes after this
            self._is_stopping = True
            self._changed.notify_all()
            lanes = [*self._retired, *self._lanes.values()]
            own = [] if self._thread is None else [self._thread]
        for lane in lanes:
            lane.cut()
        has_ended = _have_ended(own, until_s)  # first: it begins the others
        threads = [thread for lane in lanes for thread in lane.threads]
        return _have_ended(threads, until_s) and has_ended

    def _lane_of(self, webhook: Webhook) -> Lane | None:
        lane = self._lanes.get(webhook.name)
        return lane if lane is not None and lane.webhook == webhook else None

    def _replace_lanes(self, wanted: Mapping[str, Webhook], new: Iterable[Webhook]) -> None:
        """Let there be lanes for all of *wanted*, and no others."""
        if self._is_stopping:
            return
        for name, lane in [*self._lanes.items()]:
            if wanted.get(name) != lane.webhook:
                lane.retire()
                self._retired.append(self._lanes.pop(name))
        self._lanes |= {one.name: Lane(one, self._around) for one in new}
        self._start_thread()

    def _trust(self, names: Iterable[str]) -> None:
        """Let others know that nothing is known of these receivers: they may be up by now."""
        events, known = self._ledger.webhook_events, self._ledger.webhook_events.receivers()
        for name in names:
            if known[name].state is not BreakerState.CLOSED:
                events.put_receiver(closed(self._now()).row(name))

    # What it does.

    def derive(self) -> bool:
        """
        Turn what happened next into deliveries; say whether there is more.

        Raises:
            DocferryError: The ledger could not be asked or told.
        """
        with self._deriving:
            noted, told = self._ledger.webhook_events.after(self._lanes, _STEP)
            if not noted:
                return False
            now = self._now()
            found = {
                one.seq: told_of(one, self._untold(told, one.seq), now, self._new_id)
                for one in noted
            }
            new = [delivery for each in found.values() for delivery in each.deliveries]
            self._ledger.webhook_events.put(new, noted[-1].seq)
            _tell_faults(found)  # now that they are passed over: once
            return len(noted) == _STEP

    def look_at_mirrors(self) -> None:
        """Note which mirrors have become stale, or well again."""
        if not self._lanes:
            return
        now, known, polls = self._now(), self._ledger.webhook_events.stale(), self._polls()
        self._looked_since = {name: self._looked_since.get(name, now) for name in polls}
        for mirror, (polled_at, poll_s) in polls.items():
            found = is_stale(polled_at, self._looked_since[mirror], poll_s, now)
            if found != (mirror in known):
                self._ledger.webhook_events.note_staleness(mirror, now, is_stale=found)

    def work_off(self) -> int:
        """
        Do what is due in the caller's thread, instead of `start`; give the number of tries.

        Raises:
            DocferryError: The ledger could not be asked or told.
        """
        self._derive_all()
        done = 0
        for lane in self._lanes.values():
            while (claimed := lane.begin()) is not None:
                lane.do(claimed)
                done += 1
        return done

    def _start_thread(self) -> None:
        if not self._is_started or not self._lanes or self._thread is not None:
            return
        work = going_round("the webhooks")(self._run)
        self._thread = threading.Thread(target=work, name="webhooks", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        with self._ledger.webhook_events.noting(self.wake):
            self._go_round()

    def _go_round(self) -> None:
        is_failing = False
        while self._is_needed():
            began_s = time.monotonic()
            try:
                self._round()
                is_failing = False
            except DocferryError as error:  # the ledger; it is tried again
                if not is_failing:
                    log.error("ledger.failed", reason=str(error))  # noqa: TRY400
                is_failing = True
            except Exception:  # one round
                log.exception("webhook.failed")
            self._rest(began_s)

    def _is_needed(self) -> bool:
        """Say whether there is a webhook; without one the thread ends until there is."""
        with self._changed:
            if self._lanes and not self._is_stopping:
                return True
            self._thread = None
            return False

    def _rest(self, began_s: float) -> None:
        """Wait until something is noted, but not so that who notes much has no time for it."""
        with self._changed:
            self._changed.wait_for(lambda: self._is_woken or self._is_stopping, IDLE_S)
            left_s = began_s + APART_S - time.monotonic()
            self._changed.wait_for(lambda: self._is_stopping, max(0.0, left_s))
            self._is_woken = False

    def _round(self) -> None:
        self.look_at_mirrors()
        self._derive_all()
        lost = self._ledger.deliveries.requeue_lost(self._now())
        if lost:
            log.warning("webhook.lost", deliveries=lost)
        with self._changed:
            self._retired = [lane for lane in self._retired if lane.threads]
            lanes = [*self._lanes.values()]
        for lane in lanes:
            if not self._is_stopping:
                lane.pump()

    def _derive_all(self) -> None:
        while self.derive() and not self._is_stopping:
            pass

    def _untold(self, told: Mapping[str, int], seq: int) -> dict[str, Wants]:
        """Give what those want that have not been told of that event."""
        return {
            name: lane.webhook.wants
            for name, lane in self._lanes.items()
            if told.get(name, seq) < seq
        }


def _have_ended(threads: Sequence[threading.Thread], by_s: float) -> bool:
    for thread in threads:
        thread.join(max(0.0, by_s - time.monotonic()))
    return not any(thread.is_alive() for thread in threads)


def _tell_faults(found: Mapping[int, Told]) -> None:
    for seq, told in found.items():
        if told.fault is not None:
            UNREADABLE.inc()
            log.error("webhook.unreadable", seq=seq, exc_info=told.fault)
        for one in told.deliveries:
            if one.fault is not None:
                DELIVERIES.labels(one.webhook, "dead").inc()
