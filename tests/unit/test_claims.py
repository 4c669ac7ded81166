"""What objects say of themselves that a ledger does not know: which is believed to be a result."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from docferry.core.filters import Filter
from docferry.core.rules import Rule
from docferry.engine.claims import Claims
from docferry.ledger import Ledger
from docferry.model import Origin, Provenance, VersionRow
from ledger_rows import NOW, fresh_ledger, sha_of, ulid_of, uploaded

RULE = Rule("text", "docs", Filter(("*",)), "processed", "markdown", ".md", "", "{dir}{stem}.{ext}")
BY_VERSION = replace(RULE, template="{ulid}.{ext}")
#: As it was made of `in/a.docx`.
MADE_FROM = Provenance(ulid_of("in/a.docx"), sha_of("in/a.docx"), "text", "xberg 1.3.9")


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with fresh_ledger(tmp_path / "ledger.sqlite3") as ledger:
        yield ledger


def found(path: str, mirror: str = "processed") -> VersionRow:
    row = uploaded(path, "made").version
    assert row is not None
    return replace(row, mirror=mirror, origin=Origin.STORE)


def is_believed(
    ledger: Ledger,
    path: str,
    made_from: Provenance = MADE_FROM,
    *,
    mirror: str = "processed",
    rule: Rule = RULE,
) -> bool:
    """Say so, and see that the ledger says the same."""
    row = found(path, mirror)
    believed = Claims(ledger, [rule]).believe([(row, made_from)])
    noted = ledger.results.at(mirror, path)
    assert noted == ({row.sha256: made_from} if believed else {})
    return believed == {row.id}


def test_what_is_where_its_rule_puts_what_it_makes_of_that_document_is_a_result(
    ledger: Ledger,
) -> None:
    ledger.record("docs", [uploaded("in/a.docx")], [], at=NOW)

    assert is_believed(ledger, "in/a.md")


def test_a_copy_of_a_result_under_another_name_is_a_persons_file(ledger: Ledger) -> None:
    ledger.record("docs", [uploaded("in/a.docx")], [], at=NOW)

    assert not is_believed(ledger, "in/b.md")


def test_a_document_that_nobody_knows_of_may_have_had_any_path(ledger: Ledger) -> None:
    assert is_believed(ledger, "in/b.md")
    assert not is_believed(ledger, "in/b.txt")


def test_of_an_unknown_document_too_the_version_in_the_name_has_to_be_right(
    ledger: Ledger,
) -> None:
    assert is_believed(ledger, f"{MADE_FROM.source}.md", rule=BY_VERSION)
    assert not is_believed(ledger, f"{ulid_of('other')}.md", rule=BY_VERSION)


@pytest.mark.parametrize(
    ("changes", "mirror"),
    [
        ({"rule": "another"}, "processed"),
        ({}, "docs"),
        ({"source_sha256": sha_of("another")}, "processed"),
    ],
)
def test_no_rule_can_have_made_it(ledger: Ledger, changes: dict[str, str], mirror: str) -> None:
    ledger.record("docs", [uploaded("in/a.docx")], [], at=NOW)
    made_from = replace(MADE_FROM, **changes)

    assert not is_believed(ledger, "in/a.md", made_from, mirror=mirror)


def test_a_version_of_another_mirror_is_no_document_of_the_rule(ledger: Ledger) -> None:
    document = uploaded("in/a.docx")
    assert document.version is not None
    elsewhere = replace(document, version=replace(document.version, mirror="private"))
    ledger.record("private", [elsewhere], [], at=NOW)

    assert not is_believed(ledger, "in/a.md")
