"""What the ledger knows of the results of conversions."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import update

from docferry.ledger import Ledger
from docferry.ledger.schema import job
from docferry.model import Provenance
from ledger_rows import NOW, fresh_ledger, new_job, sha_of, ulid_of


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with fresh_ledger(tmp_path / "ledger.sqlite3") as ledger:
        ledger.record("docs", [], [new_job("a")], at=NOW)
        yield ledger


def store(ledger: Ledger, **values: object) -> None:
    """Note that the job is about to store its result."""
    about = {"result_path": "a.md", "result_sha256": sha_of("made"), "release": "kreuzberg 4.10.4"}
    with ledger._database.writing() as tx:
        tx.connection.execute(update(job).values(**(about | values)))


def test_a_result_is_known_before_its_job_is_done(ledger: Ledger) -> None:
    store(ledger)

    assert ledger.results.at("processed", "a.md", sha_of("made")) == Provenance(
        ulid_of("a.docx"), sha_of("a"), "to-markdown", "kreuzberg 4.10.4"
    )
    assert ledger.results.has_any("processed", "a.md")


def test_another_content_or_path_or_mirror_is_nobodys_result(ledger: Ledger) -> None:
    store(ledger)

    assert ledger.results.at("processed", "a.md", sha_of("edited")) is None
    assert ledger.results.at("processed", "b.md", sha_of("made")) is None
    assert ledger.results.at("docs", "a.md", sha_of("made")) is None
    assert not ledger.results.has_any("docs", "a.md")


def test_a_job_without_a_result_has_made_nothing(ledger: Ledger) -> None:
    store(ledger, result_sha256=None)

    assert not ledger.results.has_any("processed", "a.md")


def test_what_an_older_docferry_made_names_its_converter(ledger: Ledger) -> None:
    store(ledger, release=None)

    found = ledger.results.at("processed", "a.md", sha_of("made"))

    assert found is not None
    assert found.converter == "markdown"
