"""PDF documents on the page: drawn page by page, by a child that is held to its limits."""

from __future__ import annotations

import pathlib
import re
import sys
import threading
import time
from collections.abc import Iterator
from urllib.parse import urlencode

import pytest

from archive_desk import Documents
from browsing import Browser, words_of
from docferry.app.content import CHECKED_BYTES
from docferry.app.drawings import Drawings
from docferry.convert.base import ConversionError, Limits
from docferry.convert.drawing import Drawer, Drawn, Undrawn
from docferry.core.disk import Disk
from docferry.errors import FullError, NotFoundError, TemporaryError
from docferry.ledger import Ledger
from docferry.model import Ulid, VersionRow
from samples import pdfs
from serving import Served, served

pytestmark = pytest.mark.tools("pdftoppm", "pdfinfo", "sh")

PNG = b"\x89PNG\r\n\x1a\n"


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


def at(path: str) -> str:
    return "/files/at?" + urlencode({"mirror": "docs", "path": path})


def drawn(content: bytes, number: int, folder: pathlib.Path, **how: object) -> Drawn | Undrawn:
    document, work = folder / "document.pdf", folder / "work"
    document.write_bytes(content)
    work.mkdir()
    return Drawer(**how).draw(document, number, work)  # type: ignore[arg-type]


# One page.


def test_a_page_is_drawn_as_a_picture_of_a_bounded_size(tmp_path: pathlib.Path) -> None:
    found = drawn(pdfs.pages(3), 2, tmp_path)

    assert isinstance(found, Drawn)
    assert (found.number, found.pages, found.size) == (2, 3, (1131, 1600))
    assert found.picture.startswith(PNG)


@pytest.mark.parametrize(
    ("box", "size"),
    [((0, 0, 14_400_000, 14_400_000), (1600, 1600)), ((0, 0, 14_400_000, 1), (1600, 1))],
    ids=["huge", "long"],
)
def test_a_page_of_any_size_becomes_a_picture_of_the_usual_size(
    tmp_path: pathlib.Path, box: tuple[int, ...], size: tuple[int, int]
) -> None:
    found = drawn(pdfs.pages(1, box), 1, tmp_path)

    assert isinstance(found, Drawn)
    assert found.size == size


def test_the_last_of_ten_thousand_pages_is_drawn(tmp_path: pathlib.Path) -> None:
    found = drawn(pdfs.pages(10_000), 10_000, tmp_path)

    assert isinstance(found, Drawn)
    assert found.pages == 10_000


def test_a_page_that_is_not_there_is_named(tmp_path: pathlib.Path) -> None:
    with pytest.raises(NotFoundError, match="it has 3 pages, and no page 4"):
        drawn(pdfs.pages(3), 4, tmp_path)


def test_a_page_that_takes_too_long_is_given_up_on(tmp_path: pathlib.Path) -> None:
    content, began_s = pdfs.without_end(), time.monotonic()

    found = drawn(content, 1, tmp_path, limits=Limits(timeout_s=1.0, memory_mib=384))

    assert time.monotonic() - began_s < 20
    assert found == Undrawn(1, 2, "it takes longer than 1 s to draw")


def test_a_page_that_takes_too_much_memory_is_given_up_on(tmp_path: pathlib.Path) -> None:
    greedy = tmp_path / "greedy"
    greedy.write_text(f"#!{sys.executable} -I\nall = bytearray(10**9)\n")
    greedy.chmod(0o755)

    found = drawn(pdfs.pages(1), 1, tmp_path, drawer=str(greedy), limits=Limits(memory_mib=64))

    assert isinstance(found, Undrawn)
    assert "memory" in found.why


@pytest.mark.parametrize(
    "content",
    [b"%PDF-1.7\nand no more", pdfs.pages(0), pdfs.pages(1)[:200]],
    ids=["begun", "none", "cut"],
)
def test_a_damaged_document_is_called_so(tmp_path: pathlib.Path, content: bytes) -> None:
    with pytest.raises(ConversionError, match="it is damaged, or no PDF document"):
        drawn(content, 1, tmp_path)


def test_a_document_with_a_password_is_called_so(tmp_path: pathlib.Path) -> None:
    with pytest.raises(ConversionError, match="it is protected by a password"):
        drawn(pdfs.locked(), 1, tmp_path)


def test_what_draws_sees_its_own_document_alone(tmp_path: pathlib.Path) -> None:
    curious, secret = tmp_path / "curious", tmp_path / "secret"
    secret.write_bytes(PNG + b"of somebody else")
    curious.write_text(f"#!/bin/sh\ncat {secret}\n")
    curious.chmod(0o755)

    found = drawn(pdfs.pages(1), 1, tmp_path, drawer=str(curious))

    assert isinstance(found, Undrawn)


# Few at a time.


def put(desk: Documents, ledger: Ledger, content: bytes) -> VersionRow:
    row = ledger.versions.get(desk.put(ledger, "a.pdf", content))
    assert row is not None
    return row


class Waiting(Drawer):
    """Draws nothing, and only when it is told to."""

    def __init__(self) -> None:
        self.begun, self.end = threading.Semaphore(0), threading.Event()

    def draw(self, document: pathlib.Path, number: int, folder: pathlib.Path) -> Undrawn:
        self.begun.release()
        assert self.end.wait(30)
        return Undrawn(number, 9, "it waited")


def test_more_than_two_drawings_at_once_are_refused(
    tmp_path: pathlib.Path, api: Served, desk: Documents
) -> None:
    ledger, waiting = api.desk.ledger, Waiting()
    row = put(desk, ledger, pdfs.pages(9))
    drawings = Drawings(tmp_path / "drawings", waiting, wait_s=0.0)
    threads = [
        threading.Thread(target=drawings.page, args=(desk.loaded, ledger, row, number))
        for number in (1, 2)
    ]
    for thread in threads:
        thread.start()
        assert waiting.begun.acquire(timeout=30)
    try:
        with pytest.raises(TemporaryError, match="try again"):
            drawings.page(desk.loaded, ledger, row, 3)
    finally:
        waiting.end.set()
        for thread in threads:
            thread.join()

    assert isinstance(drawings.page(desk.loaded, ledger, row, 3), Undrawn)  # there is room again


def test_nothing_is_left_of_a_drawing_nor_of_those_before_a_kill(
    tmp_path: pathlib.Path, api: Served, desk: Documents
) -> None:
    folder = tmp_path / "drawings"
    left = folder / "tmpleft" / "document.pdf"
    left.parent.mkdir(parents=True)
    left.write_bytes(b"%PDF")

    found = Drawings(folder).page(
        desk.loaded, api.desk.ledger, put(desk, api.desk.ledger, pdfs.pages(1)), 1
    )

    assert isinstance(found, Drawn)
    assert [*folder.iterdir()] == []


def test_no_document_is_staged_on_a_disk_that_is_to_take_no_more(
    tmp_path: pathlib.Path, api: Served, desk: Documents
) -> None:
    full, waiting = Disk(device=1, free=1000, size=10**12), Waiting()
    drawings = Drawings(tmp_path / "drawings", waiting, look=lambda folder: full)
    large = put(desk, api.desk.ledger, b"%PDF-" + bytes(CHECKED_BYTES))

    with pytest.raises(FullError, match="no room"):
        drawings.page(desk.loaded, api.desk.ledger, large, 1)

    assert not waiting.begun.acquire(blocking=False)


# On the page.


def page_of(said: str) -> str:
    found = re.search(r'<section aria-labelledby="preview-title".*?</section>', said, re.DOTALL)
    assert found, said
    return found[0]


def version_of(desk: Documents, api: Served, content: bytes) -> Ulid:
    return desk.put(api.desk.ledger, "a.pdf", content)


def test_a_document_is_shown_page_by_page(api: Served, desk: Documents, browser: Browser) -> None:
    version = version_of(desk, api, pdfs.pages(12))

    first = page_of(browser.get(at("a.pdf")).text)
    second = page_of(browser.get(f"/versions/{version}?page=2").text)
    last = page_of(browser.get(f"/versions/{version}?page=12").text)

    assert f'<img src="/versions/{version}/pages/1" width="1131" height="1600"' in first
    assert 'alt="Page 1 of 12 of a.pdf, as a picture"' in first
    assert f'rel="next" href="/versions/{version}?page=2#preview"' in first
    assert 'rel="prev"' not in first
    assert f'rel="prev" href="/versions/{version}?page=1#preview"' in second
    assert "Page 12 of 12" in words_of(last)
    assert 'rel="next"' not in last


def test_the_picture_of_a_page_is_a_picture_and_nothing_else(
    api: Served, desk: Documents, browser: Browser
) -> None:
    version = version_of(desk, api, pdfs.pages(2))

    said = browser.get(f"/versions/{version}/pages/2")
    again = browser.get(
        f"/versions/{version}/pages/2", headers={"If-None-Match": said.headers["ETag"]}
    )

    assert said.content.startswith(PNG)
    assert said.headers["Content-Type"] == "image/png"
    assert said.headers["Content-Security-Policy"].startswith("sandbox; default-src 'none'")
    assert said.headers["X-Content-Type-Options"] == "nosniff"
    assert said.headers["Cache-Control"] == "private, no-cache"
    assert (again.status_code, again.content) == (304, b"")


def test_pages_and_versions_have_pictures_of_their_own(
    api: Served, desk: Documents, browser: Browser
) -> None:
    one, two = (version_of(desk, api, pdfs.pages(number)) for number in (2, 3))

    tags = {
        browser.get(f"/versions/{version}/pages/{number}").headers["ETag"]
        for version in (one, two)
        for number in (1, 2)
    }

    assert len(tags) == 4


@pytest.mark.parametrize("number", ["0", "-1", "13", "x", "1e3", str(10**30)])
def test_a_page_that_is_none_is_refused(
    api: Served, desk: Documents, browser: Browser, number: str
) -> None:
    version = version_of(desk, api, pdfs.pages(12))

    picture = browser.get(f"/versions/{version}/pages/{number}")
    page = browser.get(f"/versions/{version}?page={number}")

    assert picture.status_code in (404, 422)
    assert "<img" not in page_of(page.text) if page.ok else page.status_code == 422


def test_a_key_of_another_mirror_sees_no_page(desk: Documents) -> None:
    desk.configure("docs", "other")
    with desk.ledger() as ledger, served(desk.loaded, ledger) as api:
        version = version_of(desk, api, pdfs.pages(1))
        boss = api.post("/keys", json={"name": "boss", "role": "admin"}).json()["secret"]
        browsers = []
        for mirror in ("docs", "other"):
            wanted = {"name": mirror, "role": "admin", "mirrors": [mirror]}
            browsers.append(Browser(api))
            browsers[-1].log_in(api.post("/keys", key=boss, json=wanted).json()["secret"])
        friend, stranger = browsers
        seen = friend.get(f"/versions/{version}/pages/1")

        said = stranger.get(
            f"/versions/{version}/pages/1", headers={"If-None-Match": seen.headers["ETag"]}
        )

        assert (seen.status_code, said.status_code) == (200, 404)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"%PDF-1.7\nand no more", "No preview: it is damaged, or no PDF document"),
        (pdfs.locked(), "No preview: it is protected by a password"),
    ],
    ids=["damaged", "locked"],
)
def test_why_a_document_is_not_shown_is_said(
    api: Served, desk: Documents, browser: Browser, content: bytes, why: str
) -> None:
    version_of(desk, api, content)

    said = browser.get(at("a.pdf"))

    assert said.status_code == 200
    assert why in words_of(said.text)


def test_a_page_that_cannot_be_drawn_bars_no_way_to_the_others(
    api: Served, desk: Documents, browser: Browser
) -> None:
    version_of(desk, api, pdfs.without_end())

    said = page_of(browser.get(at("a.pdf")).text)

    assert "Page 1 of 2 is not shown: it takes longer than 5 s to draw" in words_of(said)
    assert 'rel="next"' in said
    assert "<img" not in said


def test_where_nothing_draws_the_page_says_what_to_install(
    tmp_path: pathlib.Path, api: Served, desk: Documents, browser: Browser
) -> None:
    api.desk.drawings = Drawings(tmp_path / "none", Drawer(teller="no-such-pdfinfo"))
    version_of(desk, api, pdfs.pages(1))

    said = words_of(browser.get(at("a.pdf")).text)

    assert "No preview: no-such-pdfinfo is not installed; install poppler-utils" in said
