"""The audit of a daemon at work: complete after a kill, checked by the command, without names."""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

import servers
from system.daemon import Site


@pytest.fixture
def site(server: servers.S3Server, tmp_path: Path) -> Iterator[Site]:
    site = Site(tmp_path, server)
    yield site
    site.close()


def verdict(site: Site, *arguments: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(site.asked("audit", "verify", "--json", *arguments).stdout)
    return found


def test_what_was_done_is_in_ledger_and_file_after_a_kill_and_names_no_document(
    site: Site,
) -> None:
    with site.running() as daemon:
        for name in ("secret plan.txt", "other.txt"):
            site.docs.write(name, name.encode())
        site.settle(daemon)
        version = site.json("versions", "other.txt")["versions"][0]["id"]
        site.run("hold", version)
        (site.docs.folder / "secret plan.txt").unlink()
        site.settle(daemon)
        daemon.kill()
        site.run("unhold", version)  # nobody is there to write it to the file
        behind = verdict(site)

    with site.running() as daemon:
        daemon.wait_for(lambda: verdict(site)["rows_in_file"] > behind["rows_in_file"])
        site.run("erase", "secret plan.txt", "--all-versions", "--yes")
        daemon.wait_for(lambda: "versions.erased" in actions(site))
        daemon.stop()

    sound = verdict(site)
    assert (behind["faults"], sound["faults"]) == ([], [])
    assert sound["rows"] == sound["rows_in_file"]
    found = actions(site)
    assert found.items() >= {"version.held": 1, "version.unheld": 1, "files.deleted": 1}.items()
    assert "secret" not in (site.state / "audit.jsonl").read_text()
    assert daemon.events("audit.written")[-1]["head"] == sound["head"]

    with closing(sqlite3.connect(site.state / "ledger.sqlite3")) as raw:
        raw.execute("DROP TRIGGER audit_no_delete")
        raw.execute("DELETE FROM audit WHERE action = 'files.deleted'")
        raw.commit()

    assert site.asked("audit", "verify").returncode == 1


def actions(site: Site) -> Counter[str]:
    return Counter(row["action"] for row in site.json("audit", "list"))


def test_a_rebuilt_ledger_begins_a_chain_and_the_old_file_stays(site: Site) -> None:
    with site.running() as daemon:
        site.docs.write("a.txt", b"a")
        site.settle(daemon)
    for found in site.state.glob("ledger.sqlite3*"):
        found.unlink()

    site.run("rebuild", "--yes")

    with site.running():
        pass
    assert verdict(site)["faults"] == []
    assert actions(site)["ledger.rebuilt"] == 1
    assert len([*site.state.glob("audit.jsonl.until-*")]) == 1
