"""A real daemon's mirrors, ordered by its API: another process, the same ledger."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

import servers
from processes import wait_for
from system.daemon import Daemon, Site


@pytest.fixture
def site(tmp_path: Path, server: servers.S3Server) -> Site:
    found = Site(tmp_path, server)
    (found.api_port,) = servers.free_ports(1)
    found.configure(options='poll = "1h"')
    return found


@pytest.fixture
def daemon(site: Site) -> Iterator[Daemon]:
    with site.running() as running:
        wait_for(lambda: "docs" in str(asked(site, "GET", "/mirrors")))
        yield running


def asked(site: Site, method: str, path: str) -> Any:
    url = f"http://127.0.0.1:{site.api_port}/api/v1{path}"
    try:
        return requests.request(method, url, timeout=30).json()
    except requests.ConnectionError:
        return None


def test_a_mirror_rests_says_what_it_would_do_and_goes_on(site: Site, daemon: Daemon) -> None:
    asked(site, "POST", "/mirrors/docs/pause")
    daemon.wait_until("paused")
    site.docs.write("a.bin", b"in a pause")

    plan = asked(site, "GET", "/mirrors/docs/plan?wait_s=20")
    there = site.docs.get("a.bin")
    was = asked(site, "POST", "/mirrors/docs/resume")["was_paused"]
    daemon.wait_for(lambda: site.docs.get("a.bin") == b"in a pause")

    said = [*plan["operations"], *({"path": one["path"]} for one in plan["waiting"])]
    assert plan["is_ready"]
    assert [one["path"] for one in said] == ["a.bin"]
    assert there is None
    assert was["mirror"] == "docs"


def test_a_poll_that_was_ordered_is_answered(site: Site, daemon: Daemon) -> None:
    site.docs.put("b.bin", b"from there")

    order = asked(site, "POST", "/mirrors/docs/poll")["id"]
    daemon.wait_for(
        lambda: asked(site, "GET", f"/mirrors/docs/runs/{order}")["answered_at"] is not None
    )
    daemon.wait_for(lambda: site.docs.files().get("b.bin") == b"from there")

    assert asked(site, "GET", "/mirrors/docs")["ordered"] == []
