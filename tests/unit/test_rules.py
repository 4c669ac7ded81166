"""Rules: which versions call for conversions, and what a failure leads to."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from docferry.core.filters import Filter
from docferry.core.rules import Again, GiveUp, Rule, after_failure, jobs_for, recipe_for
from docferry.errors import (
    DocferryError,
    PermanentError,
    StaleError,
    TemporaryError,
    UnreachableError,
    UserError,
)
from docferry.model import NewJob, Origin, VersionRow

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
    return Rule(name, "inbox", Filter(patterns or ("*.docx",)), to, recipe)


def test_a_version_that_a_rule_takes_calls_for_a_job() -> None:
    jobs = jobs_for(VERSION, [rule()])

    assert jobs == (
        NewJob(
            rule="text",
            mirror="inbox",
            path="offers/a.docx",
            version=VERSION.id,
            sha256=VERSION.sha256,
            recipe="r1",
            target_mirror="processed",
            created_at=NOW,
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


def test_the_same_conversion_for_two_mirrors_is_two_recipes() -> None:
    assert recipe_for("markdown", "a") != recipe_for("markdown", "b")
    assert recipe_for("markdown", "a") == recipe_for("markdown", "a")


@pytest.mark.parametrize(
    ("attempts", "wait_s"), [(1, 0.5), (2, 1.0), (3, 2.0)], ids=["first", "second", "third"]
)
def test_a_failure_is_tried_again_later_and_later(attempts: int, wait_s: float) -> None:
    after = after_failure(
        PermanentError("damaged"), attempts=attempts, max_attempts=4, now=NOW, jitter=0.5
    )

    assert after == Again(run_at=NOW + timedelta(seconds=wait_s))


@pytest.mark.parametrize("error", [PermanentError("why"), TemporaryError("why"), StaleError("why")])
def test_after_the_last_attempt_it_is_given_up_with_its_reason(error: DocferryError) -> None:
    assert after_failure(error, attempts=4, max_attempts=4, now=NOW, jitter=0.5) == GiveUp("why")


@pytest.mark.parametrize("error", [UnreachableError("refused"), UserError("not installed")])
def test_trouble_that_is_not_the_documents_never_kills_its_job(error: DocferryError) -> None:
    after = after_failure(error, attempts=99, max_attempts=4, now=NOW, jitter=0.5)

    assert after == Again(run_at=NOW + timedelta(seconds=150))
