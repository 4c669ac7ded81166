"""The synced tree in the ledger: pages, odd paths, folders, contents."""

from __future__ import annotations

import pathlib
import sqlite3
from collections.abc import Iterator

import pytest
from sqlalchemy import Engine, event

from docferry.ledger import Ledger
from docferry.ledger.synced import PAGE_ROWS
from docferry.model import DeleteRemote, Path
from ledger_rows import NOW, agreed, deleted, fresh_ledger, sha_of, uploaded


@pytest.fixture
def ledger(tmp_path: pathlib.Path) -> Iterator[Ledger]:
    with fresh_ledger(tmp_path / "ledger.sqlite3") as ledger:
        yield ledger


def hold_paths(ledger: Ledger, paths: list[Path]) -> None:
    ledger.record("docs", [uploaded(path) for path in paths], at=NOW)


@pytest.mark.parametrize("count", [0, 1, PAGE_ROWS - 1, PAGE_ROWS, PAGE_ROWS + 1])
def test_a_scan_is_whole_at_the_borders_of_its_pages(ledger: Ledger, count: int) -> None:
    paths = [f"{number:06}" for number in range(count)]
    hold_paths(ledger, paths[::-1])

    assert list(ledger.synced.scan("docs")) == [(path, agreed(path)) for path in paths]


def test_a_scan_follows_the_bytes_of_paths_and_leaves_odd_ones_out(ledger: Ledger) -> None:
    plain = ["A", "a", "a b", "a-", "a/b", "a0", "b", "é", "ﬀ", "\U0001f600"]
    odd = ["a/%_/b", "a\\b"]
    hold_paths(ledger, [*odd, *plain[::-1]])
    ledger.record("other", [uploaded("elsewhere"), uploaded("else%_where")], at=NOW)

    assert [path for path, _ in ledger.synced.scan("docs")] == sorted(plain, key=str.encode)
    assert ledger.synced.scan_odd("docs") == [(path, agreed(path)) for path in odd]


def test_a_scan_goes_on_while_rows_come_and_go(ledger: Ledger) -> None:
    paths = [f"{number:06}" for number in range(PAGE_ROWS + 10)]
    hold_paths(ledger, paths)
    scan = ledger.synced.scan("docs")
    seen = [next(scan)[0] for _ in range(10)]
    ahead, behind, border = paths[-1], "000000-new", paths[PAGE_ROWS - 1]

    gone = [deleted(ahead), deleted(border)]
    ledger.record("docs", [*gone, uploaded(behind), uploaded("zzz")], at=NOW)
    seen += [path for path, _ in scan]

    assert seen == [*paths[:-1], "zzz"]  # the page at hand as it was, what lies ahead as it is


def test_paths_below_a_folder_are_its_own_and_no_neighbours(ledger: Ledger) -> None:
    inside = ["a/%_", "a/b", "a/b/c", "a/é"]
    hold_paths(ledger, [*inside, "a", "a b", "a-", "a0", "a.txt", "b/a/c"])

    assert ledger.synced.below("docs", "a") == inside
    assert ledger.synced.below("docs", "nothing") == []
    assert len(ledger.synced.below("docs", "")) == 10


def test_a_content_is_found_at_the_first_path_that_has_it(ledger: Ledger) -> None:
    same = [uploaded(path, "") for path in ("b", "c")]
    states = agreed("b")
    same[1] = type(same[1])(same[1].operation, states)
    ledger.record("docs", same, at=NOW)

    assert ledger.synced.find_sha256("docs", states.sha256) == ("b", states)
    assert ledger.synced.find_sha256("other", states.sha256) is None
    assert ledger.synced.find_sha256("docs", sha_of("unknown")) is None


def test_many_paths_are_got_at_once(ledger: Ledger) -> None:
    paths = [f"{number}" for number in range(2500)]
    hold_paths(ledger, paths)

    assert ledger.synced.get("docs", paths) == {path: agreed(path) for path in paths}
    assert ledger.synced.get("docs", []) == {}


def test_files_and_bytes_are_counted_by_mirror(ledger: Ledger) -> None:
    hold_paths(ledger, ["a", "b"])

    assert ledger.synced.count("docs") == (2, 20)
    assert ledger.synced.count("other") == (0, 0)


def test_forgetting_all_is_for_one_mirror(ledger: Ledger) -> None:
    hold_paths(ledger, ["a", "b"])
    ledger.record("other", [uploaded("a")], at=NOW)

    ledger.synced.forget_all("docs")

    assert ledger.synced.count("docs") == (0, 0)
    assert ledger.synced.count("other") == (1, 10)


def test_no_question_about_a_few_rows_reads_a_whole_mirror(
    ledger: Ledger, tmp_path: pathlib.Path
) -> None:
    asked: list[tuple[str, tuple[object, ...]]] = []

    def note(_c: object, _k: object, sql: str, values: object, _x: object, _m: object) -> None:
        if sql.startswith("SELECT") and isinstance(values, tuple):
            asked.append((sql, values))

    ledger.holds.park("docs", [(DeleteRemote("a", "t"), sha_of("a"))])
    event.listen(Engine, "before_cursor_execute", note)
    try:
        ledger.synced.get("docs", ["a"])
        ledger.synced.find_sha256("docs", sha_of("a"))
        ledger.synced.scan_odd("docs")
        ledger.synced.below("docs", "a")
        [*ledger.synced.with_sha256("docs", sha_of("a"))]
        ledger.versions.of("docs", "a")
        [*ledger.versions.with_content("docs", sha_of("a"), is_archived=True)]
        [*ledger.sharing.unshared("docs", sha_of("a"))]
        [*ledger.sharing.not_brought_up("docs", sha_of("a"))]
        ledger.sharing.homes_named("docs", sha_of("a"))
        ledger.history.of("docs", "a")
        ledger.history.deletions_since("docs", NOW)
        ledger.holds.planned("docs", None)
        ledger.holds.planned("docs", 1)
        ledger.jobs.claim(NOW, NOW, rules=["a", "b"])
        ledger.jobs.expire(NOW)
        ledger.jobs.requeue_expired(NOW)
        ledger.jobs.queues()
        ledger.jobs.of_result("docs", "a")
        ledger.jobs.results_at("docs", "a")
        ledger.backlog.files("docs", "", 10)
        ledger.backlog.queued("a")
    finally:
        event.remove(Engine, "before_cursor_execute", note)

    plans = _plans(tmp_path / "ledger.sqlite3", asked)
    assert len(plans) >= 9
    whole = [step for step in plans if step.endswith("USING PRIMARY KEY (mirror=?)")]
    assert whole == []
    tables = ("synced", "version", "history", "deletion", "job")
    assert [step for step in plans if step.startswith(tuple(f"SCAN {t}" for t in tables))] == []


def _plans(path: pathlib.Path, asked: list[tuple[str, tuple[object, ...]]]) -> list[str]:
    raw = sqlite3.connect(path)
    try:
        return [
            row[3]
            for sql, values in asked
            for row in raw.execute(f"EXPLAIN QUERY PLAN {sql}", values)
        ]
    finally:
        raw.close()
