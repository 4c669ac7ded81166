"""
Histories: people at work on both sides, and a daemon that is killed at random moments.

HISTORIES=200 tries that many seeds; HISTORIES_FROM=40 begins with seed 40.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

import servers
from system.daemon import Daemon, Site
from system.history import SPARED, Person

COUNT = int(os.environ.get("HISTORIES", "8"))
FIRST = int(os.environ.get("HISTORIES_FROM", "0"))
AT_ONCE = 8  # mirrors in one daemon: starting it takes longer than using it
LIVES = 4  # of the daemon, before the last
REST_WITHIN_S = 60.0
_ASKS = "delete_limit"
HANDS = 2  #: threads of people who go on working while the daemon is killed
A_MOMENT_S = 0.3  #: it is killed within so long after it has done some more
_PACE_S = 0.03  #: between the deeds of a thread, at most: else there is nothing but deeds


@dataclass(slots=True)
class Batch:
    """Some histories, each on a mirror of its own, under one daemon."""

    site: Site
    people: list[Person]
    random: random.Random
    held: int = 0  #: holds that a person decided about
    kills: int = 0  #: of the daemon, with people at work

    @property
    def replay(self) -> str:
        return f"again: HISTORIES_FROM={self.people[0].seed} HISTORIES={len(self.people)}"

    def act(self, times: int) -> None:
        for _ in range(times):
            self.random.choice(self.people).act()

    def live(self) -> None:
        """Let the daemon live for a while, with people at work before and meanwhile."""
        self.act(self.random.randrange(10 * len(self.people)))
        daemon = self.site.start()
        match self.random.choice(("kill", "kill", "kill at once", "stop", "rest")):
            case "kill":
                self._let_it_work(daemon)
                self._kill(daemon)
            case "kill at once":  # perhaps while it tidies up after the last one
                self._kill(daemon)
            case "stop":
                self._let_it_work(daemon)
                assert daemon.stop() == 0, daemon.tail()
            case "rest":
                self.rest(daemon)
                self._kill(daemon)

    def _let_it_work(self, daemon: Daemon) -> None:
        self._let_it_log(daemon, self.random.randrange(1, 10))
        for _ in range(self.random.randrange(1, 4)):
            self.act(self.random.randrange(8 * len(self.people)))
            self._let_it_log(daemon, self.random.randrange(20))

    def _kill(self, daemon: Daemon) -> None:
        """Kill it at a moment that nobody chose, under the hands of people on both sides."""
        with self._people_at_work():
            self._let_it_log(daemon, self.random.randrange(10))
            with pytest.raises(subprocess.TimeoutExpired):
                daemon.process.wait(self.random.uniform(0, A_MOMENT_S))
            daemon.kill()
        self.kills += 1

    @contextmanager
    def _people_at_work(self) -> Iterator[None]:
        is_over = threading.Event()

        def work(people: Sequence[Person], source: random.Random) -> None:
            while not is_over.wait(source.uniform(0, _PACE_S)):
                source.choice(people).act()

        hands = [
            threading.Thread(target=work, args=(people, random.Random(self.random.random())))
            for number in range(HANDS)
            if (people := self.people[number::HANDS])
        ]
        for each in hands:
            each.start()
        try:
            yield
        finally:
            is_over.set()
            for each in hands:
                each.join()

    def _let_it_log(self, daemon: Daemon, lines: int) -> None:
        """Wait until it has done some more, or has nothing to do."""
        before = daemon.lines()

        def has_moved() -> bool:
            health = set(daemon.health().values())
            is_quiet = bool(health) and health <= {"in-step", "blocked"}
            return is_quiet or daemon.lines() >= before + lines

        daemon.wait_for(has_moved)

    def rest(self, daemon: Daemon) -> None:
        """Wait until both sides of every mirror hold the same; decide about holds meanwhile."""
        missing = {person.mirror.name: person for person in self.people}

        def all_rest() -> bool:
            health = daemon.health()
            if "blocked" in health.values():
                self._decide()
            for name, person in list(missing.items()):
                if health.get(name) == "in-step" and _is_equal(person):
                    person.note_settled()
                    del missing[name]
            return not missing

        try:
            daemon.wait_for(all_rest, REST_WITHIN_S)
        except AssertionError as error:
            told = "\n".join(_difference(person) for person in missing.values())
            status = self.site.run("status", code=None)
            raise AssertionError(f"{self.replay}\n{told}\n{status}\n{error}") from None

    def _decide(self) -> None:
        for hold in self.site.holds():
            # Elsewhere nobody may be needed.
            assert _ASKS in self.site.mirrors[hold.mirror].options, f"{self.replay}\n{hold}"
            decision = self.random.choice(("approve", "approve", "discard"))
            if self.site.asked("holds", decision, str(hold.id)).returncode == 0:
                self.held += 1


@pytest.mark.timeout(600)
@pytest.mark.parametrize("first", range(FIRST, FIRST + COUNT, AT_ONCE))
def test_whatever_happens_both_sides_end_equal_and_nothing_settled_is_lost(
    first: int, server: servers.S3Server, tmp_path: Path
) -> None:
    seeds = range(first, min(first + AT_ONCE, FIRST + COUNT))
    batch = new_batch(seeds, server, tmp_path)
    try:
        for _ in range(LIVES):
            batch.live()
        daemon = batch.site.start()
        batch.rest(daemon)
        assert daemon.stop() == 0

        lost = {person.seed: person.lost(agreed(batch.site, person)) for person in batch.people}
    finally:
        batch.site.close()
    sys.stdout.write(f"{seeds}: {batch.kills} kills, {batch.held} decisions\n")
    assert {seed: found for seed, found in lost.items() if found} == {}, batch.replay


def new_batch(seeds: range, server: servers.S3Server, folder: Path) -> Batch:
    source = random.Random(seeds.start)
    site = Site(folder, server, names=[f"seed-{seed}" for seed in seeds])
    for number, mirror in enumerate(site.mirrors.values()):
        mirror.options = f'settle = "{source.choice((0, 50, 200))}ms"\n'
        if number % 4 == 3:
            mirror.options += f"{_ASKS} = 3\n"  # people have to decide
        else:
            mirror.write(SPARED, b"here to stay")
    site.configure()
    trash = folder / "trash"
    trash.mkdir()
    people = [
        Person(seed, mirror, trash)
        for seed, mirror in zip(seeds, site.mirrors.values(), strict=True)
    ]
    return Batch(site, people, source)


def agreed(site: Site, person: Person) -> list[str]:
    """Give the SHA-256 of every content that docferry says both sides had agreed on."""
    with site.ledger() as ledger:
        query = "select sha256 from version where mirror = ?"
        return [row[0] for row in ledger.execute(query, [person.mirror.name])]


def _is_equal(person: Person) -> bool:
    return person.mirror.files() == person.mirror.objects()


def _difference(person: Person) -> str:
    files, objects = person.mirror.files(), person.mirror.objects()
    differ = sorted(
        key for key in files.keys() | objects.keys() if files.get(key) != objects.get(key)
    )
    told = {
        key: (_size(files.get(key)), _size(objects.get(key)), _size(person.mirror.get(key)))
        for key in differ
    }
    return f"seed {person.seed} differs in {told}; last done: {person.did[-20:]}"


def _size(content: bytes | None) -> int | None:
    return None if content is None else len(content)
