"""What a job tells of its way, and how it ends for whoever waits."""

from __future__ import annotations

import pathlib
from collections.abc import Iterator
from dataclasses import replace

import pytest

from conversion_rows import SECOND, dead, done, queued, running
from docferry.core.failures import Failed
from docferry.core.following import End, Followed, Stage, end_of, steps_of
from docferry.job import Failure, JobRow, JobState
from docferry.ledger import Ledger
from ledger_rows import MINUTE, NOW, fresh_ledger


@pytest.fixture
def ledger(tmp_path: pathlib.Path) -> Iterator[Ledger]:
    with fresh_ledger(tmp_path / "ledger.sqlite3") as ledger:
        yield ledger


def told(job: JobRow) -> list[tuple[str, float]]:
    """Give the stages, each with the seconds since it all began."""
    steps = steps_of(Followed(job.id, job))
    return [(step.stage.value, (step.at - NOW).total_seconds()) for step in steps]


def test_a_job_that_is_done_tells_its_whole_way_though_nobody_looked(ledger: Ledger) -> None:
    job = done(ledger, "a.docx", "a.md")

    steps = steps_of(Followed(job.id, job, arrived_at=NOW + MINUTE))

    assert told(job) == [
        ("queued", 0),
        ("downloading", 1),
        ("converting", 2),
        ("storing", 4),
        ("done", 5),
    ]
    assert [(one.stage, one.text) for one in steps[-2:]] == [
        (Stage.DONE, "processed: a.md"),
        (Stage.ARRIVED, "processed: a.md"),
    ]


def test_times_of_an_earlier_attempt_are_no_steps_of_this_one(ledger: Ledger) -> None:
    job = done(ledger, "a.docx", "a.md")
    again = replace(job, state=JobState.RUNNING, run_at=NOW + MINUTE, claimed_at=NOW + 2 * MINUTE)
    waiting = replace(job, state=JobState.QUEUED, run_at=NOW + MINUTE)
    late = replace(waiting, state=JobState.DEAD, finished_at=NOW + 2 * MINUTE)

    assert told(again) == [("queued", 60), ("downloading", 120)]
    assert told(waiting) == [("queued", 60)]
    assert told(late) == [("queued", 60), ("dead", 120)]


def test_one_that_waits_to_be_tried_again_says_why(ledger: Ledger) -> None:
    job = running(ledger, "a.docx")
    ledger.jobs.again(job.id, NOW + MINUTE, Failed(Failure.OUTAGE, "no answer"), counts=False)
    [row] = ledger.job_pages.some([job.id])

    [step] = steps_of(Followed(job.id, row))

    assert (step.stage, step.at, step.text) == (Stage.QUEUED, NOW + MINUTE, "no answer")


def test_what_is_done_has_ended_once_both_sides_have_the_result(ledger: Ledger) -> None:
    job = done(ledger, "a.docx", "a.md")

    assert Followed(job.id, job).end is None
    assert Followed(job.id, job, arrived_at=NOW).end is End.DONE
    assert Followed(job.id, replace(job, result_path=None)).end is End.DONE


def test_all_have_ended_when_the_last_one_has_and_failed_if_one_has(ledger: Ledger) -> None:
    finished, failed, open_ = (
        done(ledger, "a.docx", "a.md"),
        dead(ledger, "b.docx"),
        queued(ledger, "c.docx", at=NOW + SECOND),
    )
    well, ill, waits = (
        Followed(finished.id, finished, arrived_at=NOW),
        Followed(failed.id, failed),
        Followed(open_.id, open_),
    )

    assert end_of([well]) is End.DONE
    assert end_of([well, ill]) is End.FAILED
    assert end_of([well, ill, waits]) is None
    assert end_of([Followed("01ERASED", None)]) is End.FAILED
