"""A docferry with something of everything to show: for the tests of the page, and its pictures."""

from __future__ import annotations

import re
from pathlib import Path

import requests

import servers
from processes import wait_for
from samples import make, pdfs
from system.daemon import Daemon, Mirror, Site

MINUTES = """# Minutes of the spring meeting

**Present:** Anna Kowalski, Björn Lindqvist, Chidi Okafor

1. The budget for 2026 was *approved*.
2. The archive moves to the new building.

| Item | Cost |
|------|-----:|
| Shelves | 4 200 |
| Boxes | 380 |

> The next meeting is on 3 June.
"""
NOTE = "First draft\nThe archive opens at nine.\nBring the keys.\n"
NOTE_AGAIN = "Second draft\nThe archive opens at ten.\nBring the keys.\nAnd the list.\n"
MANY = [f"scans/2025/box-{number:02}.txt" for number in range(12)]
SURVEY = "reports/survey.pdf"
LONG = f"notes/{'AVeryLongNameWithoutAPlaceToBreak' * 6}.txt"
FROM_THE_RIGHT = "notes/تقرير سنوي 2025 משרד.txt"
BROKEN = "letters/broken.docx"
_RULE = """
[[convert]]
name = "to-markdown"
from = "docs"
patterns = ["*.docx", "*.html"]
to = "processed"
with = "markdown"
attempts = 1
[api]
rate = 100000
"""


def shown_site(folder: Path, server: servers.S3Server) -> Site:
    """Give a site that is not running yet, whose folders are filled."""
    site = Site(
        folder, server, names=("docs", "processed"), options="delete_limit = 5\n", more=_RULE
    )
    (site.api_port,) = servers.free_ports(1)
    docs = site.docs
    docs.write("minutes/2026-spring.md", MINUTES.encode())
    docs.write("notes/opening.txt", NOTE.encode())
    docs.write("reports/annual report 2025.docx", make.docx())
    docs.write("reports/summary.html", make.html())
    docs.write("tables/shelves.csv", make.csv())
    docs.write("letters/invoice.pdf", make.pdf())
    docs.write(SURVEY, pdfs.pages(12))
    for name in (LONG, FROM_THE_RIGHT):
        docs.write(name, b"A note.\n")
    for path in MANY:
        docs.write(path, f"the content of {path}\n".encode())
    return site


def fill(site: Site, daemon: Daemon) -> None:
    """Let things happen: an edit, a dead letter, a hold, a conflict."""
    site.settle(daemon)
    docs = site.docs
    docs.write("notes/opening.txt", NOTE_AGAIN.encode())
    docs.write(BROKEN, b"PK\x03\x04 this is no document")
    site.settle(daemon)
    wait_for(lambda: bool(site.json("dead", "list")))
    for path in MANY[:9]:
        (docs.folder / path).unlink()
    wait_for(lambda: bool(site.holds()))


def url(site: Site, path: str = "") -> str:
    return f"http://127.0.0.1:{site.api_port}{path}"


def made_key(site: Site, name: str, role: str) -> str:
    """Make an API key, and give its secret."""
    said = site.run("keys", "create", name, "--role", role)
    found = re.search(r"dfk_[0-9a-z]+_[0-9a-z]+", said)
    assert found is not None, said
    return found[0]


def is_served(site: Site) -> bool:
    try:
        return requests.get(url(site, "/healthz"), timeout=5).ok
    except requests.RequestException:  # it may take seconds to come up on a busy machine
        return False


def make_conflict(docs: Mirror, daemon: Daemon) -> None:
    """Change a file on both sides at once."""
    with daemon.paused():
        docs.write("tables/shelves.csv", b"shelf;boxes\nA;12\n")
        docs.put("tables/shelves.csv", b"shelf;boxes\nA;13\n")
