"""What a web page says of itself, as YAML before its Markdown."""

from __future__ import annotations

import json
from contextlib import suppress
from html.parser import HTMLParser

_MOST_CHARACTERS = 65_536  # a head that is longer is no head
_NAMES = ("author", "description", "date", "keywords")


def front_matter(page: str) -> str:
    """Give it with its `---` lines; "": the page says nothing."""
    head = _Head()
    with suppress(AssertionError):  # what it says of a "<![" that it does not know, as of 3.11
        head.feed(page[:_MOST_CHARACTERS])
    title = " ".join("".join(head.title).split())
    said = {"title": title, "lang": head.language, **head.said}
    lines = [f"{name}: {_quoted(value)}" for name, value in said.items() if value]
    return "\n".join(["---", *lines, "---", "", ""]) if lines else ""


def _quoted(value: str) -> str:
    # JSON is YAML, but for what cannot be printed.
    words = " ".join("".join(c if c.isprintable() else " " for c in value).split())
    return json.dumps(words, ensure_ascii=False)


class _Head(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.title: list[str] = []
        self.language = ""
        self.said: dict[str, str] = {}
        self._is_in_title = False
        self._is_over = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._is_over |= tag in ("body", "svg")
        if self._is_over:
            return
        told = dict(attrs)
        if tag == "html":
            self.language = told.get("lang") or ""
        if tag == "meta" and (name := (told.get("name") or "").lower()) in _NAMES:
            self.said.setdefault(name, told.get("content") or "")
        self._is_in_title = tag == "title" and not self.title

    def handle_endtag(self, tag: str) -> None:
        self._is_in_title = False
        self._is_over |= tag == "head"

    def handle_data(self, data: str) -> None:
        if self._is_in_title:
            self.title.append(data)
