"""The whole chain of a file, as `docferry why` tells it: from where, by which rule, to what."""

from __future__ import annotations

import pathlib
from collections.abc import Iterator
from dataclasses import replace

import pytest

from commands import Desk
from conversion_rows import RULE, SECOND, came_of, dead, done, job_of, queued, running
from docferry.core.failures import Failed
from docferry.job import BreakerState, ConverterRow, Failure, Intended
from docferry.ledger import Ledger
from docferry.model import Origin, Provenance
from ledger_rows import MINUTE, NOW, deleted, sha_of, ulid_of, uploaded


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


def in_order(text: str, *parts: str) -> bool:
    """Say whether *parts* come one after the other."""
    at = -1
    for part in parts:
        at = text.find(part, at + 1)
        if at < 0:
            return False
    return True


def test_a_document_tells_when_it_came_what_was_done_and_what_was_made_of_it(
    desk: Desk, ledger: Ledger
) -> None:
    job = done(ledger, "a.docx", "a.md")

    said = desk.asks("why", "a.docx")

    assert said.code == 0
    assert in_order(
        said.text,
        "docs: a.docx",
        f"version {job.version}, 10 B, the present one",
        f"sha256 {job.sha256}",
        "taken from a drop folder",
        "upload",
        f"rule to-markdown: job {job.id} queued for markdown",
        "to-markdown: begun, after 1.0 s",
        "to-markdown: done, after 4.0 s: processed: a.md",
        "rule to-markdown: yes",
    )


def test_a_result_tells_from_which_version_it_was_made_by_which_rule(
    desk: Desk, ledger: Ledger
) -> None:
    job = done(ledger, "a.docx", "a.md")

    said = desk.asks("why", "a.md")
    [story] = desk.asks("why", "a.md", "--json").json["versions"]

    assert in_order(
        said.text,
        f"its document came: docs: a.docx, version {job.version}, sha256 {job.sha256}",
        f"made by rule to-markdown, markdown, job {job.id}",
        "rule to-markdown: no, it is for files of docs",
    )
    assert story["made_from"]["job"]["id"] == job.id
    assert story["made_from"]["source"]["id"] == job.version
    assert story["version"]["sha256"] == sha_of("result of a.docx")


def test_a_result_that_was_made_again_tells_when_it_came_and_when_again(
    desk: Desk, ledger: Ledger
) -> None:
    job = done(ledger, "a.docx", "a.md")
    asked_at = NOW + 10 * MINUTE
    ledger.jobs.ask(job_of("a.docx"), asked_at)
    ledger.jobs.claim(asked_at + 3 * SECOND, asked_at + MINUTE, rules=[job.rule])
    ledger.jobs.finish(job.id, asked_at + 5 * SECOND, "a.md", sha_of("result of a.docx"))

    made, source = desk.asks("why", "a.md").text, desk.asks("why", "a.docx").text
    listed = desk.asks("jobs").text

    assert in_order(made, "made by rule to-markdown", "upload", "made again")
    assert "begun, after 3.0 s" in source  # and not since it was first asked for
    assert "waited 3.0 s, took 2.0 s" in listed


def test_a_result_that_another_program_made_again_tells_which_one_made_it(
    desk: Desk, ledger: Ledger
) -> None:
    job = running(ledger, "a.docx")
    made, at = sha_of("result of a.docx"), NOW + 5 * SECOND
    ledger.jobs.about_to_put([Intended(job, "a.md", made, "xberg 1.3.9")], at)
    ledger.jobs.finish(job.id, at, "a.md", made, release="xberg 1.3.9")
    ledger.record("processed", [came_of(job, "a.md", at)], at=at)
    newer = running(ledger, "a.docx", at=NOW + MINUTE, recipe="r2")
    ledger.jobs.finish(newer.id, NOW + 2 * MINUTE, "a.md", made, release="xberg 1.4.0")

    said = desk.asks("why", "a.md").text

    assert in_order(
        said,
        "made by rule to-markdown, xberg 1.3.9\n",
        f"made again by rule to-markdown, markdown (xberg 1.4.0), job {newer.id}, and the same",
    )


def test_a_result_that_was_there_before_its_job_was_made_by_what_its_object_says(
    desk: Desk, ledger: Ledger
) -> None:
    """A lost ledger knew of an older program; the same document is converted once more."""
    job, at = running(ledger, "a.docx"), NOW + MINUTE
    found = came_of(job, "a.md", at)
    assert found.version is not None
    ledger.record("processed", [found], at=at)
    made_from = Provenance(job.version, job.sha256, job.rule, "xberg 1.3.9")
    ledger.results.note_claimed([(found.version, made_from)])
    ledger.jobs.finish(job.id, at, "a.md", found.version.sha256, release="xberg 1.4.0")

    said = desk.asks("why", "a.md").text

    claim = "the bucket says: made by rule to-markdown, xberg 1.3.9\n"
    assert in_order(said, claim, "made again", "xberg 1.4.0")


def test_a_result_tells_of_its_document_where_its_job_is_forgotten(
    desk: Desk, ledger: Ledger
) -> None:
    """The ledger was lost: the object told, by the name that its document had before."""
    for path in ("other.docx", "a.docx"):
        ledger.record("docs", [uploaded(path, "the same")], at=NOW)
    made_from = Provenance(ulid_of("before"), sha_of("the same"), "by-path", "xberg 1.3.9")
    by_path = RULE.replace("to-markdown", "by-path").replace('"processed"', '"processed/{stem}.md"')
    desk.configure("docs", "processed", more=RULE + by_path)
    result = uploaded("a.md")
    assert result.version is not None
    row = replace(result.version, mirror="processed", origin=Origin.CONVERSION)
    ledger.record("processed", [replace(result, version=row)], at=NOW)
    ledger.results.note_claimed([(row, made_from)])

    said = desk.asks("why", "a.md").text

    document = f"docs: a.docx, version {ulid_of('a.docxthe same')} (then named {ulid_of('before')})"
    assert f"its document came: {document}, sha256 {sha_of('the same')}" in said
    assert "the bucket says: made by rule by-path, xberg 1.3.9\n" in said


def test_each_content_of_a_result_tells_of_its_own_document(desk: Desk, ledger: Ledger) -> None:
    first = done(ledger, "a.docx", "a.md", content="one", place="processed/a.md")
    second = done(ledger, "b.docx", "a.md", at=NOW + MINUTE, content="two", place="processed/a.md")

    stories = desk.asks("why", "a.md", "--json").json["versions"]

    assert [story["made_from"]["job"]["id"] for story in stories] == [second.id, first.id]


def test_a_result_that_came_back_is_there(desk: Desk, ledger: Ledger) -> None:
    job = done(ledger, "a.docx", "a.md")
    again = came_of(job, "a.md", NOW + MINUTE)
    assert again.version is not None
    assert again.synced is not None
    first = "0" * 26  # as a rebuild finds it: not the newest by its number, but the present one
    synced = replace(again.synced, version=first)
    ledger.record("processed", [deleted("a.md")], at=NOW + MINUTE)
    gone = desk.asks("why", "a.docx").text
    back_again = replace(again, version=replace(again.version, id=first), synced=synced)
    ledger.record("processed", [back_again], at=NOW + 2 * MINUTE)

    back = desk.asks("why", "a.docx").text

    assert "processed: a.md (not there any more)" in gone
    assert "(not there any more)" not in back


def test_an_edit_of_a_result_was_made_by_no_conversion(desk: Desk, ledger: Ledger) -> None:
    done(ledger, "a.docx", "a.md")
    edit = uploaded("a.md", "a person's")
    assert edit.version is not None
    row = replace(edit.version, mirror="processed", created_at=NOW + MINUTE)
    ledger.record("processed", [replace(edit, version=row)], at=NOW + MINUTE)

    newest, before = desk.asks("why", "a.md", "--json").json["versions"]

    assert newest["made_from"] is None
    assert before["made_from"]["job"]["path"] == "a.docx"


def test_a_conversion_that_failed_tells_why(desk: Desk, ledger: Ledger) -> None:
    dead(ledger, "a.docx", Failure.TIMEOUT, "it took longer than 120 s")

    assert "dead: it took longer than 120 s" in desk.asks("why", "a.docx").text


def test_a_conversion_that_waits_tells_for_what(desk: Desk, ledger: Ledger) -> None:
    job = running(ledger, "a.docx")
    ledger.jobs.again(job.id, NOW + MINUTE, Failed(Failure.OUTAGE, "no answer"), counts=False)
    queued(ledger, "b.docx")

    tried, fresh = desk.asks("why", "a.docx").text, desk.asks("why", "b.docx").text

    assert "waits: no answer" in tried
    assert "waits: its turn comes" in fresh


def test_rules_that_do_not_take_a_file_for_one_reason_say_so_together(
    desk: Desk, ledger: Ledger
) -> None:
    other = RULE.replace('"to-markdown"', '"other"').replace(
        '"processed"', '"processed/other/{ulid}.{ext}"'
    )
    desk.configure("docs", "processed", more=RULE + other)
    ledger.record("docs", [uploaded("a.txt")], at=NOW)

    said = desk.asks("why", "a.txt")

    assert "rules to-markdown, other: no, its patterns do not match the path" in said.text


def test_a_rule_that_does_not_take_a_file_says_why(desk: Desk, ledger: Ledger) -> None:
    ledger.record("docs", [uploaded("a.txt")], at=NOW)

    said = desk.asks("why", "a.txt")
    [story] = desk.asks("why", "a.txt", "--json").json["versions"]

    assert "rule to-markdown: no, its patterns do not match the path" in said.text
    assert story["verdicts"] == [
        {
            "rule": "to-markdown",
            "takes_it": False,
            "has_job": False,
            "paused": None,
            "why_not": "its patterns do not match the path",
            "types": [],
        }
    ]


def test_a_rule_that_was_renamed_has_the_jobs_of_its_older_name(desk: Desk, ledger: Ledger) -> None:
    done(ledger, "a.docx", rule="older")

    assert "rule to-markdown: yes\n" in desk.asks("why", "a.docx").text


def test_a_rule_whose_job_is_not_there_yet_says_so(desk: Desk, ledger: Ledger) -> None:
    ledger.record("docs", [uploaded("a.docx")], at=NOW)

    assert "rule to-markdown: yes, and its job is not queued yet" in desk.asks("why", "a.docx").text


def test_a_result_that_is_shared_tells_with_whom(desk: Desk, ledger: Ledger) -> None:
    first = done(ledger, "a.docx", "a.md", content="same")
    second = running(ledger, "b.docx", content="same", at=NOW + MINUTE, place="processed/b.md")
    ledger.jobs.finish(
        second.id, NOW + 2 * MINUTE, "b.md", first.result_sha256, shared_with=first.id
    )

    said = desk.asks("why", "b.docx").text

    assert f"job {first.id} for docs: a.docx, the same content, queued" in said
    assert f"processed: b.md, the result of job {first.id} for a.docx" in said


def test_a_result_that_is_not_in_step_yet_or_not_any_more_says_so(
    desk: Desk, ledger: Ledger
) -> None:
    job = running(ledger, "a.docx")
    ledger.jobs.finish(job.id, NOW + MINUTE, "a.md", sha_of("result of a.docx"))

    before = desk.asks("why", "a.docx").text
    done(ledger, "b.docx", "b.md", at=NOW + MINUTE)
    ledger.record("processed", [deleted("b.md")], at=NOW + 2 * MINUTE)
    after = desk.asks("why", "b.docx").text

    assert "processed: a.md (not in step yet)" in before
    assert "processed: b.md (not there any more)" in after


def test_edits_are_told_from_the_oldest_to_the_newest_and_as_many_as_asked_for(
    desk: Desk, ledger: Ledger
) -> None:
    for number in range(4):
        at = NOW + number * MINUTE
        done(ledger, "a.docx", f"{number}.md", content=f"edit {number}", at=at)

    said = desk.asks("why", "a.docx", "--limit", "2").text
    facts = desk.asks("why", "a.docx", "--limit", "2", "--json").json

    assert in_order(said, "older versions", "until ", "2.md", "the present one", "3.md")
    assert "1.md" not in said
    assert [each["conversions"][0]["job"]["result_path"] for each in facts["versions"]] == [
        "3.md",
        "2.md",
    ]


def test_what_was_done_without_a_version_is_told_too(desk: Desk, ledger: Ledger) -> None:
    ledger.record("docs", [uploaded("a.docx")], at=NOW)
    ledger.record("docs", [deleted("a.docx")], at=NOW + SECOND)

    said = desk.asks("why", "a.docx")

    assert "delete_remote" in said.text


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["nothing"], "no mirror has a version of 'nothing'"),
        (["both.docx"], "both.docx is in several mirrors: --mirror one of docs, processed"),
    ],
)
def test_it_must_be_clear_which_file_is_meant(
    desk: Desk, ledger: Ledger, arguments: list[str], why: str
) -> None:
    done(ledger, "both.docx", "both.docx")

    said = desk.asks("why", *arguments)

    assert said.code == 2
    assert why in said.errors


def test_a_document_that_is_forgotten_is_said_to_be(desk: Desk, ledger: Ledger) -> None:
    job = running(ledger, "a.docx", version=ulid_of("unknown"))
    done(ledger, "b.docx", "b.md", at=NOW + MINUTE, version=ulid_of("forgotten"))

    said = desk.asks("why", "b.md")

    assert job.version == ulid_of("unknown")
    assert "of which the ledger has no more" in said.text


def test_a_rule_whose_converter_is_missing_says_what_it_waits_for(
    desk: Desk, ledger: Ledger
) -> None:
    ledger.record("docs", [uploaded("a.docx")], at=NOW)
    missing = ConverterRow("markdown", BreakerState.OPEN, "kreuzberg is not installed", NOW, None)
    ledger.converters.put(missing)

    said, listed = desk.asks("why", "a.docx").text, desk.asks("jobs").text

    assert "yes, and markdown is down: kreuzberg is not installed" in said
    assert "kreuzberg is not installed; then start docferry again" in listed


def test_a_job_that_an_equal_document_has_taken_over_was_not_its_own_before(
    desk: Desk, ledger: Ledger
) -> None:
    first = done(ledger, "a.docx", "a.md", content="same", place="processed/a.md")
    ledger.record("docs", [deleted("a.docx")], at=NOW + MINUTE)
    queued(ledger, "in/a.docx", "same", place="processed/a.md", at=NOW + 2 * MINUTE)

    said = desk.asks("why", "a.docx", "--mirror", "docs").words

    assert f"rule to-markdown: job {first.id} queued for markdown" in said
    assert "to-markdown: from now on for docs: in/a.docx, the same content" in said
