"""The machine's clock is set while docferry runs, and while it does not."""

from __future__ import annotations

from datetime import timedelta

import pytest

from conversion_servers import FailingServer
from system.clock import WallClock
from system.conftest import NewSite
from system.daemon import Daemon, Site
from system.outcomes import HEALS, outcome
from system.trouble import heals

pytestmark = pytest.mark.tools("cc")
RIGHT = timedelta()
#: S3 takes what is off by less than 15 minutes.
A_LITTLE, FAR = timedelta(minutes=10), timedelta(days=400)
RULE = """
[converter.service]
kind = "multipart"
url = "{url}"
produces = "md"
[[convert]]
name = "rule"
from = "docs"
patterns = ["mine *.txt"]
to = "processed"
with = "service"
"""


@outcome("the clock is set by minutes, back or ahead", HEALS)
def test_a_clock_that_is_set_keeps_nothing_waiting(new_site: NewSite) -> None:
    with FailingServer() as service:
        site = new_site(names=("docs", "processed"), more=RULE.format(url=service.url))
        clock = WallClock(site)
        with site.running() as daemon:
            everything_goes_on(site, daemon, "now")
            for name, off in (("back", -A_LITTLE), ("ahead", A_LITTLE), ("right again", RIGHT)):
                clock.set(off)
                everything_goes_on(site, daemon, name)
        for name, off in (("started ahead", A_LITTLE), ("started behind", -A_LITTLE)):
            clock.set(off)
            with site.running() as daemon:
                everything_goes_on(site, daemon, name)

    with site.ledger() as ledger:
        versions = ledger.execute("select id, parent, created_at from version").fetchall()
    when = {version: at for version, _, at in versions}
    after = [(version, parent) for version, parent, _ in versions if parent is not None]
    assert after
    assert all(parent < version and when[parent] <= when[version] for version, parent in after)


def everything_goes_on(site: Site, daemon: Daemon, name: str) -> None:
    """New files, edits, a deletion and a conversion: each is seen to soon, on either side."""
    docs = site.docs
    docs.write(f"mine {name}.txt", b"mine " + name.encode())
    docs.put(f"theirs {name}.txt", b"theirs")
    for path in ("edited here.txt", "edited there.txt"):
        docs.write(path, b"1 " + name.encode())
    site.settle(daemon)
    docs.write("edited here.txt", b"2 " + name.encode())
    docs.put("edited there.txt", b"2 " + name.encode())
    docs.remove(f"theirs {name}.txt")
    site.settle(daemon)

    daemon.wait_for(lambda: _result(name) in site.mirrors["processed"].objects().values())
    found = docs.files()
    assert found["edited here.txt"] == found["edited there.txt"] == b"2 " + name.encode()
    assert f"theirs {name}.txt" not in found


def _result(name: str) -> bytes:
    return f"# Converted\n\nMINE {name.upper()}".encode()


@outcome("the clock is set by days, back or ahead", HEALS, sees="more than 15 minutes")
@pytest.mark.parametrize("off", [FAR, -FAR], ids=["ahead", "back"])
def test_a_clock_that_is_far_off_is_named_deletes_nothing_and_heals(
    site: Site, off: timedelta
) -> None:
    docs, clock = site.docs, WallClock(site)
    with site.running() as daemon:
        docs.write("a.txt", b"a")
        docs.write("gone.txt", b"gone")
        heals(daemon, site)

        clock.set(off)
        docs.write("mine.txt", b"mine")
        docs.put("theirs.txt", b"theirs")
        (docs.folder / "gone.txt").unlink()
        says = "the clock here and the store's differ by more than 15 minutes: set this machine's"
        daemon.wait_for(lambda: says in (site.status()["docs"].reason or ""))
        assert docs.objects().keys() == {"a.txt", "gone.txt", "theirs.txt"}

        clock.set(RIGHT)
        heals(daemon, site)
        assert docs.files().keys() == {"a.txt", "mine.txt", "theirs.txt"}
