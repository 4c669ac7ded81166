"""What a web page says of itself, as YAML."""

from __future__ import annotations

import json

import pytest

from docferry.convert.page_head import front_matter


@pytest.mark.parametrize(
    ("page", "lines"),
    [
        ("<title>Fähre</title>", ['title: "Fähre"']),
        ("<title> a\n b </title>", ['title: "a b"']),
        ('<title>a: "b" #c</title>', ['title: "a: \\"b\\" #c"']),
        ("<title>A &amp; B</title>", ['title: "A & B"']),
        ('<html lang="de"><title>a</title>', ['title: "a"', 'lang: "de"']),
        ('<meta name="Author" content="Ada">', ['author: "Ada"']),
        ('<meta name="author" content="---\n# x">', ['author: "--- # x"']),
        ('<meta name="viewport" content="width=1"><title>a</title>', ['title: "a"']),
        ("<head><title>a</title></head><body><svg><title>b</title></svg>", ['title: "a"']),
    ],
)
def test_it_stands_before_the_page(page: str, lines: list[str]) -> None:
    assert front_matter(page) == "\n".join(["---", *lines, "---", "", ""])


@pytest.mark.parametrize(
    "page", ["", "<p>words", "<body><title>a</title>", "<title></title>", "<![x"]
)
def test_a_page_that_says_nothing_has_none(page: str) -> None:
    assert front_matter(page) == ""


@pytest.mark.parametrize("title", ["true", "2026-01-01", "- x", "'", "\\", "\x7f\u2028x"])
def test_whatever_it_says_is_one_quoted_value(title: str) -> None:
    _, line, *_ = front_matter(f"<title>{title}</title>").split("\n")

    value = json.loads(line.removeprefix("title: "))

    assert value.isprintable()
