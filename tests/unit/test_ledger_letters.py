"""Letters and jobs in numbers, and conversions asked for by the many."""

from __future__ import annotations

import pathlib
from collections.abc import Iterator
from dataclasses import replace

import pytest

from docferry.core.failures import Failed
from docferry.job import Failure, JobRow, JobState, NewJob, Priority
from docferry.ledger import Ledger
from ledger_rows import MINUTE, NOW, deleted, fresh_ledger, new_job, sha_of, uploaded

MANY = 450  # more than go into one transaction


@pytest.fixture
def ledger(tmp_path: pathlib.Path) -> Iterator[Ledger]:
    with fresh_ledger(tmp_path / "ledger.sqlite3") as ledger:
        yield ledger


def queue(ledger: Ledger, *names: str, rule: str = "to-markdown") -> list[NewJob]:
    """Have documents come, each with a job."""
    jobs = [replace(new_job(name), rule=rule) for name in names]
    outcomes = [uploaded(job.path, name) for job, name in zip(jobs, names, strict=True)]
    ledger.record("docs", outcomes, jobs, at=NOW)
    return jobs


def claim(ledger: Ledger, rule: str = "to-markdown") -> JobRow:
    found = ledger.jobs.claim(NOW, NOW + MINUTE, rules=[rule])
    assert found is not None
    return found


def dead(ledger: Ledger, name: str, failure: Failure, rule: str = "to-markdown") -> JobRow:
    queue(ledger, name, rule=rule)
    one = claim(ledger, rule)
    ledger.jobs.dead(one.id, NOW, Failed(failure, "why"))
    return one


# by_rule


def test_without_jobs_no_rule_has_a_number(ledger: Ledger) -> None:
    assert ledger.jobs.by_rule() == {}


def test_jobs_are_counted_by_rule_and_state_and_none_is_zero(ledger: Ledger) -> None:
    queue(ledger, "a", "b", "c")
    ledger.jobs.finish(claim(ledger).id, NOW, "a.md", sha_of("a.md"))
    claim(ledger)
    dead(ledger, "d", Failure.REFUSED, rule="scans")

    assert ledger.jobs.by_rule() == {
        "to-markdown": {JobState.DONE: 1, JobState.RUNNING: 1, JobState.QUEUED: 1},
        "scans": {JobState.DEAD: 1},
    }


# count_letters


def test_letters_are_counted_by_rule_and_by_why(ledger: Ledger) -> None:
    dead(ledger, "a", Failure.REFUSED)
    dead(ledger, "b", Failure.REFUSED)
    dead(ledger, "c", Failure.TIMEOUT)
    dead(ledger, "d", Failure.TIMEOUT, rule="scans")

    assert ledger.jobs.count_letters() == {
        ("to-markdown", Failure.REFUSED): 2,
        ("to-markdown", Failure.TIMEOUT): 1,
        ("scans", Failure.TIMEOUT): 1,
    }


def test_what_is_no_letter_is_not_counted_as_one(ledger: Ledger) -> None:
    queue(ledger, "waits")
    ledger.jobs.discard([dead(ledger, "aside", Failure.REFUSED, rule="scans").id], NOW)
    dead(ledger, "gone", Failure.REFUSED, rule="scans")
    ledger.record("docs", [deleted("gone.docx")], at=NOW + MINUTE)

    assert ledger.jobs.count_letters() == {}


def test_as_many_letters_are_counted_as_are_listed(ledger: Ledger) -> None:
    for number in range(7):
        dead(ledger, f"{number}", [Failure.REFUSED, Failure.EMPTY][number % 2])
    ledger.record("docs", [deleted("3.docx")], at=NOW + MINUTE)

    assert sum(ledger.jobs.count_letters().values()) == len(ledger.jobs.letters()) == 6


# ask_all


def test_nothing_that_is_asked_for_is_nothing(ledger: Ledger) -> None:
    assert ledger.jobs.ask_all([], NOW) == []
    assert ledger.jobs.all() == []


def test_many_are_asked_for_with_their_ids_in_their_order(ledger: Ledger) -> None:
    jobs = [new_job(f"{number}") for number in range(MANY)]

    ids = ledger.jobs.ask_all(jobs, NOW + MINUTE)

    rows = [ledger.jobs.get(one) for one in ids]
    assert [row.path for row in rows if row is not None] == [job.path for job in jobs]
    assert len({*ids}) == MANY
    assert {(row.state, row.priority, row.run_at) for row in rows if row is not None} == {
        (JobState.QUEUED, Priority.ASKED, NOW + MINUTE)
    }


def test_each_is_asked_for_as_it_stands(ledger: Ledger) -> None:
    over, under_way = queue(ledger, "over", "under-way")
    done = claim(ledger)
    ledger.jobs.finish(done.id, NOW, "over.md", sha_of("result"))
    running = claim(ledger)
    letter = dead(ledger, "dead", Failure.REFUSED)

    ids = ledger.jobs.ask_all([new_job("fresh"), under_way, over, new_job("dead")], NOW)

    states = {row.id: (row.state, row.is_forced) for row in ledger.jobs.all()}
    assert ids[1:] == [running.id, done.id, letter.id]
    assert [states[one] for one in ids] == [
        (JobState.QUEUED, False),
        (JobState.RUNNING, False),
        (JobState.QUEUED, True),
        (JobState.QUEUED, True),
    ]


def test_what_is_asked_for_twice_at_once_is_one_conversion(ledger: Ledger) -> None:
    first, second = ledger.jobs.ask_all([new_job("a"), new_job("a")], NOW)

    assert first == second
    assert len(ledger.jobs.all()) == 1
