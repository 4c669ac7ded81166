"""The threads of a webhook's lane, for whoever waits for them."""

from __future__ import annotations

import pathlib
import sys
import threading
import time
from collections.abc import Iterator
from datetime import datetime

import pytest

from docferry.core.webhooks import Answer, Delivered, DeliveryState, Wants
from docferry.deliver.send import Receiver
from docferry.deliver.wire import Wire
from docferry.engine.webhook_lane import Lane, Surroundings, Webhook
from docferry.engine.webhooks import APART_S, IDLE_S, Webhooks
from docferry.ledger import Ledger
from docferry.ledger.database import Database
from docferry.ledger.webhook_schema import webhook_delivery
from docferry.model import Ulid
from ledger_rows import fresh_ledger
from processes import wait_for
from webhook_bench import Bench, bench_in
from webhook_receiver import SECRET, receiving

#: Where nobody listens.
RECEIVERS = [
    Receiver(name, "http://127.0.0.1:9/", (SECRET,), allows_private=True) for name in ("crm", "erp")
]


@pytest.fixture
def bench(tmp_path: pathlib.Path) -> Iterator[Bench]:
    with bench_in(tmp_path) as bench:
        yield bench


@pytest.fixture
def hurried() -> Iterator[None]:
    """Have threads take turns after each step, so that they meet where they can."""
    before_s = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before_s)


@pytest.mark.usefixtures("hurried")
def test_whoever_waits_for_the_threads_sees_none_that_has_not_begun(bench: Bench) -> None:
    receiver = Receiver("crm", "http://x/", (SECRET,))
    around = Surroundings(bench.ledger, _takes_all, lambda: bench.now, lambda: 0.5)
    lane = Lane(Webhook(receiver, Wants()), around)
    webhooks = bench.webhooks(receiver)
    for number in range(100):
        bench.put(f"{number}", "x")
    webhooks.derive()
    is_over = threading.Event()
    failures: list[RuntimeError] = []

    def wait_again_and_again() -> None:
        try:
            while not is_over.is_set():
                for thread in lane.threads:
                    thread.join()
        except RuntimeError as error:
            failures.append(error)

    waiting = threading.Thread(target=wait_again_and_again)
    waiting.start()
    while bench.rows(DeliveryState.QUEUED):
        lane.pump()
    is_over.set()
    waiting.join()
    for thread in lane.threads:
        thread.join()

    assert failures == []
    assert len(bench.rows(DeliveryState.DONE)) == 100


@pytest.mark.usefixtures("hurried")
def test_a_stop_waits_for_a_thread_that_begins_just_then(tmp_path: pathlib.Path) -> None:
    left = []
    for number in range(10):
        path = tmp_path / f"{number}.sqlite3"
        fresh_ledger(path).close()
        database, claims, stops = Database(path), threading.Event(), threading.Event()

        def claimed(claims: threading.Event = claims, stops: threading.Event = stops) -> None:
            claims.set()
            stops.wait(10)

        with Ledger(database) as ledger:
            bench = Bench(ledger)
            webhooks = bench.webhooks(RECEIVERS[0])
            bench.put("a", "x")
            webhooks.derive()
            with database.telling([webhook_delivery], claimed):
                webhooks.start()
                claims.wait(10)
                stops.set()
                assert webhooks.stop(10)
                left += [one.name for one in threading.enumerate() if "webhook" in one.name]

    assert left == []


def test_a_change_after_the_stop_begins_nothing(bench: Bench) -> None:
    webhooks = bench.webhooks()
    webhooks.start()
    assert webhooks.stop(10)
    bench.ledger.webhook_events.begin(["crm"], bench.now)
    bench.put("a", "1")

    webhooks.change([Webhook(RECEIVERS[0], Wants())])

    assert [one.name for one in threading.enumerate() if "webhook" in one.name] == []
    assert bench.rows() == []


def test_without_a_webhook_no_thread_runs_and_with_one_it_does(bench: Bench) -> None:
    webhooks = bench.webhooks()
    webhooks.start()
    crm = Webhook(RECEIVERS[0], Wants())
    assert _running() == 0
    for _ in range(2):
        webhooks.change([crm])
        assert _running() == 1
        webhooks.change([])
        wait_for(lambda: _running() == 0)
    webhooks.change([crm])
    bench.put("a", "1")

    wait_for(lambda: bool(bench.rows()))
    assert webhooks.stop(10)


def test_what_is_recorded_is_told_at_once_though_nobody_wakes_the_webhooks(bench: Bench) -> None:
    with receiving() as server:
        webhooks = bench.webhooks(server.receiver())
        webhooks.start()
        began_s = time.monotonic()
        for number in range(10):
            bench.put(f"{number}", "x")
            wait_for(lambda: len(server.got) == number + 1)  # noqa: B023
        took_s = time.monotonic() - began_s
        assert webhooks.stop(10)

    assert took_s < 10 * IDLE_S / 2  # who looks now and then takes twice as long


def test_however_much_is_recorded_the_ledger_is_asked_only_so_often(bench: Bench) -> None:
    looks: list[float] = []

    def polls() -> dict[str, tuple[datetime | None, float]]:
        looks.append(time.monotonic())
        return {}

    crm = Webhook(RECEIVERS[0], Wants())
    webhooks = Webhooks(bench.ledger, [crm], send=_takes_all, polls=polls)
    webhooks.start()
    began_s = time.monotonic()
    while time.monotonic() - began_s < 5 * APART_S:
        webhooks.wake()
    took_s = time.monotonic() - began_s
    assert webhooks.stop(10)

    assert 2 <= len(looks) <= took_s / APART_S + 2


def _running() -> int:
    return sum(one.name == "webhooks" for one in threading.enumerate())


def _takes_all(
    receiver: Receiver, message_id: Ulid, payload: str, at: datetime, wire: Wire
) -> Answer:
    return Delivered(200)
