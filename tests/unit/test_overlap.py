"""Whether what a template makes could be taken by patterns: tables, and any patterns at all."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from docferry.core.filters import Filter
from docferry.core.overlap import meeting
from docferry.errors import UserError

ULID = "{ulid}.{ext}"
TWIN = "{dir}{stem}.{ext}"
MANY = [f"*.{end}" for end in ("pdf", "docx", "pptx", "html", "eml", "odt", "csv", "png", "jpg")]


@pytest.mark.parametrize(
    ("patterns", "template", "extension"),
    [
        (["*.md"], ULID, ".md"),
        (["*"], ULID, ".md"),
        (["01*.md"], ULID, ".md"),
        (["*Z.md"], ULID, ".md"),  # the 26th character of some
        (["*ABC*.md"], ULID, ".md"),
        (["[0-7]*"], ULID, ".md"),
        (["*", "!*.pdf"], ULID, ".md"),
        (["*", "!*.md", "*K?.md"], ULID, ".md"),
        (["*fade*"], "{sha256}", ".md"),
        (["/a/*.md"], "a/{ulid}.{ext}", ".md"),
        (["a/"], "a/{ulid}.{ext}", ".md"),
        (["a/"], "x/{path}.{ext}", ".md"),
        (["inbox/"], "done/{dir}{stem}.{ext}", ".md"),
        (["drafts/**"], TWIN, ".md"),
        (["a/**/b.md"], TWIN, ".md"),
        (["*-out.md"], "{dir}{stem}-out.{ext}", ".md"),
        (["*.text.md"], "{dir}{stem}.{rule}.{ext}", ".md"),
        (["text/"], "{rule}/{name}.{ext}", ".md"),
        (["**"], TWIN, ".md"),
        (["r?port.pdf"], TWIN, ".pdf"),
        (["v1.2"], TWIN, ".md"),  # may be a folder
        ([f"{name}/" for name in "abcdefghijklmnopqrst"], TWIN, ".md"),
        (["[!a]*.md"], TWIN, ".md"),
        ([r"\!x.md"], TWIN, ".md"),
    ],
)
def test_a_name_that_could_come_to_be_and_is_taken_is_found(
    patterns: list[str], template: str, extension: str
) -> None:
    found = meeting(template, [patterns], extension=extension, rule="text")

    assert found is not None
    assert Filter(patterns).takes(found)


@pytest.mark.parametrize(
    ("patterns", "template", "extension"),
    [
        (["*.pdf", "*.docx"], ULID, ".md"),
        (["*.md"], ULID, ".txt"),
        (["*", "!*.md"], ULID, ".md"),
        (["z*.md"], ULID, ".md"),
        (["*I*.md"], ULID, ".md"),  # no letter of Crockford's
        (["8*.md"], ULID, ".md"),  # no ULID begins so
        (["*g*.md"], "{sha256}.{ext}", ".md"),
        (["/in/*.md"], "out/{dir}{stem}.{ext}", ".md"),
        (["/in/"], "out/{path}.{ext}", ".md"),
        (["/*.md"], "out/{path}.{ext}", ".md"),
        (["*", "!/out/**"], "out/{path}.{ext}", ".md"),
        (["in/*.docx", "in/*.odt"], TWIN, ".pdf"),
        (["*-in.md"], "{dir}{stem}-out.{ext}", ".md"),
        (["text/"], "{rule}.{ext}", ".md"),
        (["a[b-d].md"], "{ulid}.{ext}", ".md"),
        (["*.docx"], TWIN, ".md"),  # below a folder "a.docx" it would
        (MANY, ULID, ".md"),
        (MANY, TWIN, ".md"),
        (MANY, "out/{path}.{ext}", ".md"),
        ([*MANY, "!a.b", "!*-[0-9].pdf"], TWIN, ".md"),
    ],
)
def test_names_that_are_never_taken_are_let_be(
    patterns: list[str], template: str, extension: str
) -> None:
    assert meeting(template, [patterns], extension=extension, rule="text") is None


def test_a_name_that_two_filters_take_is_found() -> None:
    assert meeting("{path}", [["*.pdf"], ["scans/"]]) == "scans/.pdf"
    assert meeting("{path}", [["*.pdf"], ["*.docx"]]) is None
    assert meeting("{path}", [["*.pdf", "!scans/*.pdf"], ["/scans/*.pdf"]]) is None


PATHS = st.from_regex(r"\A[ab.]{1,3}(/[ab.]{1,3}){0,2}\Z").filter(
    lambda path: not {".", ".."} & set(path.split("/"))
)
SEGMENTS = st.sampled_from(["*", "**", "a", "b", "?", "[ab]", "[!a]", "a*", "*.b", "*b*", r"\a"])
LINES = st.tuples(
    st.sampled_from(["", "", "!"]),
    st.sampled_from(["", "/"]),
    st.lists(SEGMENTS, min_size=1, max_size=3).map("/".join),
    st.sampled_from(["", "", "/"]),
).map("".join)


@given(st.lists(LINES, min_size=1, max_size=3), st.lists(LINES, min_size=1, max_size=2), PATHS)
def test_what_both_filters_take_is_never_missed(
    one: list[str], other: list[str], path: str
) -> None:
    try:
        are_taken = Filter(one).takes(path) and Filter(other).takes(path)
    except UserError:
        return
    are_taken = are_taken and not _is_below_a_document([*one, *other], path)

    found = meeting("{path}", [one, other])

    assert found is not None or not are_taken
    assert found is None or (Filter(one).takes(found) and Filter(other).takes(found))


@given(st.lists(LINES, min_size=1, max_size=3), PATHS)
def test_a_result_that_a_rule_would_take_is_never_missed(lines: list[str], path: str) -> None:
    folder, slash, name = path.rpartition("/")
    stem = re.sub(r"(?<=.)\.[^.]*$", "", name)
    result = f"{folder}{slash}{stem}.b"

    found = meeting(TWIN, [lines], extension=".b")

    is_taken = Filter(lines).takes(result) and not _is_below_a_document(lines, result)
    assert found is not None or not is_taken


def _is_below_a_document(lines: list[str], path: str) -> bool:
    """Say whether a folder above is called as a pattern has documents called."""
    documents = [line.removeprefix("!") for line in lines if line[-1] != "/" and "*.b" in line]
    above = [path[:at] for at, char in enumerate(path) if char == "/"]
    return any(Filter([line]).takes(folder) for line in documents for folder in above)
