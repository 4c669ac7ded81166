"""What documents, and their names, can do to who looks at them on the page: nothing."""

from __future__ import annotations

import html
import pathlib
import re
import sqlite3
import zlib
from collections.abc import Iterator
from contextlib import closing
from urllib.parse import quote, urlencode

import pytest
import requests

from archive_desk import Documents
from browsing import Browser, words_of
from commands import held
from conversion_rows import job_of
from docferry.ledger import Ledger
from docferry.ledger.file_search import WINDOW
from docferry.storage.memory import sha256_of
from docferry.web.comparisons import Comparisons
from ledger_rows import MINUTE, NOW
from serving import Served, served

#: Names that would be markup, a script, or read otherwise than they are.
NAMES = [
    "<script>alert(1)</script>.txt",
    '"><img src=x onerror=alert(1)>.md',
    "'-alert(1)-'.txt",
    "a&lt;b&quot;.txt",
    "{{7*7}}.txt",
    "invoice\u202efdp.exe",
    "line\nbreak\r\x1b[31m.txt",
    "javascript:alert(1)",
    "a?b#c%2e%2e.txt",
]
PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 20
MARKUP = re.compile(
    r"<(?:script|img|svg|iframe|object|embed|style|base|form)\b[^>]*>", re.IGNORECASE
)


@pytest.fixture
def desk(
    tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Documents:
    found = Documents(tmp_path, capsys, monkeypatch)
    found.open_folder()
    return found


@pytest.fixture
def api(desk: Documents) -> Iterator[Served]:
    with desk.ledger() as ledger, served(desk.loaded, ledger) as running:
        yield running


@pytest.fixture
def browser(api: Served) -> Browser:
    return Browser(api)


#: What both sides agreed on, so many times more.
_MANY_FILES = """
WITH RECURSIVE numbers(number) AS (SELECT 1 UNION ALL SELECT number + 1 FROM numbers LIMIT :count)
INSERT INTO synced (mirror, path, sha256, local_token, remote_token, version, size, odd)
SELECT mirror, printf('a/%07d', number), sha256, local_token, remote_token, version, size, odd
FROM synced, numbers
"""


def at(path: str) -> str:
    return "/files/at?" + urlencode({"mirror": "docs", "path": path})


def document_in(page: str) -> str:
    """Give what the preview shows, as HTML."""
    found = re.search(r'<(article|pre) class="document".*?>(.*?)</\1>', page, re.DOTALL)
    assert found, page
    return found[2]


def preview(api: Served, desk: Documents, name: str, content: bytes) -> str:
    desk.put(api.desk.ledger, name, content)
    return document_in(Browser(api).get(at(name)).text)


def markup_of(page: requests.Response) -> set[str]:
    """Give the elements that a name could have brought in, besides those of every page."""
    ours = (
        '<script type="module" src="/',
        '<svg class="mark',
        '<svg viewBox="0',
        "<form ",
        '<img src="/v',
    )
    return {one for one in MARKUP.findall(page.text) if not one.startswith(ours)}


@pytest.mark.parametrize("name", NAMES)
def test_a_name_is_text_wherever_it_is_shown(api: Served, desk: Documents, name: str) -> None:
    ledger, browser = api.desk.ledger, Browser(api)
    desk.put(ledger, name, b"one", NOW)
    version = desk.put(ledger, name, b"two", NOW + MINUTE)
    ledger.problems.put("docs", name, kind="upload", message=f"no: {name}", at=NOW, retry_at=None)
    hold = held(ledger, name, reason=f"because of {name}")
    pages = ["/", "/files", at(name), f"/versions/{version}", f"/versions/{version}/restore"]
    pages += ["/holds", f"/holds/{hold}", "/mirrors", "/files?" + urlencode({"q": name})]
    pages += ["/files/why?" + urlencode({"mirror": "docs", "path": name})]

    for page in pages:
        said = browser.get(page)

        assert said.status_code == 200, page
        assert markup_of(said) == set(), page
        assert "\u202e" not in said.text, page
        assert "\x1b" not in said.text, page


def test_a_name_that_is_turned_around_is_seen_for_what_it_is(
    api: Served, desk: Documents, browser: Browser
) -> None:
    desk.put(api.desk.ledger, "invoice\u202efdp.exe", b"")

    assert "U+202E" in words_of(browser.get("/files").text)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("ort", {"x/Report.docx", "reports/2026/a.txt"}),
        ("REPORT", {"x/Report.docx", "reports/2026/a.txt"}),
        ("s/2026", {"reports/2026/a.txt"}),
        ("übung", {"y/Übung_1.txt"}),
        ("u\u0308bung", {"y/Übung_1.txt"}),
        ("g_1", {"y/Übung_1.txt"}),
        ("g%1", set()),
        ("none", set()),
        (" Report.docx ", {"x/Report.docx"}),
    ],
)
def test_a_file_is_found_by_a_part_of_its_path(
    api: Served, desk: Documents, browser: Browser, text: str, found: set[str]
) -> None:
    for path in ("x/Report.docx", "reports/2026/a.txt", "y/Übung_1.txt"):
        desk.put(api.desk.ledger, path, path.encode("latin1"))

    said = browser.get("/files", params={"q": text}).text

    assert set(re.findall(r'<tr data-key="docs/([^"]+)"', said)) == found
    assert ("No file is so." in said) == (not found)


def test_a_search_that_has_not_looked_through_all_says_so(
    api: Served, desk: Documents, browser: Browser
) -> None:
    desk.put(api.desk.ledger, "z/needle.txt", b"found")
    with closing(sqlite3.connect(api.desk.ledger.path)) as raw, raw:
        raw.execute(_MANY_FILES, {"count": 10 * WINDOW})

    first = browser.get("/files?q=needle&sort=path").text
    [more] = re.findall(r'rel="next" href="([^"]+)"', first)
    second = browser.get(html.unescape(more)).text

    assert "None among the files that were looked through so far" in first
    assert "z/needle.txt" in second
    assert 'rel="next"' not in second


@pytest.mark.parametrize("name", NAMES)
def test_a_name_is_saved_as_it_is_and_steers_no_header(
    api: Served, desk: Documents, browser: Browser, name: str
) -> None:
    version = desk.put(api.desk.ledger, name, b"content")

    said = browser.get(f"/versions/{version}/download")

    assert said.content == b"content"
    disposition = said.headers["Content-Disposition"]
    assert disposition.endswith(f"filename*=UTF-8''{quote(name.rpartition('/')[2], safe='')}")
    assert disposition.startswith("attachment; ")


@pytest.mark.parametrize("name", ["page.html", "drawing.svg", "page.xhtml", "script.js"])
@pytest.mark.parametrize("content", [b"<script>alert(1)</script>", b"<svg onload='alert(1)'/>"])
def test_what_a_browser_would_run_is_shown_as_text_and_saved_as_bytes(
    api: Served, desk: Documents, browser: Browser, name: str, content: bytes
) -> None:
    version = desk.put(api.desk.ledger, name, content)

    shown = browser.get(at(name))
    saved = browser.get(f"/versions/{version}/download")

    assert markup_of(shown) == set()
    assert "alert(1)" in words_of(document_in(shown.text))
    assert saved.headers["Content-Type"] == "application/octet-stream"
    assert saved.headers["X-Content-Type-Options"] == "nosniff"
    assert saved.headers["Content-Security-Policy"].startswith("sandbox; default-src 'none'")
    assert browser.get(f"/versions/{version}/picture").status_code == 404


@pytest.mark.parametrize(
    "text",
    [
        "<script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        "a <b onclick='alert(1)'>b</b>",
        "<iframe srcdoc='<script>alert(1)</script>'></iframe>",
        "<!-- --><style>body{display:none}</style>",
        "```\n<script>alert(1)</script>\n```",
        "| <script>alert(1)</script> |\n|---|\n| x |",
    ],
)
def test_html_in_markdown_is_text(api: Served, desk: Documents, text: str) -> None:
    shown = preview(api, desk, "a.md", text.encode())

    assert not MARKUP.search(shown)
    assert not re.search(r"<[^>]* on\w+=", shown)


@pytest.mark.parametrize(
    "url",
    [
        "javascript:alert(1)",
        "JaVaScRiPt:alert(1)",
        " javascript:alert(1)",
        "java\tscript:alert(1)",
        "&#106;avascript:alert(1)",
        "data:text/html,<script>alert(1)</script>",
        "vbscript:x",
        "file:///etc/passwd",
        "//evil.example.com",
        "/keys",
    ],
)
def test_a_link_in_markdown_leads_only_where_links_may(
    api: Served, desk: Documents, url: str
) -> None:
    shown = preview(api, desk, "a.md", f"[click](<{url}>) and [this]\n\n[this]: <{url}>\n".encode())

    assert "<a " not in shown


def test_a_link_in_markdown_tells_its_goal_nothing(api: Served, desk: Documents) -> None:
    shown = preview(api, desk, "a.md", b"[there](https://example.com/a) <mailto:a@example.com>")

    assert 'href="https://example.com/a" rel="noopener noreferrer nofollow"' in shown
    assert 'href="mailto:a@example.com"' in shown


def test_pictures_in_markdown_are_not_fetched(api: Served, desk: Documents) -> None:
    shown = preview(api, desk, "a.md", b"![a **cat**](https://tracker.example.com/x.png)")

    assert "tracker" not in shown
    assert words_of(shown) == "a cat"


def test_a_table_in_markdown_needs_no_style_of_its_own(api: Served, desk: Documents) -> None:
    shown = preview(api, desk, "a.md", b"| a |\n|--:|\n| 1 |\n")

    assert "style=" not in shown
    assert 'class="right"' in shown


def test_headings_of_a_document_stand_below_those_of_the_page(api: Served, desk: Documents) -> None:
    assert preview(api, desk, "a.md", b"# One\n\n###### Six\n") == "<h3>One</h3>\n<h6>Six</h6>\n"


# Texts that office programs write.


def test_a_text_of_windows_is_shown_as_its_words(api: Served, desk: Documents) -> None:
    for content in (b"a\r\n\xef\xbf\xa5\r\n", b"\xef\xbb\xbfa\n\xef\xbf\xa5\n"):
        assert preview(api, desk, "a.txt", content) == "a\n\uffe5\n"
    assert preview(api, desk, "a.txt", "ä€\r\n".encode("utf-16")) == "ä€\n"


def test_markdown_with_a_mark_before_it_begins_with_its_heading(
    api: Served, desk: Documents
) -> None:
    shown = preview(api, desk, "a.md", b"\xef\xbb\xbf# Head\r\n\r\ntext\r\n")

    assert shown == "<h3>Head</h3>\n<p>text</p>\n"


def test_of_a_text_whose_bytes_do_not_say_it_what_was_guessed_is_said(
    api: Served, desk: Documents, browser: Browser
) -> None:
    shown = preview(api, desk, "a.txt", "Größe 5 €\n".encode("cp1252"))

    assert shown == "Größe 5 €\n"
    assert "it is read as Windows-1252" in words_of(browser.get(at("a.txt")).text)


@pytest.mark.parametrize(("name", "is_made"), [("a.eml", True), ("a.html", True), ("a.txt", False)])
def test_of_what_is_written_for_programs_its_markdown_is_shown(
    api: Served, desk: Documents, *, name: str, is_made: bool
) -> None:
    ledger = api.desk.ledger
    before = preview(api, desk, name, b"source")
    rendition(ledger, name, "a.md", b"# Words")
    desk.put(ledger, "a.md", b"# Words")

    after = document_in(Browser(api).get(at(name)).text)

    assert before == "source"
    assert after == ("<h3>Words</h3>\n" if is_made else "source")


def rendition(ledger: Ledger, path: str, result: str, content: bytes) -> None:
    """Let a rule have made *result*, of the same mirror, of what *path* holds."""
    [row] = ledger.versions.of("docs", path)
    made = job_of(path, sha256=row.sha256, version=row.id, target_mirror="docs", place=result)
    [job] = ledger.jobs.ask_all([made], NOW)
    ledger.jobs.claim(NOW, NOW + MINUTE, rules=[made.rule])
    ledger.jobs.finish(job, NOW + MINUTE, result, sha256_of(content))


def test_a_picture_is_sent_as_what_its_bytes_are(
    api: Served, desk: Documents, browser: Browser
) -> None:
    version = desk.put(api.desk.ledger, "a.html", PNG)

    said = browser.get(f"/versions/{version}/picture")

    assert said.headers["Content-Type"] == "image/png"
    assert said.headers["Content-Security-Policy"].startswith("sandbox; default-src 'none'")
    assert said.content == PNG
    assert f'<img src="/versions/{version}/picture"' in browser.get(at("a.html")).text


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "the file is empty"),
        (zlib.compress(b"x" * 999), "neither text nor a picture"),
        (b"a\0b", "neither text nor a picture"),
    ],
)
def test_what_is_not_shown_says_why(
    api: Served, desk: Documents, browser: Browser, content: bytes, says: str
) -> None:
    desk.put(api.desk.ledger, "a.txt", content)

    assert says in words_of(browser.get(at("a.txt")).text)


def test_no_page_waits_for_a_store_unasked(api: Served, desk: Documents, browser: Browser) -> None:
    old = desk.put(api.desk.ledger, "a.txt", b"the old words", NOW)
    desk.put(api.desk.ledger, "a.txt", b"new", NOW + MINUTE)

    unasked = words_of(browser.get(f"/versions/{old}").text)
    asked = browser.get(f"{at('a.txt')}&version={old}&fetch=true").text

    assert "its bytes are in the bucket alone . Fetch it" in unasked
    assert "the old words" in document_in(asked)


def test_of_a_large_text_its_beginning_is_shown(
    api: Served, desk: Documents, browser: Browser
) -> None:
    desk.put(api.desk.ledger, "a.txt", "ä".encode() * 300_000)

    said = browser.get(at("a.txt")).text

    assert len(document_in(said)) == 128 * 1024
    assert "This is its beginning" in said


def test_what_takes_too_long_to_compare_is_said_to_differ(
    api: Served, desk: Documents, browser: Browser
) -> None:
    a = desk.put(api.desk.ledger, "a.txt", b"one", NOW)
    b = desk.put(api.desk.ledger, "a.txt", b"two", NOW + MINUTE)
    api.desk.comparisons = Comparisons(lambda *_: None)

    said = browser.get(f"/files/diff?a={a}&b={b}")

    assert said.status_code == 200
    assert "They differ in too many places to be compared" in words_of(said.text)


def test_large_texts_are_not_compared_on_the_page(
    api: Served, desk: Documents, browser: Browser
) -> None:
    a = desk.put(api.desk.ledger, "a.txt", b"one", NOW)
    b = desk.put(api.desk.ledger, "a.txt", b"x" * (1024 * 1024 + 1), NOW + MINUTE)

    said = words_of(browser.get(f"/files/diff?a={a}&b={b}").text)

    assert "too large to be compared line by line" in said


def test_the_differences_of_two_texts_are_told_in_words_too(
    api: Served, desk: Documents, browser: Browser
) -> None:
    a = desk.put(api.desk.ledger, "a.txt", b"one\n<two>\n", NOW)
    b = desk.put(api.desk.ledger, "a.txt", b"one\n<three>\n", NOW + MINUTE)

    said = words_of(browser.get(f"/files/diff?a={a}&b={b}").text)

    assert "removed <two>" in said
    assert "added <three>" in said


def test_of_texts_whose_lines_are_the_same_it_is_said_what_else_differs(
    api: Served, desk: Documents, browser: Browser
) -> None:
    a = desk.put(api.desk.ledger, "a.txt", b"one\ntwo\n", NOW)
    b = desk.put(api.desk.ledger, "a.txt", "one\r\ntwo\r\n".encode("utf-16"), NOW + MINUTE)

    said = words_of(browser.get(f"/files/diff?a={a}&b={b}").text)

    command = desk.asks("diff", a, b)

    assert "No line differs" in said
    assert "encoding: UTF-8 before, UTF-16 after; line ends: LF before, CRLF after" in said
    assert command.code == 1
    assert command.text.splitlines() == [
        "\\ encoding: UTF-8 before, UTF-16 after",
        "\\ line ends: LF before, CRLF after",
    ]
