"""The canary: it goes the whole way again and again, and who listens hears when it does not."""

from __future__ import annotations

import re
import sqlite3
import urllib.error
from contextlib import closing

import proxy
import servers
from docferry.core.canary import CANARY_PATH
from system.conftest import NewSite
from system.daemon import Daemon, Site
from system.trouble import HEALS_WITHIN_S, problems

CANARY = 'canary = "2s"'
CONVERTS = """
[mirror.processed]
store = "main"
bucket = "{bucket}"
prefix = "{prefix}"
local = "{local}"
poll = "200ms"
settle = "100ms"
[converter.shout]
kind = "command"
command = ["/bin/cp", "{{input}}", "{{output}}"]
produces = "txt"
[[convert]]
name = "canaries"
from = "docs"
patterns = ["*.canary"]
to = "processed/{{path}}.{{ext}}"
with = "shout"
"""


def flights(daemon: Daemon) -> int:
    return len(daemon.events("canary.back"))


def figure(daemon: Daemon, name: str) -> float:
    found = re.search(
        rf'^docferry_{name}{{mirror="docs"}} (\S+)$', daemon.fetch("/metrics"), re.MULTILINE
    )
    assert found is not None
    return float(found[1])


def is_ready(daemon: Daemon) -> bool:
    try:
        daemon.fetch("/readyz")
    except urllib.error.HTTPError:
        return False
    return True


def test_a_canary_goes_up_and_comes_back_and_tells_how_long_that_took(site: Site) -> None:
    site.configure(options=CANARY)

    with site.running() as daemon:
        daemon.wait_for(lambda: flights(daemon) >= 2)
        back = daemon.events("canary.back")[-1]
        page = daemon.fetch("/metrics")

    assert (site.docs.get(CANARY_PATH) or b"").startswith(b"docferry canary ")
    assert 0 < back["up_s"] < back["took_s"]
    assert 0 < back["down_s"] < back["took_s"]
    assert 'docferry_canary_duration_seconds{leg="up",mirror="docs"}' in page
    assert 'docferry_canary_duration_seconds{leg="down",mirror="docs"}' in page
    assert "docferry_canary_last_success_timestamp_seconds" in page


def test_a_rule_that_takes_it_converts_it_too(new_site: NewSite) -> None:
    site = new_site()
    text = CONVERTS.format(
        bucket=servers.BUCKET,
        prefix=f"{site.docs.prefix}processed/",
        local=site.folder / "processed",
    )
    site.docs.prefix += "docs/"
    site.configure(options=CANARY, more=text)

    with site.running() as daemon:
        daemon.wait_for(lambda: flights(daemon) >= 1)
        back = daemon.events("canary.back")[-1]

    assert back["convert_s"] > 0
    result = (site.folder / "processed" / f"{CANARY_PATH}.txt").read_bytes()
    assert result.startswith(b"docferry canary ")


def test_two_late_ones_make_it_unready_and_one_that_comes_through_ready_again(
    site: Site, server: servers.S3Server
) -> None:
    with proxy.in_front_of(server) as between:
        site.endpoint_url = between.url
        site.configure(options=CANARY)
        with site.running() as daemon:
            daemon.wait_for(lambda: flights(daemon) >= 1 and is_ready(daemon))

            between.mood = lambda request: request.refuse(500, "InternalError")
            daemon.wait_for(lambda: not is_ready(daemon))
            reason = daemon.readiness()["docs"]["reason"]
            shown = problems(site)
            late = figure(daemon, "canaries_late")
            between.mood = None
            daemon.wait_for(lambda: is_ready(daemon), HEALS_WITHIN_S)

            assert figure(daemon, "canaries_late") == 0
            assert problems(site) == {}
    assert "canaries in a row are late" in reason
    assert late >= 2
    assert any(path.startswith(CANARY_PATH) for path in shown)


def test_one_that_no_poll_brings_back_is_late_where_it_stays_away(
    site: Site, server: servers.S3Server
) -> None:
    last = b""

    def half_way(request: proxy.Request) -> bool:
        """Give nobody what others change there from now on."""

        def without(body: bytes) -> bytes:
            return b"" if b" down\n" in body[:99] and body != last else body

        return request.hand_on(without)

    with proxy.in_front_of(server) as between:
        site.endpoint_url = between.url
        site.configure(options=CANARY)
        with site.running() as daemon:
            daemon.wait_for(lambda: flights(daemon) >= 1)
            last = site.docs.get(CANARY_PATH) or b""
            between.mood = half_way
            daemon.wait_for(lambda: len(daemon.events("canary.late")) >= 3)
            reasons = [event["reason"] for event in daemon.events("canary.late")]
            between.mood = None
            daemon.wait_for(lambda: flights(daemon) >= 3, HEALS_WITHIN_S)

            assert site.status()["docs"].conflicts == []
    assert any("at the folder: it has not come back" in reason for reason in reasons)


def test_a_document_of_that_name_is_left_alone_and_keeps_its_versions(site: Site) -> None:
    site.configure(options=CANARY)
    documents = (b"a list of birds", b"docferry canary is what I call my boat\n" * 20)

    with site.running() as daemon:
        daemon.wait_for(lambda: flights(daemon) >= 1)
        for document in documents:
            late = len(daemon.events("canary.late"))
            site.docs.write(CANARY_PATH, document)
            daemon.wait_for(lambda late=late: len(daemon.events("canary.late")) > late)  # type: ignore[misc]
            site.settle(daemon)
        reason = daemon.events("canary.late")[-1]["reason"]

    assert site.docs.files()[CANARY_PATH] == site.docs.objects()[CANARY_PATH] == documents[-1]
    assert "a document of somebody's" in reason
    with closing(sqlite3.connect(site.state / "ledger.sqlite3")) as ledger:
        assert ledger.execute("SELECT path FROM canary").fetchall() == []
