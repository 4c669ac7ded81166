"""Docferry is stopped in the middle (SIGSTOP, a machine that sleeps) and goes on later."""

from __future__ import annotations

from datetime import timedelta

import pytest

from conversion_servers import FailingServer
from system.clock import WallClock
from system.conftest import NewSite
from system.daemon import Site
from system.outcomes import HEALS, outcome

RULE = """
[converter.service]
kind = "multipart"
url = "{url}"
produces = "md"
at_once = 4
[[convert]]
name = "rule"
from = "docs"
patterns = ["*.txt"]
to = "processed"
with = "service"
"""
DOCUMENTS = 12
#: A job's lease is a minute: by the clock it has run out long ago.
SLEPT = timedelta(minutes=10)


@outcome("docferry is stopped for minutes, or the machine sleeps", HEALS)
@pytest.mark.tools("cc")
def test_what_was_stopped_for_long_goes_on_and_does_nothing_twice(new_site: NewSite) -> None:
    with FailingServer() as service:
        service.delay_s = 0.5
        site = new_site(names=("docs", "processed"), more=RULE.format(url=service.url))
        docs, clock = site.docs, WallClock(site)
        docs.write("edited.bin", b"before")
        docs.write("gone.bin", b"gone")
        with site.running() as daemon:
            site.settle(daemon)
            for number in range(DOCUMENTS):
                docs.write(f"{number}.txt", b"%d" % number)
            service.wait_for_calls(4)
            with daemon.paused():
                people_go_on(site)
                clock.set(SLEPT)

            site.settle(daemon, 60.0)
            daemon.wait_for(lambda: len(site.mirrors["processed"].objects()) == DOCUMENTS, 60.0)
            site.settle(daemon, 60.0)
            assert docs.files().keys() >= {"edited.bin", "edited here.bin", "edited there.bin"}
            assert "gone.bin" not in docs.objects()
            contents = set(docs.files().values()) | set(docs.archived_objects())
            assert {b"here", b"there"} <= contents

        asked = [one.document for one in service.received]
        assert sorted(asked) == sorted(b"%d" % number for number in range(DOCUMENTS))
        with site.ledger() as ledger:
            jobs = ledger.execute("select state, attempts from job").fetchall()
        assert jobs == [("done", 1)] * DOCUMENTS


def people_go_on(site: Site) -> None:
    """On both sides, at the same path among others."""
    docs = site.docs
    docs.write("edited.bin", b"here")
    docs.put("edited.bin", b"there")
    docs.write("edited here.bin", b"1")
    docs.put("edited there.bin", b"2")
    (docs.folder / "gone.bin").unlink()
