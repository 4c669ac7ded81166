"""The ledger's smaller tables: problems, conflicts, mirrors, converters, aliases."""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from docferry.errors import ConflictError, PermanentError, UserError
from docferry.job import BreakerState, ConverterRow
from docferry.ledger import Ledger, ProblemRow
from docferry.ledger.requests import NewRequest
from docferry.model import (
    FileState,
    KeepBoth,
    MirrorHealth,
    Mode,
    Origin,
    Outcome,
    RequestKind,
    SentPart,
    UploadPlan,
    VersionRow,
)
from ledger_rows import MINUTE, NOW, agreed, fresh_ledger, sha_of, version


@pytest.fixture
def ledger(tmp_path: pathlib.Path) -> Iterator[Ledger]:
    with fresh_ledger(tmp_path / "ledger.sqlite3") as ledger:
        yield ledger


def test_a_problem_counts_its_attempts_and_keeps_its_age(ledger: Ledger) -> None:
    attempts = [
        ledger.problems.put("docs", "a", kind="x", message="first", at=NOW, retry_at=NOW),
        ledger.problems.put("docs", "a", kind="y", message="2nd", at=NOW + MINUTE, retry_at=None),
    ]

    assert attempts == [1, 2]
    assert ledger.problems.all() == [ProblemRow("docs", "a", "y", "2nd", NOW, 2, None)]


def test_retention_waits_mirror_by_mirror_since_the_first_time_until_it_is_ended(
    ledger: Ledger,
) -> None:
    for mirror, at in (("docs", NOW), ("docs", NOW + MINUTE), ("other", NOW)):
        ledger.waits.begin(mirror, at)

    ledger.waits.end("other")
    ledger.waits.end("never began")

    assert [ledger.waits.since(each) for each in ("docs", "other")] == [NOW, None]


def test_problems_are_cleared_by_mirror_and_path(ledger: Ledger) -> None:
    for mirror, path in (("docs", ""), ("docs", "a"), ("docs", "b"), ("other", "a")):
        ledger.problems.put(mirror, path, kind="x", message="no", at=NOW, retry_at=None)

    ledger.problems.clear("docs", ["a", "missing", ""])
    ledger.problems.clear("docs", [])

    assert [(row.mirror, row.path) for row in ledger.problems.all()] == [
        ("docs", "b"),
        ("other", "a"),
    ]
    assert [row.mirror for row in ledger.problems.all("other")] == ["other"]


def test_a_name_that_is_not_utf_8_can_have_a_problem_and_lose_it(ledger: Ledger) -> None:
    name = b"caf\xe9".decode("utf-8", "surrogateescape")
    ledger.problems.put("docs", name, kind="x", message=f"no: {name}", at=NOW, retry_at=None)

    [row] = ledger.problems.all()
    ledger.problems.clear("docs", [name])

    assert (row.path, row.message) == ("caf\\udce9", "no: caf\\udce9")
    assert ledger.problems.all() == []


def test_a_conflict_is_listed_until_it_is_settled_and_the_first_time_counts(
    ledger: Ledger,
) -> None:
    state = FileState("1-1-1", sha_of("a"), 1)
    for path in ("a", "b"):
        both = KeepBoth(path, f"{path}.conflict", state, state)
        outcome = Outcome(both, agreed(path), conflict_copy=both.copy_path)
        ledger.record("docs", [outcome], at=NOW)
    first, second = ledger.conflicts.all("docs")

    ledger.conflicts.settle(first.id, NOW + MINUTE)
    late = [NewRequest("docs", "a.conflict", RequestKind.REMOVE)]
    with pytest.raises(ConflictError, match="settled already"):
        ledger.conflicts.settle(first.id, NOW + 2 * MINUTE, late)

    assert ledger.conflicts.all() == [second]
    assert ledger.conflicts.all(open_only=False)[0].settled_at == NOW + MINUTE
    assert ledger.conflicts.all("other") == []
    assert ledger.requests.some(None, None, newest_first=False) == []
    with pytest.raises(UserError, match="no conflict 99"):
        ledger.conflicts.settle(99, NOW)


def displaced(path: str, content: str) -> VersionRow:
    return dataclasses.replace(version(path, content), etag=None, origin=Origin.LOCAL)


def test_a_begun_conflict_is_known_until_it_is_written_down(ledger: Ledger) -> None:
    mine, other = displaced("a", "mine"), displaced("b", "mine")
    ledger.conflicts.begin(mine, "a.conflict")
    ledger.conflicts.begin(other, "b.conflict")
    before = [(each.displaced, each.copy_path) for each in ledger.conflicts.begun("docs")]
    state = FileState("1-1-1", mine.sha256, 1)
    both = KeepBoth("a", "a.conflict", state, state)

    outcome = Outcome(both, agreed("a"), displaced=mine, conflict_copy=both.copy_path)
    ledger.record("docs", [outcome], at=NOW)

    assert sorted(before, key=str) == sorted([(mine, "a.conflict"), (other, "b.conflict")], key=str)
    assert [each.displaced for each in ledger.conflicts.begun("docs")] == [other]
    assert ledger.conflicts.begun("other") == []


def test_a_conflict_recovered_is_as_one_written_down(ledger: Ledger) -> None:
    mine = displaced("a", "mine")
    ledger.conflicts.begin(mine, "a.conflict")
    [begun] = ledger.conflicts.begun("docs")

    ledger.conflicts.recover(begun, NOW)

    assert ledger.conflicts.begun("docs") == []
    [row] = ledger.conflicts.all("docs")
    assert (row.path, row.copy_path, row.created_at) == ("a", "a.conflict", NOW)
    archived = dataclasses.replace(mine, archived_local=True, left_at=mine.created_at, agreed=False)
    assert ledger.versions.of("docs", "a") == [archived]
    [line] = ledger.history.of("docs", "a")
    assert (line.kind, line.version, line.note) == ("keep_both", mine.id, "a.conflict")


def test_a_begun_conflict_that_came_to_nothing_is_forgotten(ledger: Ledger) -> None:
    ledger.conflicts.begin(displaced("a", "mine"), "a.conflict")
    [begun] = ledger.conflicts.begun("docs")

    ledger.conflicts.drop(begun)

    assert ledger.conflicts.begun("docs") == []
    assert ledger.conflicts.all("docs") == []


def make_mirror(ledger: Ledger, name: str = "docs") -> None:
    ledger.mirrors.put(
        name, store="s", bucket="b", prefix="p/", local="/srv/docs", mode=Mode.TWO_WAY
    )


def test_a_mirror_starts_with_its_place_and_gets_its_facts_bit_by_bit(ledger: Ledger) -> None:
    before = datetime.now(UTC)
    make_mirror(ledger)
    fresh = ledger.mirrors.get("docs")

    ledger.mirrors.put("docs", health=MirrorHealth.WORKING, dirty=3, oldest_dirty_at=NOW)
    ledger.mirrors.put("docs", profile={"versioning": True, "name": "weed"}, progress="12 files")
    row = ledger.mirrors.get("docs")

    assert fresh is not None
    assert (fresh.health, fresh.dirty, fresh.profile) == (MirrorHealth.STARTING, 0, {})
    assert before <= fresh.since <= datetime.now(UTC)
    assert row is not None
    assert (row.store, row.bucket, row.prefix, row.local) == ("s", "b", "p/", "/srv/docs")
    assert (row.mode, row.health, row.dirty) == (Mode.TWO_WAY, MirrorHealth.WORKING, 3)
    assert (row.oldest_dirty_at, row.last_poll_at, row.marker_id) == (NOW, None, None)
    assert (row.profile, row.progress) == ({"versioning": True, "name": "weed"}, "12 files")
    assert row.updated_at is not None
    assert row.updated_at >= fresh.since


def test_mirrors_are_listed_by_name_and_unknown_ones_are_none(ledger: Ledger) -> None:
    make_mirror(ledger, "b")
    make_mirror(ledger, "a")

    assert [row.name for row in ledger.mirrors.all()] == ["a", "b"]
    assert ledger.mirrors.get("c") is None


def test_a_fact_that_a_mirror_does_not_have_is_refused(ledger: Ledger) -> None:
    make_mirror(ledger)

    with pytest.raises(ValueError, match="table mirror has no column heallth"):
        ledger.mirrors.put("docs", heallth=MirrorHealth.WORKING)
    with pytest.raises(PermanentError, match="NOT NULL"):
        ledger.mirrors.put("new", dirty=1)

    assert ledger.mirrors.get("new") is None


def test_a_converter_is_listed_by_name_as_it_was_last_said_to_be(ledger: Ledger) -> None:
    open_one = ConverterRow("tika", BreakerState.OPEN, "refused", NOW, NOW + MINUTE)
    closed_one = ConverterRow("docling", BreakerState.CLOSED, None, NOW, None)
    ledger.converters.put(open_one)
    ledger.converters.put(dataclasses.replace(closed_one, state=BreakerState.HALF_OPEN))
    ledger.converters.put(closed_one)

    assert ledger.converters.all() == [closed_one, open_one]


def test_a_begun_upload_is_known_until_it_has_ended(ledger: Ledger) -> None:
    for upload_id in ("1", "2"):
        ledger.uploads.begun("docs", "bucket", "p/a", upload_id)
    ledger.uploads.begun("docs", "bucket", "p/a", "1")  # noted twice, it is one
    ledger.uploads.begun("docs", "another bucket", "p/a", "3")
    ledger.uploads.begun("other", "bucket", "q/a", "4")

    ledger.uploads.ended("docs", "bucket", "p/a", "2")

    [left] = ledger.uploads.unfinished("docs", "bucket")
    assert (left.key, left.id, left.plan) == ("p/a", "1", None)


def test_an_upload_that_may_be_gone_on_with_is_known_with_its_parts(ledger: Ledger) -> None:
    upload, plan = ("docs", "bucket", "p/a", "1"), UploadPlan({"docferry-version": "V"}, 25, 10)
    ledger.uploads.begun(*upload, plan)
    [before] = ledger.uploads.unfinished("docs", "bucket")
    first, second, again = SentPart(1, "e1", "s1"), SentPart(2, "e2", "s2"), SentPart(2, "e3", "s3")

    for part in (second, first, again):
        ledger.uploads.sent(*upload, part)
    ledger.uploads.begun(*upload, plan)

    [left] = ledger.uploads.unfinished("docs", "bucket")
    assert left.plan == plan
    assert left.begun_at > before.begun_at
    assert ledger.uploads.parts(*upload) == [first, again]
    assert ledger.uploads.parts("docs", "bucket", "p/a", "2") == []


def test_of_an_upload_that_has_ended_no_part_is_known(ledger: Ledger) -> None:
    for upload_id in ("1", "2"):
        ledger.uploads.begun("docs", "bucket", "p/a", upload_id, UploadPlan({}, 25, 10))
        ledger.uploads.sent("docs", "bucket", "p/a", upload_id, SentPart(1, "e", "s"))

    ledger.uploads.ended("docs", "bucket", "p/a", "1")

    assert ledger.uploads.parts("docs", "bucket", "p/a", "1") == []
    assert ledger.uploads.parts("docs", "bucket", "p/a", "2") == [SentPart(1, "e", "s")]


def test_an_alias_is_kept_by_key_and_can_be_changed(ledger: Ledger) -> None:
    ledger.aliases.add("docs", "a", "%_~/a")
    ledger.aliases.add("docs", "a", "%_~~/a")
    ledger.aliases.add("other", "b", "%_~/b")

    assert ledger.aliases.all("docs") == {"a": "%_~~/a"}


def test_two_keys_never_share_an_alias(ledger: Ledger) -> None:
    ledger.aliases.add("docs", "a", "same")

    with pytest.raises(PermanentError, match="UNIQUE"):
        ledger.aliases.add("docs", "b", "same")
