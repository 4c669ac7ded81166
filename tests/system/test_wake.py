"""A running daemon does what a command asks for when it is asked, not at its next look."""

from __future__ import annotations

import time

from docferry.app.one_mirror import PEOPLE_EVERY_S
from system.daemon import Site


def test_what_is_asked_of_a_running_daemon_is_answered_at_once(site: Site) -> None:
    docs = site.docs
    docs.write("a.txt", b"one")
    with site.running() as daemon:
        site.settle(daemon)
        docs.write("a.txt", b"two")
        daemon.wait_for(lambda: docs.get("a.txt") == b"two")
        site.settle(daemon)

        # Each is asked for right after an answer. Without a wake-up each but the first would
        # come of a look of its own, and those are PEOPLE_EVERY_S apart.
        took_s = [_restored(site) for _ in range(5)]

        assert min(took_s[1:]) < PEOPLE_EVERY_S / 2
        assert daemon.events("wake.failed") == []
    assert not any(path.is_fifo() for path in site.state.iterdir())


def _restored(site: Site) -> float:
    began_s = time.monotonic()
    said = site.asked("restore", "a.txt")
    assert said.returncode == 0, said.stdout
    return time.monotonic() - began_s
