"""Which files a mirror takes."""

from __future__ import annotations

import time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pathspec import GitIgnoreSpec

from docferry.core.filters import DEFAULT_EXCLUDES, Filter
from docferry.errors import UserError

DOCUMENTS = [
    "report.docx",
    "a/b/report.docx",
    "notes.txt",
    ".hidden",
    "~draft.docx",
    "#1 of 3.docx",
    "C# for beginners.pdf",
    "part.pdf",
    "tmp",
    "tmp/report.docx",
    "49130",
    "a/4913.pdf",
    "swp.pdf",
    "Thumbs.db.pdf",
]
TEMPORARY = [
    "~$report.docx",
    "a/b/~$report.docx",
    ".~lock.report.odt#",
    "report.docx.tmp",
    "saved.tmp/report.docx",
    "report.docx~",
    "report.txt.swp",
    ".report.txt.swx",
    "a/4913",
    "#report.txt#",
    ".#report.txt",
    "a/.goutputstream-X7QN81",
    "report.docx.sb-1a2b3c4d-e5F6g7",
    "film.mkv.part",
    "Unconfirmed 4711.crdownload",
    "a/.nfs000000000123456700000001",
    ".fuse_hidden0000000100000001",
    ".syncthing.report.docx.tmp",
    "a/.DS_Store",
    "._report.docx",
    "Thumbs.db",
    "desktop.ini",
    ".Trash-1000/files/report.docx",
]


def test_a_filter_without_patterns_takes_everything() -> None:
    filter_ = Filter()

    assert all(map(filter_.takes, [*DOCUMENTS, *TEMPORARY]))


@pytest.mark.parametrize("path", DOCUMENTS)
def test_the_default_excludes_leave_documents_alone(path: str) -> None:
    assert Filter(exclude=DEFAULT_EXCLUDES).takes(path)


@pytest.mark.parametrize("path", TEMPORARY)
def test_the_default_excludes_keep_out_what_programs_leave_while_they_work(path: str) -> None:
    assert not Filter(exclude=DEFAULT_EXCLUDES).takes(path)


@pytest.mark.parametrize(
    ("include", "exclude", "taken", "left"),
    [
        (["*.pdf"], [], ["a.pdf", "b/c.pdf"], ["a.docx", "pdf"]),
        (["/in/", "*.md"], [], ["in/a", "in/b/c", "x/a.md"], ["a", "x/in/a"]),
        (["*", "!*.iso"], [], ["a.pdf"], ["a.iso", "b/a.iso"]),
        ([], ["*.iso"], ["a.pdf"], ["a.iso", "b/a.iso", "disc.iso/a.pdf"]),
        ([], ["/drafts"], ["a", "x/drafts"], ["drafts", "drafts/a", "drafts/b/c"]),
        ([], ["drafts/"], ["drafts", "x/drafts"], ["drafts/a", "x/drafts/b/c"]),
        ([], ["a/**/z"], ["z", "b/a/z"], ["a/z", "a/b/c/z", "a/b/z/y"]),
        ([], ["report-[0-9].pdf"], ["report-x.pdf"], ["report-1.pdf"]),
        ([], ["# a comment", "", "*.iso"], ["a", "# a comment"], ["a.iso"]),
        (["*.pdf"], ["old/"], ["a.pdf"], ["old/a.pdf", "a.txt", "old/a.txt"]),
        # Excluded wins, and a later pattern over an earlier one of the same list ...
        (["*.tmp"], ["*.tmp"], [], ["a.tmp"]),
        ([], ["*.tmp", "!keep.tmp"], ["keep.tmp", "a/keep.tmp"], ["a.tmp"]),
        ([], ["!keep.tmp", "*.tmp"], [], ["keep.tmp"]),
        # ... but not below an excluded folder.
        ([], ["old/", "!old/keep.pdf"], ["keep.pdf"], ["old/keep.pdf", "a/old/b/keep.pdf"]),
        ([], ["*.d", "!*.pdf"], ["a.pdf", "d/a.pdf"], ["x.d/a.pdf", "x.d/b/c/a.pdf", "b/x.d"]),
        ([], ["*.d", "!x.d"], ["x.d", "x.d/a"], ["y.d", "y.d/x.d/a"]),
        ([], ["/old/*", "!/old/kept/"], ["old/kept/a"], ["old/a", "old/b/a"]),
        ([], ["*", "!a.pdf"], ["a.pdf"], ["b", "b/a.pdf"]),
    ],
)
def test_patterns_mean_what_they_mean_to_git(
    include: list[str], exclude: list[str], taken: list[str], left: list[str]
) -> None:
    filter_ = Filter(include, exclude)

    assert [path for path in [*taken, *left] if filter_.takes(path)] == taken


def test_a_path_of_two_thousand_folders_is_no_trouble() -> None:
    filter_ = Filter(exclude=["old/", "!keep"])

    assert filter_.takes("a/" * 2000 + "keep")
    assert not filter_.takes("a/" * 1000 + "old/" + "a/" * 1000 + "keep")


def test_the_short_cut_agrees_with_pathspec_on_every_kind_of_pattern() -> None:
    patterns = [*DEFAULT_EXCLUDES, "/top", "mid/dle/", "a/**", "**/deep", "x/*/y", "[a-c]?.*"]
    paths = [
        *DOCUMENTS,
        *TEMPORARY,
        "top",
        "b/top",
        "mid/dle/a",
        "a/b",
        "u/deep/v",
        "x/1/y",
        "b1.z",
    ]

    for pattern in patterns:
        filter_, spec = Filter(exclude=[pattern]), GitIgnoreSpec.from_lines([pattern])
        assert [p for p in paths if not filter_.takes(p)] == list(spec.match_files(paths)), pattern


@pytest.mark.parametrize("pattern", ["*-*-*-*.pdf", "/in/*-?*[0-9-]*-*.pdf", "*\\-*-*-*.pdf"])
def test_no_name_takes_long_to_be_told_from_a_pattern(pattern: str) -> None:
    """Who may write to a bucket chooses names; nothing else of the daemon runs meanwhile."""
    filter_, begun_s = Filter([pattern]), time.process_time()

    assert not filter_.takes("in/" + "-" * 1000)

    assert time.process_time() - begun_s < 0.2  # of 400 hyphens it was 2.8 s


@given(
    st.lists(
        st.sampled_from(["a", "-", "*", "?", "/", "**/", "/**", "[a-]", "[!a]", "\\*"]),
        min_size=1,
        max_size=9,
    ),
    st.text("a-b*/", max_size=14).map(lambda text: text.lstrip("/")),  # paths are relative
)
@example(["a", "*", "/**", "/", "a", "*", "-"], "a/b/a-/ab")
def test_quick_patterns_take_what_those_of_pathspec_take(pieces: list[str], path: str) -> None:
    pattern = "".join(pieces)
    try:
        spec = GitIgnoreSpec.from_lines([pattern])
    except ValueError:
        return

    assert Filter(exclude=[pattern]).takes(path) is not spec.match_file(path)


@pytest.mark.parametrize("pattern", ["!", "\\", "a\\", "[z-a]"])
def test_a_pattern_that_is_none_is_named(pattern: str) -> None:
    with pytest.raises(UserError, match=r"is not a pattern as in \.gitignore") as error:
        Filter(exclude=["*.tmp", pattern])

    assert repr(pattern) in str(error.value)


def test_an_alias_goes_by_the_name_it_stands_for() -> None:
    taken = Filter(exclude=DEFAULT_EXCLUDES)

    assert taken.takes("%_~/a.txt/b.txt")
    assert not taken.takes("%_~/a.txt/b.tmp")
