"""What was noted for webhooks and cannot be told: it is given up, and keeps nothing else."""

from __future__ import annotations

import pathlib
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing

import pytest

from config_files import BASE, OTHER, Written
from docferry.app.webhooks import replay, replayable_ones
from docferry.config import Config
from docferry.core.webhooks import UNREADABLE, DeliveryState, Wants
from docferry.deliver.send import Receiver
from docferry.errors import ConflictError, DocferryError
from docferry.ledger.webhook_deliveries import DeliveryRow
from docferry.metrics import REGISTRY
from events import logged
from ledger_rows import NOW, uploaded
from webhook_bench import Bench, bench_in
from webhook_receiver import SECRET, ReceiverServer, receiving

UNREADABLE_TOTAL = "docferry_webhook_events_unreadable_total"
CRM = Receiver("crm", "http://x/", (SECRET,))


@pytest.fixture
def bench(tmp_path: pathlib.Path) -> Iterator[Bench]:
    with bench_in(tmp_path) as bench:
        yield bench


@pytest.fixture
def server() -> Iterator[ReceiverServer]:
    with receiving() as server:
        yield server


@pytest.fixture
def config(tmp_path: pathlib.Path) -> Config:
    keys = tmp_path / "keys"
    keys.mkdir()
    (keys / "crm.webhook").write_text(SECRET)
    crm = '[webhook.crm]\nurl = "https://crm.example.com/"\npatterns = ["*.txt"]\n'
    top = f'credentials_dir = "{keys}"\n'
    return Written(tmp_path / "docferry.toml").load(top + BASE + OTHER + crm)


@pytest.mark.parametrize(
    ("source", "ref"),
    [("history", "no number"), ("request", "no number"), ("stale", "no time"), ("hold", "")],
)
def test_what_was_noted_and_cannot_be_read_is_given_up_and_keeps_nothing_else(
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

    dead = bench.rows(DeliveryState.DEAD)
    assert sorted(one.told["data"]["version"] for one in server.got) == sorted([first, last] * 2)
    assert sorted((row.webhook, row.event, row.attempts) for row in dead) == [
        ("crm", UNREADABLE, 0),
        ("erp", UNREADABLE, 0),
    ]
    assert "cannot be told (" in (dead[0].last_error or "")
    [told] = [one for one in events if one["event"] == "webhook.unreadable"]
    assert (told["log_level"], told["seq"]) == ("error", dead[0].seq)
    assert REGISTRY.get_sample_value(UNREADABLE_TOTAL) == before + 1


def test_what_is_no_text_is_given_up_and_keeps_nothing_else(bench: Bench) -> None:
    webhooks = bench.webhooks(CRM)
    bench.put("a", "1")
    half_a_letter = "UPDATE history SET path = CAST(x'eda080' AS TEXT)"
    _execute(bench, half_a_letter, [])
    bench.put("b", "1")

    webhooks.derive()

    [first, second] = bench.rows()
    assert (first.state, second.state) == (DeliveryState.DEAD, DeliveryState.QUEUED)


def test_only_those_hear_of_it_who_may_want_what_it_tells(bench: Bench) -> None:
    webhooks = bench.webhooks(CRM, wants=Wants(("conversion.*", "hold.opened"), ("docs",)))
    _note(bench, "history", "no number")
    _note(bench, "hold", "no number", mirror="other")
    _note(bench, "hold", "no number")

    webhooks.derive()

    assert [(row.mirror, row.seq) for row in bench.rows()] == [("docs", 3)]


def test_a_replay_reads_what_could_not_be_read_before(bench: Bench, config: Config) -> None:
    row = _given_up(bench)
    with pytest.raises(ConflictError, match="still cannot be read"):
        replay(config, bench.ledger, [row.id], NOW)
    assert replayable_ones(config, bench.ledger, None) == []
    _mend(bench)

    assert replayable_ones(config, bench.ledger, None) == [row.id]
    replay(config, bench.ledger, [row.id], NOW)

    [now] = bench.rows()
    assert (now.id, now.state, now.last_error) == (row.id, DeliveryState.QUEUED, row.last_error)
    assert (now.event, now.path, now.order_key) == ("file.added", "a.txt", "docs/a.txt")
    assert '"type":"file.added"' in now.payload
    [audited] = bench.ledger.audit.newest(1)
    assert audited.action == "deliveries.replayed"


def test_a_replay_tells_nobody_what_he_does_not_want(bench: Bench, config: Config) -> None:
    row = _given_up(bench, "a.pdf")
    _mend(bench)

    with pytest.raises(ConflictError, match="discard it"):
        replay(config, bench.ledger, [row.id], NOW)

    assert bench.rows(DeliveryState.DEAD) == [row]


def test_a_ledger_that_does_not_answer_has_nothing_passed_over(bench: Bench) -> None:
    webhooks = bench.webhooks(CRM)
    bench.put("a", "1")
    with closing(sqlite3.connect(bench.ledger.path)) as other:
        other.execute("ALTER TABLE history RENAME TO away")
        with pytest.raises(DocferryError):
            webhooks.derive()
        other.execute("ALTER TABLE away RENAME TO history")

    webhooks.derive()

    assert [row.path for row in bench.rows()] == ["a"]


def _given_up(bench: Bench, path: str = "a.txt") -> DeliveryRow:
    """Have an event that cannot be read: its row of history has no time."""
    webhooks = bench.webhooks(CRM)
    bench.ledger.record("docs", [uploaded(path)], at=NOW)
    _set_time(bench, "no time")
    webhooks.derive()
    [row] = bench.rows(DeliveryState.DEAD)
    return row


def _mend(bench: Bench) -> None:
    _set_time(bench, "2026-01-01T00:00:00.000000Z")


def _set_time(bench: Bench, at: str) -> None:
    _execute(bench, "UPDATE history SET at = ?", [at])


def _note(bench: Bench, source: str, ref: str, mirror: str = "docs") -> None:
    _execute(
        bench,
        "INSERT INTO webhook_event (source, ref, mirror) VALUES (?, ?, ?)",
        [source, ref, mirror],
    )


def _execute(bench: Bench, statement: str, values: Sequence[str]) -> None:
    with closing(sqlite3.connect(bench.ledger.path)) as other:
        other.execute(statement, values)
        other.commit()
