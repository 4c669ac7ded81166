"""What goes in time from the ledger and the state directory, and what never does."""

from __future__ import annotations

import os
import pathlib
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from docferry.core.failures import Failed
from docferry.core.housekeeping import KEPT_FOR, is_left_behind
from docferry.engine.housekeeping import AGAIN_AFTER, LedgerCare, clear_state_dir
from docferry.job import Failure, Intended, JobState, NewJob
from docferry.ledger import Ledger
from docferry.ledger.requests import NewRequest
from docferry.model import Mode, RequestKind, RequestState
from ledger_rows import (
    NOW,
    agreed,
    deleted,
    fresh_ledger,
    new_job,
    sha_of,
    ulid_of,
    uploaded,
    version,
)

LATER = NOW + KEPT_FOR + timedelta(days=1)


class Bench:
    """A ledger in which work was done long ago, and who cares for it."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self.now = LATER
        self.recipes = {"r1"}
        self.care = LedgerCare(ledger.pruning, lambda: self.recipes, lambda: self.now)
        ledger.mirrors.put("docs", store="s", bucket="b", prefix="", local="/l", mode=Mode.TWO_WAY)

    def convert(self, content: str, recipe: str = "r1", at: datetime = NOW) -> None:
        """Have a document that lies at the path *content* converted."""
        job = new_job(content, recipe)
        self.ledger.record("docs", [uploaded(content)], [job], at=NOW)
        [claimed] = self.claim()
        self.ledger.jobs.finish(claimed, at, f"{content}.md", sha_of(content + recipe))

    def claim(self) -> list[str]:
        found = self.ledger.jobs.claim(NOW, LATER, rules=["to-markdown"])
        return [] if found is None else [found.id]

    def let_go(self, path: str) -> None:
        """Delete a document and let all its versions go."""
        self.ledger.record("docs", [deleted(path)], at=NOW)
        self.ledger.versions.let_go([agreed(path).version], NOW)

    def run(self) -> None:
        self.care.go_on(60.0)

    def jobs(self) -> set[tuple[str, str]]:
        return {(job.sha256, job.recipe) for job in self.ledger.jobs.all(limit=10_000)}


@pytest.fixture
def bench(tmp_path: pathlib.Path) -> Iterator[Bench]:
    with fresh_ledger(tmp_path / "ledger.sqlite3") as ledger:
        yield Bench(ledger)


# Jobs: the memory of what need not be converted again.


def test_a_job_stays_as_long_as_its_document_is_there(bench: Bench) -> None:
    bench.convert("a")

    bench.run()

    assert bench.jobs() == {(sha_of("a"), "r1")}


def test_a_job_stays_as_long_as_a_version_can_be_had_back(bench: Bench) -> None:
    bench.convert("a")
    bench.ledger.record("docs", [deleted("a")], at=NOW)

    bench.run()

    assert bench.jobs() == {(sha_of("a"), "r1")}


@pytest.mark.parametrize("state", [JobState.DONE, JobState.SKIPPED, JobState.DEAD])
def test_a_job_goes_when_its_content_is_nowhere_any_more(bench: Bench, state: JobState) -> None:
    bench.ledger.record("docs", [uploaded("a")], [new_job("a")], at=NOW)
    [claimed] = bench.claim()
    match state:
        case JobState.DONE:
            bench.ledger.jobs.finish(claimed, NOW, "a.md", sha_of("a.md"))
        case JobState.SKIPPED:
            bench.ledger.jobs.skip(claimed, NOW, Failure.CHANGED, "gone")
        case _:
            bench.ledger.jobs.dead(claimed, NOW, Failed(Failure.CRASHED, "crashed"))
    bench.let_go("a")

    bench.run()

    assert bench.jobs() == set()


def test_a_job_that_ended_lately_stays_for_who_asks_about_it(bench: Bench) -> None:
    bench.convert("a", at=LATER - KEPT_FOR + timedelta(hours=1))
    bench.let_go("a")

    bench.run()

    assert bench.jobs() == {(sha_of("a"), "r1")}


def test_a_job_that_waits_stays_however_old_it_is(bench: Bench) -> None:
    bench.ledger.record("docs", [uploaded("a")], [new_job("a")], at=NOW)
    bench.let_go("a")

    bench.run()

    assert bench.jobs() == {(sha_of("a"), "r1")}


def test_what_another_mirror_holds_too_is_not_converted_again(bench: Bench) -> None:
    bench.ledger.mirrors.put(
        "others", store="s", bucket="b", prefix="o/", local="/o", mode=Mode.TWO_WAY
    )
    bench.convert("a")
    bench.ledger.versions.add([replace(version("a", mirror="others"), id=ulid_of("elsewhere"))])
    bench.let_go("a")

    bench.run()

    assert bench.jobs() == {(sha_of("a"), "r1")}


def test_why_a_result_that_is_still_there_came_to_be_is_kept(bench: Bench) -> None:
    bench.convert("a")
    result = uploaded("a.md", "ar1")
    bench.ledger.record("processed", [result], at=NOW)
    bench.let_go("a")

    bench.run()

    made = bench.ledger.jobs.of_result("processed", "a.md")
    assert made is not None
    assert made.sha256 == sha_of("a")


def test_a_job_of_a_recipe_of_before_goes_once_it_was_done_anew(bench: Bench) -> None:
    bench.convert("a", "r0")
    bench.convert("a", "r1")

    bench.run()

    assert bench.jobs() == {(sha_of("a"), "r1")}


def test_a_job_of_a_recipe_of_before_stays_until_it_was_done_anew(bench: Bench) -> None:
    bench.convert("a", "r0")
    bench.ledger.record("docs", [], [new_job("a", "r1")], at=NOW)

    bench.run()

    assert bench.jobs() == {(sha_of("a"), "r0"), (sha_of("a"), "r1")}


def test_rules_as_they_are_now_say_which_recipe_is_of_before(bench: Bench) -> None:
    bench.convert("a", "r0")
    bench.convert("a", "r1")
    bench.recipes = {"r0"}  # the configuration has gone back to it

    bench.run()

    assert bench.jobs() == {(sha_of("a"), "r0")}


def test_what_was_pruned_is_a_new_job_when_its_content_comes_back(bench: Bench) -> None:
    bench.convert("a")
    bench.let_go("a")
    bench.run()

    bench.ledger.record("docs", [uploaded("a")], [new_job("a")], at=NOW)

    assert len(bench.claim()) == 1


# Requests, and the rest.


def answered(bench: Bench, kind: RequestKind = RequestKind.RESTORE) -> int:
    [asked] = bench.ledger.requests.add([NewRequest("docs", "a", kind)], NOW)
    bench.ledger.requests.finish(asked, RequestState.DONE, NOW, "the proof")
    return asked


def test_an_answered_request_goes_and_its_number_is_never_given_again(bench: Bench) -> None:
    first, last = answered(bench), answered(bench)

    bench.run()
    [new] = bench.ledger.requests.add([NewRequest("docs", "b", RequestKind.RESTORE)], NOW)

    assert bench.ledger.requests.get(first) is None
    assert new > last


def test_what_is_asked_for_stays_and_so_does_the_proof_of_an_erasure(bench: Bench) -> None:
    [waiting] = bench.ledger.requests.add([NewRequest("docs", "a", RequestKind.REMOVE)], NOW)
    erased = answered(bench, RequestKind.ERASE)
    answered(bench)

    bench.run()

    assert bench.ledger.requests.get(waiting) is not None
    assert bench.ledger.requests.get(erased) is not None


def test_versions_and_history_stay_for_ever(bench: Bench) -> None:
    bench.convert("a")
    bench.let_go("a")
    before = bench.ledger.versions.of("docs", "a"), bench.ledger.history.of("docs", "a")

    bench.run()

    assert (bench.ledger.versions.of("docs", "a"), bench.ledger.history.of("docs", "a")) == before


@pytest.mark.parametrize("is_there", [True, False])
def test_a_note_of_a_result_goes_when_its_bytes_are_nowhere(
    bench: Bench, *, is_there: bool
) -> None:
    bench.ledger.record("docs", [uploaded("a")], [new_job("a")], at=NOW)
    job = bench.ledger.jobs.get(bench.claim()[0])
    assert job is not None
    bench.ledger.mirrors.put(
        "processed", store="s", bucket="b", prefix="p/", local="/p", mode=Mode.TWO_WAY
    )
    bench.ledger.jobs.about_to_put([Intended(job, "a.md", sha_of("ar1"), "1.0")], NOW)
    if is_there:
        bench.ledger.record("processed", [uploaded("a.md", "ar1")], at=NOW)

    bench.run()

    assert bool(bench.ledger.results.at("processed", "a.md")) is is_there


# How it goes on.


def test_it_goes_through_all_rows_however_many(bench: Bench) -> None:
    jobs: list[NewJob] = [new_job(f"{number}") for number in range(1200)]
    bench.ledger.record("docs", [], jobs, at=NOW)
    while found := bench.ledger.jobs.claim_some(NOW, LATER, lambda claimed: ["to-markdown"]):
        for one in found:
            bench.ledger.jobs.finish(one.id, NOW, None)

    bench.run()

    assert bench.jobs() == set()


def test_a_step_at_a_time_is_done_and_the_rest_the_next_time(bench: Bench) -> None:
    bench.convert("a")
    bench.let_go("a")

    for _ in range(4):
        bench.care.go_on(0.0)

    assert bench.jobs() == set()


def test_a_clock_that_was_ahead_and_is_put_right_does_not_keep_it_from_going_on(
    bench: Bench,
) -> None:
    bench.now += timedelta(days=365)
    bench.run()
    bench.convert("a")
    bench.let_go("a")

    bench.now = LATER
    bench.run()

    assert bench.jobs() == set()


def test_after_a_round_it_rests_for_a_day(bench: Bench) -> None:
    bench.run()
    bench.convert("a")
    bench.let_go("a")

    bench.now += AGAIN_AFTER - timedelta(minutes=1)
    bench.run()
    early = bench.jobs()
    bench.now += timedelta(minutes=1)
    bench.run()

    assert (len(early), bench.jobs()) == (1, set())


# The state directory.


@pytest.mark.parametrize(
    ("name", "days", "goes"),
    [
        ("ledger.sqlite3.before-0006", 31, True),
        ("ledger.sqlite3.before-0006", 29, False),
        ("ledger.sqlite3.before-0006.unfinished", 2, True),
        ("ledger.sqlite3.before-0006.unfinished", 0, False),
        ("ledger.sqlite3.rebuilding-wal", 2, True),
        ("restoring", 2, True),
        ("snapshot-gone", 2, True),
        ("snapshot-docs", 2, False),
        ("ledger.sqlite3", 999, False),
        ("ledger.sqlite3-wal", 999, False),
        ("ledger.sqlite3.damaged-20260101T000000.000000Z", 999, False),
        ("ledger.sqlite3.replaced-20260101T000000.000000Z", 999, False),
        ("lock", 999, False),
        ("work", 999, False),
    ],
)
def test_only_what_was_left_behind_goes_from_the_state_directory(
    tmp_path: pathlib.Path, name: str, days: int, *, goes: bool
) -> None:
    file = tmp_path / name
    file.touch()
    os.utime(file, (NOW.timestamp(), NOW.timestamp()))

    clear_state_dir(tmp_path, ["docs"], NOW + timedelta(days=days))

    assert file.exists() is not goes


def test_a_folder_that_was_left_behind_goes_with_all_in_it(tmp_path: pathlib.Path) -> None:
    folder = tmp_path / "restoring"
    folder.mkdir()
    (folder / "ledger.sqlite3").touch()
    os.utime(folder, (NOW.timestamp(), NOW.timestamp()))

    clear_state_dir(tmp_path, [], NOW + timedelta(days=2))

    assert not folder.exists()
    assert is_left_behind("rebuilding", timedelta(days=2), [])
