"""What `Ledger.record` writes, and what the rest of docferry then reads."""

from __future__ import annotations

import dataclasses
import pathlib
import sqlite3
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone

import pytest

from docferry.errors import PermanentError
from docferry.ledger import Ledger
from docferry.model import (
    DeleteLocal,
    Download,
    Erase,
    FileState,
    KeepBoth,
    MarkSynced,
    Operation,
    Outcome,
    ReadLocal,
    ReadRemote,
    Side,
)
from ledger_rows import (
    MINUTE,
    NOW,
    agreed,
    deleted,
    forgotten,
    fresh_ledger,
    new_job,
    sha_of,
    ulid_of,
    uploaded,
    version,
)

STATE = FileState("1-1-1", sha_of("x"), 1)


@pytest.fixture
def ledger(tmp_path: pathlib.Path) -> Iterator[Ledger]:
    with fresh_ledger(tmp_path / "ledger.sqlite3") as ledger:
        yield ledger


def keep_both(path: str, copy: str | None) -> Outcome:
    operation = KeepBoth(path, copy or "", STATE, STATE)
    return Outcome(operation, agreed(path), conflict_copy=copy)


def test_an_upload_becomes_an_agreement_a_version_and_a_line_of_history(ledger: Ledger) -> None:
    ledger.record("docs", [uploaded("a/b.pdf")], at=NOW)

    assert ledger.synced.get("docs", ["a/b.pdf", "missing"]) == {"a/b.pdf": agreed("a/b.pdf")}
    assert ledger.versions.of("docs", "a/b.pdf") == [version("a/b.pdf")]
    assert ledger.versions.totals("docs") == (1, 10)
    assert ledger.knows_version(ulid_of("a/b.pdf"))
    assert not ledger.knows_version(ulid_of("other"))
    [line] = ledger.history.of("docs", "a/b.pdf")
    assert (line.kind, line.version, line.at) == ("upload", ulid_of("a/b.pdf"), NOW)
    assert (line.moved_bytes, line.took_s, line.note) == (10, 0.25, None)


@pytest.mark.parametrize("outcome", [deleted("a"), forgotten("a")])
def test_no_agreement_any_more_removes_the_old_one(ledger: Ledger, outcome: Outcome) -> None:
    ledger.record("docs", [uploaded("a"), uploaded("b")], at=NOW)
    ledger.record("other", [uploaded("a")], at=NOW)

    ledger.record("docs", [outcome], at=NOW)

    assert ledger.synced.get("docs", ["a", "b"]) == {"b": agreed("b")}
    assert ledger.synced.get("other", ["a"]) == {"a": agreed("a")}


@pytest.mark.parametrize("operation", [ReadLocal("a", "t"), ReadRemote("a", "t")])
def test_reading_a_file_ends_no_agreement(ledger: Ledger, operation: Operation) -> None:
    ledger.record("docs", [uploaded("a")], at=NOW)

    ledger.record("docs", [Outcome(operation, synced=None)], at=NOW)

    assert ledger.synced.get("docs", ["a"]) == {"a": agreed("a")}


@pytest.mark.parametrize(
    ("outcomes", "left"),
    [
        ([uploaded("a", "1"), uploaded("a", "2")], {"a": agreed("a", "2")}),
        ([uploaded("a", "1"), deleted("a")], {}),
        ([deleted("a"), uploaded("a", "1")], {"a": agreed("a", "1")}),
    ],
)
def test_the_last_outcome_of_a_path_counts(
    ledger: Ledger, outcomes: list[Outcome], left: object
) -> None:
    ledger.record("docs", outcomes, at=NOW)

    assert ledger.synced.get("docs", ["a"]) == left


def test_an_agreement_is_overwritten_whole(ledger: Ledger) -> None:
    ledger.record("docs", [uploaded("a", "old")], at=NOW)
    moved = dataclasses.replace(agreed("a", "new"), size=11, local_token="11-2-2")
    mark = MarkSynced("a", moved.sha256, 11, "11-2-2", moved.remote_token, is_new_content=False)

    ledger.record("docs", [Outcome(mark, moved)], at=NOW)

    assert ledger.synced.get("docs", ["a"]) == {"a": moved}
    assert ledger.history.of("docs", "a")[0].kind == "mark_synced"


def test_a_version_that_comes_back_stays_as_it_was_written(ledger: Ledger) -> None:
    again = dataclasses.replace(version("a"), path="b", size=99)
    ledger.record("docs", [uploaded("a")], at=NOW)

    ledger.record("docs", [Outcome(Download("b", STATE, None), agreed("b"), again)], at=NOW)

    assert ledger.versions.of("docs", "a") == [version("a")]
    assert ledger.versions.of("docs", "b") == []


@pytest.mark.parametrize("side", Side)
def test_a_displaced_version_is_marked_as_archived_on_its_side(
    ledger: Ledger, tmp_path: pathlib.Path, side: Side
) -> None:
    new = dataclasses.replace(uploaded("a", "new"), archived=(ulid_of("aold"), side))
    ledger.record("docs", [uploaded("a", "old")], at=NOW)

    ledger.record("docs", [new], at=NOW)

    with sqlite3.connect(tmp_path / "ledger.sqlite3") as raw:
        rows = raw.execute("SELECT id, archived_local, archived_remote FROM version").fetchall()
    raw.close()
    assert {row[0]: row[1:] for row in rows} == {
        ulid_of("aold"): (side is Side.LOCAL, side is Side.REMOTE),
        ulid_of("anew"): (False, False),
    }


def test_a_displaced_content_that_had_no_version_gets_one(ledger: Ledger) -> None:
    stranger = version("a", "stranger")
    outcome = dataclasses.replace(
        uploaded("a"), displaced=stranger, archived=(stranger.id, Side.REMOTE)
    )

    ledger.record("docs", [outcome], at=NOW)

    archived = dataclasses.replace(
        stranger, archived_remote=True, left_at=stranger.created_at, agreed=False
    )
    assert set(ledger.versions.of("docs", "a")) == {archived, version("a")}


def test_an_outcome_that_cannot_be_written_undoes_the_whole_record(ledger: Ledger) -> None:
    broken = uploaded("broken")
    assert broken.version is not None
    without_size = dataclasses.replace(broken.version, size=None)  # type: ignore[arg-type]
    outcomes = [uploaded("a"), dataclasses.replace(broken, version=without_size)]
    ledger.problems.put("docs", "a", kind="x", message="", at=NOW, retry_at=None)

    with pytest.raises(PermanentError, match="NOT NULL"):
        ledger.record("docs", outcomes, [new_job("a")], at=NOW)

    assert ledger.synced.count("docs") == (0, 0)
    assert ledger.versions.totals("docs") == (0, 0)
    assert ledger.history.of("docs", "a") == []
    assert ledger.jobs.all() == []
    assert len(ledger.problems.all()) == 1


def test_the_problem_of_a_path_that_went_well_is_over(ledger: Ledger) -> None:
    for path in ("a", "b", ""):
        ledger.problems.put("docs", path, kind="x", message="no", at=NOW, retry_at=None)
    ledger.problems.put("other", "a", kind="x", message="no", at=NOW, retry_at=None)

    ledger.record("docs", [uploaded("a")], at=NOW)

    left = [(row.mirror, row.path) for row in ledger.problems.all()]
    assert left == [("docs", ""), ("docs", "b"), ("other", "a")]


def test_keeping_both_opens_one_conflict_however_often_it_is_repeated(ledger: Ledger) -> None:
    ledger.record("docs", [keep_both("a", "a.conflict")], at=NOW)
    ledger.record("docs", [keep_both("a", "a.conflict")], at=NOW + MINUTE)

    [conflict] = ledger.conflicts.all("docs")
    assert (conflict.path, conflict.copy_path) == ("a", "a.conflict")
    assert (conflict.created_at, conflict.settled_at) == (NOW, None)
    assert ledger.history.of("docs", "a")[0].note == "a.conflict"


def test_a_settled_conflict_that_comes_again_is_open_again(ledger: Ledger) -> None:
    ledger.record("docs", [keep_both("a", "a.conflict")], at=NOW)
    ledger.conflicts.settle(ledger.conflicts.all()[0].id, NOW + MINUTE)

    ledger.record("docs", [keep_both("a", "a.conflict")], at=NOW + 2 * MINUTE)

    [conflict] = ledger.conflicts.all()
    assert (conflict.created_at, conflict.settled_at) == (NOW + 2 * MINUTE, None)


def test_no_copy_is_no_conflict(ledger: Ledger) -> None:
    ledger.record("docs", [keep_both("a", None)], at=NOW)

    assert ledger.conflicts.all() == []


def test_an_intent_ends_when_its_version_is_written_down(ledger: Ledger) -> None:
    mine, other = agreed("a").version, ulid_of("other")
    ledger.intents.add("docs", [("a", mine), ("a", other), ("b", mine)])
    ledger.intents.add("docs", [("a", mine)])

    ledger.record("docs", [uploaded("a")], at=NOW)

    assert not ledger.intents.is_intended("docs", "a", mine)
    assert ledger.intents.is_intended("docs", "a", other)
    assert ledger.intents.is_intended("docs", "b", mine)
    assert not ledger.intents.is_intended("other", "a", other)
    assert ledger.intents.paths_among("docs", ["b", "a", "c"]) == {"a", "b"}
    assert ledger.intents.paths_among("other", ["a"]) == frozenset()


def test_history_tells_the_newest_first_and_as_much_as_is_asked(ledger: Ledger) -> None:
    for outcome in (uploaded("a"), deleted("a"), uploaded("a", "2")):
        ledger.record("docs", [outcome], at=NOW)

    assert [row.kind for row in ledger.history.of("docs", "a", limit=2)] == [
        "upload",
        "delete_remote",
    ]


def test_deletions_are_counted_on_both_sides_and_from_the_instant_on(ledger: Ledger) -> None:
    archived = ("01OLD", Side.LOCAL)
    local = Outcome(DeleteLocal("b", "1-1-1"), synced=None, archived=archived)
    ledger.record("docs", [deleted("old")], at=NOW - timedelta(microseconds=1))
    ledger.record("docs", [deleted("a"), local, forgotten("c"), uploaded("d")], at=NOW)
    ledger.record("other", [deleted("a")], at=NOW)

    assert ledger.history.deletions_since("docs", NOW) == 2
    assert ledger.history.of("docs", "b")[0].version == "01OLD"


def test_times_of_any_zone_are_the_same_instant_in_utc(ledger: Ledger) -> None:
    in_tokyo = NOW.astimezone(timezone(timedelta(hours=9)))

    ledger.record("docs", [deleted("a")], at=in_tokyo)

    assert ledger.history.of("docs", "a")[0].at == NOW
    assert ledger.history.deletions_since("docs", in_tokyo) == 1


def test_a_time_without_a_zone_is_refused(ledger: Ledger) -> None:
    with pytest.raises(ValueError, match="without a zone"):
        ledger.record("docs", [uploaded("a")], at=datetime(2026, 1, 1))  # noqa: DTZ001


def test_nothing_to_record_is_no_transaction(ledger: Ledger) -> None:
    ledger.close()

    ledger.record("docs", [], at=NOW)


def test_a_renamed_content_does_not_count_as_deleted(ledger: Ledger) -> None:
    old, new = uploaded("old", "same"), uploaded("new", "same")
    assert old.synced is not None
    assert new.synced is not None
    same = dataclasses.replace(new.synced, sha256=old.synced.sha256)
    removed = dataclasses.replace(deleted("old"), archived=(old.synced.version, Side.REMOTE))
    ledger.record("docs", [old, dataclasses.replace(new, synced=same), removed], at=NOW)

    assert ledger.history.deletions_since("docs", NOW) == 0

    ledger.record("docs", [deleted("new")], at=NOW)
    assert ledger.history.deletions_since("docs", NOW) == 2


def test_an_erasure_leaves_no_note_under_its_path(ledger: Ledger) -> None:
    ledger.record("docs", [uploaded("a")], at=NOW)
    before = ledger.history.of("docs", "a")

    ledger.record("docs", [Outcome(Erase("a", 1), synced=None)], at=NOW)

    assert ledger.history.of("docs", "a") == before
    assert "a" in ledger.synced.get("docs", ["a"])  # what came since it was asked for
