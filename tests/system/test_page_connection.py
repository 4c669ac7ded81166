"""A page that stays open: while nobody answers it says so, and goes on by itself."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, expect

import servers
from system import shown
from system.browsers import PROGRAM, Seen, chromium, faults_of, seen
from system.daemon import Site

pytestmark = pytest.mark.tools(PROGRAM)

#: So soon a page says that it may be old.
WITHIN_MS = 10_000


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as running:
        yield running


@pytest.fixture
def site(tmp_path: Path, server: servers.S3Server) -> Iterator[Site]:
    found = Site(tmp_path, server, names=("docs",), more="[api]\nrate = 100000\n")
    (found.api_port,) = servers.free_ports(1)
    yield found
    found.close()


def said(window: Seen) -> Locator:
    return window.page.locator("#old")


def test_a_page_says_that_nobody_answers_and_comes_back_by_itself(
    site: Site, browser: Browser
) -> None:
    with site.running() as daemon, seen(browser, shown.url(site)) as window:
        daemon.wait_for(lambda: shown.is_served(site))
        key = shown.made_key(site, "wall", "viewer")
        window.log_in(key)
        window.wait_until_live()
        expect(said(window)).to_be_hidden()

        daemon.stop()

        expect(said(window)).to_contain_text("No connection since", timeout=WITHIN_MS)
        expect(said(window)).to_have_role("alert")
        expect(window.page).to_have_title("No connection · docferry")
        assert faults_of(window.page) == []
        window.picture("no-connection")

        with site.running():
            expect(said(window)).to_be_hidden(timeout=2 * WITHIN_MS)
            site.docs.write("after.txt", b"after the restart")
            link = window.page.locator("#newest").get_by_role("link", name="after.txt")
            expect(link).to_be_visible()
            expect(window.page).to_have_title("Everything is in step · docferry")


def test_a_page_whose_key_was_revoked_says_so_and_leads_back_to_itself(
    site: Site, browser: Browser
) -> None:
    with site.running() as daemon, seen(browser, shown.url(site)) as window:
        daemon.wait_for(lambda: shown.is_served(site))
        key = shown.made_key(site, "wall", "viewer")
        again = shown.made_key(site, "again", "viewer")
        window.log_in(key)
        window.open("/files?mirror=docs")
        window.wait_until_live()

        site.run("keys", "revoke", "wall")

        expect(said(window)).to_contain_text("Your login is over", timeout=4 * WITHIN_MS)
        window.picture("login-over")
        said(window).get_by_role("link", name="Log in again").click()
        window.page.get_by_label("API key").fill(again)
        window.page.get_by_role("button", name="Log in").click()
        window.page.wait_for_url("**/files?mirror=docs")


def test_what_makes_no_event_is_asked_for_while_a_page_is_open(
    site: Site, browser: Browser
) -> None:
    """The last poll, of a mirror in which nothing happens."""
    with site.running() as daemon, seen(browser, shown.url(site)) as window:
        daemon.wait_for(lambda: shown.is_served(site))
        window.open("/")
        window.wait_until_live()
        polled = window.page.locator("#mirrors time").last
        first = polled.get_attribute("datetime")

        window.page.wait_for_function(
            "first => [...document.querySelectorAll('#mirrors time')].at(-1).dateTime !== first",
            arg=first,
            timeout=45_000,
        )
