"""The threads of a webhook's lane, for whoever waits for them."""

from __future__ import annotations

import pathlib
import sys
import threading
from collections.abc import Iterator
from datetime import datetime

import pytest

from docferry.core.webhooks import Answer, Delivered, DeliveryState, Wants
from docferry.deliver.send import Receiver
from docferry.deliver.wire import Wire
from docferry.engine.webhook_lane import Lane, Surroundings, Webhook
from docferry.model import Ulid
from webhook_bench import Bench, bench_in
from webhook_receiver import SECRET


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


def _takes_all(
    receiver: Receiver, message_id: Ulid, payload: str, at: datetime, wire: Wire
) -> Answer:
    return Delivered(200)
