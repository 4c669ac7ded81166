"""Jobs, looked at: twins, results, queues."""

from __future__ import annotations

import pathlib
from collections.abc import Iterator
from dataclasses import replace

import pytest

from docferry.job import Intended
from docferry.ledger import Ledger
from docferry.model import Origin
from ledger_rows import MINUTE, NOW, fresh_ledger, new_job, sha_of, uploaded, version
from unit.queued_jobs import BROKEN, claim, queue


@pytest.fixture
def ledger(tmp_path: pathlib.Path) -> Iterator[Ledger]:
    with fresh_ledger(tmp_path / "ledger.sqlite3") as ledger:
        yield ledger


def test_a_twin_is_the_one_done_last_of_the_same_content_and_recipe(ledger: Ledger) -> None:
    places = [replace(new_job("a"), place=f"processed/{name}.md") for name in "vwxyz"]
    queue(ledger, *places, new_job("a", "r2"), "b")
    jobs = {(one.place, one.recipe, one.path): one for one in ledger.jobs.all()}
    v, w, x, y, z = (jobs[f"processed/{name}.md", "r1", "a.docx"] for name in "vwxyz")
    other = jobs["processed/{ulid}.md", "r2", "a.docx"]
    assert ledger.jobs.twins([w, x]) == {}

    ledger.jobs.finish(other.id, NOW + 9 * MINUTE, "other.md", sha_of("other"))
    ledger.jobs.finish(x.id, NOW + 2 * MINUTE, "x.md", sha_of("x"))
    ledger.jobs.finish(y.id, NOW + MINUTE, "y.md", sha_of("y"))
    ledger.jobs.finish(z.id, NOW + 3 * MINUTE, None)

    found = ledger.jobs.twins([v, w, jobs["processed/{ulid}.md", "r1", "b.docx"]])

    assert {one: twin.id for one, twin in found.items()} == {v.id: x.id, w.id: x.id}


def test_what_conversions_put_somewhere_stays_known_when_a_job_is_done_again(
    ledger: Ledger,
) -> None:
    queue(ledger, "a")
    one = claim(ledger)
    ledger.jobs.about_to_put([Intended(one, "a.md", sha_of("first"), "xberg 1.3.9")], NOW)
    ledger.jobs.finish(one.id, NOW, "a.md", sha_of("first"))
    ledger.jobs.ask(new_job("a"), NOW)
    again = claim(ledger)
    ledger.jobs.about_to_put(
        [Intended(again, "a.md", sha_of("lost in a crash"), "xberg 1.3.9")], NOW
    )
    ledger.jobs.finish(again.id, NOW, "a.md", sha_of("second"))
    of_before = replace(version("a.md", mirror="processed"), origin=Origin.CONVERSION)
    persons = replace(version("a.md", "a person's", mirror="processed"), origin=Origin.LOCAL)
    ledger.versions.add([of_before, persons])

    assert ledger.jobs.results_at("processed", "a.md") == {
        sha_of("first"),
        sha_of("lost in a crash"),
        sha_of("second"),
        of_before.sha256,
    }
    assert ledger.jobs.results_at("processed", "b.md") == set()
    assert ledger.jobs.results_at("docs", "a.md") == set()


def test_the_job_of_a_result_is_the_one_that_put_it_there_last(ledger: Ledger) -> None:
    queue(ledger, "a", "b")
    first, second = claim(ledger), claim(ledger)
    ledger.jobs.finish(second.id, NOW, "same.md", sha_of("2"))
    ledger.jobs.finish(first.id, NOW + MINUTE, "same.md", sha_of("1"))

    found = ledger.jobs.of_result("processed", "same.md")

    assert found is not None
    assert found.id == first.id
    assert ledger.jobs.of_result("docs", "same.md") is None


def test_queues_are_told_by_converter_and_rule(ledger: Ledger) -> None:
    ocr = replace(new_job("scan"), rule="scans", converter="ocr+markdown")
    old = replace(new_job("old"), created_at=NOW - MINUTE)
    queue(ledger, "a", "b", "c", "d", old, ocr)
    ledger.jobs.finish(claim(ledger, 0).id, NOW, "a.md")
    ledger.jobs.dead(claim(ledger).id, NOW, BROKEN)
    claim(ledger)
    ledger.jobs.dead(claim(ledger, 0, "scans").id, NOW, BROKEN)

    told = [
        (one.converter, one.rule, one.queued, one.running, one.dead, one.oldest_at)
        for one in ledger.jobs.queues()
    ]

    assert told == [
        ("markdown", "to-markdown", 2, 1, 1, NOW),
        ("ocr+markdown", "scans", 0, 0, 1, None),
    ]


def test_jobs_are_found_by_content_whichever_path_had_it(ledger: Ledger) -> None:
    ledger.record("docs", [uploaded("a.docx", "a")], [new_job("a"), new_job("b")], at=NOW)

    assert [one.path for one in ledger.jobs.of([sha_of("a")])] == ["a.docx"]
