"""The stream by which an open page hears that something has changed."""

from __future__ import annotations

import pathlib
from collections.abc import Iterator

import pytest

from browsing import Browser
from commands import Desk
from ledger_rows import NOW, uploaded
from serving import Served, served

CHANGED = b"event: changed"
BEAT = b"event: beat"


@pytest.fixture
def api(
    tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Served]:
    desk = Desk(tmp_path, capsys, monkeypatch)
    desk.configure("docs", "other")
    with desk.ledger() as ledger, served(desk.loaded, ledger) as running:
        yield running


def limited(api: Served, mirror: str) -> Browser:
    """Give somebody who may see one mirror."""
    wanted = {"name": mirror, "role": "viewer", "mirrors": [mirror]}
    browser = Browser(api)
    browser.log_in(api.post("/keys", json=wanted).json()["secret"])
    return browser


def lines_of(browser: Browser) -> Iterator[bytes]:
    """Yield what comes, but for blank lines, after what is said at the beginning."""
    answer = browser.get("/live", stream=True)
    assert answer.headers["Content-Type"].startswith("text/event-stream")
    found = (line for line in answer.iter_lines(chunk_size=1) if line)
    assert [next(found) for _ in range(3)] == [b"retry: 2000", CHANGED, b"data: "]
    return found


def test_a_page_hears_of_a_change(api: Served) -> None:
    lines = lines_of(Browser(api))

    api.desk.ledger.record("docs", [uploaded("a.txt")], at=NOW)

    assert next(lines) == CHANGED


def test_a_page_hears_nothing_of_mirrors_that_its_key_may_not_see(api: Served) -> None:
    api.desk.feed.beat_s = 0.5
    lines = lines_of(limited(api, "other"))

    api.desk.ledger.record("docs", [uploaded("a.txt")], at=NOW)

    assert [next(lines), next(lines)] == [BEAT, b"data: "]
    api.desk.ledger.record("other", [uploaded("b.txt")], at=NOW)
    assert CHANGED in [next(lines) for _ in range(3)]


def test_a_stream_ends_with_its_key(api: Served) -> None:
    api.desk.feed.beat_s = 0.1
    lines = lines_of(limited(api, "docs"))
    [key] = api.desk.ledger.keys.all()

    api.desk.ledger.keys.revoke(key.id, NOW)

    assert set(lines) <= {BEAT, CHANGED, b"data: "}
