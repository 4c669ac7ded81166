"""
Any instant can be had back: people at work on both sides, kills, and a recorder.

REWINDS=50 REWIND_DEEDS=1000 does as much as that.
"""

from __future__ import annotations

import json
import os
import random
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pytest

import servers
from system.daemon import Daemon, Site
from system.history import Person, sha256

REWINDS = int(os.environ.get("REWINDS", "5"))
DEEDS = int(os.environ.get("REWIND_DEEDS", "150"))
SEED = int(os.environ.get("REWIND_SEED", "1"))
DEEDS_BETWEEN_RESTS = 16
REST_WITHIN_S = 60.0


@dataclass
class Recorder:
    """Looks at the tree whenever it is at rest."""

    site: Site
    person: Person
    seen: list[tuple[datetime, dict[str, str]]] = field(default_factory=list)

    def rest(self, daemon: Daemon) -> None:
        """Wait until both sides hold the same; decide about holds meanwhile."""

        def is_at_rest() -> bool:
            health = daemon.health().get("docs")
            if health == "blocked":
                for hold in self.site.holds():
                    self.site.asked("holds", "approve", str(hold.id))
            docs = self.site.docs
            return health == "in-step" and docs.files() == docs.objects()

        daemon.wait_for(is_at_rest, REST_WITHIN_S)

    def record(self, daemon: Daemon) -> None:
        self.rest(daemon)
        self.seen.append((datetime.now(UTC), tree(self.site)))


def tree(site: Site) -> dict[str, str]:
    return {key: sha256(content) for key, content in site.docs.files().items()}


@pytest.mark.timeout(3000)
@pytest.mark.parametrize("kind", ["plain", "versioned"])
def test_a_rewind_gives_the_tree_that_was_seen_at_that_instant(
    kind: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    server: servers.S3Server = request.getfixturevalue("server" if kind == "plain" else "versioned")
    source = random.Random(SEED)
    site = Site(tmp_path, server, options='settle = "0s"')
    trash = tmp_path / "trash"
    trash.mkdir()
    person = Person(SEED, site.docs, trash, clashes=())
    recorder = Recorder(site, person)
    try:
        work(recorder, source)
        daemon = site.start()
        for at, expected in source.sample(recorder.seen, min(REWINDS, len(recorder.seen))):
            recorder.rest(daemon)
            rewind(site, daemon, at, recorder)

            found = tree(site)
            lacking = {key: sha for key, sha in expected.items() if found.get(key) != sha}
            # Where a content cannot be had back, what is there now stays.
            others = {key for key in found if found[key] != expected.get(key)}
            assert others <= lacking.keys(), f"rewound to {at}: {others}"
            assert all(map(person.has_destroyed, lacking.values())), f"rewound to {at}: {lacking}"
            # A bucket with versioning keeps what the person has destroyed, too.
            assert kind == "plain" or lacking == {}, f"rewound to {at}"
        assert daemon.stop() == 0
    finally:
        site.close()


def work(recorder: Recorder, source: random.Random) -> None:
    """Let the person work, the daemon be killed now and then, and record what is at rest."""
    site, person = recorder.site, recorder.person
    daemon = site.start()
    for _ in range(0, DEEDS, DEEDS_BETWEEN_RESTS):
        for _ in range(DEEDS_BETWEEN_RESTS):
            person.act()
            if source.random() < 0.05:
                daemon.kill()
                daemon = site.start()
        recorder.record(daemon)
    daemon.kill()


def rewind(site: Site, daemon: Daemon, at: datetime, recorder: Recorder) -> None:
    """Ask for it, look at what it would do, approve, and wait for the end."""
    found = json.loads(site.asked("rewind", "docs", "--to", at.isoformat(), "--json").stdout)
    if found["hold"] is None:
        return
    number = str(found["hold"]["id"])
    site.run("holds", "approve", number)

    def is_done() -> bool:
        return bool(site.json("holds", "show", number)["state"] == "done")

    daemon.wait_for(is_done, REST_WITHIN_S)
    recorder.rest(daemon)
