"""Rules: which versions call for which conversions."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from docferry.core.filters import Filter
from docferry.core.rules import Rule, jobs_for, recipe_for
from docferry.model import NewJob, Origin, Priority, VersionRow

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)

VERSION = VersionRow(
    id="01KAT0000000000000000000AA",
    mirror="inbox",
    path="offers/a.docx",
    sha256="ab" * 32,
    size=3,
    mtime_ns=None,
    origin=Origin.LOCAL,
    parent=None,
    etag=None,
    created_at=NOW,
)


def rule(name: str = "text", *patterns: str, to: str = "processed", recipe: str = "r1") -> Rule:
    patterns = patterns or ("*.docx",)
    return Rule(name, "inbox", Filter(patterns), to, "markdown", ".md", recipe)


def test_a_version_that_a_rule_takes_calls_for_a_job() -> None:
    jobs = jobs_for(VERSION, [rule()])

    assert jobs == (
        NewJob(
            rule="text",
            converter="markdown",
            mirror="inbox",
            path="offers/a.docx",
            version=VERSION.id,
            sha256=VERSION.sha256,
            recipe="r1",
            target_mirror="processed",
            place="processed/{ulid}.md",
            created_at=NOW,
            priority=Priority.ARRIVAL,
        ),
    )


@pytest.mark.parametrize(
    ("patterns", "is_taken"),
    [
        (("*.docx",), True),
        (("*.pdf",), False),
        (("*.pdf", "*.docx"), True),
        (("/offers/*.docx",), True),
        (("/a.docx",), False),
        (("*.docx", "!offers/"), True),
    ],
)
def test_patterns_are_those_of_gitignore(patterns: tuple[str, ...], *, is_taken: bool) -> None:
    assert bool(jobs_for(VERSION, [rule("text", *patterns)])) is is_taken


def test_each_rule_calls_for_a_job_of_its_own() -> None:
    jobs = jobs_for(VERSION, [rule("text"), rule("search", to="index", recipe="r2")])

    assert [(job.rule, job.target_mirror, job.recipe) for job in jobs] == [
        ("text", "processed", "r1"),
        ("search", "index", "r2"),
    ]


def test_another_mirrors_version_calls_for_nothing() -> None:
    assert jobs_for(replace(VERSION, mirror="other"), [rule()]) == ()


def test_what_a_conversion_made_calls_for_nothing() -> None:
    assert jobs_for(replace(VERSION, origin=Origin.CONVERSION), [rule()]) == ()


def test_a_chain_has_a_recipe_of_its_own_in_its_own_order() -> None:
    assert recipe_for(["ocr", "markdown"]) == recipe_for(["ocr", "markdown"])
    assert recipe_for(["ocr", "markdown"]) != recipe_for(["markdown", "ocr"])
    assert recipe_for(["markdown"]) != recipe_for(["ocr", "markdown"])


def test_a_document_that_came_may_wait_as_long_as_its_rule_says() -> None:
    patient = replace(rule(), waits_s=90.0)

    [arrived] = jobs_for(VERSION, [patient])
    [of_before] = jobs_for(VERSION, [patient], Priority.BACKLOG)

    assert arrived.expires_at == NOW + timedelta(seconds=90)
    assert (of_before.priority, of_before.expires_at) == (Priority.BACKLOG, None)


@pytest.mark.parametrize(
    ("size", "is_taken"), [(0, False), (1, False), (2, True), (3, True), (4, False)]
)
def test_a_rule_takes_documents_of_its_sizes_only(size: int, *, is_taken: bool) -> None:
    sized = replace(rule(), smallest=2, largest=3)

    assert bool(jobs_for(replace(VERSION, size=size), [sized])) is is_taken


def test_without_a_largest_size_every_size_is_taken() -> None:
    assert jobs_for(replace(VERSION, size=1 << 50), [rule()])


def test_a_place_that_follows_the_path_makes_a_job_of_each_path() -> None:
    by_path = replace(rule(), template="{dir}{stem}.{ext}")

    [one] = jobs_for(VERSION, [by_path])
    [other] = jobs_for(replace(VERSION, path="a.docx"), [by_path])

    assert (one.place, other.place) == ("processed/offers/a.md", "processed/a.md")


def test_a_rule_that_says_something_else_looks_different() -> None:
    """What is remembered of a rule is a hash of what it looks like."""
    assert repr(rule()) == repr(rule())
    assert repr(rule("text", "*.pdf")) != repr(rule())
