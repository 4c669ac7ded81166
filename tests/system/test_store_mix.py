"""
Faults between docferry and its store at random, with people at work at random on both sides.

STORE_FAULT_ROUNDS=200 goes on for that long; STORE_FAULT_SEED=7 begins otherwise.
"""

from __future__ import annotations

import os
import random
import threading
from functools import partial
from pathlib import Path

import pytest

import proxy
import servers
import store_faults as faults
from system.daemon import Site
from system.history import Person, sha256
from system.trouble import heals

ROUNDS = int(os.environ.get("STORE_FAULT_ROUNDS", "4"))
SEED = int(os.environ.get("STORE_FAULT_SEED", "1"))
DEEDS = 12  # of people, in a round

#: What may befall any request, or one of a kind. None of it lasts for more than its request.
ANY: tuple[faults.Does, ...] = (
    faults.refuses(503, "SlowDown"),
    faults.refuses(500, "InternalError"),
    faults.refuses(403, "RequestTimeTooSkewed"),
    faults.says_bad_gateway,
    faults.says_log_in,
    faults.leads_elsewhere(302),
    faults.asks_twice,
    faults.answers_twice,
    faults.does_it_and_is_silent,
    faults.drips,
    faults.breaks_off_what_comes,
    faults.cuts_short(is_told=False),
)
OF_KIND: dict[str, tuple[faults.Does, ...]] = {
    "get": (
        faults.flips_a_bit,
        faults.cuts_short(is_told=True),
        faults.says_etag(None),
        faults.says_etag("ab" * 16),
    ),
    "put": (faults.says_etag(None), faults.says_etag("ab" * 16)),
    "list": (faults.lists_half,),
    "copy": (faults.fails_after_saying_200,),
}


class Weather:
    """Strikes requests at random: each round has faults of its own, more or less often."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self._lock = threading.Lock()
        self._rate = 0.0
        self.trouble = faults.Trouble()

    def change(self) -> None:
        self._rate = self._random.choice((0.05, 0.2, 0.5, 0.9))

    def __call__(self, request: proxy.Request) -> bool:
        with self._lock:
            if self._random.random() >= self._rate:
                return False
            does = self._random.choice(ANY + OF_KIND.get(faults.kind(request), ()))
        self.trouble.strike()
        return does(request, self.trouble)


@pytest.mark.timeout(120 + 90 * ROUNDS)
def test_whatever_befalls_requests_nothing_is_lost_and_nothing_is_made_up(
    server: servers.S3Server, tmp_path: Path
) -> None:
    folder, trash = tmp_path / "site", tmp_path / "trash"
    folder.mkdir()
    trash.mkdir()
    weather = Weather(SEED)
    with proxy.in_front_of(server) as between:
        site = Site(folder, server)
        site.endpoint_url = between.url
        site.configure()
        person = Person(SEED, site.docs, trash, clashes=())
        try:
            with site.running() as daemon:
                for _ in range(ROUNDS):
                    weather.change()
                    between.mood = weather
                    enough = weather.trouble.struck + 6
                    for _ in range(DEEDS):
                        person.act()
                    daemon.wait_for(partial(weather.trouble.has_struck, enough))
                    between.mood = None
                    heals(daemon, site)
                    person.note_settled()
            with site.ledger() as ledger:
                agreed = {row[0] for row in ledger.execute("select sha256 from version")}
        finally:
            site.close()

    replay = f"again: STORE_FAULT_SEED={SEED} STORE_FAULT_ROUNDS={ROUNDS}\n{person.did}"
    assert person.lost(agreed) == [], replay
    assert agreed <= person.wrote | {sha256(b"")}, replay
