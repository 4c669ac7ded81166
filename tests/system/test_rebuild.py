"""A lost ledger, and a lost folder: what the bucket holds brings both back, and takes no byte."""

from __future__ import annotations

import json
import os
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

import proxy
import servers
from docferry.app.sides import LEDGER_NAME, UlidSource, open_sides
from docferry.config import load
from docferry.engine.snapshot import Snapshots
from docferry.ledger import Ledger
from system.conftest import NewSite
from system.daemon import Mirror, Site, events_of

#: What a version was and is, but for where its bytes are.
_VERSIONS = (
    "select id, path, sha256, size, parent, left_at is null from version where origin != 'evidence'"
)
_READS = {"GET", "HEAD"}


@dataclass(frozen=True, slots=True)
class Lost:
    """A mirror as it was on the machine that is lost."""

    site: Site
    files: dict[str, bytes]
    versions: set[tuple[Any, ...]]


def had_a_life(site: Site) -> None:
    """Files of all kinds, edited and deleted on both sides, several times."""
    docs = site.docs
    for number in range(20):
        docs.write(f"p/{number:02}.txt", b"first %d" % number)
    docs.put("of a stranger.txt", b"nobody said what this is")
    docs.put("tab\there", b"a key that no file has")
    docs.put("big.bin", os.urandom(17 * 1024 * 1024))
    site.work_off()
    docs.write("p/00.txt", b"second")
    docs.put("p/01.txt", b"second, there")
    (docs.folder / "p/02.txt").unlink()
    docs.remove("p/03.txt")
    site.work_off()
    docs.write("p/00.txt", b"third")
    docs.write("p/02.txt", b"back again")
    (docs.folder / "p/04.txt").rename(docs.folder / "moved.txt")
    assert site.work_off()


def versions_of(site: Site) -> set[tuple[Any, ...]]:
    with site.ledger() as ledger:
        return set(ledger.execute(_VERSIONS))


def snapshot(site: Site) -> None:
    """Take one now, as the daemon does when the mirror is quiet."""
    environ = site.environ()
    with pytest.MonkeyPatch.context() as patch:
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            patch.setenv(name, environ[name])
        config = load(site.config, environ)
        with Ledger.open(config.state_dir / LEDGER_NAME) as ledger:
            for name in config.mirrors:
                sides = open_sides(config, name, ledger, UlidSource(), connections=4)
                Snapshots(
                    name,
                    ledger,
                    sides.remote,
                    config.state_dir / f"snapshot-{name}",
                    every_s=1.0,
                    new_ulid=UlidSource(),
                    now=lambda: datetime.now(UTC),
                ).take()


def lose(site: Site) -> Lost:
    """Give what was known, and let state and folder be gone."""
    lost = Lost(site, site.docs.files(), versions_of(site))
    shutil.rmtree(site.state)
    shutil.rmtree(site.docs.folder)
    return lost


@contextmanager
def watched(site: Site, server: servers.S3Server) -> Iterator[list[str]]:
    """Let everything that reaches the store pass by us; give the requests that change it."""
    changing: list[str] = []
    with proxy.in_front_of(server) as between:

        def note(request: proxy.Request) -> bool:
            if request.command not in _READS:
                changing.append(f"{request.command} {request.path}")
            return False

        between.mood = note
        before, site.endpoint_url = site.endpoint_url, between.url
        site.configure()
        yield changing
        site.endpoint_url = before
        site.configure()


def is_as_it_was(site: Site, lost: Lost) -> None:
    assert site.docs.files() == lost.files == site.docs.objects()
    assert versions_of(site) >= lost.versions
    assert site.status()["docs"].problems == {}


# All is lost.


def test_with_a_snapshot_everything_is_as_it_was(site: Site, server: servers.S3Server) -> None:
    had_a_life(site)
    snapshot(site)
    lost = lose(site)

    with watched(site, server) as changing:
        said = json.loads(site.run("rebuild", "--yes", "--json"))

    assert changing == []
    is_as_it_was(site, lost)
    assert versions_of(site) == lost.versions
    [mirror] = said["rebuilt"]["mirrors"]
    assert mirror["result"]["snapshot"] is not None
    assert (mirror["result"]["read"], mirror["result"]["lost"]) == (0, [])
    with watched(site, server) as changing:
        site.run_once()
    assert not [each for each in changing if "/.docferry/probe/" not in each]


def test_what_came_after_the_snapshot_is_found_without_it(
    site: Site, server: servers.S3Server
) -> None:
    had_a_life(site)
    snapshot(site)
    docs = site.docs
    docs.write("p/00.txt", b"fourth")
    docs.write("new.txt", b"new since")
    (docs.folder / "p/05.txt").unlink()
    docs.remove("p/06.txt")
    site.work_off()
    docs.write("p/00.txt", b"fifth")
    site.work_off()
    lost = lose(site)
    docs.put("while it was lost.txt", b"of a stranger")

    with watched(site, server) as changing:
        site.run("rebuild", "--yes")

    assert changing == []
    assert site.docs.files() == lost.files | {"while it was lost.txt": b"of a stranger"}
    pass


def test_without_a_snapshot_the_bucket_alone_tells(site: Site, server: servers.S3Server) -> None:
    had_a_life(site)
    lost = lose(site)

    with watched(site, server) as changing:
        said = json.loads(site.run("rebuild", "--yes", "--json"))

    assert changing == []
    assert site.docs.files() == lost.files
    [mirror] = said["rebuilt"]["mirrors"]
    print(json.dumps(mirror, indent=1))
    print(sorted(lost.versions, key=lambda v: v[1]))
    print(sorted(versions_of(site), key=lambda v: v[1]))
    assert 0
