"""How a mirror is, for people: what is said, and that saying it never stops the work."""

from __future__ import annotations

import json
import pathlib
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from functools import partial

import pytest

from docferry.engine.health import JUDGE_EVERY_S, SILENT_S, Health
from docferry.ledger import Ledger
from docferry.model import MirrorHealth, Mode
from events import logged
from ledger_rows import MINUTE, NOW, fresh_ledger
from processes import wait_for


def test_a_ledger_that_cannot_be_written_is_told_and_stops_nobody(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "ledger.sqlite3"
    fresh_ledger(path).close()
    with Ledger.open(path, read_only=True) as ledger:
        health = Health("docs", ledger)

        health.note(health=MirrorHealth.WAITING, reason="the disk is full")

    assert health.facts.reason == "the disk is full"


def test_a_ledger_that_cannot_be_written_is_told_once_and_again_when_that_is_over(
    tmp_path: pathlib.Path,
) -> None:
    path = tmp_path / "ledger.sqlite3"
    with fresh_ledger(path) as ledger, closing(sqlite3.connect(path)) as raw:
        ledger.mirrors.put(
            "docs", store="s", bucket="b", prefix="", local="/docs", mode=Mode.TWO_WAY
        )
        health = Health("docs", ledger)
        with logged() as events:
            raw.execute("ALTER TABLE mirror RENAME TO away")
            for dirty in range(3):
                health.note(dirty=dirty + 1)
                health.publish(now=True)
            raw.execute("ALTER TABLE away RENAME TO mirror")
            health.publish(now=True)
            health.note(dirty=0)
            health.publish(now=True)

    told = [event["event"] for event in events]
    assert told == ["ledger.failed", "ledger.recovered"]


def test_who_waits_for_the_ledger_keeps_no_fact_from_being_known(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "ledger.sqlite3"
    with (
        fresh_ledger(path) as ledger,
        ThreadPoolExecutor(3) as pool,
        closing(sqlite3.connect(path, isolation_level=None)) as other,
    ):
        ledger.mirrors.put(
            "docs", store="s", bucket="b", prefix="", local="/docs", mode=Mode.TWO_WAY
        )
        health = Health("docs", ledger)
        other.execute("BEGIN EXCLUSIVE")

        for reason in ("first", "second", "third"):  # each waits for its turn to write
            pool.submit(health.note, health=MirrorHealth.WAITING, reason=reason)
            wait_for(partial(_is_known, health, reason), 5.0)

        other.execute("ROLLBACK")


def _is_known(health: Health, reason: str) -> bool:
    return health.facts.reason == reason


def test_a_loop_that_waits_long_for_an_answer_is_not_in_step(tmp_path: pathlib.Path) -> None:
    with fresh_ledger(tmp_path / "ledger.sqlite3") as ledger:
        ledger.mirrors.put(
            "docs", store="s", bucket="b", prefix="", local="/docs", mode=Mode.TWO_WAY
        )
        health = Health("docs", ledger)
        health.note(health=MirrorHealth.IN_STEP)
        health.tell_silence("/docs", "s3://b", "")
        before = health.facts.health
        health.went_round_s -= SILENT_S + 1

        health.tell_silence("/docs", "s3://b", "")

        row = ledger.mirrors.get("docs")
    assert before is MirrorHealth.IN_STEP
    assert row is not None
    assert row.health is MirrorHealth.WAITING
    assert row.reason == (
        f"it has been waiting 6 s for one of these: /docs, s3://b, the ledger {ledger.path}"
    )


def test_silence_hides_no_trouble_that_is_known(tmp_path: pathlib.Path) -> None:
    with fresh_ledger(tmp_path / "ledger.sqlite3") as ledger:
        health = Health("docs", ledger)
        health.note(health=MirrorHealth.BLOCKED, reason="no such bucket")
        health.went_round_s -= SILENT_S + 1

        health.tell_silence("/docs", "s3://b", "")

    assert health.facts.reason == "no such bucket"


def test_a_daemon_that_starts_in_an_outage_knows_when_it_was_last_polled_and_scanned(
    tmp_path: pathlib.Path,
) -> None:
    with fresh_ledger(tmp_path / "ledger.sqlite3") as ledger:
        ledger.mirrors.put(
            "docs", store="s", bucket="b", prefix="", local="/docs", mode=Mode.TWO_WAY
        )
        times = {"last_poll_at": NOW, "last_scan_at": NOW - MINUTE, "last_full_at": NOW - MINUTE}
        ledger.mirrors.put("docs", health=MirrorHealth.IN_STEP, since=NOW, **times)
        health = Health("docs", ledger)

        health.publish(now=True)

        row = ledger.mirrors.get("docs")
    assert (health.facts.last_poll_at, health.facts.last_scan_at) == (NOW, NOW - MINUTE)
    assert health.facts.last_full_at is None  # there was none since the start: not ready yet
    assert row is not None
    assert {name: getattr(row, name) for name in times} == times
    assert row.health is MirrorHealth.STARTING
    assert row.since > NOW


def test_trouble_is_logged_whenever_its_reason_changes(
    tmp_path: pathlib.Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with fresh_ledger(tmp_path / "ledger.sqlite3") as ledger:
        health = Health("docs", ledger)
        for reason in ("refused", "refused", "no such bucket"):
            health.note(health=MirrorHealth.BLOCKED, reason=reason)

    lines = [line for line in capfd.readouterr().err.splitlines() if "mirror.blocked" in line]
    assert [json.loads(line)["reason"] for line in lines] == ["refused", "no such bucket"]


def test_only_work_that_goes_on_and_was_told_lately_is_not_judged_again(
    tmp_path: pathlib.Path,
) -> None:
    with fresh_ledger(tmp_path / "ledger.sqlite3") as ledger:
        health = Health("docs", ledger)
        found = {"at first": health.is_told(1)}
        health.note(health=MirrorHealth.IN_STEP)
        found["in step"] = health.is_told(1)
        health.note(health=MirrorHealth.WORKING)
        found["at work"] = health.is_told(1)
        found["nothing under way"] = health.is_told(0)
        health.judged_s -= 2 * JUDGE_EVERY_S
        found["long ago"] = health.is_told(1)

    assert {name for name, is_told in found.items() if is_told} == {"at work"}


def test_a_hold_that_grows_file_by_file_is_logged_once_and_another_one_again(
    tmp_path: pathlib.Path,
) -> None:
    with fresh_ledger(tmp_path / "ledger.sqlite3") as ledger, logged() as events:
        health = Health("docs", ledger)

        for hold, count in ((1, 1), (1, 80), (2, 3)):
            reason = f"{count} of hold {hold} wait"
            health.note(health=MirrorHealth.BLOCKED, reason=reason, hold=hold)
        health.note(health=MirrorHealth.BLOCKED, reason="no marker")

    told = [event["reason"] for event in events if event["event"] == "mirror.blocked"]
    assert told == ["1 of hold 1 wait", "3 of hold 2 wait", "no marker"]
    assert health.facts.reason == "no marker"
