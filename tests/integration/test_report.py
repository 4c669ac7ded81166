"""What docferry knows, put together from a real ledger."""

from __future__ import annotations

import pathlib
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from commands import held
from conversion_rows import dead, done, queued, running
from docferry.app.figures import job_figures, mirror_figures
from docferry.app.report import FileReport, files, status, story
from docferry.config import Config, ConvertConfig, MirrorConfig
from docferry.core.patrol import Phase
from docferry.engine.health import Facts
from docferry.job import BreakerState, ConverterRow, Failure, JobState, Priority, QueueFigures
from docferry.ledger import Ledger
from docferry.ledger.lock import StateLock
from docferry.ledger.patrols import PatrolRow
from docferry.ledger.requests import NewRequest
from docferry.model import (
    DeleteRemote,
    FileState,
    HoldState,
    KeepBoth,
    MirrorHealth,
    Mode,
    Outcome,
    RequestKind,
    RequestState,
)
from ledger_rows import (
    MINUTE,
    NOW,
    agreed,
    deleted,
    fresh_ledger,
    uploaded,
    version,
)


@pytest.fixture
def ledger(tmp_path: pathlib.Path) -> Iterator[Ledger]:
    with fresh_ledger(tmp_path / "ledger.sqlite3") as ledger:
        yield ledger


@pytest.fixture
def config(tmp_path: pathlib.Path) -> Config:
    names = ("docs", "processed")
    mirrors = {name: MirrorConfig(name, "store", "bucket", tmp_path / name) for name in names}
    rule = ConvertConfig("to-markdown", "docs", ("*",), "processed", ("markdown",))
    return Config(state_dir=tmp_path, mirrors=mirrors, converts=(rule,))


def run_once(ledger: Ledger, mirror: str, health: MirrorHealth = MirrorHealth.IN_STEP) -> None:
    """Leave the row that a daemon would have left."""
    ledger.mirrors.put(
        mirror, store="store", bucket="bucket", prefix="", local="/srv", mode=Mode.TWO_WAY
    )
    ledger.mirrors.put(mirror, health=health, since=NOW)


class IdleLoop:
    """A loop that has nothing to do."""

    facts = Facts()
    is_alive = True
    went_round_s = 0.0


def kept_both(path: str, copy_path: str) -> Outcome:
    state = FileState("token", None, 1)
    operation = KeepBoth(path, copy_path, state, state)
    return Outcome(operation, agreed(path), version(path), conflict_copy=copy_path)


# status


def test_before_the_first_run_every_mirror_is_listed_and_nothing_is_claimed(
    config: Config, ledger: Ledger
) -> None:
    report = status(config, ledger)

    assert [(mirror.name, mirror.row, mirror.files) for mirror in report.mirrors] == [
        ("docs", None, 0),
        ("processed", None, 0),
    ]
    assert report.pid is None
    assert not report.is_in_step
    assert (datetime.now(UTC) - report.at).total_seconds() < 60


def test_all_is_in_step_only_while_a_daemon_runs(config: Config, ledger: Ledger) -> None:
    for name in config.mirrors:
        run_once(ledger, name)

    with StateLock(config.state_dir):
        running = status(config, ledger)
    stopped = status(config, ledger)

    assert running.pid is not None
    assert running.is_in_step
    assert stopped.pid is None
    assert not stopped.is_in_step


@pytest.mark.parametrize("kind", ["history", "rot"])
def test_what_is_missing_or_rotten_for_good_is_not_in_step(
    config: Config, ledger: Ledger, kind: str
) -> None:
    for name in config.mirrors:
        run_once(ledger, name)
    ledger.problems.put("docs", "a", kind=kind, message="look at it", at=NOW, retry_at=None)

    with StateLock(config.state_dir):
        assert not status(config, ledger).is_in_step


@pytest.mark.parametrize(
    "health", [health for health in MirrorHealth if health is not MirrorHealth.IN_STEP]
)
def test_one_mirror_that_is_not_in_step_is_enough(
    config: Config, ledger: Ledger, health: MirrorHealth
) -> None:
    run_once(ledger, "docs")
    run_once(ledger, "processed", health)

    with StateLock(config.state_dir):
        assert not status(config, ledger).is_in_step


def test_a_mirror_whose_loop_has_not_heard_of_its_pause_yet_is_not_in_step(
    config: Config, ledger: Ledger
) -> None:
    for name in config.mirrors:
        run_once(ledger, name)
    ledger.orders.pause("docs", None, NOW)

    with StateLock(config.state_dir):
        assert not status(config, ledger).is_in_step


def test_a_pause_is_told_with_its_age(ledger: Ledger) -> None:
    ledger.orders.pause("docs", None, NOW)

    figures = mirror_figures({"docs": IdleLoop(), "notes": IdleLoop()}, ledger)

    assert figures["docs"].paused_since == NOW
    assert figures["notes"].paused_since is None


def test_a_configured_mirror_that_never_ran_is_not_in_step(config: Config, ledger: Ledger) -> None:
    run_once(ledger, "docs")

    with StateLock(config.state_dir):
        assert not status(config, ledger).is_in_step


def test_a_mirror_is_reported_with_its_files_and_all_that_waits_for_a_person(
    config: Config, ledger: Ledger
) -> None:
    run_once(ledger, "docs")
    ledger.record("docs", [uploaded("a"), uploaded("b"), kept_both("c", "c.conflict")], at=NOW)
    ledger.problems.put("docs", "d", kind="Upload", message="refused", at=NOW, retry_at=None)
    ledger.problems.put("other", "x", kind="Upload", message="refused", at=NOW, retry_at=None)
    ledger.holds.park("docs", [(DeleteRemote("a", "etag"), agreed("a").sha256)])
    ledger.holds.hold("docs", "too many", NOW)

    docs, processed = status(config, ledger).mirrors

    assert (docs.files, docs.size_bytes) == (3, 30)
    assert [problem.path for problem in docs.problems] == ["d"]
    assert [(hold.reason, hold.count) for hold in docs.holds] == [("too many", 1)]
    assert [(found.path, found.copy_path) for found in docs.conflicts] == [("c", "c.conflict")]
    assert (processed.files, processed.problems, processed.holds) == (0, (), ())


def test_a_hold_is_shown_until_it_is_carried_out_a_conflict_until_it_is_settled(
    config: Config, ledger: Ledger
) -> None:
    ledger.holds.park("docs", [(DeleteRemote("a", "etag"), agreed("a").sha256)])
    hold = ledger.holds.hold("docs", "too many", NOW)
    assert hold is not None
    ledger.record("docs", [kept_both("c", "c.conflict")], at=NOW)

    ledger.holds.decide(hold.id, HoldState.APPROVED, NOW)
    approved = status(config, ledger).mirrors[0]
    ledger.holds.finish(hold.id, NOW)
    ledger.conflicts.settle(approved.conflicts[0].id, NOW)
    done = status(config, ledger).mirrors[0]

    assert [shown.state for shown in approved.holds] == [HoldState.APPROVED]
    assert (done.holds, done.conflicts) == ((), ())


def test_conversions_are_counted_by_their_state(config: Config, ledger: Ledger) -> None:
    running(ledger, "a.docx")
    queued(ledger, "b.docx")

    jobs = status(config, ledger).jobs

    assert (jobs[JobState.QUEUED], jobs[JobState.RUNNING]) == (1, 1)


def test_a_conversion_that_was_given_up_on_is_named_and_nothing_is_in_step(
    config: Config, ledger: Ledger
) -> None:
    for name in config.mirrors:
        run_once(ledger, name)
    dead(ledger, "broken.docx", content="broken")

    with StateLock(config.state_dir):
        report = status(config, ledger)

    [letter] = report.dead_letters
    assert (letter.mirror, letter.path) == ("docs", "broken.docx")
    assert (letter.rule, letter.last_error) == ("to-markdown", "no document at all")
    assert not report.is_in_step


@pytest.mark.parametrize("then", [uploaded("broken.docx", "mended"), deleted("broken.docx")])
def test_a_document_that_was_mended_or_removed_waits_for_nobody(
    config: Config, ledger: Ledger, then: Outcome
) -> None:
    for name in config.mirrors:
        run_once(ledger, name)
    dead(ledger, "broken.docx", content="broken")

    ledger.record("docs", [then], at=NOW + 2 * MINUTE)

    with StateLock(config.state_dir):
        report = status(config, ledger)
    assert report.dead_letters == ()
    assert report.is_in_step


def test_a_conversion_that_was_given_up_on_goes_by_the_name_its_document_has_now(
    config: Config, ledger: Ledger
) -> None:
    dead(ledger, "broken.docx", content="broken")
    renamed = [uploaded("archive/broken.docx", "broken"), deleted("broken.docx")]
    ledger.record("docs", renamed, at=NOW + 2 * MINUTE)

    assert [job.path for job in status(config, ledger).dead_letters] == ["archive/broken.docx"]


def test_what_no_rule_asks_for_any_more_waits_for_nobody(config: Config, ledger: Ledger) -> None:
    dead(ledger, "broken.docx", content="broken")

    assert status(replace(config, converts=()), ledger).dead_letters == ()


DOWN = ConverterRow("markdown", BreakerState.OPEN, "no answer", NOW, NOW + MINUTE)


def test_a_converter_that_is_down_is_named_and_nothing_is_in_step(
    config: Config, ledger: Ledger
) -> None:
    for name in config.mirrors:
        run_once(ledger, name)
    ledger.converters.put(DOWN)

    with StateLock(config.state_dir):
        down = status(config, ledger)
        ledger.converters.put(replace(DOWN, state=BreakerState.CLOSED))
        up = status(config, ledger)

    assert [each.down for each in down.converters] == [DOWN]
    assert not down.is_in_step
    assert [each.down for each in up.converters] == [None]
    assert up.is_in_step


def test_a_converter_that_no_rule_names_any_more_is_in_nobodys_way(
    config: Config, ledger: Ledger
) -> None:
    ledger.converters.put(replace(DOWN, name="office"))

    assert [each.down for each in status(config, ledger).converters] == [None]


def test_a_chain_is_down_with_any_of_its_converters(config: Config, ledger: Ledger) -> None:
    chain = replace(config.converts[0], chain=("office", "markdown"))
    ledger.converters.put(DOWN)

    [found] = status(replace(config, converts=(chain,)), ledger).converters

    assert (found.name, found.rules, found.down) == ("office+markdown", ("to-markdown",), DOWN)


def test_what_waits_for_a_converter_is_counted_with_the_oldest(
    config: Config, ledger: Ledger
) -> None:
    running(ledger, "a.docx")
    queued(ledger, "b.docx", at=NOW + MINUTE)
    queued(ledger, "c.docx", at=NOW + 2 * MINUTE)
    dead(ledger, "d.docx", at=NOW - MINUTE)

    [found] = status(config, ledger).converters

    assert (found.queued, found.running, found.dead) == (2, 1, 1)
    assert found.oldest_at == NOW + MINUTE


def test_a_backlog_says_how_far_it_is_until_it_is_done(config: Config, ledger: Ledger) -> None:
    done(ledger, "a.docx", priority=Priority.BACKLOG)
    job = running(ledger, "b.docx", at=NOW + MINUTE, priority=Priority.BACKLOG)
    queued(ledger, "c.docx", at=NOW + MINUTE, priority=Priority.BACKLOG)

    [found] = status(config, ledger).backlogs
    ledger.jobs.skip(job.id, NOW, Failure.CHANGED, "gone")
    last = ledger.jobs.claim(NOW + 2 * MINUTE, NOW + 3 * MINUTE, rules=["to-markdown"])

    assert (found.rule, found.queued, found.done, found.total) == ("to-markdown", 1, 1, 3)
    assert found.is_all_known
    assert last is not None
    assert status(config, ledger).backlogs == ()


def test_what_a_scrape_is_told_of_conversions_is_what_status_tells(
    config: Config, ledger: Ledger
) -> None:
    queued(ledger, "b.docx")
    dead(ledger, "c.docx", Failure.TIMEOUT, at=NOW - MINUTE)
    ledger.converters.put(DOWN)
    ledger.converters.put(replace(DOWN, name="office"))  # which no rule names

    figures = job_figures(config, ledger)
    without_rules = job_figures(replace(config, converts=()), ledger)

    assert figures.queues == [QueueFigures("markdown", queued=1, oldest_at=NOW)]
    assert figures.breakers == {"markdown": BreakerState.OPEN}
    assert figures.dead == {("to-markdown", Failure.TIMEOUT): 1}
    assert figures.states[JobState.DEAD] == 1
    assert (without_rules.breakers, without_rules.dead) == ({}, {})


def test_a_converter_that_has_nothing_to_do_is_told_as_zero(config: Config, ledger: Ledger) -> None:
    figures = job_figures(config, ledger)

    assert figures.queues == [QueueFigures("markdown")]
    assert figures.breakers == {"markdown": BreakerState.CLOSED}


def test_the_report_only_reads(config: Config, ledger: Ledger, tmp_path: pathlib.Path) -> None:
    ledger.record("docs", [uploaded("a")], at=NOW)

    with Ledger.open(tmp_path / "ledger.sqlite3", read_only=True) as reader:
        report = status(config, reader)

    assert report.mirrors[0].files == 1


# ls


@pytest.fixture
def stocked(ledger: Ledger) -> Ledger:
    paths = ("b", "a/2", "a/1", "a-b", "a/%_/odd")
    ledger.record("docs", [uploaded(path) for path in paths], at=NOW)
    ledger.record("other", [uploaded("a/other")], at=NOW)
    return ledger


@pytest.mark.parametrize(
    ("below", "expected"),
    [
        ("", ["a-b", "a/%_/odd", "a/1", "a/2", "b"]),
        ("a", ["a/%_/odd", "a/1", "a/2"]),
        ("a/", ["a/%_/odd", "a/1", "a/2"]),
        ("a/1", ["a/1"]),
        ("b", ["b"]),
        ("c", []),
    ],
)
def test_files_are_listed_at_or_below_a_path_odd_names_in_their_place(
    stocked: Ledger, below: str, expected: list[str]
) -> None:
    assert [report.path for report in files(stocked, "docs", below)] == expected


def test_a_file_is_listed_with_what_is_wrong_with_it(stocked: Ledger) -> None:
    stocked.problems.put("docs", "b", kind="Upload", message="refused", at=NOW, retry_at=None)

    assert files(stocked, "docs", "b") == [FileReport("b", agreed("b"), "refused", None)]
    assert [report.problem for report in files(stocked, "docs", "a/1")] == [None]


def test_a_file_that_is_held_is_marked_and_its_age_counts(stocked: Ledger) -> None:
    hold = held(stocked, "b")
    loop = IdleLoop()

    listed = {each.path: each.hold for each in files(stocked, "docs", "")}
    figures = mirror_figures({"docs": loop}, stocked)["docs"]

    assert (listed["b"], listed["a/1"]) == (hold, None)
    assert story(stocked, "docs", "b").hold == hold
    assert story(stocked, "docs", "a/1").hold is None
    assert (figures.oldest_unsynced_at, figures.oldest_dirty_at) == (NOW, None)


def test_what_a_rewind_would_do_counts_for_no_held_deletion(ledger: Ledger) -> None:
    wanted = [NewRequest("docs", path, RequestKind.REMOVE) for path in ("a", "b")]
    ledger.holds.hold_rewind("docs", "rewind", wanted, NOW)

    figures = mirror_figures({"docs": IdleLoop()}, ledger)["docs"]

    assert (figures.holds, figures.held_deletions) == (1, 0)


def test_what_is_asked_for_is_measured_until_it_is_answered(ledger: Ledger) -> None:
    wanted = [NewRequest("docs", path, RequestKind.ERASE) for path in ("a", "b")]
    first, _ = ledger.requests.add(wanted, NOW)
    before = mirror_figures({"docs": IdleLoop()}, ledger)["docs"]
    ledger.requests.finish(first, RequestState.DONE, NOW)

    after = mirror_figures({"docs": IdleLoop()}, ledger)["docs"]

    assert (before.requests, before.oldest_request_at) == ({RequestKind.ERASE: 2}, NOW)
    assert after.requests == {RequestKind.ERASE: 1}


def test_how_far_the_patrol_is_and_how_long_ago_it_was_through_is_told(ledger: Ledger) -> None:
    row = PatrolRow("docs", NOW, Phase.CURRENT, "a", 1, 4, 0, finished_at=None)
    found = []
    ledger.patrols.put(row)
    for finished_at in (None, NOW - MINUTE):
        ledger.patrols.put(replace(row, finished_at=finished_at))
        found.append(mirror_figures({"docs": IdleLoop()}, ledger)["docs"])
    off = mirror_figures({"other": IdleLoop()}, ledger)["other"]

    assert [one.patrol_coverage for one in found] == [0.25, 0.25]
    assert [one.patrolled_at for one in found] == [NOW, NOW - MINUTE]
    assert (off.patrol_coverage, off.patrolled_at) == (0.0, None)


# log


def test_the_story_of_a_path_is_told_newest_first(ledger: Ledger) -> None:
    ledger.record("docs", [uploaded("p", "older")], at=NOW)
    ledger.record("docs", [uploaded("p", "newer")], at=NOW + MINUTE)
    ledger.record("docs", [deleted("p"), uploaded("q")], at=NOW + 2 * MINUTE)

    report = story(ledger, "docs", "p")

    assert report.synced is None
    assert [row.kind for row in report.history] == ["delete_remote", "upload", "upload"]
    assert {row.sha256 for row in report.versions} == {
        agreed("p", "older").sha256,
        agreed("p", "newer").sha256,
    }
    assert report.problem is None


def test_the_story_says_what_is_agreed_and_what_is_wrong(ledger: Ledger) -> None:
    ledger.record("docs", [uploaded("p")], at=NOW)
    ledger.problems.put("docs", "p", kind="Upload", message="refused", at=NOW, retry_at=None)

    report = story(ledger, "docs", "p")

    assert report.synced == agreed("p")
    assert report.problem is not None
    assert report.problem.message == "refused"


def test_the_story_names_the_conversions_of_a_document_and_their_results(ledger: Ledger) -> None:
    dead(ledger, "broken.docx", content="broken")
    done(ledger, "broken.docx", "result.md", content="mended", at=NOW + MINUTE)

    found = story(ledger, "docs", "broken.docx").conversions

    assert {(each.state, each.last_error, each.result_path) for each in found} == {
        (JobState.DEAD, "no document at all", None),
        (JobState.DONE, None, "result.md"),
    }


def test_an_unknown_path_has_no_story(ledger: Ledger) -> None:
    ledger.record("docs", [uploaded("another")], at=NOW)

    report = story(ledger, "docs", "p")

    assert (report.synced, report.versions, report.history) == (None, (), ())
