"""
One webhook: what is due is sent, and what came of it is written down.

Each webhook has threads and a breaker of its own: a receiver that is slow, or down, holds up no
other, and is tried now and then by one delivery.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

from docferry.core import breaker as breakers
from docferry.core.breaker import Breaker
from docferry.core.failures import Again, Failed
from docferry.core.webhooks import (
    WAITS_FOR,
    Answer,
    Delivered,
    Missed,
    Wants,
    after_miss,
)
from docferry.deliver.figures import DELIVERIES
from docferry.deliver.send import Receiver, Sends
from docferry.deliver.wire import Wire
from docferry.errors import DocferryError
from docferry.job import BreakerState, Failure
from docferry.ledger import Ledger
from docferry.ledger.webhook_deliveries import DeliveryRow
from docferry.logs import get_logger

log = get_logger(__name__)

#: Deliveries of one webhook at a time, each of another file.
AT_ONCE = 4
#: A name that nobody resolves is not cut with the rest.
_LEASE_BEYOND = timedelta(minutes=2)


@dataclass(frozen=True, slots=True)
class Webhook:
    """A webhook as the configuration has it."""

    receiver: Receiver
    wants: Wants

    @property
    def name(self) -> str:
        return self.receiver.name


@dataclass(frozen=True, slots=True)
class Surroundings:
    """
    What all lanes share.

    now, jitter: The clock, and random numbers in [0, 1).
    """

    ledger: Ledger
    send: Sends
    now: Callable[[], datetime]
    jitter: Callable[[], float]


class Lane:
    """Thread-safe."""

    def __init__(self, webhook: Webhook, around: Surroundings) -> None:
        self.webhook = webhook
        self._around = around
        self._ledger = around.ledger
        self._lock = threading.Lock()
        self._breaker = breakers.closed(around.now())
        self._told: Breaker = self._breaker
        self._threads: set[threading.Thread] = set()
        self._wires: set[Wire] = set()
        self._is_retired = False
        self._is_stopping = False

    def begin(self) -> DeliveryRow | None:
        """Take the next delivery; None: none is due, or the receiver is given nothing now."""
        with self._lock:
            now = self._around.now()
            if self._is_retired or not breakers.may_start(self._breaker, now):
                return None
            timeout = timedelta(seconds=self.webhook.receiver.timeout_s)
            lease_until = now + timeout + _LEASE_BEYOND
            claimed = self._ledger.deliveries.claim(self.webhook.name, now, lease_until)
            if claimed is not None:
                self._breaker = breakers.on_probe_start(self._breaker, now)
            return claimed

    def do(self, claimed: DeliveryRow) -> None:
        """
        Send what was taken.

        Raises:
            DocferryError: The ledger could not be told. It is sent again.
        """
        answer = self._sent(claimed)
        try:
            match answer:
                case None:
                    self._ledger.deliveries.release(claimed, self._around.now())
                case Delivered():
                    self._note_done(claimed, answer)
                case Missed():
                    self._note_missed(claimed, answer)
        finally:
            self._end_probe()  # or a try of which nobody noted the end would be the last one

    def pump(self) -> None:
        """Have threads send what is due."""
        while len(self._threads) < AT_ONCE and (claimed := self.begin()) is not None:
            self._start(claimed)

    def retire(self) -> None:
        """Begin nothing more; what is begun is seen through."""
        with self._lock:
            self._is_retired = True

    def cut(self) -> None:
        """End what runs: it is sent again after the next start."""
        with self._lock:
            self._is_retired = self._is_stopping = True
            wires = [*self._wires]
        for wire in wires:
            wire.cut()

    @property
    def threads(self) -> list[threading.Thread]:
        with self._lock:
            return [*self._threads]

    # In a thread.

    def _start(self, claimed: DeliveryRow) -> None:
        name = f"webhook-{self.webhook.name}"
        thread = threading.Thread(target=partial(self._run, claimed), name=name, daemon=True)
        with self._lock:  # whoever sees a thread may wait for it, so it has begun by then
            thread.start()
            self._threads.add(thread)

    def _run(self, claimed: DeliveryRow | None) -> None:
        try:
            while claimed is not None:
                self.do(claimed)
                claimed = self.begin()
        except DocferryError as error:
            log.error("ledger.failed", webhook=self.webhook.name, reason=str(error))  # noqa: TRY400
        finally:
            with self._lock:
                self._threads.discard(threading.current_thread())

    def _sent(self, claimed: DeliveryRow) -> Answer | None:
        """Give what came of it; None: it was cut, for the daemon stops."""
        receiver = self.webhook.receiver
        with Wire(receiver.timeout_s) as wire:
            with self._lock:
                self._wires.add(wire)
                if self._is_stopping:
                    return None
            try:
                now = self._around.now()
                answer = self._around.send(receiver, claimed.id, claimed.payload, now, wire)
            except Exception:  # one delivery
                log.exception("webhook.failed", **_facts(claimed))
                answer = Missed("a fault of docferry's own: see its log")
            finally:
                with self._lock:
                    self._wires.discard(wire)
        is_lost = self._is_stopping and wire.is_cut and isinstance(answer, Missed)
        return None if is_lost else answer

    # What came of it.

    def _end_probe(self) -> None:
        with self._lock:
            self._breaker = breakers.on_probe_end(self._breaker, self._around.now())

    def _note_done(self, claimed: DeliveryRow, answer: Delivered) -> None:
        now = self._around.now()
        self._ledger.deliveries.done(claimed, now, answer.status)
        DELIVERIES.labels(self.webhook.name, "done").inc()
        log.info("webhook.delivered", status=answer.status, **_facts(claimed))
        self._learn(None, now)

    def _note_missed(self, claimed: DeliveryRow, missed: Missed) -> None:
        now = self._around.now()
        deliveries, name = self._ledger.deliveries, self.webhook.name
        opens_at = self._learn(missed, now)
        decided = after_miss(
            missed,
            attempts=claimed.attempts,
            wanted_at=claimed.wanted_at,
            now=now,
            jitter=self._around.jitter(),
            opens_at=opens_at,
        )
        if isinstance(decided, Again):
            deliveries.again(claimed, decided.run_at, missed, counts=decided.counts)
            DELIVERIES.labels(name, "failed" if missed.was_sent else "unreachable").inc()
            facts = _facts(claimed) | {"reason": missed.reason, "retry_at": decided.run_at}
            if missed.was_sent:
                log.warning("webhook.missed", **facts)
            else:  # for days; that it is down is told once
                log.debug("webhook.missed", **facts)
            return
        deliveries.dead(claimed, now, decided.reason, missed.status)
        DELIVERIES.labels(name, "dead").inc()
        log.error("webhook.dead", reason=decided.reason, **_facts(claimed))
        if not missed.was_sent:
            self._give_up_all(now, decided.reason)

    def _give_up_all(self, now: datetime, reason: str) -> None:
        """Give up on all that has waited as long: each alone would be tried for minutes more."""
        name = self.webhook.name
        count = self._ledger.deliveries.expire(name, now - WAITS_FOR, now, reason)
        if count:
            DELIVERIES.labels(name, "dead").inc(count)
            log.error("webhook.dead", webhook=name, reason=reason, deliveries=count)

    def _learn(self, missed: Missed | None, now: datetime) -> datetime | None:
        """
        Let the breaker know. Whoever answers is up, whatever he says of one message.

        Returns:
            When the receiver is tried again; None: at any time.
        """
        with self._lock:
            if missed is not None and missed.is_outage:
                failed = Failed(Failure.OUTAGE, missed.reason, retry_after_s=missed.retry_after_s)
                jitter = self._around.jitter()
                self._breaker = breakers.after_outage(self._breaker, failed, now, jitter)
            else:
                self._breaker = breakers.after_success(self._breaker, now)
            breaker, before = self._breaker, self._told
            is_news = (breaker.state, breaker.retry_at) != (before.state, before.retry_at)
            self._told = breaker
            is_ours = not self._is_retired
        if is_news and is_ours:
            self._tell(breaker, before)
        return breaker.retry_at if breaker.state is BreakerState.OPEN else None

    def _tell(self, breaker: Breaker, before: Breaker) -> None:
        name = self.webhook.name
        if before.state is BreakerState.CLOSED:
            log.warning("webhook.down", webhook=name, reason=breaker.reason)
        elif breaker.state is BreakerState.CLOSED:
            log.info("webhook.up", webhook=name)
        self._ledger.webhook_events.put_receiver(breaker.row(name))


def _facts(claimed: DeliveryRow) -> dict[str, object]:
    return {
        "webhook": claimed.webhook,
        "delivery": claimed.id,
        "about": claimed.event,
        "mirror": claimed.mirror,
        "path": claimed.path,
        "version": claimed.version,
        "attempts": claimed.attempts,
    }
