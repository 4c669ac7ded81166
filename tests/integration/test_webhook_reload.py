"""Webhooks when the configuration changes: who is told what of before, and of afterwards."""

from __future__ import annotations

import pathlib
from collections.abc import Iterator

import pytest

from docferry.core.webhooks import DeliveryState, Wants
from docferry.engine.webhook_lane import Webhook
from docferry.engine.webhooks import Webhooks
from ledger_rows import MINUTE
from webhook_bench import Bench, bench_in
from webhook_receiver import ReceiverServer, receiving


@pytest.fixture
def bench(tmp_path: pathlib.Path) -> Iterator[Bench]:
    with bench_in(tmp_path) as bench:
        yield bench


@pytest.fixture
def server() -> Iterator[ReceiverServer]:
    with receiving() as server:
        yield server


def test_a_new_webhook_is_told_nothing_of_before(bench: Bench, server: ReceiverServer) -> None:
    bench.webhooks(server.receiver("first"))  # it ends before it has looked
    bench.put("a", "1")
    webhooks = bench.webhooks(server.receiver("first"), server.receiver("second"))
    bench.put("b", "1")

    webhooks.work_off()

    assert [(row.webhook, row.path) for row in bench.rows()] == [
        ("first", "a"),
        ("first", "b"),
        ("second", "b"),
    ]


def test_what_happened_before_a_reload_is_for_whoever_wanted_it_then(
    bench: Bench, server: ReceiverServer
) -> None:
    webhooks = bench.webhooks(server.receiver())
    bench.put("a.txt", "1")
    only_pdf = Wants(patterns=("*.pdf",))
    webhooks.change([Webhook(server.receiver(), only_pdf)])
    bench.put("b.txt", "1")
    bench.put("c.pdf", "1")

    webhooks.work_off()

    assert [row.path for row in bench.rows()] == ["a.txt", "c.pdf"]


def test_a_changed_webhook_goes_on_with_what_waits_and_one_that_is_gone_does_not(
    bench: Bench, server: ReceiverServer
) -> None:
    with receiving(is_open=False) as away:
        webhooks = bench.webhooks(away.receiver("moves"), away.receiver("goes"))
        bench.put("a", "1")
        webhooks.work_off()
    bench.now += MINUTE

    webhooks.change([Webhook(server.receiver("moves"), Wants())])
    bench.put("a", "2")
    webhooks.work_off()

    assert [one.told["type"] for one in server.got] == ["file.added", "file.changed"]
    assert [(row.webhook, row.state) for row in bench.rows() if row.webhook == "goes"] == [
        ("goes", DeliveryState.DISCARDED)
    ]


def test_a_webhook_that_did_not_change_is_not_disturbed(bench: Bench) -> None:
    with receiving(is_open=False) as away:
        same = Webhook(away.receiver(), Wants(("*",), (), ("*.pdf",)))
        webhooks = Webhooks(bench.ledger, [same], now=lambda: bench.now)
        webhooks.prepare()
        for number in range(9):
            bench.put(f"{number}.pdf", "x")
        webhooks.work_off()
        webhooks.change([Webhook(away.receiver(), Wants(("*",), (), ("*.pdf",)))])

        assert webhooks.work_off() == 0  # its breaker is still open
