"""What a key that is limited to some mirrors learns of the others: nothing, from either face."""

from __future__ import annotations

import pathlib
from collections.abc import Iterator
from dataclasses import replace
from urllib.parse import urlencode

import pytest
from fastapi import Request

from browsing import Browser, words_of
from commands import Desk
from conversion_rows import RULE, dead, done
from docferry.app.report import Status
from docferry.core.keys import Mirrors, Role
from docferry.ledger import Ledger
from docferry.ledger.lock import StateLock
from docferry.ledger.refusals import RefusedConfig
from docferry.model import MirrorHealth, Mode
from docferry.web.asker import Asker, Caller
from docferry.web.pages.overview import seen
from docferry.web.pages.visit import Visitor
from integration.test_api_jobs import key_for
from ledger_rows import NOW, uploaded, version
from serving import Served, served


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


def visitor(api: Served, key: str) -> Browser:
    browser = Browser(api)
    browser.log_in(key)
    return browser


def why(browser: Browser, mirror: str, path: str) -> str:
    return browser.get("/files/why?" + urlencode({"mirror": mirror, "path": path})).text


@pytest.mark.parametrize(("mirrors", "is_told"), [(["processed"], False), (["docs"], True)])
def test_the_page_says_of_which_document_a_result_is_to_who_may_see_it(
    api: Served, ledger: Ledger, mirrors: list[str], *, is_told: bool
) -> None:
    done(ledger, "secret/merger.docx", "a.md")

    page = why(visitor(api, key_for(api, "processed", *mirrors)), "processed", "a.md")

    assert ("by rule to-markdown" in page) == is_told
    assert ("of a document in a mirror that you do not see" in page) != is_told
    assert ("merger.docx" in page) == is_told


def test_conversions_of_the_same_content_in_another_mirror_are_not_told_of(
    api: Served, ledger: Ledger
) -> None:
    job = done(ledger, "secret.docx", "a.md", content="same")
    copy = version("copy.docx", "same", mirror="processed")
    ledger.record("processed", [replace(uploaded("copy.docx", "same"), version=copy)], at=NOW)
    key = key_for(api, "processed")

    page = why(visitor(api, key), "processed", "copy.docx")
    told = api.get("/why", key=key, params={"mirror": "processed", "path": "copy.docx"})

    assert len(told.json()["versions"]) == 1
    assert "The present version" in page
    for text in (page, told.text):
        assert job.id not in text
        assert "to-markdown" not in text  # a rule that is about documents of another mirror


def test_a_job_tells_nothing_of_a_result_in_a_mirror_that_is_not_seen(
    api: Served, ledger: Ledger
) -> None:
    job = done(ledger, "a.docx", "hidden-result.md")
    key = key_for(api, "docs")

    whole = api.get(f"/jobs/{job.id}", key=key).json()
    listed = api.get("/jobs", key=key).json()["items"]
    why_told = api.get("/why", key=key, params={"mirror": "docs", "path": "a.docx"}).json()
    browser = visitor(api, key)
    pages = [browser.get(f"/jobs/{job.id}").text, why(browser, "docs", "a.docx")]

    [conversion] = why_told["versions"][0]["conversions"]
    assert conversion["result"] is None
    for one in (whole["job"], *listed, conversion["job"]):
        assert (one["state"], one["result_mirror"]) == ("done", None)
        assert (one["result_path"], one["result_sha256"]) == (None, None)
    assert whole["arrived_at"] is None
    assert "hidden-result" not in str(whole)
    assert not any("hidden-result" in page or "processed" in page for page in pages)
    assert "goes to a mirror that you do not see" in words_of(pages[0])


def test_whoever_sees_its_mirror_is_told_of_the_result(api: Served, ledger: Ledger) -> None:
    job = done(ledger, "a.docx", "a.md")

    told = api.get(f"/jobs/{job.id}", key=key_for(api, "docs", "processed")).json()["job"]

    assert (told["result_mirror"], told["result_path"]) == ("processed", "a.md")


@pytest.mark.parametrize(("mirrors", "is_told"), [(None, True), (("docs",), False)])
def test_the_troubles_of_the_whole_are_for_who_sees_the_whole(
    api: Served, mirrors: Mirrors, *, is_told: bool
) -> None:
    """They name folders, and mirrors."""
    report = Status(NOW, 1, "/srv is full", (), refused_config=RefusedConfig(NOW, "[mirror.x]"))
    asker = Asker(Caller("somebody", Role.VIEWER, mirrors), api.desk)
    somebody = Visitor(asker, None, api.app.state.pages.state.sessions, Request({"type": "http"}))

    found = seen(report, somebody)

    assert found.trouble is not None  # whoever looks: what they read may be old
    assert ("/srv" in found.trouble, found.refused_config is not None) == (is_told, is_told)


def test_a_dead_letter_of_its_mirror_is_told_to_a_limited_key_and_to_no_other(
    api: Served, ledger: Ledger
) -> None:
    for name in ("docs", "processed"):
        place = {
            "store": "main",
            "bucket": "b",
            "prefix": "",
            "local": "/srv",
            "mode": Mode.TWO_WAY,
        }
        ledger.mirrors.put(name, health=MirrorHealth.IN_STEP, since=NOW, **place)
    dead(ledger, "broken.docx")
    boss = api.post("/keys", json={"name": "boss", "role": "admin"}).json()["secret"]
    mine, others = (
        api.post("/keys", key=boss, json={"name": one, "role": "viewer", "mirrors": [one]}).json()[
            "secret"
        ]
        for one in ("docs", "processed")
    )

    with StateLock(api.desk.config.state_dir):
        told = {key: api.get("/status", key=key).json() for key in (mine, others)}
        menus = {key: words_of(visitor(api, key).get("/").text) for key in (mine, others)}

    assert (told[mine]["is_in_step"], told[others]["is_in_step"]) == (False, True)
    assert "Dead letters 1" in menus[mine]
    assert "Dead letters 1" not in menus[others]
