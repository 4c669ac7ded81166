"""What was noted for webhooks and cannot be read: it keeps nothing else from them."""

from __future__ import annotations

import pathlib
import sqlite3
from collections.abc import Iterator
from contextlib import closing

import pytest

from docferry.deliver.send import Receiver
from docferry.errors import DocferryError
from docferry.metrics import REGISTRY
from events import logged
from webhook_bench import Bench, bench_in
from webhook_receiver import SECRET, ReceiverServer, receiving

UNREADABLE_TOTAL = "docferry_webhook_events_unreadable_total"


@pytest.fixture
def bench(tmp_path: pathlib.Path) -> Iterator[Bench]:
    with bench_in(tmp_path) as bench:
        yield bench


@pytest.fixture
def server() -> Iterator[ReceiverServer]:
    with receiving() as server:
        yield server


@pytest.mark.parametrize(
    ("source", "ref"),
    [("history", "no number"), ("request", "no number"), ("stale", "no time"), ("hold", "")],
)
def test_what_was_noted_and_cannot_be_read_is_told_once_and_passed_over(
    bench: Bench, server: ReceiverServer, source: str, ref: str
) -> None:
    webhooks = bench.webhooks(server.receiver("crm"), server.receiver("erp"))
    before = REGISTRY.get_sample_value(UNREADABLE_TOTAL) or 0.0
    [first] = bench.put("a", "1")
    _note(bench, source, ref)
    [last] = bench.put("b", "1")

    with logged() as events:
        for _ in range(3):
            webhooks.work_off()

    assert sorted(one.told["data"]["version"] for one in server.got) == sorted([first, last] * 2)
    [told] = [one for one in events if one["event"] == "webhook.unreadable"]
    assert (told["log_level"], told["seq"]) == ("error", bench.rows()[0].seq + 1)
    assert REGISTRY.get_sample_value(UNREADABLE_TOTAL) == before + 1


def test_a_ledger_that_does_not_answer_has_nothing_passed_over(bench: Bench) -> None:
    webhooks = bench.webhooks(Receiver("crm", "http://x/", (SECRET,)))
    bench.put("a", "1")
    with closing(sqlite3.connect(bench.ledger.path)) as other:
        other.execute("ALTER TABLE history RENAME TO away")
        with pytest.raises(DocferryError):
            webhooks.derive()
        other.execute("ALTER TABLE away RENAME TO history")

    webhooks.derive()

    assert [row.path for row in bench.rows()] == ["a"]


def _note(bench: Bench, source: str, ref: str) -> None:
    with closing(sqlite3.connect(bench.ledger.path)) as other:
        other.execute(
            "INSERT INTO webhook_event (source, ref, mirror) VALUES (?, ?, 'docs')", (source, ref)
        )
        other.commit()
