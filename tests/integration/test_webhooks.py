"""Webhooks from the ledger to a real receiver: all of it, in order, also where it is down."""

from __future__ import annotations

import json
import pathlib
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime, timedelta

import pytest

from docferry.core.breaker import OPENS_AFTER
from docferry.core.webhooks import Answer, Delivered, DeliveryState, Missed, Wants
from docferry.deliver.send import Receiver, send
from docferry.deliver.wire import Wire
from docferry.engine.webhook_lane import AT_ONCE, Webhook
from docferry.engine.webhooks import Webhooks
from docferry.errors import TemporaryError
from docferry.job import BreakerState
from docferry.ledger import Ledger
from docferry.ledger.database import Database
from docferry.model import Ulid
from ledger_rows import MINUTE, NOW, deleted, fresh_ledger, uploaded
from processes import wait_for
from servers import silent
from webhook_bench import Bench, bench_in
from webhook_receiver import SECRET, Got, ReceiverServer, Said, receiving

DAY, HOUR = timedelta(days=1), timedelta(hours=1)


@pytest.fixture
def bench(tmp_path: pathlib.Path) -> Iterator[Bench]:
    with bench_in(tmp_path) as bench:
        yield bench


@pytest.fixture
def server() -> Iterator[ReceiverServer]:
    with receiving() as server:
        yield server


def versions_of(server: ReceiverServer, path: str) -> list[str]:
    """Give the versions of *path* that the receiver was told, in their order, without repeats."""
    told = [one.told["data"]["version"] for one in server.got if one.told["data"]["path"] == path]
    return [*dict.fromkeys(told)]


# A receiver that is down.


def test_a_receiver_that_is_down_for_ten_minutes_gets_all_of_it_in_order(
    bench: Bench, server: ReceiverServer
) -> None:
    webhooks = bench.webhooks(server.receiver())
    server.answers = lambda _: Said(503)
    expected: dict[str, list[Ulid]] = {path: [] for path in "abcdef"}
    for minute in range(10):
        for path in expected:
            expected[path] += bench.put(path, f"{path} of minute {minute}")
        bench.go_on(webhooks, MINUTE, timedelta(seconds=5))
    refused, server.got[:] = len(server.got), []
    server.answers = lambda _: Said()

    bench.go_on(webhooks, timedelta(hours=3))

    assert {path: versions_of(server, path) for path in expected} == expected
    assert {row.state for row in bench.rows()} == {DeliveryState.DONE}
    assert refused < 40  # a breaker: 60 files waited


def test_each_try_has_the_same_id_and_a_time_of_its_own(
    bench: Bench, server: ReceiverServer
) -> None:
    webhooks = bench.webhooks(server.receiver())
    server.answers = lambda _: Said(500) if len(server.got) < 3 else Said()
    bench.put("a", "1")

    bench.go_on(webhooks, timedelta(hours=1))

    assert len({one.id for one in server.got}) == 1
    assert len({one.headers["webhook-timestamp"] for one in server.got}) == 3


def test_a_receiver_that_nobody_reaches_gets_all_of_it_once_it_is_there(bench: Bench) -> None:
    with receiving(is_open=False) as server:
        webhooks = bench.webhooks(server.receiver())
        versions = bench.put("a", "1", "2")
        tries = bench.go_on(webhooks, DAY)
        server.open()
        bench.go_on(webhooks, timedelta(minutes=10))

        assert versions_of(server, "a") == versions
    assert tries < 24 * 24  # every few minutes


def test_a_receiver_that_is_down_is_tried_by_one_delivery_now_and_then(bench: Bench) -> None:
    with receiving(is_open=False) as server:
        webhooks = bench.webhooks(server.receiver())
        for number in range(50):
            bench.put(f"{number}", "x")

        tries = [webhooks.work_off(), webhooks.work_off(), bench.go_on(webhooks, MINUTE)]

    assert tries == [OPENS_AFTER, 0, 1]


def test_a_receiver_that_stays_away_has_all_given_up_after_three_days(bench: Bench) -> None:
    with receiving(is_open=False) as server:
        webhooks = bench.webhooks(server.receiver())
        for number in range(50):
            bench.put(f"file {number}", "x")
        bench.go_on(webhooks, 3 * DAY - HOUR, HOUR)
        waiting = len(bench.rows(DeliveryState.QUEUED))
        bench.go_on(webhooks, 2 * HOUR, HOUR)
        bench.put("young", "x")
        bench.go_on(webhooks, 2 * HOUR, HOUR)

    dead = bench.rows(DeliveryState.DEAD)
    assert (waiting, len(dead)) == (50, 50)
    assert "3 days" in (dead[0].last_error or "")
    assert [row.path for row in bench.rows(DeliveryState.QUEUED)] == ["young"]


def test_what_the_receiver_never_takes_is_given_up_with_its_words(
    bench: Bench, server: ReceiverServer
) -> None:
    webhooks = bench.webhooks(server.receiver())
    server.answers = lambda got: (
        Said(400, {}, b"bad tenant") if got.told["data"]["path"] == "a" else Said()
    )
    bench.put("a", "1", "2")
    bench.put("b", "1")

    bench.go_on(webhooks, 4 * DAY, timedelta(minutes=10))

    [first, second] = [row for row in bench.rows() if row.path == "a"]
    assert (first.state, first.attempts, first.status) == (DeliveryState.DEAD, 10, 400)
    assert "bad tenant" in (first.last_error or "")
    assert second.state is DeliveryState.QUEUED  # its own three days have begun
    assert [row.state for row in bench.rows() if row.path == "b"] == [DeliveryState.DONE]


def test_a_message_that_the_receiver_fails_over_holds_up_no_other_file(
    bench: Bench, server: ReceiverServer
) -> None:
    webhooks = bench.webhooks(server.receiver())
    server.answers = lambda got: Said(500 if got.told["data"]["path"] == "poison" else 204)
    bench.put("poison", "x")
    for number in range(20):
        bench.put(f"file {number}", "x")
        bench.go_on(webhooks, timedelta(minutes=5))

    done = bench.rows(DeliveryState.DONE)

    assert len(done) == 20


def test_retry_after_is_heeded(bench: Bench, server: ReceiverServer) -> None:
    webhooks = bench.webhooks(server.receiver())
    server.answers = lambda _: Said(429, {"Retry-After": "600"}) if len(server.got) < 2 else Said()
    bench.put("a", "1")
    webhooks.work_off()

    tries = [bench.go_on(webhooks, timedelta(minutes=9)), bench.go_on(webhooks, 2 * MINUTE)]

    assert tries == [0, 1]


def test_410_is_the_end_of_that_message_alone(bench: Bench, server: ReceiverServer) -> None:
    webhooks = bench.webhooks(server.receiver())
    server.answers = lambda _: Said(410) if len(server.got) < 2 else Said()
    bench.put("a", "1", "2")

    webhooks.work_off()

    assert [row.state for row in bench.rows()] == [DeliveryState.DEAD, DeliveryState.DONE]


def test_a_receiver_that_is_down_holds_up_no_other_webhook(
    bench: Bench, server: ReceiverServer
) -> None:
    with receiving(is_open=False) as away:
        webhooks = bench.webhooks(away.receiver("away"), server.receiver("crm"))
        for number in range(10):
            bench.put(f"{number}", "x")
        webhooks.work_off()

    assert len(server.got) == 10
    down = bench.ledger.webhook_events.receivers()
    assert down["away"].state is BreakerState.OPEN
    assert "refused" in (down["away"].reason or "")
    assert down["crm"].state is BreakerState.CLOSED


def test_an_outage_that_ended_while_no_daemon_ran_is_over(bench: Bench) -> None:
    with receiving(is_open=False) as server:
        webhooks = bench.webhooks(server.receiver())
        for number in range(6):
            bench.put(f"{number}", "y")
        webhooks.work_off()
        server.open()
        bench.now += MINUTE

        bench.webhooks(server.receiver()).work_off()

        assert bench.ledger.webhook_events.receivers()["crm"].state is BreakerState.CLOSED
        assert len(server.got) == 6


# What is told.


def test_a_webhook_is_told_only_what_it_wants(bench: Bench, server: ReceiverServer) -> None:
    wants = Wants(("file.added", "file.removed"), ("docs",), ("*.pdf",))
    webhooks = bench.webhooks(server.receiver(), wants=wants)
    bench.put("a.pdf", "1", "2")
    bench.put("b.txt", "1")
    bench.ledger.record("other", [uploaded("c.pdf")], at=NOW)
    bench.ledger.record("docs", [deleted("a.pdf")], at=NOW)

    webhooks.work_off()

    assert [(one.told["type"], one.told["data"]["path"]) for one in server.got] == [
        ("file.added", "a.pdf"),
        ("file.removed", "a.pdf"),
    ]


def test_a_mirror_that_is_stale_is_told_once_and_well_once(
    bench: Bench, server: ReceiverServer
) -> None:
    webhooks = bench.webhooks(server.receiver())
    for _ in range(60):
        bench.now += MINUTE
        webhooks.look_at_mirrors()
    bench.polled_at = bench.now
    webhooks.look_at_mirrors()
    webhooks.work_off()

    assert [one.told["type"] for one in server.got] == ["mirror.stale", "mirror.well"]
    assert server.got[0].told["data"]["mirror"] == "docs"


def test_a_mirror_that_was_paused_is_not_stale(bench: Bench) -> None:
    polls: dict[str, tuple[datetime | None, float]] = {}
    webhooks = Webhooks(
        bench.ledger,
        [Webhook(Receiver("crm", "http://x/", (SECRET,)), Wants())],
        polls=lambda: polls,
        now=lambda: bench.now,
    )
    webhooks.prepare()
    webhooks.look_at_mirrors()
    bench.now += DAY
    polls["docs"] = NOW, 30.0  # it goes on, and has not listed anything yet

    webhooks.look_at_mirrors()

    assert bench.ledger.webhook_events.stale() == set()


# Crashes, stops and changes.


def test_what_was_under_way_at_a_kill_is_sent_again_under_its_id(
    bench: Bench, server: ReceiverServer
) -> None:
    webhooks = bench.webhooks(server.receiver())
    bench.put("a", "1", "2")
    webhooks.derive()
    now = bench.now
    claimed = bench.ledger.deliveries.claim("crm", now, now + MINUTE)
    assert claimed is not None  # and it arrives, but nobody writes that down
    with Wire(5) as wire:
        send(server.receiver(), claimed.id, claimed.payload, now, wire)

    bench.webhooks(server.receiver()).work_off()

    ids = [one.id for one in server.got]
    assert ids[0] == ids[1]
    assert len({*ids}) == 2
    assert [one.told["type"] for one in server.got][1:] == ["file.added", "file.changed"]


def test_what_happened_while_no_daemon_ran_is_told_by_the_next(
    bench: Bench, server: ReceiverServer
) -> None:
    bench.webhooks(server.receiver())  # it ends before it has looked
    versions = bench.put("a", "1", "2")

    bench.webhooks(server.receiver()).work_off()

    assert versions_of(server, "a") == versions


def test_a_try_whose_end_could_not_be_written_down_is_not_the_last(
    tmp_path: pathlib.Path,
) -> None:
    path, mood = tmp_path / "ledger.sqlite3", {"is_up": False}
    fresh_ledger(path).close()
    others = sqlite3.connect(path, isolation_level=None)

    def answers(
        receiver: Receiver, message_id: Ulid, payload: str, at: datetime, wire: Wire
    ) -> Answer:
        if not mood["is_up"]:
            return Missed("refused", was_sent=False, is_outage=True)
        if not others.in_transaction and "busy" in mood:
            others.execute("BEGIN IMMEDIATE")
        return Delivered(200)

    with closing(others), Ledger(Database(path, busy_s=0.05)) as ledger:
        bench = Bench(ledger)
        crm = Webhook(Receiver("crm", "http://x/", (SECRET,)), Wants())
        webhooks = Webhooks(ledger, [crm], send=answers, now=lambda: bench.now)
        webhooks.prepare()
        for number in range(9):
            bench.put(f"{number}", "x")
        webhooks.work_off()
        bench.now += 10 * MINUTE
        mood |= {"is_up": True, "busy": True}
        with pytest.raises(TemporaryError):  # the one that tries whether it is up again
            webhooks.work_off()
        others.execute("ROLLBACK")
        del mood["busy"]

        assert webhooks.work_off() == 8


@pytest.fixture
def started(bench: Bench) -> Iterator[list[Webhooks]]:
    """Webhooks that a test has started, to be stopped."""
    running: list[Webhooks] = []
    yield running
    for one in running:
        assert one.stop(10)


def test_what_happens_is_told_while_the_daemon_runs(
    bench: Bench, server: ReceiverServer, started: list[Webhooks]
) -> None:
    webhooks = bench.webhooks(server.receiver())
    webhooks.start()
    started.append(webhooks)
    for number in range(30):
        bench.put(f"{number % 5}", f"{number}")
    webhooks.wake()

    wait_for(lambda: len(bench.rows(DeliveryState.DONE)) == 30)
    for path in range(5):
        expected = [row.version for row in bench.rows() if row.path == f"{path}"]
        assert versions_of(server, f"{path}") == expected


def test_files_are_told_at_the_same_time_but_not_too_many(
    bench: Bench, server: ReceiverServer, started: list[Webhooks]
) -> None:
    at_once, most, lock, full = 0, 0, threading.Lock(), threading.Event()

    def answer(_: Got) -> Said:
        nonlocal at_once, most
        with lock:
            at_once += 1
            most = max(most, at_once)
            if at_once == AT_ONCE:
                full.set()
        full.wait(10)
        with lock:
            at_once -= 1
        return Said()

    server.answers = answer
    webhooks = bench.webhooks(server.receiver())
    webhooks.start()
    started.append(webhooks)
    for number in range(20):
        bench.put(f"{number}", "x")
    webhooks.wake()

    wait_for(lambda: len(bench.rows(DeliveryState.DONE)) == 20)
    assert most == AT_ONCE


def test_a_stop_does_not_wait_for_a_silent_receiver_and_loses_nothing(bench: Bench) -> None:
    with silent() as url:
        receiver = Receiver("crm", url, (SECRET,), timeout_s=60, allows_private=True)
        webhooks = bench.webhooks(receiver)
        webhooks.start()
        bench.put("a", "1")
        webhooks.wake()
        wait_for(lambda: bool(bench.rows(DeliveryState.RUNNING)))

        assert webhooks.stop(10)

    [row] = bench.rows()
    assert (row.state, row.attempts, row.last_error) == (DeliveryState.QUEUED, 0, None)


def test_a_replayed_delivery_is_sent_with_all_its_attempts_again(
    bench: Bench, server: ReceiverServer
) -> None:
    webhooks = bench.webhooks(server.receiver())
    server.answers = lambda _: Said(410) if len(server.got) < 2 else Said()
    bench.put("a", "1")
    webhooks.work_off()
    [dead] = bench.rows(DeliveryState.DEAD)

    bench.ledger.deliveries.replay([dead.id], bench.now)
    webhooks.work_off()

    assert [one.id for one in server.got] == [dead.id, dead.id]
    assert [row.state for row in bench.rows()] == [DeliveryState.DONE]


def test_a_fault_of_docferrys_own_stops_no_other_delivery(bench: Bench) -> None:
    sent: list[str] = []

    def breaks_once(
        receiver: Receiver, message_id: Ulid, payload: str, at: datetime, wire: Wire
    ) -> Answer:
        path = json.loads(payload)["data"]["path"]
        if path == "a":
            raise RuntimeError("a fault")
        sent.append(path)
        return Delivered(200)

    webhooks = Webhooks(
        bench.ledger,
        [Webhook(Receiver("crm", "http://x/", (SECRET,)), Wants())],
        send=breaks_once,
        now=lambda: bench.now,
    )
    webhooks.prepare()
    bench.put("a", "1")
    bench.put("b", "1")

    webhooks.work_off()

    assert sent == ["b"]
    [row] = bench.rows(DeliveryState.QUEUED)
    assert "fault of docferry's own" in (row.last_error or "")
