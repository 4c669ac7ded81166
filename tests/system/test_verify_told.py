"""What a verification found is told to webhooks, whoever asked for it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

import servers
from processes import wait_for
from system.daemon import Daemon, Site
from webhook_receiver import SECRET, ReceiverServer, receiving


@pytest.fixture
def crm() -> Iterator[ReceiverServer]:
    with receiving() as crm:
        yield crm


@pytest.fixture
def site(tmp_path: Path, server: servers.S3Server, crm: ReceiverServer) -> Site:
    (tmp_path / "keys").mkdir()
    (tmp_path / "keys" / "crm.webhook").write_text(SECRET)
    found = Site(tmp_path, server)
    (found.api_port,) = servers.free_ports(1)
    found.configure(
        more=f'[webhook.crm]\nurl = "{crm.url}"\nallow_private = true\nevents = ["verify.*"]\n'
    )
    found.config.write_text(f'credentials_dir = "{tmp_path}/keys"\n{found.config.read_text()}')
    return found


@pytest.fixture
def daemon(site: Site) -> Iterator[Daemon]:
    """One whose mirror rests, with two files that are only in the folder."""
    with site.running() as running:
        site.docs.write("before.txt", b"in step")
        site.settle(running)
        assert site.ended("mirrors", "pause", "docs").returncode == 0
        for name in ("a.txt", "b.txt"):
            site.docs.write(name, b"new")
        yield running


def data_of(crm: ReceiverServer) -> list[dict[str, Any]]:
    return [one.told["data"] for one in crm.got]


def test_what_a_run_of_the_api_found_is_one_event_for_each_mirror(
    site: Site, daemon: Daemon, crm: ReceiverServer
) -> None:
    url = f"http://127.0.0.1:{site.api_port}/api/v1/verify"
    wait_for(lambda: _answers(url))
    run = requests.post(url, json={"mirrors": ["docs"]}, timeout=30).json()["id"]

    daemon.wait_for(lambda: bool(crm.got))

    found = {"run": run, "is_well": False, "is_whole": True, "counts": {"not-synced": 2}}
    assert data_of(crm) == [{"mirror": "docs"} | found]
    assert [one.told["type"] for one in crm.got] == ["verify.found"]


def test_what_the_command_found_is_told_too(
    site: Site, daemon: Daemon, crm: ReceiverServer
) -> None:
    said = site.ended("verify")

    daemon.wait_for(lambda: bool(crm.got))

    assert said.returncode == 1
    assert [one["counts"] for one in data_of(crm)] == [{"not-synced": 2}]


def _answers(url: str) -> bool:
    try:
        return requests.get(url, timeout=30).ok
    except requests.ConnectionError:
        return False
