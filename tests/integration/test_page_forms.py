"""The forms of the page: for whom each is, that only our own pages send them, and what they do."""

from __future__ import annotations

import html
import pathlib
import re
from collections.abc import Iterator
from dataclasses import replace

import pytest
import requests

from archive_desk import Documents
from browsing import Browser, words_of
from commands import held, held_changes
from docferry.app.chains import rules_of
from docferry.core.failures import Failed
from docferry.core.keys import Role
from docferry.job import Failure, JobState
from docferry.ledger import Ledger
from docferry.ledger.conflicts import BegunConflict
from docferry.model import HoldState, Origin, Ulid
from ledger_rows import MINUTE, NOW, new_job, uploaded, version
from serving import Served, served

#: What each page and form needs. One that is not here is a hole.
NEEDED = {
    "GET /": Role.VIEWER,
    "GET /files": Role.VIEWER,
    "GET /files/at": Role.VIEWER,
    "GET /files/diff": Role.VIEWER,
    "GET /files/why": Role.VIEWER,
    "GET /versions/{version}": Role.VIEWER,
    "GET /versions/{version}/download": Role.VIEWER,
    "GET /versions/{version}/picture": Role.VIEWER,
    "GET /versions/{version}/pages/{number}": Role.VIEWER,
    "GET /versions/{version}/restore": Role.VIEWER,
    "POST /versions/{version}/restore": Role.OPERATOR,
    "POST /versions/{version}/convert": Role.OPERATOR,
    "GET /jobs": Role.VIEWER,
    "GET /jobs/{job}": Role.VIEWER,
    "GET /letters": Role.VIEWER,
    "POST /letters/replay": Role.OPERATOR,
    "POST /letters/discard": Role.OPERATOR,
    "GET /holds": Role.VIEWER,
    "GET /holds/{hold}": Role.VIEWER,
    "POST /holds/{hold}/approve": Role.OPERATOR,
    "POST /holds/{hold}/discard": Role.OPERATOR,
    "GET /conflicts": Role.VIEWER,
    "POST /conflicts/{conflict}/settle": Role.OPERATOR,
    "GET /mirrors": Role.VIEWER,
    "POST /mirrors/{mirror}/pause": Role.OPERATOR,
    "POST /mirrors/{mirror}/resume": Role.OPERATOR,
    "POST /mirrors/{mirror}/run": Role.OPERATOR,
    "GET /webhooks": Role.VIEWER,
    "POST /webhooks/{webhook}/test": Role.OPERATOR,
    "POST /webhooks/deliveries/replay": Role.OPERATOR,
    "POST /webhooks/deliveries/discard": Role.OPERATOR,
    "GET /keys": Role.ADMIN,
    "POST /keys": Role.ADMIN,
    "GET /keys/{key}/revoke": Role.ADMIN,
    "POST /keys/{key}/revoke": Role.ADMIN,
    "POST /keys/{key}/rotate": Role.ADMIN,
    "GET /audit": Role.ADMIN,
    "GET /audit/verify": Role.ADMIN,
    "GET /live": Role.VIEWER,
    "POST /logout": Role.VIEWER,
}
#: They tell nothing but what every docferry has.
OPEN = {"GET /docs", "GET /login", "POST /login", "GET /assets/{digest}/{name}"}
FORMS = [route for route in NEEDED if route.startswith("POST")]
#: It lasts, so that it cannot be asked for as the others are.
PAGES = [route for route in NEEDED if route.startswith("GET") and route != "GET /live"]


@pytest.fixture
def desk(
    tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Documents:
    found = Documents(tmp_path, capsys, monkeypatch)
    found.configure("docs", "processed", more=RULE)
    found.open_folder()
    return found


RULE = (
    '[[convert]]\nname = "to-markdown"\nfrom = "docs"\npatterns = ["*.docx"]\n'
    'to = "processed"\nwith = "markdown"\n'
)


@pytest.fixture
def api(desk: Documents) -> Iterator[Served]:
    with desk.ledger() as ledger, served(desk.loaded, ledger) as running:
        yield running


@pytest.fixture
def keys(api: Served) -> dict[Role, str]:
    """One of each role."""
    boss = api.post("/keys", json={"name": "boss", "role": "admin"}).json()["secret"]
    others = {
        role: api.post("/keys", key=boss, json={"name": role, "role": role}).json()["secret"]
        for role in (Role.VIEWER, Role.OPERATOR)
    }
    return others | {Role.ADMIN: boss}


@pytest.fixture
def browser(api: Served) -> Browser:
    """An admin's."""
    return Browser(api)


def browser_of(api: Served, key: str) -> Browser:
    browser = Browser(api)
    browser.log_in(key)
    return browser


def path_of(route: str) -> str:
    """Give an address of a route, where there is nothing."""
    return re.sub(r"{\w+}", "1", route.partition(" ")[2])


def actions(ledger: Ledger) -> list[str]:
    return [row.action for row in ledger.audit.newest(100)]


def letter(api: Served, name: str = "a") -> Ulid:
    """Let a conversion have been given up on."""
    ledger = api.desk.ledger
    [rule] = rules_of(api.desk.config)
    wanted = replace(
        new_job(name),
        recipe=rule.recipe,
        converter=rule.converter,
        place=rule.place_for(f"{name}.docx"),
    )
    ledger.record("docs", [uploaded(f"{name}.docx", name)], [wanted], at=NOW)
    job = ledger.jobs.claim(NOW + MINUTE, NOW + 2 * MINUTE, rules=["to-markdown"])
    assert job is not None
    failed = Failed(Failure.REFUSED, "it is damaged", "")
    assert ledger.jobs.dead(job.id, NOW + MINUTE, failed)
    return job.id


# For whom.


def test_the_table_has_every_page_and_form(api: Served) -> None:
    routes = {
        f"{method.upper()} {path}"
        for path, methods in api.app.state.pages.openapi()["paths"].items()
        for method in methods
    }

    assert routes == NEEDED.keys() | OPEN


@pytest.mark.parametrize("role", Role)
def test_a_form_is_for_its_role_and_above(api: Served, keys: dict[Role, str], role: Role) -> None:
    browser = browser_of(api, keys[role])
    proof = browser.proof()

    codes = {route: browser.send(path_of(route), proof=proof).status_code for route in FORMS}

    assert {route for route, code in codes.items() if code == 403} == {
        route for route in FORMS if not role.may(NEEDED[route])
    }


@pytest.mark.parametrize("role", Role)
def test_a_page_is_for_its_role_and_above(api: Served, keys: dict[Role, str], role: Role) -> None:
    browser = browser_of(api, keys[role])

    codes = {route: browser.get(path_of(route)).status_code for route in PAGES}

    assert {route for route, code in codes.items() if code == 403} == {
        route for route in PAGES if not role.may(NEEDED[route])
    }


def test_nobody_sees_or_sends_anything_without_a_session_once_there_is_a_key(
    api: Served, keys: dict[Role, str]
) -> None:
    browser = Browser(api)

    seen = [browser.get(path_of(route), allow_redirects=False) for route in [*PAGES, "GET /live"]]
    sent = [browser.send(path_of(route), proof=None) for route in FORMS]

    for answer in [*seen, *sent]:
        assert answer.status_code == 303
        assert answer.headers["Location"].startswith("/login")


# By whom it was sent.


@pytest.mark.parametrize("proof", [None, "0" * 64, "ä"])
def test_a_form_without_its_proof_does_nothing(
    api: Served, browser: Browser, proof: str | None
) -> None:
    before = actions(api.desk.ledger)

    codes = {route: browser.send(path_of(route), proof=proof).status_code for route in FORMS}

    assert codes == dict.fromkeys(FORMS, 403)
    assert actions(api.desk.ledger) == before


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example.com"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
def test_a_form_of_another_place_does_nothing(
    api: Served, keys: dict[Role, str], headers: dict[str, str]
) -> None:
    browser = browser_of(api, keys[Role.ADMIN])
    before, proof = actions(api.desk.ledger), browser.proof()

    codes = {
        route: browser.send(path_of(route), proof=proof, headers=headers).status_code
        for route in FORMS
    }

    assert codes == dict.fromkeys(FORMS, 403)
    assert actions(api.desk.ledger) == before


def test_the_proof_of_one_session_is_none_of_another(api: Served, keys: dict[Role, str]) -> None:
    one, other = (browser_of(api, keys[Role.ADMIN]) for _ in range(2))

    assert one.send("/mirrors/docs/pause", proof=other.proof()).status_code == 403


def test_a_browser_that_names_our_origin_is_taken_for_ours(browser: Browser) -> None:
    answer = browser.send("/mirrors/docs/pause", headers={"Origin": browser.api.url})

    assert answer.status_code == 303


# What they do.


def test_a_pause_is_one_row_in_the_audit_and_said(api: Served, browser: Browser) -> None:
    before = actions(api.desk.ledger)

    said = browser.follow(browser.send("/mirrors/docs/pause", reason="new disks"))

    assert "docs rests" in said
    assert "new disks" in said
    assert len(actions(api.desk.ledger)) == len(before) + 1
    assert "docs goes on" in browser.follow(browser.send("/mirrors/docs/resume"))


def test_a_hold_is_shown_then_asked_about_then_approved(api: Served, browser: Browser) -> None:
    hold = held(api.desk.ledger, "a.txt", "b.txt")

    assert "delete from the bucket" in words_of(browser.get(f"/holds/{hold}").text)
    asked = browser.send(f"/holds/{hold}/approve")
    assert "2 files are deleted" in words_of(asked.text)
    assert api.desk.ledger.holds.get(hold).state is HoldState.OPEN
    said = browser.follow(browser.send(f"/holds/{hold}/approve", sure="true"))

    assert f"Hold {hold} is approved" in said
    assert api.desk.ledger.holds.get(hold).state is HoldState.APPROVED
    assert actions(api.desk.ledger)[0] == "hold.approved"


def test_a_hold_of_changes_says_of_each_why_and_is_refused(api: Served, browser: Browser) -> None:
    hold = held_changes(api.desk.ledger, "a.txt")

    shown = words_of(browser.get(f"/holds/{hold}").text)
    asked = words_of(browser.send(f"/holds/{hold}/discard").text)
    browser.send(f"/holds/{hold}/discard", sure="true")

    assert "put into the bucket" in shown
    assert "it looks encrypted, and did not before" in shown
    assert "gets back what it held before" in asked
    assert api.desk.ledger.holds.get(hold).state is HoldState.DISCARDED


def test_what_is_decided_already_is_told_as_a_page(api: Served, browser: Browser) -> None:
    hold = held(api.desk.ledger, "a.txt")
    browser.send(f"/holds/{hold}/discard", sure="true")

    answer = browser.send(f"/holds/{hold}/approve", sure="true")

    assert answer.status_code == 409
    assert "is not open any more" in words_of(answer.text)


def test_letters_that_are_ticked_are_tried_again(api: Served, browser: Browser) -> None:
    job = letter(api)

    said = browser.follow(browser.send("/letters/replay", job=[job]))

    assert "1 letter was queued again" in said
    found = api.desk.ledger.jobs.get(job)
    assert found is not None
    assert found.state is JobState.QUEUED
    assert actions(api.desk.ledger)[0] == "letters.replayed"


def test_every_letter_is_on_some_page(api: Served, browser: Browser) -> None:
    wanted = {letter(api, f"{number}") for number in range(103)}

    first = browser.get("/letters").text
    [more] = re.findall(r'rel="next" href="([^"]+)"', first)
    second = browser.get(html.unescape(more)).text

    shown = [set(re.findall(r'name="job" value="(\w+)"', page)) for page in (first, second)]
    assert [len(one) for one in shown] == [100, 3]
    assert shown[0] | shown[1] == wanted
    assert 'rel="next"' not in second


def test_letters_are_put_aside_only_by_who_is_sure(api: Served, browser: Browser) -> None:
    job = letter(api)

    asked = browser.send("/letters/discard", job=[job])
    assert "Put 1 letter aside?" in words_of(asked.text)
    said = browser.follow(browser.send("/letters/discard", job=[job], sure="true"))

    assert "1 letter was put aside" in said
    assert actions(api.desk.ledger)[0] == "letters.discarded"


def test_without_a_tick_nothing_is_done(api: Served, browser: Browser) -> None:
    letter(api)

    assert "Nothing was chosen" in browser.follow(browser.send("/letters/replay"))


def test_what_is_asked_of_a_mirror_is_told_beside_it(
    api: Served, desk: Documents, browser: Browser
) -> None:
    old = desk.put(api.desk.ledger, "a.txt", b"old")
    browser.send(f"/versions/{old}/restore", to="b.txt")

    page = browser.get("/mirrors")

    assert page.status_code == 200
    assert "b.txt" in words_of(page.text)


def test_an_older_version_is_asked_for_again(
    api: Served, desk: Documents, browser: Browser
) -> None:
    ledger = api.desk.ledger
    old = desk.put(ledger, "a.txt", b"old", NOW)
    desk.put(ledger, "a.txt", b"new", NOW + MINUTE)

    said = browser.follow(browser.send(f"/versions/{old}/restore"))

    assert "is being put back" in said
    [request] = ledger.requests.open("docs", 10)
    assert (request.version, request.path) == (old, "a.txt")
    assert actions(ledger)[0] == "request.made"


def test_a_document_is_converted_on_request(api: Served, desk: Documents, browser: Browser) -> None:
    version = desk.put(api.desk.ledger, "a.docx", b"PK")

    said = browser.follow(browser.send(f"/versions/{version}/convert"))

    assert "1 conversion asked for" in said
    assert [job.state for job in api.desk.ledger.jobs.all()] == [JobState.QUEUED]


def test_what_no_rule_takes_is_told_with_the_reason(
    api: Served, desk: Documents, browser: Browser
) -> None:
    version = desk.put(api.desk.ledger, "a.bin", b"x")

    assert "no rule converts" in browser.follow(browser.send(f"/versions/{version}/convert"))


def test_what_goes_wrong_is_told_beside_the_menu(browser: Browser) -> None:
    said = browser.get("/files/at?mirror=docs&path=nothing")

    assert said.status_code == 404
    assert "docs has no file 'nothing'" in words_of(said.text)
    assert "Overview" in words_of(said.text)


def test_a_conflict_is_settled(api: Served, browser: Browser) -> None:
    displaced = replace(version("a.txt"), origin=Origin.LOCAL)
    api.desk.ledger.conflicts.recover(BegunConflict(displaced, "a.conflict-12345678.txt"), NOW)

    said = browser.follow(browser.send("/conflicts/1/settle", keep="both"))

    assert "Conflict 1 is settled" in said
    assert actions(api.desk.ledger)[0] == "conflict.settled"


def test_a_key_is_shown_once(api: Served, browser: Browser) -> None:
    made = browser.send("/keys", name="pipeline", role="viewer")

    secret = re.search(r"dfk_[0-9a-z]+_[0-9a-z]+", made.text)
    assert secret is not None
    assert actions(api.desk.ledger)[0] == "key.created"
    boss = api.post("/keys", key=None, json={"name": "x", "role": "viewer"})
    assert boss.status_code == 401  # from now on a key is needed
    other = browser_of(api, secret[0])
    assert secret[0] not in other.get("/").text


def test_a_key_that_cannot_be_is_told_beside_the_form(api: Served, browser: Browser) -> None:
    answer = browser.send("/keys", name="Not A Name", role="viewer")

    assert answer.status_code == 422
    assert "is no name for a key" in words_of(answer.text)


def test_a_key_is_revoked_and_rotated(api: Served, keys: dict[Role, str]) -> None:
    browser = browser_of(api, keys[Role.ADMIN])

    rotated = browser.send("/keys/viewer/rotate", overlap="3600")
    assert re.search(r"dfk_[0-9a-z]+_[0-9a-z]+", rotated.text)
    assert "Revoke the key viewer?" in words_of(browser.get("/keys/viewer/revoke").text)
    said = browser.follow(browser.send("/keys/viewer/revoke"))

    assert "The key viewer counts no more" in said
    assert actions(api.desk.ledger)[:2] == ["key.revoked", "key.rotated"]


def test_the_audit_names_who_acted_by_their_key(api: Served, keys: dict[Role, str]) -> None:
    browser_of(api, keys[Role.OPERATOR]).send("/mirrors/docs/pause")

    assert api.desk.ledger.audit.newest(1)[0].actor == "key operator"


def test_the_audit_is_searched_by_who_what_where_and_when(
    api: Served, keys: dict[Role, str]
) -> None:
    boss = browser_of(api, keys[Role.ADMIN])

    def shown(query: str) -> list[str]:
        table = boss.get(f"/audit?{query}").text.partition("<tbody>")[2]
        return re.findall(r"(?:key|mirror)\.[a-z]+", words_of(table))

    assert shown("actor=key+boss&action=&mirror=&since=1h") == ["key.created", "key.created"]
    assert shown("action=mirror.paused") == shown("until=2020-01-01") == []
    assert "Nothing of the kind was done" in boss.get("/audit?mirror=docs").text
    assert boss.get("/audit?action=key.made").status_code == 422


# What holds for every answer.


def test_every_page_says_what_a_browser_may_do_with_it(browser: Browser) -> None:
    for route in [*PAGES, "GET /login", "GET /nothing"]:
        assert_harmless(browser.get(path_of(route)))


def assert_harmless(said: requests.Response) -> None:
    policy = dict(
        part.strip().split(" ", 1) for part in said.headers["Content-Security-Policy"].split(";")
    )
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == "'self'"
    assert policy["frame-ancestors"] == policy["base-uri"] == "'none'"
    assert policy["form-action"] == "'self'"
    assert said.headers["X-Content-Type-Options"] == "nosniff"
    assert said.headers["X-Frame-Options"] == "DENY"
    assert said.headers["Referrer-Policy"] == "same-origin"
    assert said.headers["Cache-Control"] == "no-store"
    assert not re.search(r"<(script|style)(?![^>]*src=)[^>]*>|\son\w+=|\sstyle=", said.text)
    assert not re.findall(r'(?:src|href|action)="(?:https?:)?//', said.text)


def test_what_belongs_to_programs_is_answered_to_programs(api: Served, browser: Browser) -> None:
    assert browser.get("/api/v1/nothing").headers["Content-Type"] == "application/problem+json"
    assert browser.get("/api/v1/keys/x").status_code in (404, 405)
    assert browser.get("/nothing").headers["Content-Type"].startswith("text/html")


def test_files_of_ours_are_kept_by_browsers_and_others_are_not_there(browser: Browser) -> None:
    [style] = re.findall(r'href="(/assets/[0-9a-f]+/page.css)"', browser.get("/").text)

    assert "immutable" in browser.get(style).headers["Cache-Control"]
    assert browser.get("/assets/x/..%2fapi.py").status_code == 404
    assert browser.get("/assets/x/page.py").status_code == 404


def test_the_reference_has_every_operation(api: Served, browser: Browser) -> None:
    said = browser.get("/docs").text

    for path in api.app.openapi()["paths"]:
        assert path in said.replace("\u200b", "")
