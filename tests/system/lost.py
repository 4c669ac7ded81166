"""A machine that is lost, and what was known on it: for tests of having it back."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeAlias

import pytest

import proxy
import servers
from docferry.app.mirrors import LEDGER_NAME
from docferry.app.sides import UlidSource, open_sides
from docferry.config import load
from docferry.engine.snapshot import Snapshots
from docferry.ledger import Ledger
from docferry.storage.base import PART_BYTES
from system.daemon import Site

#: What a version was, and whether it is current.
Version: TypeAlias = tuple[Any, ...]
_VERSIONS = "select id, path, sha256, size, parent, left_at is null from version"
#: Those that say themselves what they are: docferry's own objects, and what it archived.
_TELLING = (
    " where archived_remote or (left_at is null and origin in ('local', 'drop', 'conversion'))"
)
_LEFT = "select id, left_at, held, created_at from version"
_READS = {"GET", "HEAD"}


@dataclass(frozen=True, slots=True)
class Lost:
    """A mirror as it was on the machine that is lost."""

    files: dict[str, bytes]
    versions: set[Version]
    telling: set[Version]  #: of which the bucket itself tells
    times: set[Version]


def had_a_life(site: Site, *, is_large: bool = False) -> None:
    """Files of all kinds, edited and deleted on both sides, several times."""
    docs = site.docs
    for number in range(20):
        docs.write(f"p/{number:02}.txt", b"first %d" % number)
    docs.put("of a stranger.txt", b"nobody said what this is")
    docs.put("tab\there", b"a key that no file has")
    docs.put("in parts.bin", os.urandom(PART_BYTES + 1) if is_large else b"small")
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


def versions_of(site: Site, query: str = _VERSIONS) -> set[Version]:
    with site.ledger() as ledger:
        return set(ledger.execute(query))


def times_of(site: Site) -> set[Version]:
    return versions_of(site, _LEFT)


def take_snapshot(site: Site) -> None:
    """Take one now, as the daemon does when the mirror is quiet."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in site.environ().items():
            patch.setenv(name, value)
        config = load(site.config, os.environ)
        with Ledger.open(config.state_dir / LEDGER_NAME) as ledger:
            for name in config.mirrors:
                sides = open_sides(config, name, ledger, UlidSource(), connections=4)
                Snapshots(
                    name,
                    ledger,
                    sides.remote,
                    every_s=1.0,
                    new_ulid=UlidSource(),
                    now=lambda: datetime.now(UTC),
                ).take()


def snapshots(site: Site) -> set[str]:
    """Give the keys of the snapshots in the bucket."""
    return {key for key in site.docs.all_keys() if key.startswith(".docferry/ledger/")}


def drop_snapshots(site: Site, but_for: Collection[str] = ()) -> None:
    """Let those be gone that runs have taken at their end."""
    site.docs.remove(*(snapshots(site) - {*but_for}))
    assert snapshots(site) == {*but_for}


def known(site: Site) -> Lost:
    """Give what is known now."""
    return Lost(
        site.docs.files(),
        versions_of(site),
        versions_of(site, _VERSIONS + _TELLING),
        times_of(site),
    )


def lose(site: Site, *, with_folder: bool = True) -> Lost:
    """Let the state be gone, and the folder; give what was known."""
    lost = known(site)
    shutil.rmtree(site.state)
    if with_folder:
        shutil.rmtree(site.docs.folder)
    return lost


@contextmanager
def watched(
    site: Site,
    server: servers.S3Server,
    on_request: Callable[[proxy.Request], None] = lambda request: None,
) -> Iterator[list[str]]:
    """Let everything that goes to the store pass by us; give the requests that change it."""
    changing: list[str] = []

    def note(request: proxy.Request) -> bool:
        on_request(request)
        if request.command not in _READS:
            changing.append(f"{request.command} {request.path}")
        return False

    with proxy.in_front_of(server) as between:
        between.mood = note
        before, site.endpoint_url = site.endpoint_url, between.url
        site.configure()
        try:
            yield changing
        finally:
            site.endpoint_url = before
            site.configure()
