"""A mirror that a person has paused: whatever comes waits, through kills and reloads too."""

from __future__ import annotations

import re
import signal

from system.conftest import NewSite
from system.daemon import Daemon, Site

DROP = """
[drop.inbox]
folder = "{folder}"
into = "docs"
settle = "100ms"
"""
RULE = """
[[convert]]
name = "text"
from = "notes"
patterns = ["*.txt"]
to = "docs/made/{stem}.md"
with = "text"
"""


def looks(daemon: Daemon) -> float:
    """Say when the mirror that is not paused has polled last."""
    name = "docferry_last_poll_timestamp_seconds"
    found = re.search(rf'^{name}{{mirror="notes"}} (\S+)$', daemon.fetch("/metrics"), re.MULTILINE)
    assert found is not None
    return float(found[1])


def let_time_pass(daemon: Daemon) -> None:
    """Wait until the other mirror has polled some times: so would this one have."""
    for _ in range(3):
        before = looks(daemon)
        daemon.wait_for(lambda since=before: looks(daemon) > since)  # type: ignore[misc]


def let_canaries_fly(daemon: Daemon) -> None:
    """Wait until those of the other mirror came back: so one of this would be late by now."""
    flown = len(daemon.events("canary.back"))
    daemon.wait_for(lambda: len(daemon.events("canary.back")) >= flown + 3)


def ordered(site: Site, *words: str) -> None:
    said = site.asked("mirrors", *words)
    assert said.returncode == 0, said.stdout + said.stderr


def test_what_comes_to_a_paused_mirror_waits_until_it_is_resumed(new_site: NewSite) -> None:
    site = new_site(names=("docs", "notes"), more=RULE)
    docs, notes = site.mirrors["docs"], site.mirrors["notes"]
    inbox = site.folder / "inbox"
    site.configure(more=RULE + DROP.format(folder=inbox), options='canary = "2s"')
    docs.write("old.bin", b"both sides have it")
    with site.running() as daemon:
        site.settle(daemon)
        ordered(site, "pause", "docs", "--reason", "new disks")
        docs.write("here.bin", b"from here")
        docs.put("there.bin", b"from there")
        (docs.folder / "old.bin").unlink()
        (inbox / "dropped.bin").write_bytes(b"dropped")
        notes.write("a.txt", b"to be converted")
        daemon.wait_for(lambda: notes.get("a.txt") is not None)
        let_canaries_fly(daemon)
        mirror = daemon.readiness()["docs"]
        held = {key: docs.get(key) for key in ("here.bin", "old.bin", "made/a.md")}
        was_dropped = (inbox / "dropped.bin").exists()
        came_down = (docs.folder / "there.bin").exists()
        late = daemon.events("canary.late")

        ordered(site, "resume", "docs")
        daemon.wait_for(lambda: docs.get("made/a.md") is not None)
        daemon.wait_for(lambda: docs.get("dropped.bin") == b"dropped")
        daemon.wait_for(lambda: docs.get("here.bin") == b"from here")
        daemon.wait_for(lambda: (docs.folder / "there.bin").exists())
        daemon.wait_for(lambda: docs.get("old.bin") is None)
        goes_on = [event["mirror"] for event in daemon.events("mirror.resumed")]

    assert held == {"here.bin": None, "old.bin": b"both sides have it", "made/a.md": None}
    assert (was_dropped, came_down, late) == (True, False, [])
    assert (mirror["health"], mirror["ready"]) == ("paused", True)
    assert "new disks" in mirror["reason"]
    assert goes_on == ["docs"]


def test_a_pause_outlives_a_kill_and_a_reload(new_site: NewSite) -> None:
    site = new_site(names=("docs", "notes"))
    docs = site.mirrors["docs"]
    with site.running() as daemon:
        site.settle(daemon)
        ordered(site, "pause", "docs")
        daemon.kill()
    docs.write("a.bin", b"while it was down")

    daemon = site.start()
    daemon.wait_until("in-step", "notes")
    daemon.wait_until("paused", "docs")
    let_time_pass(daemon)
    after_the_kill = docs.get("a.bin")
    site.configure(options='settle = "150ms"')
    daemon.process.send_signal(signal.SIGHUP)
    daemon.wait_for(lambda: len(daemon.events("config.reloaded")) == 1)
    daemon.wait_until("in-step", "notes")
    daemon.wait_until("paused", "docs")
    let_time_pass(daemon)
    after_the_reload = docs.get("a.bin")
    ordered(site, "resume", "docs")
    daemon.wait_for(lambda: docs.get("a.bin") == b"while it was down")

    assert (after_the_kill, after_the_reload) == (None, None)


def test_a_mirror_polls_and_walks_when_it_is_told_to(site: Site) -> None:
    site.configure(options='poll = "1h"\nrescan = "1h"')
    docs = site.docs
    with site.running() as daemon:
        site.settle(daemon)
        docs.put("there.bin", b"from there")
        ordered(site, "poll")
        daemon.wait_for(lambda: docs.files().get("there.bin") == b"from there")
        said = site.json("mirrors", "rescan", "--json")

    assert [one["answered_by"] for one in said] in (["rescan"], ["full"])
