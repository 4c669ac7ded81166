"""Jobs by pages: each once, in their order, whatever is asked for."""

from __future__ import annotations

import pathlib
from collections.abc import Iterator
from dataclasses import replace

import pytest
from sqlalchemy import text

from docferry.job import JobState
from docferry.ledger import Ledger
from docferry.ledger.job_pages import MOST_LOOKED_AT, Place, Which
from ledger_rows import NOW, fresh_ledger, new_job
from unit.queued_jobs import claim

PATHS = ["a/1.docx", "a/2.docx", "a/b/3.docx", "b/1.docx", "é/1.docx"]


@pytest.fixture
def ledger(tmp_path: pathlib.Path) -> Iterator[Ledger]:
    with fresh_ledger(tmp_path / "ledger.sqlite3") as ledger:
        for mirror in ("docs", "mail"):
            for rule in ("to-markdown", "to-pdf"):
                jobs = [
                    replace(new_job(f"{mirror}{path}", rule), mirror=mirror, path=path, rule=rule)
                    for path in PATHS
                ]
                ledger.record(mirror, [], jobs, at=NOW)
        one = claim(ledger)
        ledger.jobs.finish(one.id, NOW, "result.md", "0" * 64)
        yield ledger


def newest(ledger: Ledger, which: Which, most: int) -> list[str]:
    """Go through all pages."""
    ids: list[str] = []
    before = None
    while page := ledger.job_pages.newest(which, before, most):
        ids += [job.id for job in page]
        before = ids[-1]
    return ids


def below(ledger: Ledger, which: Which, folder: str, most: int) -> list[tuple[str, str, str]]:
    found: list[tuple[str, str, str]] = []
    at: Place | None = Place()
    while at is not None:
        page, at = ledger.job_pages.below(which, folder, at, most)
        found += [(job.mirror, job.path, job.rule) for job in page]
    return found


@pytest.mark.parametrize("most", [1, 3, 7, 100])
def test_all_pages_together_have_each_job_once_the_newest_first(ledger: Ledger, most: int) -> None:
    everything = [job.id for job in ledger.jobs.all(limit=1000)]

    assert newest(ledger, Which(), most) == everything
    assert len(everything) == 20


def test_a_page_has_what_all_filters_take(ledger: Ledger) -> None:
    rows = ledger.jobs.all(limit=1000)
    which = Which(mirrors=["mail"], rule="to-pdf", states=[JobState.QUEUED], since=rows[3].id)

    found = newest(ledger, which, 2)

    assert found == [
        job.id
        for job in rows[:4]
        if (job.mirror, job.rule, job.state) == ("mail", "to-pdf", JobState.QUEUED)
    ]
    assert len(newest(ledger, Which(states=[JobState.DONE]), 2)) == 1
    assert newest(ledger, Which(mirrors=[]), 2) == []
    assert newest(ledger, Which(rule="nobody's"), 2) == []


def test_what_comes_meanwhile_shifts_no_page(ledger: Ledger) -> None:
    first = ledger.job_pages.newest(Which(), None, 5)
    rest = [job.id for job in ledger.jobs.all(limit=1000)][5:]

    ledger.record("docs", [], [new_job("newcomer")], at=NOW)

    second = ledger.job_pages.newest(Which(), first[-1].id, 100)
    assert [job.id for job in second] == rest


@pytest.mark.parametrize("most", [1, 2, 100])
def test_below_a_folder_each_is_there_once_by_mirror_and_path(ledger: Ledger, most: int) -> None:
    found = below(ledger, Which(), "a/", most)

    expected = [(mirror, path) for mirror in ("docs", "mail") for path in PATHS[:3]]
    assert sorted(set(found)) == sorted(found)
    assert list(dict.fromkeys((mirror, path) for mirror, path, _ in found)) == expected
    assert len(found) == 12


def test_below_a_folder_filters_count_too(ledger: Ledger) -> None:
    done = Which(states=[JobState.DONE])
    of_one = Which(mirrors=["mail"], rule="to-pdf")

    assert len(below(ledger, done, "", 1)) == 1
    assert below(ledger, of_one, "é", 1) == [("mail", "é/1.docx", "to-pdf")]


def test_a_page_below_a_folder_may_be_empty_and_not_the_last(ledger: Ledger) -> None:
    jobs = [
        replace(new_job(f"many{number}"), path=f"many/{number}") for number in range(MOST_LOOKED_AT)
    ]
    ledger.record("docs", [], [*jobs, replace(new_job("z"), path="many/z", rule="rare")], at=NOW)

    page, at = ledger.job_pages.below(Which(rule="rare"), "many/", Place(), 10)
    assert page == []
    assert at is not None
    [found], end = ledger.job_pages.below(Which(rule="rare"), "many/", at, 10)

    assert (found.path, end) == ("many/z", None)


def test_some_are_given_in_the_order_in_which_they_are_named(ledger: Ledger) -> None:
    first, second, *_ = [job.id for job in ledger.jobs.all()]

    found = ledger.job_pages.some([second, "no such job", first])

    assert [job.id for job in found] == [second, first]


@pytest.mark.parametrize(
    "query",
    [
        "SELECT id FROM job WHERE mirror='m' AND rule='r' AND state='done' AND id < 'x'"
        " AND id >= '' ORDER BY id DESC LIMIT 5",
        "SELECT path, id, rule, state FROM job WHERE mirror='m' AND path < 'z'"
        " AND (path, id) > ('a', '') ORDER BY path, id LIMIT 5",
        "SELECT min(rule) FROM job WHERE mirror = 'm' AND rule > 'r'",
        "SELECT min(mirror) FROM job WHERE mirror > 'm'",
    ],
)
def test_an_index_serves_each_page_alone_and_in_its_order(ledger: Ledger, query: str) -> None:
    with ledger.jobs._database.reading() as tx:
        plan = " ".join(
            str(row[3]) for row in tx.connection.execute(text(f"EXPLAIN QUERY PLAN {query}"))
        )

    assert "COVERING INDEX" in plan
    assert "TEMP B-TREE" not in plan
    assert "SCAN" not in plan
