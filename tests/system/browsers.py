"""A real browser that looks at the page, and takes down whatever it does not like."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from playwright.sync_api import Browser, ConsoleMessage, Page, Request, expect, sync_playwright

PROGRAM = "chromium"
_ARGUMENTS = [
    "--no-sandbox",  # CI runs as root
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
#: Pictures of what a test sees go here, for people to look at.
PICTURES = os.environ.get("PICTURES")
WITHIN_MS = 20_000
expect.set_options(timeout=WITHIN_MS)

DESKTOP = {"width": 1360, "height": 900}
PHONE = {"width": 390, "height": 844}


@dataclass
class Seen:
    """
    A page, and what is wrong with it.

    faults: what the browser complains about: errors, warnings, refused by the policy.
    hosts: everybody who was asked for something.
    """

    page: Page
    origin: str
    faults: list[str] = field(default_factory=list)
    hosts: set[str] = field(default_factory=set)

    def assert_sound(self) -> None:
        assert not self.faults
        assert self.hosts <= {urlsplit(self.origin).netloc}

    def open(self, path: str) -> None:
        self.page.goto(self.origin + path)

    def log_in(self, key: str) -> None:
        self.open("/")
        self.page.get_by_label("API key").fill(key)
        self.page.get_by_role("button", name="Log in").click()
        self.page.get_by_role("navigation", name="Pages").wait_for()

    def wait_until_live(self) -> None:
        self.page.wait_for_function("'ready' in document.documentElement.dataset")

    def picture(self, name: str) -> None:
        if PICTURES:
            path = Path(PICTURES, f"{name}.png")
            # Playwright would hide the caret by a style of its own, which the policy refuses.
            self.page.screenshot(path=path, full_page=True, caret="initial")

    def _hear(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.faults.append(f"{self.page.url}: {message.text}")

    def _note(self, request: Request) -> None:
        if not request.url.startswith(("data:", "blob:")):
            self.hosts.add(urlsplit(request.url).netloc)


@contextmanager
def chromium() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=f"/usr/bin/{PROGRAM}", args=_ARGUMENTS)
        yield browser
        browser.close()


@contextmanager
def seen(
    browser: Browser, origin: str, *, theme: str = "light", size: dict[str, int] | None = None
) -> Iterator[Seen]:
    """Open a window of somebody whose system has that theme."""
    context = browser.new_context(
        color_scheme="dark" if theme == "dark" else "light",
        viewport={"width": (size or DESKTOP)["width"], "height": (size or DESKTOP)["height"]},
    )
    context.set_default_timeout(WITHIN_MS)
    page = context.new_page()
    found = Seen(page, origin)
    page.on("console", found._hear)
    page.on("pageerror", lambda error: found.faults.append(str(error)))
    page.on("request", found._note)
    yield found
    context.close()


def faults_of(page: Page) -> Sequence[str]:
    """Give what keeps somebody from using a page who does not see it, or has no mouse."""
    found: list[str] = page.evaluate(_LOOK)
    return found


_LOOK = r"""
() => {
  const faults = [];
  const say = (what, one) => faults.push(`${what}: ${one.outerHTML.slice(0, 120)}`);
  const isShown = (one) => one.checkVisibility();
  const named = (one) => one.getAttribute("aria-label") || one.getAttribute("title")
    || [...(one.labels ?? [])].map((label) => label.textContent.trim()).join("")
    || (one.getAttribute("aria-labelledby") ?? "").split(" ")
      .map((id) => document.getElementById(id)?.textContent.trim() ?? "").join("");

  for (const one of document.querySelectorAll("input:not([type=hidden]), select, textarea"))
    if (isShown(one) && !named(one)) say("no label", one);
  for (const one of document.querySelectorAll("button, a[href]"))
    if (isShown(one) && !one.textContent.trim() && !named(one)) say("no name", one);
  for (const one of document.querySelectorAll("img")) if (!one.alt) say("no alt", one);
  for (const one of document.querySelectorAll("[tabindex]"))
    if (one.tabIndex > 0) say("tabindex", one);
  for (const one of document.querySelectorAll("th")) if (!one.scope && !one.closest(".document"))
    say("no scope", one);
  for (const one of document.querySelectorAll("table:not(.document table)"))
    if (!one.caption && !one.closest("[aria-labelledby]")) say("table without a name", one);
  const ids = [...document.querySelectorAll("[id]")].map((one) => one.id);
  ids.filter((id, at) => ids.indexOf(id) !== at).forEach((id) => faults.push(`id twice: ${id}`));
  for (const one of document.querySelectorAll("[aria-labelledby], [aria-describedby]"))
    for (const name of ["aria-labelledby", "aria-describedby"])
      for (const id of (one.getAttribute(name) ?? "").split(" ").filter(Boolean))
        if (!document.getElementById(id)) say(`${name} leads nowhere`, one);

  if (document.querySelectorAll("main").length !== 1) faults.push("not one main");
  if (document.documentElement.lang !== "en") faults.push("no language");
  const headings = [...document.querySelectorAll("h1, h2, h3, h4, h5, h6")].filter(isShown);
  let before = 0;
  for (const one of headings) {
    const level = Number(one.tagName[1]);
    if (level > before + 1) say("a heading leaves out a level", one);
    before = level;
  }
  if (headings.filter((one) => one.tagName === "H1").length !== 1) faults.push("not one h1");
  if (document.documentElement.scrollWidth > innerWidth) faults.push("wider than its window");

  const parts = (colour) => (colour.match(/[\d.]+/g) ?? []).map(Number);
  const light = (colour) => {
    const [r, g, b] = parts(colour).slice(0, 3).map((one) => one / 255)
      .map((one) => (one <= 0.03928 ? one / 12.92 : ((one + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ground = (one) => {
    for (let at = one; at; at = at.parentElement) {
      const colour = getComputedStyle(at).backgroundColor;
      if (!/, 0\)|transparent/.test(colour)) return colour;
    }
    return "rgb(255, 255, 255)";
  };
  for (const one of document.querySelectorAll("body *")) {
    const text = [...one.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
    if (!text || !isShown(one) || one.closest(".sr, .skip, svg")) continue;
    const [a, b] = [light(getComputedStyle(one).color), light(ground(one))];
    const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (contrast < 4.5) say(`contrast ${contrast.toFixed(2)}`, one);
  }
  return faults;
}
"""
