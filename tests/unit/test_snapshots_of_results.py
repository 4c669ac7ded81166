"""What conversions have put into a mirror, in its snapshots: what goes along, what is refused."""

from __future__ import annotations

import gzip
import pathlib
import sqlite3
from collections.abc import Iterator
from contextlib import closing

import pytest

from docferry.errors import PermanentError
from docferry.ledger import Ledger
from docferry.ledger.rebuilt import Rebuilt
from docferry.ledger.snapshots import make, unpack
from docferry.model import Provenance
from ledger_rows import NOW, agreed, fresh_ledger, sha_of, ulid_of, uploaded, version

MADE_FROM = Provenance(ulid_of("a.docx"), sha_of("a.docx"), "to-markdown", "xberg 1.3.9")


@pytest.fixture
def ledger(tmp_path: pathlib.Path) -> Iterator[Ledger]:
    with fresh_ledger(tmp_path / "ledger.sqlite3") as ledger:
        ledger.record("docs", [uploaded("a")], [], at=NOW)
        yield ledger


@pytest.fixture
def rebuilt(tmp_path: pathlib.Path) -> Iterator[Rebuilt]:
    with Rebuilt.open(tmp_path / "rebuilt") as rebuilt:
        yield rebuilt


def put_results(ledger: Ledger, *paths: str) -> None:
    """Note that conversions have put to *paths* of docs what is there, or was to be."""
    rows = [version(path) for path in paths]
    ledger.results.note_claimed([(row, MADE_FROM) for row in rows])


def unpacked(ledger: Ledger, folder: pathlib.Path) -> pathlib.Path:
    folder.mkdir()
    packed, _ = make(ledger, "docs", folder)
    unpack(packed, folder / "plain", sha256=None)
    return folder / "plain"


def test_what_conversions_have_put_there_goes_along(
    ledger: Ledger, rebuilt: Rebuilt, tmp_path: pathlib.Path
) -> None:
    put_results(ledger, "a", "never came to be")

    rebuilt.take_over(unpacked(ledger, tmp_path / "new"), "renamed", {})

    assert rebuilt.results.at("renamed", "a") == {agreed("a").sha256: MADE_FROM}
    assert rebuilt.jobs.results_at("renamed", "a") == {agreed("a").sha256}
    assert rebuilt.results.at("renamed", "never came to be") == {}


def test_what_an_older_ledger_had_put_there_is_known_too(
    ledger: Ledger, rebuilt: Rebuilt, tmp_path: pathlib.Path
) -> None:
    put_results(ledger, "a")

    rebuilt.take_past(unpacked(ledger, tmp_path / "new"), "docs", {}, NOW)

    assert rebuilt.results.at("docs", "a") == {agreed("a").sha256: MADE_FROM}


def test_what_a_snapshot_says_of_a_result_is_a_claim_whatever_it_says(
    ledger: Ledger, rebuilt: Rebuilt, tmp_path: pathlib.Path
) -> None:
    put_results(ledger, "a")
    plain = unpacked(ledger, tmp_path / "new")
    with closing(sqlite3.connect(plain)) as raw, raw:
        raw.execute("UPDATE result SET is_claim = 0")

    rebuilt.take_over(plain, "docs", {})

    assert rebuilt.results.is_claim("docs", "a", agreed("a").sha256)


def test_a_result_at_a_path_that_no_mirror_has_is_not_taken_over(
    ledger: Ledger, rebuilt: Rebuilt, tmp_path: pathlib.Path
) -> None:
    put_results(ledger, "a")
    plain = unpacked(ledger, tmp_path / "new")
    with closing(sqlite3.connect(plain)) as raw, raw:
        raw.execute("UPDATE result SET path = '../a'")

    rebuilt.take_over(plain, "docs", {})

    assert rebuilt.results.at("docs", "../a") == {}


@pytest.mark.parametrize(
    ("column", "odd"),
    [
        ("source", "7ZZZZZZZZZZZZZZZZZZZZZZZZZ"),
        ("source", "../x"),
        ("sha256", "x"),
        ("source_sha256", "A" * 64),
        ("put_at", "soon"),
        ("rule", b"7"),
    ],
)
def test_a_snapshot_with_a_result_that_no_docferry_has_noted_is_refused(
    ledger: Ledger, tmp_path: pathlib.Path, column: str, odd: object
) -> None:
    put_results(ledger, "a")
    plain = unpacked(ledger, tmp_path / "new")
    with closing(sqlite3.connect(plain)) as raw, raw:
        raw.execute(f"UPDATE result SET {column} = ?", [odd])
    packed = tmp_path / "odd"
    packed.write_bytes(gzip.compress(plain.read_bytes()))

    with pytest.raises(PermanentError, match="odd values in result"):
        unpack(packed, tmp_path / "plain", sha256=None)
