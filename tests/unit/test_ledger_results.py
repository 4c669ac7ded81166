"""What the ledger knows of the results of conversions."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from docferry.job import Intended, JobRow
from docferry.ledger import Ledger
from docferry.model import Provenance
from ledger_rows import MINUTE, NOW, fresh_ledger, new_job, sha_of, ulid_of, version


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with fresh_ledger(tmp_path / "ledger.sqlite3") as ledger:
        ledger.record("docs", [], [new_job("a")], at=NOW)
        yield ledger


def claimed(ledger: Ledger) -> JobRow:
    job = ledger.jobs.claim(NOW, NOW + MINUTE, rules=["to-markdown"])
    assert job is not None
    return job


def test_a_result_is_known_before_its_job_is_done(ledger: Ledger) -> None:
    ledger.jobs.about_to_put(
        [Intended(claimed(ledger), "a.md", sha_of("made"), "xberg 1.3.9")], NOW
    )

    made_from = Provenance(ulid_of("a.docx"), sha_of("a"), "to-markdown", "xberg 1.3.9")
    assert ledger.results.at("processed", "a.md") == {sha_of("made"): made_from}


def test_what_is_at_another_path_or_in_another_mirror_is_nobodys_result(ledger: Ledger) -> None:
    ledger.jobs.about_to_put(
        [Intended(claimed(ledger), "a.md", sha_of("made"), "xberg 1.3.9")], NOW
    )

    assert ledger.results.at("processed", "b.md") == {}
    assert ledger.results.at("docs", "a.md") == {}


def test_what_a_job_found_in_its_place_is_not_its_own(ledger: Ledger) -> None:
    ledger.jobs.finish(claimed(ledger).id, NOW, "a.md", sha_of("a person's"))

    assert ledger.results.at("processed", "a.md") == {}


def test_a_program_that_has_no_name_is_named_by_its_converter(ledger: Ledger) -> None:
    ledger.jobs.about_to_put([Intended(claimed(ledger), "a.md", sha_of("made"), "")], NOW)

    [made_from] = ledger.results.at("processed", "a.md").values()
    assert made_from.converter == "markdown"


def test_what_comes_back_was_made_by_whoever_puts_it_there_now(ledger: Ledger) -> None:
    ledger.record("docs", [], [new_job("b")], at=NOW)
    first, later = claimed(ledger), claimed(ledger)

    first_time = Intended(first, "a.md", sha_of("made"), "xberg 1.3.9")
    ledger.jobs.about_to_put([first_time], NOW)
    once_more = replace(first_time, job=later, release="xberg 1.4.0")
    ledger.jobs.about_to_put([once_more], NOW + MINUTE)

    [made_from] = ledger.results.at("processed", "a.md").values()
    assert (made_from.source, made_from.converter) == (later.version, "xberg 1.4.0")


def test_what_an_object_says_takes_the_place_of_nothing_that_a_job_has_noted(
    ledger: Ledger,
) -> None:
    noted = Intended(claimed(ledger), "a.md", sha_of("made"), "xberg 1.3.9")
    ledger.jobs.about_to_put([noted], NOW)
    row = replace(version("a.md", "made"), mirror="processed")

    claim = Provenance(ulid_of("other"), sha_of("other"), "to-markdown", "forged")
    ledger.results.note_claimed([(row, claim)])

    [made_from] = ledger.results.at("processed", "a.md").values()
    assert made_from.source == ulid_of("a.docx")
    assert not ledger.results.is_claim("processed", "a.md", sha_of("made"))


def test_what_only_an_object_says_is_a_claim_until_a_job_puts_it_there(ledger: Ledger) -> None:
    row = replace(version("a.md", "made"), mirror="processed")
    claim = Provenance(ulid_of("other"), sha_of("other"), "to-markdown", "forged")
    ledger.results.note_claimed([(row, claim)])
    before = ledger.results.is_claim("processed", "a.md", row.sha256)

    ledger.jobs.about_to_put([Intended(claimed(ledger), "a.md", row.sha256, "xberg 1.3.9")], NOW)

    assert before
    assert not ledger.results.is_claim("processed", "a.md", row.sha256)
