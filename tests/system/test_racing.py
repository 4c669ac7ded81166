"""
Rogue writers on both sides, as fast as they can, while docferry works.

RACING_S=600 lets them race for so long; RACING_SEED=7 has them do other things.
"""

from __future__ import annotations

import os
import threading

import pytest

from system.conftest import NewSite
from system.daemon import Daemon, Site
from system.outcomes import HEALS, outcome
from system.racing import Race

SECONDS = float(os.environ.get("RACING_S", "8"))
SEED = int(os.environ.get("RACING_SEED", "1"))
REST_WITHIN_S = 120.0


@outcome("programs write, rename and delete on both sides without a pause", HEALS)
@pytest.mark.timeout(SECONDS + 300)
def test_after_a_race_both_sides_are_equal_and_nothing_is_lost_or_invented(
    new_site: NewSite,
) -> None:
    site = new_site(options='settle = "20ms"\npoll = "100ms"')
    trash = site.folder / "trash"
    trash.mkdir()
    race = Race(SEED, site.docs, trash)
    with site.running() as daemon:
        with race.going_on():
            threading.Event().wait(SECONDS)

        rest(site, daemon)
        with site.ledger() as ledger:
            agreed = [sha for (sha,) in ledger.execute("select sha256 from version")]
        assert race.done > 10 * SECONDS
        assert race.lost(agreed) == []
        assert race.invented() == []


def rest(site: Site, daemon: Daemon) -> None:
    """Wait until both sides hold the same; approve what is held meanwhile."""

    def is_so() -> bool:
        if daemon.health() == {"docs": "blocked"}:
            for hold in site.holds():
                site.asked("holds", "approve", str(hold.id))
        return daemon.health() == {"docs": "in-step"} and site.docs.is_equal()

    daemon.wait_for(is_so, REST_WITHIN_S)
