"""Jobs: claimed, tried, done, failed, lost and expired."""

from __future__ import annotations

import pathlib
from collections.abc import Iterator, Sequence
from dataclasses import replace

import pytest

from docferry.job import Failure, JobStage, JobState, NewJob, Priority
from docferry.ledger import Ledger
from ledger_rows import MINUTE, NOW, fresh_ledger, new_job, sha_of, ulid_of
from unit.queued_jobs import BROKEN, BUSY, RULES, claim, job, queue


@pytest.fixture
def ledger(tmp_path: pathlib.Path) -> Iterator[Ledger]:
    with fresh_ledger(tmp_path / "ledger.sqlite3") as ledger:
        yield ledger


# Queued.


def test_a_job_is_queued_once_for_a_content_a_recipe_and_a_place(ledger: Ledger) -> None:
    elsewhere = replace(new_job("a"), place="processed/a.md")
    queue(ledger, "a", "a", new_job("a", "r2"), elsewhere)
    queue(ledger, "a", "b", elsewhere)

    jobs = ledger.jobs.all()

    assert sorted((one.path, one.recipe, one.place) for one in jobs) == [
        ("a.docx", "r1", "processed/a.md"),
        ("a.docx", "r1", "processed/{ulid}.md"),
        ("a.docx", "r2", "processed/{ulid}.md"),
        ("b.docx", "r1", "processed/{ulid}.md"),
    ]
    assert {one.state for one in jobs} == {JobState.QUEUED}
    assert len(ledger.jobs.all(limit=2)) == 2
    assert ledger.jobs.all(JobState.DONE) == ledger.jobs.all(rule="other") == []
    assert len(ledger.jobs.all(JobState.QUEUED, rule="to-markdown")) == 4


@pytest.mark.parametrize(
    ("failure", "is_queued"),
    [(Failure.CHANGED, True), (Failure.CONFIGURATION, True), (Failure.WRONG_TYPE, False)],
)
def test_what_was_skipped_for_now_is_queued_again_when_it_is_called_for(
    ledger: Ledger, failure: Failure, *, is_queued: bool
) -> None:
    queue(ledger, "a")
    skipped = claim(ledger)
    ledger.jobs.skip(skipped.id, NOW, failure, "it is not there any more")

    came_back = replace(new_job("a"), path="again.docx", version=ulid_of("again"))
    queue(ledger, came_back)

    [found] = ledger.jobs.all()
    assert found.id == skipped.id
    assert (found.state is JobState.QUEUED) == is_queued
    assert (found.version == came_back.version, found.path == "again.docx") == (
        is_queued,
        is_queued,
    )
    assert (found.attempts == 0) == is_queued


def test_what_is_done_or_dead_is_not_queued_by_coming_again(ledger: Ledger) -> None:
    queue(ledger, "done", "dead")
    ledger.jobs.finish(claim(ledger).id, NOW, "x.md", sha_of("x"))
    ledger.jobs.dead(claim(ledger).id, NOW, BROKEN)

    queue(ledger, "done", "dead")

    assert ledger.jobs.all(JobState.QUEUED) == []


# Claimed.


def test_the_job_that_is_due_longest_is_claimed_once(ledger: Ledger) -> None:
    queue(ledger, "a", "b")
    early = claim(ledger)
    ledger.jobs.again(early.id, NOW + 2 * MINUTE, BROKEN, counts=True)

    claimed = [
        ledger.jobs.claim(NOW + n * MINUTE, NOW + 9 * MINUTE, rules=RULES) for n in (0, 1, 2, 2)
    ]

    assert [one and one.id == early.id for one in claimed] == [False, None, True, None]
    again = claimed[2]
    assert again is not None
    assert (again.attempts, again.last_error, again.output) == (2, BROKEN.reason, BROKEN.output)
    assert (again.state, again.stage) == (JobState.RUNNING, JobStage.DOWNLOADING)
    assert (again.claimed_at, again.lease_until) == (NOW + 2 * MINUTE, NOW + 9 * MINUTE)


def test_nothing_is_claimed_before_its_time(ledger: Ledger) -> None:
    queue(ledger, "a")

    assert ledger.jobs.claim(NOW - MINUTE, NOW, rules=RULES) is None


def test_only_jobs_of_the_rules_that_are_named_are_claimed(ledger: Ledger) -> None:
    queue(ledger, replace(new_job("a"), rule="paused"), "b")

    assert claim(ledger, 0, "paused", "unknown").path == "a.docx"
    assert ledger.jobs.claim(NOW, NOW, rules=[]) is None
    assert ledger.jobs.claim(NOW, NOW, rules=["unknown"]) is None


def test_however_many_of_a_paused_rule_are_in_front_the_others_are_claimed(
    ledger: Ledger,
) -> None:
    before = NOW - MINUTE
    paused = [replace(new_job(f"{n}"), rule="paused", created_at=before) for n in range(40)]
    queue(ledger, *paused, "b")

    assert claim(ledger).path == "b.docx"


def test_the_highest_priority_goes_first_across_rules(ledger: Ledger) -> None:
    queue(
        ledger,
        replace(new_job("backlog"), priority=Priority.BACKLOG, created_at=NOW - 9 * MINUTE),
        replace(new_job("late"), rule="other"),
        replace(new_job("early"), created_at=NOW - MINUTE),
        replace(new_job("asked"), rule="other", priority=Priority.ASKED),
    )

    order = [claim(ledger, 0, "to-markdown", "other").path for _ in range(4)]

    assert order == ["asked.docx", "early.docx", "late.docx", "backlog.docx"]


def test_several_are_claimed_at_once_in_the_order_in_which_each_would_be(ledger: Ledger) -> None:
    queue(ledger, "late", replace(new_job("early"), created_at=NOW - MINUTE))
    queue(ledger, replace(new_job("asked"), rule="other", priority=Priority.ASKED), "third")
    told: list[list[str]] = []

    def next_of(claimed: Sequence[str]) -> Sequence[str]:
        told.append([*claimed])
        return ("to-markdown", "other") if len(claimed) < 2 else ()

    found = ledger.jobs.claim_some(NOW, NOW + MINUTE, next_of)

    assert [one.path for one in found] == ["asked.docx", "early.docx"]
    assert told[-3:] == [[], ["other"], ["other", "to-markdown"]]
    assert {one.state for one in found} == {JobState.RUNNING}
    assert {one.attempts for one in found} == {1}
    assert ledger.jobs.counts()[JobState.QUEUED] == 2


def test_of_those_that_are_claimed_at_once_no_two_are_of_one_content(ledger: Ledger) -> None:
    twins = [replace(new_job("a"), place=f"processed/{name}.md") for name in "xyz"]
    queue(ledger, *twins, replace(new_job("b"), created_at=NOW))

    found = ledger.jobs.claim_some(NOW, NOW + MINUTE, lambda claimed: RULES)

    assert [one.path for one in found] == ["a.docx", "b.docx"]


def test_a_content_is_not_converted_twice_at_the_same_time(ledger: Ledger) -> None:
    """It will share the result of the one that runs."""
    twins = [replace(new_job("a"), place=f"processed/{name}.md") for name in "xy"]
    queue(ledger, *twins, replace(new_job("a", "r2")), replace(new_job("b"), created_at=NOW))

    claimed = [claim(ledger) for _ in range(3)]
    blocked = ledger.jobs.claim(NOW, NOW, rules=RULES)
    first = next(one for one in claimed if one.recipe == "r1" and one.path == "a.docx")
    ledger.jobs.finish(first.id, NOW, "x.md", sha_of("result"))
    freed = claim(ledger)

    assert sorted((one.path, one.recipe) for one in claimed) == [
        ("a.docx", "r1"),
        ("a.docx", "r2"),
        ("b.docx", "r1"),
    ]
    assert blocked is None
    assert (freed.path, freed.recipe, freed.id == first.id) == ("a.docx", "r1", False)


def test_many_share_a_result_at_the_same_time(ledger: Ledger) -> None:
    queue(ledger, *(replace(new_job("a"), place=f"processed/{name}.md") for name in "vwxyz"))
    first = claim(ledger)
    ledger.jobs.finish(first.id, NOW, "v.md", sha_of("result"))
    second = claim(ledger)

    found = ledger.jobs.claim_some(NOW, NOW + MINUTE, lambda claimed: RULES)

    assert len({first.id, second.id, *(one.id for one in found)}) == 5


def test_who_is_still_busy_with_a_job_is_not_given_it_again(ledger: Ledger) -> None:
    queue(ledger, "a", "b")
    one = claim(ledger)
    ledger.jobs.release(one.id, NOW)

    found = ledger.jobs.claim_some(NOW, NOW + MINUTE, lambda claimed: RULES, but_not=[one.id])

    assert [other.path for other in found] == ["b.docx"]


# On the way.


def test_a_running_job_tells_how_far_it_has_come(ledger: Ledger) -> None:
    queue(ledger, "a")
    one = claim(ledger)

    for minute, stage in enumerate((JobStage.CONVERTING, JobStage.STORING), 1):
        at = NOW + minute * MINUTE
        assert ledger.jobs.advance(one.id, stage, at, at + MINUTE)

    found = job(ledger, one)
    assert (found.stage, found.lease_until) == (JobStage.STORING, NOW + 3 * MINUTE)
    assert (found.converting_at, found.storing_at) == (NOW + MINUTE, NOW + 2 * MINUTE)


def test_an_attempt_begins_without_the_times_of_the_one_before(ledger: Ledger) -> None:
    queue(ledger, "a")
    one = claim(ledger)
    ledger.jobs.advance(one.id, JobStage.CONVERTING, NOW, NOW + MINUTE)
    ledger.jobs.again(one.id, NOW, BROKEN, counts=True, at=NOW)

    again = claim(ledger, 1)

    assert (again.converting_at, again.storing_at) == (None, None)
    assert (again.finished_at, again.failure) == (NOW, Failure.REFUSED)


def test_leases_are_prolonged_of_those_that_run(ledger: Ledger) -> None:
    queue(ledger, "a", "b")
    running, over = claim(ledger), claim(ledger)
    ledger.jobs.finish(over.id, NOW, None)

    assert ledger.jobs.renew([running.id, over.id], NOW + 5 * MINUTE) == 1

    assert ledger.jobs.requeue_expired(NOW + 4 * MINUTE) == 0
    assert job(ledger, over).lease_until is None


# Ended.


def test_a_job_ends_in_one_of_the_ways_there_are_and_is_counted(ledger: Ledger) -> None:
    queue(ledger, *"abcdef")
    good, bad, odd, aside, running = (claim(ledger) for _ in range(5))

    ledger.jobs.finish(good.id, NOW + MINUTE, "out/a.md", sha_of("a"), note="2 pages are empty")
    ledger.jobs.dead(bad.id, NOW + MINUTE, BROKEN)
    ledger.jobs.skip(odd.id, NOW + MINUTE, Failure.WRONG_TYPE, "it is a picture")
    ledger.jobs.dead(aside.id, NOW + MINUTE, BROKEN)
    ledger.jobs.discard([aside.id], NOW + MINUTE)

    assert ledger.jobs.counts() == dict.fromkeys(JobState, 1)
    done, dead, skipped = (job(ledger, one) for one in (good, bad, odd))
    assert (done.result_path, done.result_sha256, done.note) == (
        "out/a.md",
        sha_of("a"),
        "2 pages are empty",
    )
    assert (done.finished_at, done.lease_until, done.stage) == (NOW + MINUTE, None, None)
    assert (dead.failure, dead.last_error, dead.output) == (
        Failure.REFUSED,
        "not a document",
        "line 1: what is this?",
    )
    assert dead.finished_at == NOW + MINUTE
    assert (skipped.failure, skipped.last_error) == (Failure.WRONG_TYPE, "it is a picture")
    assert running.state is JobState.RUNNING


@pytest.mark.parametrize(("counts", "attempts"), [(True, 1), (False, 0)])
def test_an_attempt_that_does_not_count_is_taken_back(
    ledger: Ledger, attempts: int, *, counts: bool
) -> None:
    queue(ledger, "a")
    one = claim(ledger)

    ledger.jobs.again(one.id, NOW + MINUTE, BUSY, counts=counts, at=NOW)

    found = job(ledger, one)
    assert (found.state, found.attempts, found.run_at) == (
        JobState.QUEUED,
        attempts,
        NOW + MINUTE,
    )
    assert (found.failure, found.last_error, found.finished_at) == (Failure.OUTAGE, "busy", NOW)


def test_what_its_converter_may_have_failed_over_goes_behind_all_others(ledger: Ledger) -> None:
    """Several of that kind would try it out in turn, and keep it down for all."""
    queue(ledger, replace(new_job("asked"), priority=Priority.ASKED), "a", "b")
    asked = claim(ledger)
    ledger.jobs.again(asked.id, NOW, replace(BUSY, is_in_doubt=True), counts=False)
    waited = claim(ledger)
    ledger.jobs.again(waited.id, NOW, BUSY, counts=False)

    order = [claim(ledger).path for _ in range(3)]

    assert asked.path == "asked.docx"
    assert sorted(order[:2]) == ["a.docx", "b.docx"]
    assert order[2] == "asked.docx"


def test_when_its_converter_failed_over_it_is_known_until_it_is_done_or_begins_anew(
    ledger: Ledger,
) -> None:
    in_doubt = replace(BUSY, is_in_doubt=True)
    queue(ledger, "a")
    one = claim(ledger)
    found = []
    for minute, (failed, counts) in enumerate(
        [(BUSY, False), (in_doubt, False), (BUSY, False), (in_doubt, True)], 1
    ):
        at = NOW + minute * MINUTE
        ledger.jobs.again(one.id, at, failed, counts=counts, at=at)
        found.append(claim(ledger, minute).doubted_at)
    ledger.jobs.dead(one.id, NOW, in_doubt)
    ledger.jobs.replay([one.id], NOW)

    in_time = NOW + 2 * MINUTE
    assert found == [None, in_time, in_time, in_time]  # the last: it was to blame already
    assert job(ledger, one).doubted_at is None


def test_a_job_that_is_given_back_is_as_it_was(ledger: Ledger) -> None:
    queue(ledger, "a")
    one = claim(ledger)

    assert ledger.jobs.release(one.id, NOW + MINUTE)

    found = job(ledger, one)
    assert (found.state, found.stage, found.attempts) == (JobState.QUEUED, None, 0)
    assert (found.failure, found.last_error, found.run_at) == (None, None, NOW + MINUTE)


def test_a_job_may_have_the_result_of_another_one(ledger: Ledger) -> None:
    queue(ledger, "a", replace(new_job("a"), place="processed/b.md"))
    first = claim(ledger)
    ledger.jobs.finish(first.id, NOW, "a.md", sha_of("result"))
    second = claim(ledger)

    twin = ledger.jobs.twins([second])[second.id]
    ledger.jobs.finish(second.id, NOW, "b.md", twin.result_sha256, shared_with=twin.id)

    assert twin.id == first.id
    assert job(ledger, second).shared_with == first.id


# Lost.


@pytest.mark.parametrize(
    ("stage", "attempts"),
    [(JobStage.DOWNLOADING, 0), (JobStage.CONVERTING, 1), (JobStage.STORING, 0)],
)
def test_a_job_whose_lease_ran_out_is_queued_again(
    ledger: Ledger, stage: JobStage, attempts: int
) -> None:
    """The attempt counts if the document may have been the reason."""
    queue(ledger, "a", "b")
    lost = claim(ledger)
    alive = claim(ledger)
    ledger.jobs.advance(lost.id, stage, NOW, NOW + MINUTE)
    ledger.jobs.renew([alive.id], NOW + 3 * MINUTE)

    assert ledger.jobs.requeue_expired(NOW + MINUTE) == 1

    [queued] = ledger.jobs.all(JobState.QUEUED)
    assert (queued.id, queued.attempts, queued.run_at) == (lost.id, attempts, NOW + MINUTE)
    assert (queued.last_error, queued.stage) == ("the worker did not come back in time", None)


def test_what_failed_before_it_was_lost_is_still_told_and_the_loss_once(ledger: Ledger) -> None:
    queue(ledger, "a")
    ledger.jobs.again(claim(ledger).id, NOW, BROKEN, counts=True, at=NOW)
    claim(ledger)
    ledger.jobs.requeue_expired(NOW + MINUTE)
    claim(ledger, 1)
    ledger.jobs.requeue_running(NOW + MINUTE)

    [found] = ledger.jobs.all()

    assert found.last_error == "the daemon was ended while it ran; before: not a document"
    assert found.output == BROKEN.output


def test_one_that_was_lost_again_and_again_says_so_once(ledger: Ledger) -> None:
    queue(ledger, "a")
    for _ in range(3):
        claim(ledger)
        ledger.jobs.requeue_running(NOW)

    [found] = ledger.jobs.all()

    assert found.last_error == "the daemon was ended while it ran"


def test_what_a_daemon_left_running_is_queued_at_the_next_start(ledger: Ledger) -> None:
    queue(ledger, "a", "b")
    left = claim(ledger)

    rows = ledger.jobs.requeue_running(NOW + MINUTE)

    assert [(one.id, one.stage) for one in rows] == [(left.id, JobStage.DOWNLOADING)]
    assert ledger.jobs.counts()[JobState.QUEUED] == 2
    assert job(ledger, left).run_at == NOW + MINUTE


def test_a_late_worker_can_finish_a_job_but_not_fail_it(ledger: Ledger) -> None:
    queue(ledger, "a")
    one = claim(ledger)
    ledger.jobs.requeue_expired(NOW + MINUTE)

    changes = [
        ledger.jobs.dead(one.id, NOW, BROKEN),
        ledger.jobs.again(one.id, NOW + 5 * MINUTE, BROKEN, counts=True),
        ledger.jobs.skip(one.id, NOW, Failure.CHANGED, "gone"),
        ledger.jobs.release(one.id, NOW),
        ledger.jobs.advance(one.id, JobStage.STORING, NOW, NOW + 9 * MINUTE),
    ]
    queued = job(ledger, one)
    is_finished = ledger.jobs.finish(one.id, NOW, "a.md", sha_of("a"))

    assert changes == [False] * 5
    assert (queued.state, queued.run_at) == (JobState.QUEUED, NOW + MINUTE)
    assert is_finished
    assert job(ledger, one).state is JobState.DONE


def test_a_late_worker_does_not_speak_for_the_one_that_came_after_it(ledger: Ledger) -> None:
    queue(ledger, "a")
    late = claim(ledger)
    ledger.jobs.requeue_expired(NOW + MINUTE)
    now = claim(ledger, 1)
    assert now.id == late.id

    changes = [
        ledger.jobs.dead(late.id, NOW, BROKEN, claimed_at=late.claimed_at),
        ledger.jobs.again(late.id, NOW, BROKEN, counts=True, claimed_at=late.claimed_at),
        ledger.jobs.skip(late.id, NOW, Failure.CHANGED, "gone", claimed_at=late.claimed_at),
        ledger.jobs.release(late.id, NOW, claimed_at=late.claimed_at),
        ledger.jobs.advance(late.id, JobStage.STORING, NOW, NOW, claimed_at=late.claimed_at),
    ]

    assert changes == [False] * 5
    assert job(ledger, late) == now
    assert ledger.jobs.dead(now.id, NOW, BROKEN, claimed_at=now.claimed_at)


def test_a_result_counts_whoever_else_has_the_job_by_then(ledger: Ledger) -> None:
    queue(ledger, "a")
    late = claim(ledger)
    ledger.jobs.requeue_expired(NOW + MINUTE)
    claim(ledger, 1)

    ledger.jobs.finish(late.id, NOW, "a.md", sha_of("a"))

    assert not ledger.jobs.dead(late.id, NOW, BROKEN)
    assert job(ledger, late).state is JobState.DONE


def test_what_was_erased_meanwhile_is_not_written_down_again(ledger: Ledger) -> None:
    assert not ledger.jobs.finish(ulid_of("erased"), NOW, "people/jane.md", sha_of("a"))

    assert ledger.jobs.results_at("processed", "people/jane.md") == set()


def test_who_has_waited_longer_than_the_rule_allows_is_given_up(ledger: Ledger) -> None:
    def until(content: str, minutes: int) -> NewJob:
        return replace(new_job(content), expires_at=NOW + minutes * MINUTE)

    queue(ledger, until("over", 1), until("tried", 1), until("ready", 2), until("runs", 1), "ever")
    jobs = {one.path: one for one in (claim(ledger) for _ in range(5))}
    ledger.jobs.again(jobs["tried.docx"].id, NOW, BUSY, counts=False)
    for name in ("over", "ready", "ever"):
        ledger.jobs.release(jobs[f"{name}.docx"].id, NOW)

    expired = ledger.jobs.expire(NOW + MINUTE)

    assert {one.path for one in expired} == {"over.docx", "tried.docx"}
    assert {one.state for one in expired} == {JobState.DEAD}
    assert {one.failure for one in expired} == {Failure.EXPIRED}
    [tried] = [one for one in expired if one.path == "tried.docx"]
    assert tried.last_error == "it waited longer than its rule allows; before: busy"
    assert ledger.jobs.expire(NOW + MINUTE) == []
