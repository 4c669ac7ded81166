"""Conversions that somebody asks for, and what is counted beforehand."""

from __future__ import annotations

import pathlib
from collections.abc import Iterator

import pytest

from commands import Desk
from conversion_rows import RULE, done, queued
from docferry.app.chains import rules_of
from docferry.config import load
from docferry.job import JobState, Priority
from docferry.ledger import Ledger
from docferry.model import Ulid

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


def test_a_document_is_converted_again_before_all_others(desk: Desk, ledger: Ledger) -> None:
    job = done(ledger, "a.docx", recipe=recipe_of(desk))

    said = desk.asks("convert", "a.docx")
    row = ledger.jobs.get(job.id)

    assert said.code == 0
    assert "1 conversion asked for" in said.text
    assert job.id in said.text
    assert row is not None
    assert (row.state, row.priority, row.is_forced) == (JobState.QUEUED, Priority.ASKED, True)


def recipe_of(desk: Desk) -> str:
    """Give how the rule makes its results now."""
    [rule] = rules_of(load(desk.config, {}))
    return rule.recipe


def test_a_version_that_was_never_converted_is(desk: Desk, ledger: Ledger) -> None:
    job = done(ledger, "a.docx", recipe="an older one")

    [asked] = desk.asks("convert", job.version.lower(), "--json").json["jobs"]

    assert (asked["rule"], asked["path"], asked["version"]) == (
        "to-markdown",
        "a.docx",
        job.version,
    )
    assert asked["job"] != job.id
    assert state_of(ledger, asked["job"]) is JobState.QUEUED
    assert state_of(ledger, job.id) is JobState.DONE


@pytest.mark.parametrize(
    "what", [["in"], ["in/"], ["docs"], ["", "--mirror", "docs"], ["in/x", "--mirror", "docs"]]
)
def test_all_below_a_folder_or_in_a_mirror_is_asked_for(
    desk: Desk, ledger: Ledger, what: list[str]
) -> None:
    for path in ("in/x/a.docx", "in/x/b.pdf", "in/x/c.txt"):
        queued(ledger, path)

    said = desk.asks("convert", *what, "--json")

    assert {asked["path"] for asked in said.json["jobs"]} == {"in/x/a.docx", "in/x/b.pdf"}


def test_a_folder_is_not_one_that_begins_alike(desk: Desk, ledger: Ledger) -> None:
    for path in ("in/a.docx", "in-2/b.docx", "in.docx"):
        queued(ledger, path)

    said = desk.asks("convert", "in", "--json")

    assert [asked["path"] for asked in said.json["jobs"]] == ["in/a.docx"]


def test_more_than_a_hundred_are_asked_for_only_by_one_who_is_sure(
    desk: Desk, ledger: Ledger
) -> None:
    for number in range(101):
        queued(ledger, f"{number}.docx")

    asked = desk.asks("convert", "docs")
    dry = desk.asks("convert", "docs", "--dry-run")
    before = {job.priority for job in ledger.jobs.all(limit=1000)}
    sure = desk.asks("convert", "docs", "--yes", "--json")

    assert asked.code == 2
    assert "101 files, 101 conversions: add --yes" in asked.errors
    assert "101 conversions would be asked for" in dry.text
    assert "... and 81 more" in dry.text
    assert before == {Priority.ARRIVAL}
    assert len(sure.json["jobs"]) == 101


def test_what_no_rule_takes_is_refused_with_the_reason_of_each(desk: Desk, ledger: Ledger) -> None:
    more = (
        RULE.replace("to-markdown", "small")
        .replace("*.docx", "*.txt")
        .replace('"processed"', '"processed/{rule}/{ulid}.{ext}"\nmax_size = 5')
    )
    desk.configure("docs", "processed", more=RULE + more)
    queued(ledger, "a.txt")

    said = desk.asks("convert", "a.txt")

    assert said.code == 2
    assert "to-markdown: its patterns do not match the path" in said.errors
    assert "small: the file has 10 bytes, and max_size is 5" in said.errors


def test_a_result_is_converted_only_if_it_and_its_rule_are_named(
    desk: Desk, ledger: Ledger
) -> None:
    job = done(ledger, "a.docx", "out/a.docx", mirror="docs", target_mirror="docs")
    assert job.result_path is not None

    said = desk.asks("convert", job.result_path, "--mirror", "docs")

    below = desk.asks("convert", "out", "--mirror", "docs", "--rule", "to-markdown")
    meant = desk.asks("convert", job.result_path, "--mirror", "docs", "--rule", "to-markdown")

    for refused in (said, below):
        assert refused.code == 2
        assert "results of conversions are not converted again" in refused.errors
    assert "1 conversion asked for" in meant.text


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["nothing.docx"], "no mirror has 'nothing.docx' now"),
        (["a.docx", "--rule", "magic"], "there is no rule 'magic'; there is: to-markdown"),
        (["a.docx", "--mirror", "magic"], "there is no mirror 'magic'"),
        (["nothing", "--mirror", "docs"], "there is no file at or below 'nothing' now"),
        ([], "convert what?"),
    ],
)
def test_what_is_not_there_cannot_be_converted(
    desk: Desk, ledger: Ledger, arguments: list[str], why: str
) -> None:
    queued(ledger, "a.docx")

    said = desk.asks("convert", *arguments)

    assert said.code == 2
    assert why in said.errors


def test_a_converter_that_cannot_be_had_is_the_reason(desk: Desk, ledger: Ledger) -> None:
    tool = '[converter.tool]\nkind = "command"\ncommand = ["/nowhere/tool", "{input}"]\n'
    rule = RULE.replace('"markdown"', '"tool"').replace("to-markdown", "by-tool")
    desk.configure("docs", "processed", more=tool + 'produces = "md"\n' + rule)
    queued(ledger, "a.docx")

    said = desk.asks("convert", "a.docx")
    [counted] = desk.asks("convert", "--dry-run", "--json").json

    assert said.code == 2
    assert "by-tool: " in said.errors
    assert "tool" in counted["trouble"]
    assert (counted["files"], counted["missing"]) == (1, None)


def test_a_dry_run_counts_what_each_rule_would_convert_and_changes_nothing(
    desk: Desk, ledger: Ledger
) -> None:
    done(ledger, "a.docx", recipe=recipe_of(desk))
    done(ledger, "b.docx", recipe="an older one")
    queued(ledger, "c.txt")
    before = ledger.jobs.all()

    said = desk.asks("convert", "--dry-run")
    facts = desk.asks("convert", "--dry-run", "--json").json

    assert facts == [{"rule": "to-markdown", "files": 2, "missing": 1, "trouble": None}]
    assert "to-markdown 2 1" in said.words
    assert ledger.jobs.all() == before


def test_a_rule_that_is_not_there_cannot_be_counted(desk: Desk, ledger: Ledger) -> None:
    said = desk.asks("convert", "--dry-run", "--rule", "nope")

    assert said.code == 2
    assert "there is no rule 'nope'; there is: to-markdown" in said.errors
