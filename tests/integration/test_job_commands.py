"""Conversions and dead letters, as commands show them and decide about them."""

from __future__ import annotations

import pathlib
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from commands import Desk
from conversion_rows import RULE, dead, done, job_of, queued, running
from docferry.app.chains import rules_of
from docferry.app.wake import WakeUps
from docferry.config import load
from docferry.core.failures import Failed
from docferry.job import BreakerState, ConverterRow, Failure, JobState, Priority
from docferry.ledger import Ledger
from docferry.model import Ulid
from ledger_rows import MINUTE, NOW, deleted, ulid_of, uploaded

HOSTILE = "a\x1b[31m\nb.docx"


@pytest.fixture
def desk(
    tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Desk:
    desk = Desk(tmp_path, capsys, monkeypatch)
    desk.configure("docs", "processed", more=RULE)
    return desk


@pytest.fixture
def ledger(desk: Desk) -> Iterator[Ledger]:
    with desk.ledger() as ledger:
        yield ledger


def state_of(ledger: Ledger, job: Ulid) -> JobState:
    row = ledger.jobs.get(job)
    assert row is not None
    return row.state


def recipe_of(desk: Desk) -> str:
    """Give the recipe of the one rule, as it is now."""
    [rule] = rules_of(load(desk.config, {}))
    return rule.recipe


# jobs


def test_jobs_tell_what_runs_waits_and_is_done_with_results_and_reasons(
    desk: Desk, ledger: Ledger
) -> None:
    late = datetime.now(UTC) - timedelta(minutes=5)
    done(ledger, "done.docx", "done.md")
    dead(ledger, "dead.docx")
    busy = running(ledger, "busy.docx", at=late)
    queued(ledger, "next.docx", at=late)

    said = desk.asks("jobs")
    facts = desk.asks("jobs", "--json").json

    assert said.code == 0
    assert said.text.splitlines()[0] == (
        "markdown: 1 queued (the oldest 5 min ago), 1 running, 1 dead"
    )
    assert said.text.splitlines()[1].startswith(f"{busy.id}  converting, 5 min ago  docs: busy")
    assert "to-markdown: waits for markdown" in said.text
    assert "to-markdown: processed: done.md, waited 1.0 s, took 4.0 s" in said.text
    assert "to-markdown: no document at all" in said.text
    assert [job["state"] for job in facts["jobs"]] == ["running", "queued", "dead", "done"]
    assert facts["converters"][0]["queued"] == 1


def test_a_job_that_waits_for_an_outage_says_so_and_when_it_is_tried_again(
    desk: Desk, ledger: Ledger
) -> None:
    job = running(ledger, "a.docx")
    again_at = datetime.now(UTC) + timedelta(minutes=1)
    outage = Failed(Failure.OUTAGE, "connection refused")
    ledger.jobs.again(job.id, again_at, outage, counts=False)
    row = ConverterRow("markdown", BreakerState.OPEN, outage.reason, NOW, again_at)
    ledger.converters.put(row)

    said = desk.asks("jobs")

    assert "down since" in said.text.splitlines()[1]
    assert "waits for markdown; before: connection refused; tried again" in said.text
    assert "it may be the fault of" not in said.text  # which the document was not there for


@pytest.mark.parametrize("others", [0, 1])
def test_the_one_document_that_a_converter_fails_over_is_named(
    desk: Desk, ledger: Ledger, others: int
) -> None:
    desk.configure("docs", "processed", more=RULE)
    job = running(ledger, "a.docx")
    for number in range(others):
        queued(ledger, f"{number}.docx")
    again_at = datetime.now(UTC) + timedelta(minutes=1)
    hung_up = Failed(Failure.OUTAGE, "it hung up", is_in_doubt=True)
    ledger.jobs.again(job.id, again_at, hung_up, counts=False)
    ledger.converters.put(
        ConverterRow("markdown", BreakerState.OPEN, hung_up.reason, NOW, again_at)
    )

    listed, status = desk.asks("jobs").text, desk.asks("status").text

    said = "it may be the fault of docs: a.docx, which alone waits for it"
    assert [said in listed, said in status] == [not others, not others]


def test_a_document_that_waits_for_no_fault_of_its_own_is_named_with_what_it_waits_for(
    desk: Desk, ledger: Ledger
) -> None:
    desk.configure("docs", "processed", more=RULE)
    job = running(ledger, "a.docx")
    full = Failed(Failure.OTHER, "cannot write /var/x: No space left on device")
    ledger.jobs.again(job.id, datetime.now(UTC) + MINUTE, full, counts=False)

    said = desk.asks("status").text

    assert "docs: a.docx waits: cannot write /var/x: No space left on device; tried" in said


def test_it_is_named_however_many_have_come_since(desk: Desk, ledger: Ledger) -> None:
    job = running(ledger, "a.docx")
    hung_up = Failed(Failure.OUTAGE, "it hung up", is_in_doubt=True)
    ledger.jobs.again(job.id, NOW, hung_up, counts=False)
    ledger.record("docs", [], [job_of(f"{number}.docx") for number in range(300)], at=NOW)

    said = desk.asks("status").text

    assert "docs: a.docx waits: it hung up" in said


def test_what_was_tried_in_an_outage_and_is_in_no_doubt_is_backlog(
    desk: Desk, ledger: Ledger
) -> None:
    job = running(ledger, "a.docx", priority=Priority.BACKLOG)
    ledger.jobs.again(job.id, NOW, Failed(Failure.OUTAGE, "refused"), counts=False)

    said = desk.asks("status").text

    assert "backlog of rule" in said


def test_what_a_converter_failed_over_is_no_backlog(desk: Desk, ledger: Ledger) -> None:
    desk.configure("docs", "processed", more=RULE)
    job = running(ledger, "a.docx")
    hung_up = Failed(Failure.OUTAGE, "it hung up", is_in_doubt=True)
    ledger.jobs.again(job.id, datetime.now(UTC) + MINUTE, hung_up, counts=False)
    alone = desk.asks("status").text
    queued(ledger, "b.docx", priority=Priority.BACKLOG)

    beside_one = desk.asks("status").text

    assert ["backlog of rule" in said for said in (alone, beside_one)] == [False, True]


def test_letters_of_documents_that_are_gone_are_counted_apart(desk: Desk, ledger: Ledger) -> None:
    desk.configure("docs", "processed", more=RULE)
    for name in ("a.docx", "b.docx", "c.docx"):
        dead(ledger, name)
    ledger.record("docs", [deleted("a.docx")], at=NOW + MINUTE)

    said = desk.asks("status").text

    assert "conversions: 3 dead (1 of the dead are of documents that are gone)" in said
    assert "markdown: 0 queued, 0 running, 2 dead" in said


def test_a_converter_that_is_tried_out_is_still_down(desk: Desk, ledger: Ledger) -> None:
    running(ledger, "a.docx")
    since = datetime.now(UTC) - timedelta(minutes=5)
    ledger.converters.put(ConverterRow("markdown", BreakerState.HALF_OPEN, "refused", since, None))

    said = desk.asks("jobs")

    assert said.text.splitlines()[1] == (
        "  down since 5 min ago: refused; a document tries it out now"
    )


def test_jobs_are_chosen_by_state_and_rule_and_what_is_left_out_is_said(
    desk: Desk, ledger: Ledger
) -> None:
    for name in ("a", "b", "c"):
        done(ledger, f"{name}.docx")
    queued(ledger, "d.docx", rule="other")

    few = desk.asks("jobs", "--state", "done", "--limit", "2")
    other = desk.asks("jobs", "--rule", "other")

    assert "docs: c.docx" in few.text
    assert "docs: a.docx" not in few.text
    assert "... and more" in few.text
    assert "docs: d.docx" in other.text
    assert "docs: c.docx" not in other.text


@pytest.mark.usefixtures("ledger")
def test_that_there_are_no_conversions_is_said(desk: Desk) -> None:
    assert "no conversions" in desk.asks("jobs").text
    assert "no such conversions" in desk.asks("jobs", "--state", "dead").text


def test_a_result_that_is_shared_is_told_as_such(desk: Desk, ledger: Ledger) -> None:
    first = done(ledger, "a.docx", "a.md")
    second = running(ledger, "b.docx")
    ledger.jobs.finish(second.id, NOW + MINUTE, "b.md", first.result_sha256, shared_with=first.id)

    assert "processed: b.md, shared with an equal document" in desk.asks("jobs").text


@pytest.mark.parametrize("command", [["jobs"], ["dead", "list"], ["why", HOSTILE]])
def test_a_files_name_and_a_converters_words_cannot_speak_to_the_terminal(
    desk: Desk, ledger: Ledger, command: list[str]
) -> None:
    dead(ledger, HOSTILE, reason="it says \x1b[2J", output="\x1b[2Jgone\n")

    said = desk.asks(*command)

    assert "\x1b" not in said.text
    assert "a\\x1b[31m\\nb.docx" in said.text


# dead list, show


def test_dead_letters_are_listed_with_their_reasons_and_what_to_do(
    desk: Desk, ledger: Ledger
) -> None:
    job = dead(ledger, "broken.docx", Failure.TIMEOUT, "it took longer than 120 s")

    said = desk.asks("dead", "list")
    [facts] = desk.asks("dead", "list", "--json").json

    assert said.code == 0
    assert said.text.startswith(f"{job.id}  timeout, ")
    assert "docs: broken.docx" in said.text
    assert "to-markdown: it took longer than 120 s" in said.text
    assert "docferry dead show JOB" in said.text
    assert (facts["id"], facts["failure"]) == (job.id, "timeout")


@pytest.mark.parametrize(
    ("options", "found"),
    [
        (["--rule", "to-markdown"], {"a.docx", "b.docx"}),
        (["--rule", "other"], {"c.docx"}),
        (["--failure", "timeout"], {"b.docx"}),
        (["--converter", "office"], {"c.docx"}),
        (["--converter", "markdown"], {"a.docx", "b.docx", "c.docx"}),
        (["--path", "a.docx"], {"a.docx"}),
        (["--path", "a.docx", "--failure", "timeout"], set()),
    ],
)
def test_dead_letters_are_chosen_by_what_is_true_of_them(
    desk: Desk, ledger: Ledger, options: list[str], found: set[str]
) -> None:
    dead(ledger, "a.docx")
    dead(ledger, "b.docx", Failure.TIMEOUT)
    dead(ledger, "c.docx", rule="other", converter="office+markdown")

    said = desk.asks("dead", "list", "--json", *options)

    assert {facts["path"] for facts in said.json} == found


def test_a_document_that_is_gone_is_no_dead_letter_any_more(desk: Desk, ledger: Ledger) -> None:
    dead(ledger, "a.docx")
    ledger.record("docs", [deleted("a.docx")], at=NOW + MINUTE)

    assert desk.asks("dead", "list").text == "no dead letters\n"


def test_one_letter_tells_why_what_the_converter_said_and_where_its_bytes_are(
    desk: Desk, ledger: Ledger
) -> None:
    output = "".join(f"line {number}\n" for number in range(100))
    job = dead(ledger, "broken.docx", output=output)

    said = desk.asks("dead", "show", job.id.lower())
    facts = desk.asks("dead", "show", job.id, "--json").json

    for words in (
        "docs: broken.docx",
        "why (refused): no document at all",
        "after 1 attempt",
        "rule to-markdown; converter markdown",
        f"version {job.version}",
        "line 99",
        f"docferry cat {job.version} > FILE",
        f"docferry dead replay {job.id}",
        f"docferry dead discard {job.id}",
    ):
        assert words in said.text
    assert "line 1\n" not in said.text  # the end of it is shown
    assert (facts["job"]["output"], facts["version"]["path"]) == (output, "broken.docx")
    assert facts["paths"] == ["broken.docx"]


def test_a_letter_of_equal_contents_is_told_by_the_path_of_its_own_version(
    desk: Desk, ledger: Ledger
) -> None:
    job = dead(ledger, "own.docx", content="same")
    ledger.record("docs", [uploaded(name, "same") for name in ("a.docx", "z.docx")], at=NOW)

    listed = desk.asks("dead", "list").text
    of_another = desk.asks("dead", "list", "--path", "z.docx").text
    shown = desk.asks("dead", "show", job.id).text
    ledger.record("docs", [deleted("own.docx")], at=NOW + MINUTE)
    later = [desk.asks("dead", "list").text, desk.asks("dead", "show", job.id).text]

    assert "docs: own.docx\n" in listed
    assert "docs: z.docx\n" in of_another
    assert shown.startswith("docs: own.docx\n")
    assert "the same content: a.docx\n  the same content: z.docx\n" in shown
    assert all("docs: a.docx\n" in said for said in later)


def test_a_letter_whose_rule_is_gone_says_so(desk: Desk, ledger: Ledger) -> None:
    job = dead(ledger, "a.docx", rule="other")

    said = desk.asks("dead", "show", job.id)

    assert "rule other, which is not in the configuration any more" in said.text


def test_what_is_no_dead_letter_is_not_shown_as_one(desk: Desk, ledger: Ledger) -> None:
    job = done(ledger, "a.docx")

    done_one = desk.asks("dead", "show", job.id)
    unknown = desk.asks("dead", "show", ulid_of("nothing"))

    assert (done_one.code, unknown.code) == (2, 2)
    assert "is no dead letter: it is done" in done_one.errors
    assert "there is no job" in unknown.errors


# dead replay, discard


def test_a_letter_that_is_replayed_is_queued_with_all_its_attempts(
    desk: Desk, ledger: Ledger
) -> None:
    recipe = recipe_of(desk)
    job, other = dead(ledger, "a.docx", recipe=recipe), dead(ledger, "b.docx", recipe=recipe)

    said = desk.asks("dead", "replay", job.id)
    row = ledger.jobs.get(job.id)

    assert said.code == 0
    assert said.text == "1 dead letter queued again: docferry jobs follows them\n"
    assert row is not None
    assert (row.state, row.attempts) == (JobState.QUEUED, 0)
    assert state_of(ledger, other.id) is JobState.DEAD


@pytest.mark.parametrize(
    "options", [["--all"], ["--failure", "refused"], ["--rule", "to-markdown"]]
)
def test_letters_are_replayed_together(desk: Desk, ledger: Ledger, options: list[str]) -> None:
    jobs = [dead(ledger, f"{name}.docx", recipe=recipe_of(desk)) for name in "abc"]

    said = desk.asks("dead", "replay", "--json", *options)

    assert sorted(said.json["jobs"]) == sorted(job.id for job in jobs)
    assert {state_of(ledger, job.id) for job in jobs} == {JobState.QUEUED}


def test_a_letter_whose_rule_is_gone_is_left_for_nobody_would_do_it(
    desk: Desk, ledger: Ledger
) -> None:
    gone = dead(ledger, "a.docx", rule="other")
    there = dead(ledger, "b.docx", recipe=recipe_of(desk))

    said = desk.asks("dead", "replay", "--all")

    assert said.code == 1
    assert f"left: {gone.id}: its rule other is not in the configuration" in said.text
    assert state_of(ledger, gone.id) is JobState.DEAD
    assert state_of(ledger, there.id) is JobState.QUEUED


def test_a_letter_of_a_rule_that_has_changed_is_left_for_it_would_be_skipped(
    desk: Desk, ledger: Ledger
) -> None:
    job = dead(ledger, "a.docx", recipe="an older one")

    said = desk.asks("dead", "replay", job.id)

    assert said.code == 1
    assert "no dead letters" not in said.text
    assert f"left: {job.id}: its rule 'to-markdown' converts in another way now" in said.words
    assert "docferry convert a.docx" in said.words
    assert state_of(ledger, job.id) is JobState.DEAD


def test_a_letter_whose_result_belongs_elsewhere_now_is_left(desk: Desk, ledger: Ledger) -> None:
    job = dead(ledger, "a.docx", place="processed/a.md", recipe=recipe_of(desk))

    said = desk.asks("dead", "replay", job.id)

    assert (
        f"left: {job.id}: by its rule 'to-markdown' its result belongs elsewhere now" in said.words
    )
    assert state_of(ledger, job.id) is JobState.DEAD


def test_of_several_ids_one_that_is_wrong_changes_nothing(desk: Desk, ledger: Ledger) -> None:
    job = dead(ledger, "a.docx")

    for what in ("replay", "discard"):
        said = desk.asks("dead", what, job.id, ulid_of("nothing"))

        assert said.code == 2
        assert state_of(ledger, job.id) is JobState.DEAD


def test_a_letter_that_is_discarded_waits_for_nobody(desk: Desk, ledger: Ledger) -> None:
    job = dead(ledger, "a.docx")

    said = desk.asks("dead", "discard", job.id)

    assert (said.code, said.text) == (0, "1 dead letter discarded\n")
    assert state_of(ledger, job.id) is JobState.DISCARDED
    assert desk.asks("dead", "list").text == "no dead letters\n"


def test_letters_without_a_name_are_discarded_only_by_one_who_is_sure(
    desk: Desk, ledger: Ledger
) -> None:
    jobs = [dead(ledger, f"{name}.docx") for name in "ab"]

    asked = desk.asks("dead", "discard", "--all")
    before = [state_of(ledger, job.id) for job in jobs]
    sure = desk.asks("dead", "discard", "--all", "--yes")

    assert asked.code == 2
    assert "2 dead letters would be discarded: add --yes" in asked.errors
    assert before == [JobState.DEAD, JobState.DEAD]
    assert sure.code == 0
    assert {state_of(ledger, job.id) for job in jobs} == {JobState.DISCARDED}


@pytest.mark.parametrize("what", ["replay", "discard"])
@pytest.mark.parametrize(
    "options", [[], ["ID", "--all"], ["ID", "--rule", "x"], ["--all", "--rule", "x"]]
)
def test_it_must_be_clear_which_letters_are_meant(
    desk: Desk, ledger: Ledger, what: str, options: list[str]
) -> None:
    job = dead(ledger, "a.docx")
    arguments = [job.id if option == "ID" else option for option in options]

    said = desk.asks("dead", what, *arguments, *(["--yes"] if what == "discard" else []))

    assert said.code == 2
    assert "which letters?" in said.errors
    assert state_of(ledger, job.id) is JobState.DEAD


@pytest.mark.parametrize("what", ["replay", "discard"])
def test_where_there_is_no_letter_nothing_is_done(desk: Desk, ledger: Ledger, what: str) -> None:
    dead(ledger, "a.docx")

    said = desk.asks("dead", what, "--failure", "memory", *(["--yes"] if what == "discard" else []))

    assert (said.code, said.text) == (1, "no dead letters\n")


@pytest.mark.parametrize(
    "arguments",
    [["convert", "a.docx"], ["dead", "replay", "--all"], ["dead", "discard", "--all", "--yes"]],
)
def test_a_daemon_is_woken_by_what_is_asked_for(
    desk: Desk, ledger: Ledger, arguments: list[str]
) -> None:
    dead(ledger, "a.docx")
    heard = threading.Event()
    wake_ups = WakeUps(desk.state, heard.set)
    wake_ups.start()
    try:
        desk.asks(*arguments)

        assert heard.wait(10)
    finally:
        wake_ups.stop()
