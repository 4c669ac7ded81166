"""
The page as people have it: a real daemon, a real browser, both themes, a phone too.

PICTURES=FOLDER keeps pictures of what it sees.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from playwright.sync_api import Browser, expect

import servers
from processes import wait_for
from system import shown
from system.browsers import PHONE, PROGRAM, Seen, chromium, faults_of, seen
from system.daemon import Daemon, Site

pytestmark = pytest.mark.tools(PROGRAM)

DROP = "# A drop\n\nIt has *just* come.\n"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as running:
        yield running


@pytest.fixture
def site(tmp_path: Path, server: servers.S3Server) -> Iterator[Site]:
    found = shown.shown_site(tmp_path, server)
    yield found
    found.close()


@pytest.fixture
def daemon(site: Site) -> Iterator[Daemon]:
    with site.running(until=None) as running:
        running.wait_for(lambda: shown.is_served(site))
        shown.fill(site, running)
        yield running


def at(path: str) -> str:
    return f"/files/at?mirror=docs&path={quote(path)}"


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_day_at_the_page(site: Site, daemon: Daemon, browser: Browser, theme: str) -> None:
    key = shown.made_key(site, "clerk", "operator")
    with seen(browser, shown.url(site), theme=theme) as window:
        log_in(window, key, theme)
        see_a_drop_appear(window, site, theme)
        restore_an_older_version(window, site, theme)
        replay_a_dead_letter(window, site, theme)
        approve_a_hold(window, site, theme)

        window.assert_sound()


def log_in(window: Seen, key: str, theme: str) -> None:
    window.open("/")
    window.picture(f"login-{theme}")
    window.log_in(key)

    expect(window.page.get_by_role("heading", level=1)).to_have_text("2 decisions wait for you")
    background = window.page.evaluate("getComputedStyle(document.documentElement).backgroundColor")
    assert (background == "rgb(15, 18, 22)") is (theme == "dark")


def see_a_drop_appear(window: Seen, site: Site, theme: str) -> None:
    """See it appear in a page that is not loaded anew, open it, and see what is in it."""
    window.wait_until_live()
    window.page.evaluate("document.body.dataset.mine = 'still here'")

    site.docs.write("inbox/drop.md", DROP.encode())

    link = window.page.locator("#newest").get_by_role("link", name="inbox/drop.md")
    expect(link).to_be_visible()
    assert window.page.evaluate("document.body.dataset.mine") == "still here"
    window.picture(f"overview-{theme}")
    link.click()
    document = window.page.get_by_role("article", name="The document")
    expect(document.get_by_role("heading", name="A drop")).to_be_visible()
    expect(document.locator("em")).to_have_text("just")
    window.picture(f"file-{theme}")


def restore_an_older_version(window: Seen, site: Site, theme: str) -> None:
    window.open(at("notes/opening.txt"))
    window.page.get_by_role("link", name="Compare").click()
    expect(window.page.get_by_role("table")).to_contain_text("The archive opens at nine.")
    window.picture(f"diff-{theme}")
    window.open(at("notes/opening.txt"))
    window.page.get_by_role("link", name="Restore").click()
    window.page.get_by_role("button", name="Restore").click()

    expect(window.page.get_by_text("is being put back")).to_be_visible()
    expect(window.page.locator("#versions")).to_contain_text("restored")
    assert site.docs.files()["notes/opening.txt"].decode() == shown.NOTE
    window.picture(f"versions-{theme}")


def replay_a_dead_letter(window: Seen, site: Site, theme: str) -> None:
    window.page.get_by_role("link", name="Dead letters").click()
    window.picture(f"letters-{theme}")
    window.page.get_by_role("checkbox", name=f"Choose {shown.BROKEN}").check()
    window.page.get_by_role("button", name="Try again").click()

    expect(window.page.get_by_text("1 letter was queued again")).to_be_visible()
    assert audited(site)[-1] == "letters.replayed"


def approve_a_hold(window: Seen, site: Site, theme: str) -> None:
    window.page.get_by_role("navigation", name="Pages").get_by_role("link", name="Holds").click()
    window.page.get_by_role("link", name="look and decide").click()
    window.picture(f"hold-{theme}")
    window.page.get_by_role("button", name="Approve").click()
    window.page.get_by_role("button", name="Approve").click()

    expect(window.page.get_by_text("is approved")).to_be_visible()
    wait_for(lambda: shown.MANY[0] not in site.docs.objects())
    assert "hold.approved" in audited(site)


def audited(site: Site) -> list[str]:
    """Give what people did, the newest last."""
    rows = site.json("audit", "list")
    return [row["action"] for row in reversed(rows) if row["actor"] != "daemon"]


PAGES = {
    "overview": "/",
    "day": "/?range=day",
    "files": "/files",
    "markdown": at("minutes/2026-spring.md"),
    "converted": at("reports/annual report 2025.docx"),
    "text": at("notes/opening.txt"),
    "pdf": at(shown.SURVEY),
    "long": at(shown.LONG),
    "from the right": at(shown.FROM_THE_RIGHT),
    "found": "/files?q=REPORT",
    "nothing found": "/files?q=no+such+name",
    "why": "/files/why?mirror=docs&path=" + quote("reports/annual report 2025.docx"),
    "jobs": "/jobs",
    "letters": "/letters",
    "holds": "/holds",
    "hold": "/holds/1",
    "conflicts": "/conflicts",
    "mirrors": "/mirrors",
    "webhooks": "/webhooks",
    "keys": "/keys",
    "audit": "/audit",
    "verify": "/audit/verify",
    "docs": "/docs",
}


def test_every_page_is_for_everybody(site: Site, daemon: Daemon, browser: Browser) -> None:
    """For who sees and who does not, by mouse, keys or thumb, in both themes."""
    shown.make_conflict(site.docs, daemon)
    wait_for(lambda: bool(site.json("conflicts", "list")))
    key = shown.made_key(site, "boss", "admin")
    faults: dict[str, object] = {}
    for theme, size in (("light", None), ("dark", None), ("light", PHONE), ("dark", PHONE)):
        with seen(browser, shown.url(site), theme=theme, size=size) as window:
            window.log_in(key)
            for name, path in PAGES.items():
                window.open(path)
                window.picture(f"{name}-{theme}{'-phone' if size else ''}")
                if found := faults_of(window.page):
                    faults[f"{name}, {theme}, {size}"] = found
            window.assert_sound()

    assert faults == {}


def test_the_page_is_used_by_keys_alone(site: Site, daemon: Daemon, browser: Browser) -> None:
    with seen(browser, shown.url(site)) as window:
        window.log_in(shown.made_key(site, "clerk", "operator"))
        window.open("/files")

        window.page.keyboard.press("Tab")
        expect(window.page.get_by_role("link", name="Skip to the content")).to_be_focused()
        window.page.keyboard.press("Enter")
        window.page.keyboard.press("Tab")
        expect(window.page.get_by_role("searchbox")).to_be_focused()
        window.page.keyboard.type("minutes/")
        window.page.keyboard.press("Enter")
        expect(window.page.locator("#files tbody tr")).to_have_count(1)

        window.assert_sound()


def test_a_document_is_turned_over_by_keys_alone(
    site: Site, daemon: Daemon, browser: Browser
) -> None:
    with seen(browser, shown.url(site)) as window:
        window.log_in(shown.made_key(site, "clerk", "viewer"))
        window.open(at(shown.SURVEY))

        window.page.get_by_role("link", name="Next page").focus()
        window.page.keyboard.press("Enter")

        sheet = window.page.get_by_role("img", name=f"Page 2 of 12 of {shown.SURVEY}, as a picture")
        expect(sheet).to_be_visible()
        window.page.wait_for_function("document.querySelector('.sheet img').naturalWidth === 1131")
        window.page.get_by_role("spinbutton", name="Number of a page").fill("12")
        window.page.keyboard.press("Enter")
        expect(window.page.get_by_text("Page 12 of 12")).to_be_visible()
        expect(window.page.get_by_role("link", name="Next page")).to_have_count(0)

        window.assert_sound()


def test_who_is_in_the_middle_of_something_is_not_disturbed(
    site: Site, daemon: Daemon, browser: Browser
) -> None:
    with seen(browser, shown.url(site)) as window:
        window.log_in(shown.made_key(site, "clerk", "operator"))
        window.open("/files")
        window.wait_until_live()
        link = window.page.get_by_role("link", name="minutes/2026-spring.md")
        link.focus()

        site.docs.write("inbox/drop.md", DROP.encode())

        expect(window.page.get_by_role("link", name="inbox/drop.md")).to_be_visible()
        expect(link).to_be_focused()


def test_a_theme_that_was_chosen_is_there_from_the_first_moment(
    site: Site, daemon: Daemon, browser: Browser
) -> None:
    with seen(browser, shown.url(site), theme="light") as window:
        window.log_in(shown.made_key(site, "visitor", "viewer"))

        button = window.page.get_by_role("button", name="Theme")
        button.click()
        button.click()

        assert 'data-theme="dark"' in window.page.request.get(shown.url(site, "/")).text()
        window.assert_sound()


def test_the_page_works_without_scripts(site: Site, daemon: Daemon, browser: Browser) -> None:
    context = browser.new_context(java_script_enabled=False)
    window = Seen(context.new_page(), shown.url(site))
    window.log_in(shown.made_key(site, "clerk", "operator"))

    window.open("/mirrors")
    window.page.get_by_role("button", name="Pause docs").click()

    expect(window.page.get_by_text("docs rests")).to_be_visible()
    context.close()


def test_what_is_seen_stays_where_it_is(site: Site, daemon: Daemon, browser: Browser) -> None:
    with seen(browser, shown.url(site)) as window:
        window.log_in(shown.made_key(site, "visitor", "viewer"))
        window.open("/")
        window.wait_until_live()

        shift = window.page.evaluate(
            """() => new Promise((done) => {
              let sum = 0;
              new PerformanceObserver((list) => {
                for (const entry of list.getEntries()) sum += entry.value;
              }).observe({ type: "layout-shift", buffered: true });
              requestAnimationFrame(() => requestAnimationFrame(() => done(sum)));
            })"""
        )

        assert shift < 0.02
