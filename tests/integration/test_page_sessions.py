"""Sessions at the page: they begin with an API key, belong to one browser, and end with the key."""

from __future__ import annotations

import pathlib
import sqlite3
from collections.abc import Iterator
from datetime import timedelta

import pytest

from browsing import Browser, words_of
from commands import Desk
from docferry.core.keys import Role
from docferry.web.sessions import LASTS, MOST_OF_A_KEY, Sessions
from serving import Served, served


@pytest.fixture
def desk(
    tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Desk:
    return Desk(tmp_path, capsys, monkeypatch)


@pytest.fixture
def api(desk: Desk) -> Iterator[Served]:
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


def is_asked_for_a_key(browser: Browser) -> bool:
    return browser.get("/files").url.endswith("/login?next=%2Ffiles")


def test_without_a_key_this_machine_sees_the_page_and_is_told_why(api: Served) -> None:
    said = words_of(Browser(api).get("/").text)

    assert "No API key is needed here: only this machine is answered" in said


def test_once_there_is_a_key_it_is_asked_for(api: Served, keys: dict[Role, str]) -> None:
    assert is_asked_for_a_key(Browser(api))


def test_a_key_opens_the_page_that_was_asked_for(api: Served, keys: dict[Role, str]) -> None:
    browser = Browser(api)

    answer = browser.send("/login", key=keys[Role.VIEWER], next="/files?q=a", proof=None)

    assert (answer.status_code, answer.headers["Location"]) == (303, "/files?q=a")
    assert "viewer" in browser.get("/").text


def test_a_session_lies_in_a_cookie_that_no_script_and_no_other_page_gets(
    api: Served, keys: dict[Role, str]
) -> None:
    cookie = Browser(api).log_in(keys[Role.VIEWER]).headers["Set-Cookie"]

    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie
    assert "Path=/" in cookie
    assert keys[Role.VIEWER] not in cookie


def test_behind_tls_the_cookie_is_for_tls_alone(api: Served, keys: dict[Role, str]) -> None:
    answer = Browser(api).send(
        "/login", key=keys[Role.VIEWER], proof=None, headers={"X-Forwarded-Proto": "https"}
    )

    assert answer.headers["Set-Cookie"].startswith("__Host-docferry=")
    assert "Secure" in answer.headers["Set-Cookie"]


@pytest.mark.parametrize(
    "then",
    [
        "//evil.example.com",
        "https://evil.example.com",
        "/\\evil.example.com",
        "javascript:1",
        "/\r\nSet-Cookie: docferry=planted",
        "/\t/evil.example.com",
    ],
)
def test_who_logs_in_is_led_to_no_other_place(
    api: Served, keys: dict[Role, str], then: str
) -> None:
    answer = Browser(api).send("/login", key=keys[Role.VIEWER], next=then, proof=None)

    assert answer.headers["Location"] == "/"
    assert "planted" not in str(answer.headers)


def test_a_session_that_somebody_else_has_planted_is_not_taken_on(
    api: Served, keys: dict[Role, str]
) -> None:
    planted = "A" * 43
    headers = {"Cookie": f"docferry={planted}"}

    answer = Browser(api).send("/login", key=keys[Role.ADMIN], proof=None, headers=headers)

    assert planted not in answer.headers["Set-Cookie"]
    other = Browser(api)
    other.session.headers.update(headers)
    assert is_asked_for_a_key(other)


def test_a_session_ends_when_its_key_expires(api: Served, keys: dict[Role, str]) -> None:
    until = api.desk.now() + timedelta(hours=1)
    wanted = {"name": "short", "role": "viewer", "expires_at": until.isoformat()}
    browser = Browser(api)
    browser.log_in(api.post("/keys", key=keys[Role.ADMIN], json=wanted).json()["secret"])
    was_asked = is_asked_for_a_key(browser)

    api.desk.now = lambda: until

    assert (was_asked, is_asked_for_a_key(browser)) == (False, True)


@pytest.mark.parametrize("word", ["", "x", "A" * 43, "%00", "ä"])
def test_a_forged_session_is_none(api: Served, keys: dict[Role, str], word: str) -> None:
    browser = Browser(api)

    browser.session.headers["Cookie"] = f"docferry={word}".encode()

    assert is_asked_for_a_key(browser)


def test_a_session_ends_after_its_time(api: Served, keys: dict[Role, str]) -> None:
    browser = Browser(api)
    browser.log_in(keys[Role.VIEWER])
    later = api.desk.now() + LASTS + timedelta(minutes=1)

    api.desk.now = lambda: later

    assert is_asked_for_a_key(browser)


def test_a_restart_logs_nobody_out_and_takes_the_forms_of_pages_that_are_open(desk: Desk) -> None:
    with desk.ledger() as ledger, served(desk.loaded, ledger) as before:
        key = before.post("/keys", json={"name": "eva", "role": "operator"}).json()["secret"]
        browser = Browser(before)
        browser.log_in(key)
        proof = browser.proof()

    with desk.ledger() as ledger, served(desk.loaded, ledger) as after:
        browser.api = after

        assert not is_asked_for_a_key(browser)
        assert browser.send("/mirrors/docs/pause", proof=proof).status_code == 303
        assert [*ledger.orders.pauses()] == ["docs"]


def test_who_can_write_to_the_ledger_alone_makes_no_session(
    api: Served, keys: dict[Role, str]
) -> None:
    browser = Browser(api)
    browser.log_in(keys[Role.VIEWER])
    word = browser.session.cookies["docferry"]
    assert word.encode() not in api.desk.ledger.path.read_bytes()

    same, other = (
        Sessions(api.desk.ledger, api.desk.now, pepper)
        for pepper in (lambda: None, lambda: "0123456789abcdef")
    )

    assert same.get(word) is not None
    assert other.get(word) is None


def test_where_nothing_can_be_written_down_a_key_logs_in_all_the_same(
    api: Served, keys: dict[Role, str]
) -> None:
    with sqlite3.connect(api.desk.ledger.path) as raw:
        raw.execute(
            "CREATE TRIGGER full BEFORE INSERT ON session BEGIN SELECT RAISE(ABORT, 'full'); END"
        )
    browser = Browser(api)

    browser.log_in(keys[Role.VIEWER])

    assert not is_asked_for_a_key(browser)
    browser.send("/logout")
    assert is_asked_for_a_key(browser)


def test_of_one_key_so_many_are_logged_in_and_the_oldest_makes_room(
    api: Served, keys: dict[Role, str]
) -> None:
    first, *_, last = [Browser(api) for _ in range(MOST_OF_A_KEY + 1)]
    first.log_in(keys[Role.VIEWER])
    for _ in range(MOST_OF_A_KEY):
        last.log_in(keys[Role.VIEWER])

    assert is_asked_for_a_key(first)
    assert not is_asked_for_a_key(last)


def test_who_logs_out_has_no_session_any_more(api: Served, keys: dict[Role, str]) -> None:
    browser = Browser(api)
    browser.log_in(keys[Role.VIEWER])
    cookies = dict(browser.session.cookies)

    browser.send("/logout")

    browser.session.cookies.update(cookies)
    assert is_asked_for_a_key(browser)


def test_a_session_ends_with_its_key(api: Served, keys: dict[Role, str]) -> None:
    browser = Browser(api)
    browser.log_in(keys[Role.VIEWER])

    api.post("/keys/viewer/revoke", key=keys[Role.ADMIN])

    assert is_asked_for_a_key(browser)


def test_a_session_ends_with_the_secret_that_it_began_with(
    api: Served, keys: dict[Role, str]
) -> None:
    browser = Browser(api)
    browser.log_in(keys[Role.VIEWER])

    api.post("/keys/viewer/rotate", key=keys[Role.ADMIN], json={})

    assert is_asked_for_a_key(browser)


def test_a_wrong_key_is_refused_audited_and_slows_down(api: Served, keys: dict[Role, str]) -> None:
    browser = Browser(api)

    codes = [browser.log_in(f"dfk_{number}").status_code for number in range(11)]

    assert codes == [401] * 10 + [429]
    assert browser.log_in(keys[Role.VIEWER]).status_code == 303  # a right one waits for nobody
    actions = [row.action for row in api.desk.ledger.audit.newest(20)]
    assert "key.refused" in actions


def test_a_strange_page_cannot_log_somebody_in(api: Served, keys: dict[Role, str]) -> None:
    answer = Browser(api).send(
        "/login",
        key=keys[Role.VIEWER],
        proof=None,
        headers={"Origin": "http://evil.example.com"},
    )

    assert answer.status_code == 403
    assert "Set-Cookie" not in answer.headers


def test_a_key_of_one_mirror_sees_no_other(desk: Desk) -> None:
    desk.configure("docs", "other")
    with desk.ledger() as ledger, served(desk.loaded, ledger) as api:
        limited = {"name": "some", "role": "admin", "mirrors": ["docs"]}
        key = api.post("/keys", json=limited).json()["secret"]
        browser = Browser(api)
        browser.log_in(key)

        assert "other" not in words_of(browser.get("/mirrors").text)
        assert browser.get("/files?mirror=other").status_code == 404
        assert browser.get("/audit").status_code == 403
        assert browser.send("/mirrors/other/pause").status_code == 404


def test_who_logs_in_again_and_again_has_to_wait(desk: Desk) -> None:
    desk.config.write_text(desk.config.read_text() + "\n[api]\nrate = 5\n")
    with desk.ledger() as ledger, served(desk.loaded, ledger) as api:
        key = api.post("/keys", json={"name": "k", "role": "admin"}).json()["secret"]
        browser = Browser(api)

        said = [browser.log_in(key).status_code for _ in range(7)]

    assert said == [303] * 5 + [429] * 2
