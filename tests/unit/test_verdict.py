"""Why a rule takes a version, or does not."""

from __future__ import annotations

from dataclasses import replace

import pytest

from docferry.core.filters import Filter
from docferry.core.rules import Rule, jobs_for
from docferry.core.verdict import why_not
from docferry.model import Origin, VersionRow
from ledger_rows import version

RULE = Rule(
    name="text",
    from_mirror="docs",
    patterns=Filter(["*.pdf"]),
    to_mirror="processed",
    converter="markdown",
    extension=".md",
    recipe="r",
    smallest=5,
    largest=20,
)
TAKEN = version("a.pdf")  # of 10 bytes


@pytest.mark.parametrize(
    ("found", "why"),
    [
        (TAKEN, None),
        (replace(TAKEN, size=5), None),
        (replace(TAKEN, size=20), None),
        (replace(TAKEN, size=4), "the file has 4 bytes, and min_size is 5"),
        (replace(TAKEN, size=21), "the file has 21 bytes, and max_size is 20"),
        (replace(TAKEN, path="a.txt"), "its patterns do not match the path"),
        (replace(TAKEN, mirror="other"), "it is for files of docs"),
        (
            replace(TAKEN, origin=Origin.CONVERSION),
            "results of conversions are not converted again, unless docferry convert PATH "
            "--rule NAME asks for it",
        ),
    ],
)
def test_the_reason_is_said_and_where_there_is_none_there_is_a_job(
    found: VersionRow, why: str | None
) -> None:
    assert why_not(RULE, found) == why
    assert bool(jobs_for(found, [RULE])) == (why is None)
