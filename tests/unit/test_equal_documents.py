"""Equal documents whose results have one place: whose the conversion is, and until when."""

from __future__ import annotations

import pathlib
from collections.abc import Iterator

import pytest

from conversion_rows import done, job_of, queued
from docferry.job import JobState
from docferry.ledger import Ledger
from ledger_rows import MINUTE, NOW, deleted, fresh_ledger


@pytest.fixture
def ledger(tmp_path: pathlib.Path) -> Iterator[Ledger]:
    with fresh_ledger(tmp_path / "ledger.sqlite3") as ledger:
        yield ledger


PLACE = "processed/a.md"


def test_a_job_stays_that_of_the_first_document_while_its_path_holds_the_content(
    ledger: Ledger,
) -> None:
    first = done(ledger, "a.docx", "a.md", content="same", place=PLACE)

    after = queued(ledger, "in/a.docx", "same", place=PLACE, at=NOW + MINUTE)

    assert after == first


def test_a_job_becomes_that_of_an_equal_document_once_the_first_is_gone(ledger: Ledger) -> None:
    first = done(ledger, "a.docx", "a.md", content="same", place=PLACE)
    ledger.record("docs", [deleted("a.docx")], at=NOW + MINUTE)

    after = queued(ledger, "in/a.docx", "same", place=PLACE, at=NOW + 2 * MINUTE)

    assert (after.id, after.path, after.state) == (first.id, "in/a.docx", JobState.QUEUED)


def test_who_asks_for_an_equal_document_gets_its_job_once_the_first_is_gone(
    ledger: Ledger,
) -> None:
    """That of a path which holds something else would be refused."""
    done(ledger, "a.docx", "a.md", content="same", place=PLACE)
    queued(ledger, "in/a.docx", "same", place=PLACE, at=NOW + MINUTE)
    ledger.record("docs", [deleted("a.docx")], at=NOW + 2 * MINUTE)

    [asked] = ledger.jobs.ask_all([job_of("in/a.docx", "same", place=PLACE)], NOW + 3 * MINUTE)

    found = ledger.jobs.get(asked)
    assert found is not None
    assert (found.path, found.state) == ("in/a.docx", JobState.QUEUED)
