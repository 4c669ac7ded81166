"""
Webhooks: what happened is turned into deliveries, and each webhook's lane sends its own.

Both go on from what the ledger says: after a crash nothing is lost, and what was under way is
sent again, under the same id.
"""

from __future__ import annotations

import json
import random
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from functools import partial

from ulid import ULID

from docferry.core.breaker import closed
from docferry.core.webhooks import Event, is_stale
from docferry.deliver.figures import UNREADABLE
from docferry.deliver.send import Sends, send
from docferry.engine.rounds import going_round
from docferry.engine.webhook_lane import Lane, Surroundings, Webhook
from docferry.errors import DocferryError
from docferry.job import BreakerState
from docferry.ledger import Ledger
from docferry.ledger.webhook_events import NewDelivery, Noted
from docferry.logs import get_logger
from docferry.model import Ulid

log = get_logger(__name__)

IDLE_S = 1.0  #: how often the ledger is asked when nobody wakes it
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
        self._changed = threading.Condition()
        self._is_woken = self._is_stopping = False
        self._is_started = False
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

        Those that are as they were go on undisturbed; what is under way is seen through.
        """
        wanted = {one.name: one for one in webhooks}
        with self._deriving:
            self._ledger.webhook_events.begin(wanted, self._now())
            for name, lane in [*self._lanes.items()]:
                if wanted.get(name) != lane.webhook:
                    lane.retire()
                    self._retired.append(self._lanes.pop(name))
            for name, webhook in wanted.items():
                if name not in self._lanes:
                    self._lanes[name] = Lane(webhook, self._around)
                    self._trust([name])
            self._start_thread()
        self.wake()

    def stop(self, timeout_s: float) -> bool:
        """
        Cut what is under way, and wait up to *timeout_s* for the threads. False: not all end.

        What was cut is sent again after the next start.
        """
        with self._changed:
            self._is_stopping = True
            self._changed.notify_all()
        lanes = [*self._retired, *self._lanes.values()]
        for lane in lanes:
            lane.cut()
        own = [] if self._thread is None else [self._thread]
        until_s = time.monotonic() + timeout_s
        threads = [*own, *(thread for lane in lanes for thread in lane.threads)]
        for thread in threads:
            thread.join(max(0.0, until_s - time.monotonic()))
        return not any(thread.is_alive() for thread in threads)

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
            new = [one for each in noted for one in self._deliveries_of(each, told)]
            self._ledger.webhook_events.put(new, noted[-1].seq)
            _tell_unreadable(noted)  # now that they are passed over: once
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
        is_failing = False
        while not self._is_stopping:
            try:
                self._round()
                is_failing = False
            except DocferryError as error:  # the ledger; it is tried again
                if not is_failing:
                    log.error("ledger.failed", reason=str(error))  # noqa: TRY400
                is_failing = True
            except Exception:  # one round
                log.exception("webhook.failed")
            with self._changed:
                self._changed.wait_for(lambda: self._is_woken or self._is_stopping, IDLE_S)
                self._is_woken = False

    def _round(self) -> None:
        self.look_at_mirrors()
        self._derive_all()
        lost = self._ledger.deliveries.requeue_lost(self._now())
        if lost:
            log.warning("webhook.lost", deliveries=lost)
        with self._deriving:
            self._retired = [lane for lane in self._retired if lane.threads]
            lanes = [*self._lanes.values()]
        for lane in lanes:
            if not self._is_stopping:
                lane.pump()

    def _derive_all(self) -> None:
        while self.derive() and not self._is_stopping:
            pass

    def _deliveries_of(self, noted: Noted, told: Mapping[str, int]) -> Iterable[NewDelivery]:
        if noted.event is None:
            return []
        wanting = [
            name
            for name, lane in self._lanes.items()
            if told.get(name, noted.seq) < noted.seq and lane.webhook.wants.takes(noted.event)
        ]
        make = partial(_delivery, noted.seq, noted.event, payload_of(noted.event), self._now())
        return [make(name, self._new_id()) for name in wanting]


def _tell_unreadable(noted: Iterable[Noted]) -> None:
    for one in noted:
        if one.fault is not None:
            UNREADABLE.inc()
            log.error("webhook.unreadable", seq=one.seq, exc_info=one.fault)


def payload_of(event: Event) -> str:
    """Write down what is sent."""
    return json.dumps(event.payload, ensure_ascii=False, separators=(",", ":"))


def _delivery(
    seq: int, event: Event, payload: str, at: datetime, webhook: str, delivery_id: Ulid
) -> NewDelivery:
    return NewDelivery(
        id=delivery_id,
        webhook=webhook,
        seq=seq,
        event=event.type,
        mirror=event.mirror,
        path=event.path,
        version=event.version,
        order_key=event.order_key,
        payload=payload,
        created_at=at,
    )
