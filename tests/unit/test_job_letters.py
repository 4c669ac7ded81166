"""Dead letters: listed, replayed, discarded, revived; and conversions that are asked for."""

from __future__ import annotations

import pathlib
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime

import pytest

from docferry.core.failures import Failed
from docferry.job import Failure, JobRow, JobState, NewJob, Priority
from docferry.ledger import Ledger
from docferry.model import DeleteRemote, Outcome
from ledger_rows import MINUTE, NOW, fresh_ledger, new_job, sha_of, ulid_of, uploaded

BROKEN = Failed(Failure.REFUSED, "not a document")


@pytest.fixture
def ledger(tmp_path: pathlib.Path) -> Iterator[Ledger]:
    with fresh_ledger(tmp_path / "ledger.sqlite3") as ledger:
        yield ledger


def dead(
    ledger: Ledger, new: NewJob, failed: Failed = BROKEN, minutes: int = 0, attempts: int = 1
) -> JobRow:
    """Let a conversion of a document that is there be given up."""
    content = new.path.removesuffix(".docx")
    ledger.record("docs", [uploaded(new.path, content)], [new], at=NOW)
    at = NOW + minutes * MINUTE
    one = claim(ledger, new.rule, at)
    for _ in range(attempts - 1):
        ledger.jobs.again(one.id, at, failed, counts=True, at=at)
        one = claim(ledger, new.rule, at)
    ledger.jobs.dead(one.id, at, failed)
    return get(ledger, one.id)


def claim(ledger: Ledger, rule: str, at: datetime) -> JobRow:
    found = ledger.jobs.claim(at, at, rules=[rule])
    assert found is not None
    return found


def get(ledger: Ledger, job_id: str) -> JobRow:
    found = ledger.jobs.get(job_id)
    assert found is not None
    return found


def test_letters_come_oldest_first_and_can_be_chosen(ledger: Ledger) -> None:
    late = dead(ledger, new_job("late"), minutes=2)
    slow = Failed(Failure.TIMEOUT, "too slow")
    scan = replace(new_job("scan"), rule="scans", converter="ocr+markdown")
    early = dead(ledger, scan, slow, minutes=1)

    jobs = ledger.jobs
    assert jobs.letters() == [early, late]
    assert jobs.letters(rule="scans") == jobs.letters(failure=Failure.TIMEOUT) == [early]
    assert jobs.letters(converter="ocr") == jobs.letters(converter="ocr+markdown") == [early]
    assert jobs.letters(converter="markdown") == [early, late]
    assert jobs.letters(path="late.docx") == jobs.letters(ids=[late.id]) == [late]
    assert jobs.letters(rule="scans", failure=Failure.REFUSED) == jobs.letters(ids=[]) == []


def test_a_letter_has_the_path_of_now_and_goes_with_its_document(ledger: Ledger) -> None:
    one = dead(ledger, new_job("a"))
    ledger.record("docs", [uploaded("moved/a.docx", "a")], at=NOW)
    ledger.record("docs", [Outcome(DeleteRemote("a.docx", "e"), synced=None)], at=NOW)
    moved = ledger.jobs.letters()
    ledger.record("docs", [Outcome(DeleteRemote("moved/a.docx", "e"), synced=None)], at=NOW)

    assert [(found.id, found.path) for found in moved] == [(one.id, "moved/a.docx")]
    assert ledger.jobs.letters() == ledger.jobs.letters(path="a.docx") == []


def test_a_letter_that_is_replayed_keeps_its_id_and_starts_anew(ledger: Ledger) -> None:
    late = replace(new_job("a"), expires_at=NOW + MINUTE)
    letter = dead(ledger, late, attempts=3)
    assert letter.attempts == 3

    assert ledger.jobs.replay([letter.id, ulid_of("no job")], NOW + 2 * MINUTE) == [letter.id]

    queued = get(ledger, letter.id)
    assert (queued.state, queued.attempts) == (JobState.QUEUED, 0)
    assert (queued.run_at, queued.expires_at) == (NOW + 2 * MINUTE, None)
    assert (queued.failure, queued.last_error) == (Failure.REFUSED, "not a document")
    assert ledger.jobs.replay([letter.id], NOW) == []


def test_a_letter_is_put_aside_and_can_still_be_replayed(ledger: Ledger) -> None:
    letter = dead(ledger, new_job("a"))

    assert ledger.jobs.discard([letter.id], NOW) == [letter.id]
    assert ledger.jobs.letters() == []
    assert ledger.jobs.discard([letter.id], NOW) == []
    assert ledger.jobs.replay([letter.id], NOW) == [letter.id]


# Revived.


@pytest.mark.parametrize(
    ("failure", "is_revived"),
    [
        (Failure.OUTAGE, True),
        (Failure.CONFIGURATION, True),
        (Failure.CRASHED, True),
        (Failure.REFUSED, False),
        (Failure.TIMEOUT, False),
        (Failure.EXPIRED, False),
    ],
)
def test_what_an_outage_had_to_do_with_is_tried_again_after_it(
    ledger: Ledger, failure: Failure, *, is_revived: bool
) -> None:
    letter = dead(ledger, new_job("a"), Failed(failure, "why"))

    assert ledger.jobs.revive(["markdown"], NOW, NOW + MINUTE) == is_revived

    found = get(ledger, letter.id)
    assert (found.state is JobState.QUEUED) == is_revived


def test_only_what_died_of_that_converter_in_that_time_is_revived(ledger: Ledger) -> None:
    crashed = Failed(Failure.CRASHED, "why")
    dead(ledger, new_job("before"), crashed)
    other = replace(new_job("other"), rule="others", converter="other")
    dead(ledger, other, crashed, minutes=2)
    chain = replace(new_job("chain"), rule="chains", converter="ocr+markdown")
    meant = dead(ledger, chain, crashed, minutes=2)

    assert ledger.jobs.revive(["markdown"], NOW + MINUTE, NOW + 3 * MINUTE) == 1

    assert [one.id for one in ledger.jobs.all(JobState.QUEUED)] == [meant.id]


def test_a_document_that_brings_its_converter_down_is_revived_once_only(ledger: Ledger) -> None:
    letter = dead(ledger, new_job("a"), Failed(Failure.CRASHED, "why"))
    ledger.jobs.revive(["markdown"], NOW, NOW)
    again = ledger.jobs.claim(NOW, NOW, rules=["to-markdown"])
    assert again is not None
    ledger.jobs.dead(letter.id, NOW + MINUTE, Failed(Failure.CRASHED, "why"))

    assert ledger.jobs.revive(["markdown"], NOW, NOW + MINUTE) == 0
    assert ledger.jobs.replay([letter.id], NOW + MINUTE) == [
        letter.id
    ]  # a person may, as often as they like


# Asked for.


def test_what_is_asked_for_goes_before_all_others(ledger: Ledger) -> None:
    ledger.record("docs", [], [new_job("first")], at=NOW)

    asked = ledger.jobs.ask(replace(new_job("a"), expires_at=NOW + MINUTE), NOW + MINUTE)
    assert ledger.jobs.expire(NOW + MINUTE) == []  # somebody waits for it, as long as it takes

    found = ledger.jobs.claim(NOW + MINUTE, NOW + 2 * MINUTE, rules=["to-markdown"])
    assert found is not None
    assert (found.id, found.priority, found.is_forced) == (asked, Priority.ASKED, False)


def test_what_was_done_is_done_again_when_it_is_asked_for(ledger: Ledger) -> None:
    ledger.record("docs", [uploaded("a.docx", "a")], [new_job("a")], at=NOW)
    done = ledger.jobs.claim(NOW, NOW, rules=["to-markdown"])
    assert done is not None
    ledger.jobs.finish(done.id, NOW, "a.md", sha_of("result"))

    renamed = replace(new_job("a"), rule="renamed", version=ulid_of("later"))
    assert ledger.jobs.ask(renamed, NOW + MINUTE) == done.id

    found = get(ledger, done.id)
    assert (found.state, found.priority, found.is_forced) == (
        JobState.QUEUED,
        Priority.ASKED,
        True,
    )
    assert (found.attempts, found.run_at, found.rule) == (0, NOW + MINUTE, "renamed")
    assert found.result_path == "a.md"  # it is there still
    ledger.jobs.finish(done.id, NOW, "a.md", sha_of("result"))
    assert not get(ledger, done.id).is_forced


def test_what_is_asked_for_is_of_a_version_that_is_there(ledger: Ledger) -> None:
    ledger.record("docs", [uploaded("a.docx", "a")], [new_job("a")], at=NOW)
    [known] = ledger.jobs.all()
    gone = known.version

    ledger.jobs.ask(replace(new_job("a"), path="b.docx", version=ulid_of("b")), NOW)

    [found] = ledger.jobs.all()
    assert gone == ulid_of("a.docx")  # which `uploaded` does not call it
    assert (found.path, found.version) == ("b.docx", ulid_of("b"))


def test_a_version_that_is_there_keeps_its_job_and_the_name_of_its_result(
    ledger: Ledger,
) -> None:
    outcome = uploaded("a.docx", "a")
    assert outcome.version is not None
    new = replace(new_job("a"), version=outcome.version.id)
    ledger.record("docs", [outcome], [new], at=NOW)

    ledger.jobs.ask(replace(new, path="b.docx", version=ulid_of("b")), NOW)

    [found] = ledger.jobs.all()
    assert (found.path, found.version) == ("a.docx", outcome.version.id)


def test_what_runs_is_not_asked_for_twice(ledger: Ledger) -> None:
    ledger.record("docs", [], [new_job("a")], at=NOW)
    running = ledger.jobs.claim(NOW, NOW, rules=["to-markdown"])
    assert running is not None

    assert ledger.jobs.ask(new_job("a"), NOW) == running.id

    assert get(ledger, running.id) == running
