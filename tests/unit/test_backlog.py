"""The backlog: what was there before its rule is converted, once, in small steps."""

from __future__ import annotations

import pathlib
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest

from docferry.core.failures import Failed
from docferry.core.filters import Filter
from docferry.core.rules import Rule, jobs_for
from docferry.engine.backlog import Backlog, Counted, count
from docferry.job import Failure, JobState, Priority
from docferry.ledger import Ledger
from docferry.model import DeleteRemote, Origin, Outcome
from ledger_rows import MINUTE, NOW, fresh_ledger, uploaded

RULE = Rule("text", "docs", Filter(("*.docx",)), "processed", "markdown", ".md", "r1")
DAY = timedelta(days=1)
MOST = 20


@pytest.fixture
def ledger(tmp_path: pathlib.Path) -> Iterator[Ledger]:
    with fresh_ledger(tmp_path / "ledger.sqlite3") as ledger:
        yield ledger


def files(ledger: Ledger, *names: str) -> None:
    ledger.record("docs", [uploaded(name) for name in names], at=NOW)


def run(ledger: Ledger, *rules: Rule, at: timedelta = DAY, budget: int = 500) -> int:
    """Derive all there is; give the number of steps that it took."""
    backlog, steps = Backlog(ledger, rules, lambda: NOW + at, most_queued=MOST), 1
    while backlog.step(budget):
        steps += 1
    return steps


def queued(ledger: Ledger) -> list[str]:
    return sorted(one.path for one in ledger.jobs.all(JobState.QUEUED, limit=10_000))


def test_what_was_there_before_its_rule_is_queued_behind_all_others(ledger: Ledger) -> None:
    files(ledger, "a.docx", "b/c.docx", "d.pdf")

    run(ledger, RULE)

    assert queued(ledger) == ["a.docx", "b/c.docx"]
    found = ledger.jobs.all()
    assert {one.priority for one in found} == {Priority.BACKLOG}
    assert {(one.created_at, one.run_at) for one in found} == {(NOW + DAY, NOW + DAY)}


def test_only_what_is_there_now_is_converted(ledger: Ledger) -> None:
    files(ledger, "a.docx", "gone.docx")
    ledger.record("docs", [uploaded("a.docx", "second")], at=NOW)
    ledger.record("docs", [Outcome(DeleteRemote("gone.docx", "e"), synced=None)], at=NOW)

    run(ledger, RULE)

    [one] = ledger.jobs.all()
    second = uploaded("a.docx", "second").version
    assert second is not None
    assert (one.path, one.version) == ("a.docx", second.id)


def test_what_has_a_job_gets_no_other_whatever_became_of_it(ledger: Ledger) -> None:
    files(ledger, "done.docx", "dead.docx")
    run(ledger, RULE)
    for name in ("done", "dead"):
        one = ledger.jobs.claim(NOW + DAY, NOW + DAY, rules=["text"])
        assert one is not None
        ledger.jobs.finish(one.id, NOW, f"{name}.md")

    run(ledger, RULE, at=3 * DAY)

    assert ledger.jobs.counts()[JobState.DONE] == len(ledger.jobs.all()) == 2


def test_what_was_given_up_on_is_no_letter_any_more_once_its_rule_has_changed(
    ledger: Ledger,
) -> None:
    files(ledger, "a.docx")
    run(ledger, RULE)
    letter = ledger.jobs.claim(NOW + DAY, NOW + DAY, rules=["text"])
    assert letter is not None
    ledger.jobs.dead(letter.id, NOW + DAY, Failed(Failure.REFUSED, "torn"))

    run(ledger, RULE, at=3 * DAY)
    unchanged = [one.id for one in ledger.jobs.letters()]
    run(ledger, replace(RULE, recipe="r2"), at=3 * DAY)

    assert unchanged == [letter.id]
    assert ledger.jobs.letters() == []
    assert {one.recipe: one.state for one in ledger.jobs.all()} == {
        "r1": JobState.DISCARDED,
        "r2": JobState.QUEUED,
    }


@pytest.mark.parametrize("before", ["{ulid}.{ext}", "{dir}{stem}.{ext}"])
def test_a_letter_whose_result_has_another_place_by_now_is_put_aside(
    ledger: Ledger, before: str
) -> None:
    files(ledger, "a.docx")
    run(ledger, replace(RULE, template=before))
    letter = ledger.jobs.claim(NOW + DAY, NOW + DAY, rules=["text"])
    assert letter is not None
    ledger.jobs.dead(letter.id, NOW + DAY, Failed(Failure.REFUSED, "torn"))

    run(ledger, replace(RULE, template=before), at=3 * DAY)
    unchanged = [one.id for one in ledger.jobs.letters()]
    run(ledger, replace(RULE, template="{path}.{ext}"), at=3 * DAY)

    assert unchanged == [letter.id]
    assert ledger.jobs.letters() == []
    assert [one.place for one in ledger.jobs.all(JobState.QUEUED)] == ["processed/a.docx.md"]


def test_what_was_given_up_on_goes_over_to_its_rule_when_that_is_renamed(ledger: Ledger) -> None:
    files(ledger, "a.docx", "b.docx")
    run(ledger, RULE)
    for _ in "ab":
        letter = ledger.jobs.claim(NOW + DAY, NOW + DAY, rules=["text"])
        assert letter is not None
        ledger.jobs.dead(letter.id, NOW + DAY, Failed(Failure.REFUSED, "torn"))

    run(ledger, replace(RULE, name="words", patterns=Filter(("a.docx",))), at=2 * DAY)

    states = {one.path: (one.rule, one.state) for one in ledger.jobs.all()}
    assert states["a.docx"] == ("words", JobState.QUEUED)
    [taken] = ledger.jobs.all(JobState.QUEUED)
    assert (taken.priority, taken.is_forced, taken.attempts) == (Priority.BACKLOG, False, 0)
    assert states["b.docx"] == ("text", JobState.DEAD)  # which no rule takes


def test_a_rule_does_not_take_over_from_one_that_is_there(ledger: Ledger) -> None:
    files(ledger, "a.docx")
    run(ledger, RULE)
    letter = ledger.jobs.claim(NOW + DAY, NOW + DAY, rules=["text"])
    assert letter is not None
    ledger.jobs.dead(letter.id, NOW + DAY, Failed(Failure.REFUSED, "torn"))

    other = replace(RULE, name="other", smallest=1)
    run(ledger, RULE, other, at=2 * DAY)
    Backlog(ledger, [replace(other, smallest=2)], lambda: NOW + 2 * DAY, paused=["text"]).step()

    [row] = ledger.jobs.all()
    assert (row.rule, row.state) == ("text", JobState.DEAD)


def test_what_conversions_made_is_no_backlog(ledger: Ledger) -> None:
    outcome = uploaded("a.docx")
    assert outcome.version is not None
    made = replace(outcome, version=replace(outcome.version, origin=Origin.CONVERSION))
    ledger.record("docs", [made], at=NOW)

    run(ledger, RULE)

    assert ledger.jobs.all() == []
    assert count(ledger, RULE) == Counted(0, 0)


def test_an_unchanged_configuration_costs_nothing_at_the_next_start(ledger: Ledger) -> None:
    files(ledger, *(f"{number}.docx" for number in range(10)))

    steps = [run(ledger, RULE, budget=2), run(ledger, RULE, budget=2)]

    assert steps == [7, 1]


def test_each_day_all_is_gone_through_again_for_rows_that_were_lost(ledger: Ledger) -> None:
    run(ledger, RULE)
    files(ledger, "lost.docx")
    run(ledger, RULE, at=2 * DAY - MINUTE)
    before = queued(ledger)

    run(ledger, RULE, at=2 * DAY)

    assert before == []
    assert queued(ledger) == ["lost.docx"]


def test_a_daemon_that_runs_for_days_goes_through_all_again_too(ledger: Ledger) -> None:
    clock = [NOW]
    backlog = Backlog(ledger, [RULE], lambda: clock[0])
    while backlog.step():
        pass
    files(ledger, "lost.docx")
    assert not backlog.step()

    clock[0] = NOW + DAY
    while backlog.step():
        pass

    assert queued(ledger) == ["lost.docx"]


@pytest.mark.parametrize(
    "changed",
    [
        replace(RULE, patterns=Filter(("*.pdf",))),
        replace(RULE, smallest=1, patterns=Filter()),
        replace(RULE, recipe="r2"),
        replace(RULE, template="{path}.{ext}"),
    ],
)
def test_a_rule_that_changed_goes_through_all_again_at_once(ledger: Ledger, changed: Rule) -> None:
    files(ledger, "a.docx", "b.pdf")
    run(ledger, RULE)
    before = len(ledger.jobs.all())

    run(ledger, changed)

    assert len(ledger.jobs.all()) > before


def test_so_many_are_queued_at_a_time_and_the_others_follow(ledger: Ledger) -> None:
    more = MOST + 7
    files(ledger, *(f"{number:05}.docx" for number in range(more)))
    backlog = Backlog(ledger, [RULE], lambda: NOW + DAY, most_queued=MOST)

    def go() -> int:
        while backlog.step(8):
            pass
        return len(queued(ledger))

    first = go()
    for number in range(5):
        one = ledger.jobs.claim(NOW + DAY, NOW + DAY, rules=["text"])
        assert one is not None
        ledger.jobs.finish(one.id, NOW, f"{number}.md")
    second = go()
    for one in ledger.jobs.all(JobState.QUEUED, limit=10_000):
        ledger.jobs.finish(one.id, NOW, f"{one.path}.md")
    go()

    assert (first, second) == (MOST, MOST)
    assert len(ledger.jobs.all(limit=10_000)) == more


def test_a_full_rule_does_not_stand_in_the_way_of_another(ledger: Ledger) -> None:
    files(ledger, *(f"{number:05}.docx" for number in range(MOST + 1)))
    files(ledger, "last.txt")
    other = replace(RULE, name="other", patterns=Filter(("*.txt",)), recipe="r2")

    run(ledger, RULE, other)

    assert [one.path for one in ledger.jobs.all(rule="other")] == ["last.txt"]


def test_arrivals_take_no_room_of_the_backlog(ledger: Ledger) -> None:
    arrived = [uploaded(f"{number:05}.docx") for number in range(MOST)]
    jobs = [one for found in arrived if found.version for one in jobs_for(found.version, [RULE])]
    ledger.record("docs", arrived, jobs, at=NOW)
    files(ledger, "before.docx")

    run(ledger, RULE)

    assert "before.docx" in queued(ledger)


def test_what_was_skipped_for_its_kind_stays_so_until_its_rule_changes(ledger: Ledger) -> None:
    files(ledger, "a.docx")
    run(ledger, RULE)
    one = ledger.jobs.claim(NOW + DAY, NOW + DAY, rules=["text"])
    assert one is not None
    ledger.jobs.skip(one.id, NOW, Failure.WRONG_TYPE, "it is a picture")
    run(ledger, RULE, at=3 * DAY)
    daily = queued(ledger)

    run(ledger, replace(RULE, types=("image/*",)), at=3 * DAY)

    assert daily == []
    assert queued(ledger) == ["a.docx"]


def test_what_was_skipped_as_it_was_gone_is_queued_when_it_is_there(ledger: Ledger) -> None:
    files(ledger, "a.docx")
    run(ledger, RULE)
    one = ledger.jobs.claim(NOW + DAY, NOW + DAY, rules=["text"])
    assert one is not None
    ledger.jobs.skip(one.id, NOW, Failure.CHANGED, "its folder was away")

    run(ledger, RULE, at=3 * DAY)

    assert queued(ledger) == ["a.docx"]


# What the configuration does not call for any more.


def test_what_waits_for_a_rule_that_was_removed_is_skipped(ledger: Ledger) -> None:
    files(ledger, *(f"{number}.docx" for number in range(5)))
    run(ledger, RULE)

    run(ledger, budget=2)

    found = ledger.jobs.all()
    assert {one.state for one in found} == {JobState.SKIPPED}
    assert {one.last_error for one in found} == {
        "its rule 'text' is not in the configuration any more"
    }


def test_a_rule_that_comes_back_has_its_jobs_done(ledger: Ledger) -> None:
    files(ledger, "a.docx")
    run(ledger, RULE)
    run(ledger)

    run(ledger, RULE, at=2 * DAY)

    assert queued(ledger) == ["a.docx"]


@pytest.mark.parametrize(
    "meanwhile",
    [pytest.param([], id="removed"), pytest.param([replace(RULE, recipe="r2")], id="changed")],
)
def test_a_rule_that_comes_back_soon_finds_what_came_meanwhile(
    ledger: Ledger, meanwhile: list[Rule]
) -> None:
    files(ledger, "before.docx")
    run(ledger, RULE)
    Backlog(ledger, meanwhile, lambda: NOW + DAY)  # and no round of it came to its end
    files(ledger, "meanwhile.docx")

    run(ledger, RULE)

    assert queued(ledger) == ["before.docx", "meanwhile.docx"]


def test_what_was_skipped_with_its_rule_is_queued_at_once_when_the_rule_is_back(
    ledger: Ledger,
) -> None:
    files(ledger, "a.docx")
    run(ledger, RULE)
    run(ledger)

    run(ledger, RULE)

    assert queued(ledger) == ["a.docx"]


def test_what_came_while_a_rule_was_paused_is_found_at_the_next_start(ledger: Ledger) -> None:
    run(ledger, RULE)
    Backlog(ledger, [], lambda: NOW + DAY, paused=["text"])
    files(ledger, "a.docx")

    run(ledger, RULE)

    assert queued(ledger) == ["a.docx"]


def test_what_waits_to_be_converted_the_old_way_is_skipped(ledger: Ledger) -> None:
    files(ledger, "a.docx", "b.docx", "c.docx")
    run(ledger, RULE)

    run(ledger, replace(RULE, recipe="r2"), budget=2)

    found = {(one.recipe, one.state) for one in ledger.jobs.all()}
    assert found == {("r1", JobState.SKIPPED), ("r2", JobState.QUEUED)}


# Counted.


def test_a_rule_can_be_counted_without_queueing_anything(ledger: Ledger) -> None:
    files(ledger, *(f"{number}.docx" for number in range(4)), "a.pdf")
    run(ledger, replace(RULE, patterns=Filter(("0.docx",))))

    assert count(ledger, RULE) == Counted(files=4, missing=3)
    assert queued(ledger) == ["0.docx"]
