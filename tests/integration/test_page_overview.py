"""What the page says of how things are, to who sees it and to who hears it."""

from __future__ import annotations

import pathlib
import re
from collections.abc import Iterator

import pytest

from browsing import Browser, words_of
from commands import Desk
from conversion_rows import RULE, dead
from docferry.app.faces import Beat
from docferry.ledger import Ledger
from ledger_rows import MINUTE, NOW, deleted, uploaded
from serving import Served, served

_HIDDEN = re.compile(r"<(\w+) aria-hidden=\"true\"[^>]*>[^<]*</\1>")


@pytest.fixture
def ledger(desk: Desk) -> Iterator[Ledger]:
    with desk.ledger() as ledger:
        yield ledger


@pytest.fixture
def desk(
    tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Desk:
    desk = Desk(tmp_path, capsys, monkeypatch)
    desk.configure("docs", "processed", more=RULE)
    return desk


@pytest.fixture
def api(desk: Desk, ledger: Ledger) -> Iterator[Served]:
    with served(desk.loaded, ledger) as running:
        yield running


def heard(page: str) -> str:
    """Give what a screen reader reads."""
    return words_of(_HIDDEN.sub(" ", page))


def last_errors(api: Served) -> str:
    page = Browser(api).get("/").text
    return words_of(page[page.index('id="trouble"') : page.index('id="queue"')])


def test_a_conversion_that_was_given_up_is_among_the_last_errors(
    api: Served, ledger: Ledger
) -> None:
    before = last_errors(api)
    dead(ledger, "broken.docx", reason="no document at all")

    after = last_errors(api)

    assert "No file fails, and no conversion was given up." in before
    assert "broken.docx no document at all docs · rule to-markdown, given up" in after
    assert "No file fails" not in after


def test_on_which_sides_a_file_is_is_said_and_not_only_struck_out(
    api: Served, ledger: Ledger
) -> None:
    ledger.record("docs", [uploaded("here.txt"), uploaded("gone.txt")], at=NOW)
    ledger.record("docs", [deleted("gone.txt")], at=NOW + MINUTE)
    browser = Browser(api)

    agreed = heard(browser.get("/files").text)
    gone = heard(browser.get("/files?state=deleted").text)

    assert "in the folder and in the bucket" in agreed
    assert "on no side" in gone
    assert "folder bucket" not in gone


def test_what_keeps_a_mirror_from_being_in_step_is_said(
    desk: Desk, api: Served, ledger: Ledger
) -> None:
    desk.config.write_text(
        desk.config.read_text().replace("[mirror.docs]\n", "[mirror.docs]\nkeep_last = 3\n")
    )
    api.desk.hear(Beat(is_alive=True, mirrors={}, config=desk.loaded))
    ledger.waits.begin("docs", NOW)

    for path in ("/", "/mirrors"):
        assert "Retention waits for your word" in words_of(Browser(api).get(path).text)
