"""How the page shows names, numbers, times, differences and charts."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from docferry.web.pages.chart import HEIGHT, WIDTH, chart
from docferry.web.pages.diff import Line, lines_of
from docferry.web.pages.words import (
    ago,
    lasted,
    moment,
    number,
    size,
    spelled,
    visible,
    visible_text,
)
from docferry.web.preview import NotShown, Picture, PlainText, Rendered, preview_of, rendered

NOW = datetime(2026, 11, 27, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("a.txt", "a.txt"),
        ("<b>&\"'.txt", "&lt;b&gt;&amp;&#34;&#39;.txt"),
        ("a/b", "a/<wbr>b"),
        ("ä ж 漢 🚢", "ä ж 漢 🚢"),
        ("a\u202eb", 'a<span class="ctl" title="U+202E">U+202E</span>b'),
        ("a\nb", 'a<span class="ctl" title="U+000A">U+000A</span>b'),
        ("\udcff", '<span class="ctl" title="U+DCFF">U+DCFF</span>'),
        ("\u200b", '<span class="ctl" title="U+200B">U+200B</span>'),
    ],
)
def test_a_name_is_seen_for_what_it_is(name: str, shown: str) -> None:
    assert visible(name) == f"<bdi>{shown}</bdi>"


def test_a_run_of_hidden_letters_has_one_frame() -> None:
    assert visible_text("a\x01\x02\n\x03") == (
        'a<span class="ctl" title="U+0001 U+0002">U+0001 U+0002</span>\n'
        '<span class="ctl" title="U+0003">U+0003</span>'
    )


def test_very_many_hidden_letters_do_not_make_a_page_of_many_times_their_size() -> None:
    letters = 50_000

    shown = visible_text("\x01" * letters)

    assert len(shown) < 8 * letters
    assert shown.count("<span") == 1


@pytest.mark.parametrize("end", ["\n", "\r", "\r\n"])
def test_a_table_of_very_many_cells_is_shown_as_text(end: str) -> None:
    """Rows of a table are filled up to its width: a few kB would be a page of megabytes."""
    columns = 2000
    table = end.join(["|a" * columns, "|-" * columns, *["|b"] * 1000])

    assert "<table" not in rendered(table)
    assert len(rendered(table)) < 2 * len(table)


def test_a_table_of_one_column_and_very_many_rows_is_shown_as_text() -> None:
    assert "<table" not in rendered("|a|\n|-|\n" + "|\n" * 20_000)


@pytest.mark.parametrize("between", ["", "\n\n" + "text\n" * 5000])
def test_a_table_of_many_rows_is_one(between: str) -> None:
    table = "|a|b|c|\n|-|-|-|\n" + "|1|2|3|\n" * 2000

    assert rendered(table + between).count("<td>") == 6000


def test_in_a_title_hidden_letters_are_spelled_out() -> None:
    assert spelled("a\u202eb\x00") == "a⟨U+202E⟩b⟨U+0000⟩"


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0.0, "0 ms"), (0.25, "250 ms"), (1.5, "1.5 s"), (59, "59 s"), (120, "2 min"), (1e6, "12 d")],
)
def test_spans_are_said_the_way_one_says_them(seconds: float, said: str) -> None:
    assert lasted(timedelta(seconds=seconds)) == said


def test_what_is_yet_to_come_is_said_to_be() -> None:
    assert ago(NOW + timedelta(minutes=5), NOW) == "in 5 min"
    assert ago(NOW, NOW) == "just now"


def test_a_time_and_a_size_have_the_exact_value_behind_them() -> None:
    assert 'datetime="2026-11-27T12:00:00Z"' in moment(NOW)
    assert 'value="1536"' in size(1536)
    assert ">1.5 KiB<" in size(1536)
    assert number(1234567) == "1\u202f234\u202f567"


@pytest.mark.parametrize(
    ("name", "content", "kind"),
    [
        ("a.md", b"# a", Rendered),
        ("a.MARKDOWN", b"a", Rendered),
        ("a.txt", "ä".encode(), PlainText),
        ("a.html", b"<p>", PlainText),
        ("a.svg", b"<svg/>", PlainText),
        ("a", b"\x89PNG\r\n\x1a\n", Picture),
        ("a.txt", b"\xff\xd8\xff\xe0", Picture),
        ("a", b"RIFF\0\0\0\0WEBPVP8 ", Picture),
        ("a", b"RIFF\0\0\0\0WAVE", NotShown),
        ("a.pdf", b"%PDF-1.7\n\xe2\xe3\x00\x01", NotShown),
        ("a.txt", "ä".encode("latin1"), PlainText),
        ("a.txt", b"", NotShown),
    ],
)
def test_what_is_shown_depends_on_the_content(name: str, content: bytes, kind: type) -> None:
    assert isinstance(preview_of(name, content, len(content)), kind)


def test_a_letter_that_the_cut_goes_through_makes_no_text_binary() -> None:
    content = "aä".encode()[:2]

    assert preview_of("a.txt", content, 1_000_000) == PlainText("a", is_cut=True)


def test_lines_of_a_comparison_have_their_numbers() -> None:
    told = ["--- a", "+++ b", "@@ -3,3 +3,3 @@", " same", "-old", "+new", " end"]

    assert lines_of(told) == (
        [
            Line("place", "@@ -3,3 +3,3 @@"),
            Line("same", "same", 3, 3),
            Line("removed", "old", 4, None),
            Line("added", "new", None, 4),
            Line("same", "end", 5, 5),
        ],
        0,
    )


def test_of_many_lines_the_first_are_shown_and_the_rest_is_counted() -> None:
    told = ["--- a", "+++ b", "@@ -1 +1,9 @@", *["+x"] * 9]

    lines, hidden = lines_of(told, most=4)

    assert (len(lines), hidden) == (4, 6)


def test_of_very_long_lines_the_beginning_is_shown() -> None:
    told = ["--- a", "+++ b", "@@ -1 +1,2 @@", "+" + "x" * 1_000_000, "+y"]

    lines, hidden = lines_of(told)

    assert lines[-1].text.endswith("x…")
    assert sum(len(line.text) for line in lines) < 300_000
    assert hidden == 1


def test_bars_fill_the_width_and_the_highest_the_height() -> None:
    found = chart("t", [0, None, 5, 10], ["a"] * 4, "10", "w", NOW)

    assert [bar.height for bar in found.bars] == [0, 0, HEIGHT / 2, HEIGHT]
    assert found.bars[-1].x + found.bars[-1].width <= WIDTH
    assert not found.is_empty


def test_a_value_is_never_too_small_to_be_seen() -> None:
    found = chart("t", [1, 1_000_000], ["a", "b"], "1", "w", NOW)

    assert found.bars[0].height == 2
