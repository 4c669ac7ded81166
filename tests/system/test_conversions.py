"""
Conversions as people have them: the daemon, killed at any moment, and services that go away.

RUNS=100 kills as often as that.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import shutil
import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest

import servers
from conversion_servers import Asked, FailingServer
from system.conftest import NewSite
from system.daemon import Daemon, Site

RUNS = int(os.environ.get("RUNS", "10"))
SEED = int(os.environ.get("SEED", "1"))
AT_ONCE = 2  #: documents, at each converter
WITHIN_S = 90.0 + 4 * RUNS  #: what is left after many kills


@pytest.fixture
def service() -> Iterator[FailingServer]:
    with FailingServer() as server:
        yield server


def rules(service: FailingServer, *, attempts: int = 100) -> str:
    """Two rules with a converter each: one by version, one by path."""
    text = ""
    for name, to in (("byversion", "processed"), ("bypath", "published/{path}.{ext}")):
        text += (
            f'[converter.{name}]\nkind = "multipart"\nurl = "{service.url}/{name}"\n'
            f'produces = "md"\nat_once = {AT_ONCE}\n'
            f'[[convert]]\nname = "{name}"\nfrom = "docs"\npatterns = ["*.txt"]\nto = "{to}"\n'
            f'with = "{name}"\nattempts = {attempts}\n'
        )
    return text


def site_with(new_site: NewSite, more: str) -> Site:
    return new_site(names=("docs", "processed", "published"), more=more)


def converted(content: bytes) -> bytes:
    return f"# Converted\n\n{content.decode().upper()}".encode()


def jobs(site: Site) -> Counter[str]:
    with site.ledger() as ledger:
        return Counter(state for (state,) in ledger.execute("SELECT state FROM job"))


def noted_as_done(site: Site) -> set[str]:
    """Give the SHA-256 of each result of the first rule whose job is noted as done."""
    query = "SELECT result_sha256 FROM job WHERE rule = 'byversion' AND state = 'done'"
    with suppress(sqlite3.OperationalError), site.ledger() as ledger:
        return {sha256 for (sha256,) in ledger.execute(query)}
    return set()  # no daemon has come to its ledger yet


def asked_for(asked: Sequence[Asked]) -> set[str]:
    """Give the SHA-256 of each result that the service was asked for by the first rule."""
    documents = (one.document for one in asked if one.path == "/byversion")
    return {hashlib.sha256(converted(document)).hexdigest() for document in documents}


def breakers(site: Site) -> set[str]:
    with site.ledger() as ledger:
        return {state for (state,) in ledger.execute("SELECT state FROM converter")}


def are_over(site: Site) -> bool:
    with suppress(Exception):  # it may be about to be made
        found = jobs(site)
        return found["queued"] == found["running"] == 0
    return False


@dataclass
class Writer:
    """Somebody who saves new documents, some twice, and edits others."""

    site: Site
    source: random.Random
    number: int = 0
    known: list[str] = field(default_factory=list)

    def write(self) -> None:
        for _ in range(3):
            self.number += 1
            self.save(f"{self.number % 7}/{self.number}.txt", f"words {self.number}")
        path = self.source.choice(self.known)
        self.save(f"copies/{self.number}.txt", self.site.docs.files()[path].decode())
        self.save(self.source.choice(self.known), f"words {self.number}, mended")

    def save(self, path: str, words: str) -> None:
        self.site.docs.write(path, words.encode())
        self.known.append(path)


def finish(site: Site, daemon: Daemon) -> None:
    """Wait until all that there is has been converted and carried up."""

    def is_complete() -> bool:
        wanted = {f"{path}.md": converted(words) for path, words in site.docs.files().items()}
        return are_over(site) and site.mirrors["published"].files() == wanted

    daemon.wait_for(is_complete, WITHIN_S)
    site.settle(daemon, WITHIN_S)


@pytest.mark.timeout(3000)
def test_whenever_it_is_killed_each_result_is_made_and_none_twice(
    new_site: NewSite, service: FailingServer
) -> None:
    service.delay_s = 0.1
    site = site_with(new_site, rules(service))
    source = random.Random(SEED)
    writer = Writer(site, source)
    made_again: set[str] = set()

    for _ in range(RUNS):
        writer.write()
        noted, before = noted_as_done(site), service.calls
        daemon = site.start()
        if source.random() < 0.5:  # in the midst of conversions
            service.wait_for_calls(service.calls + source.randint(1, 6))
        with suppress(subprocess.TimeoutExpired):
            daemon.process.wait(source.uniform(0.0, 0.2 if service.under_way else 3.0))
        assert daemon.process.poll() is None, daemon.tail()
        daemon.kill()
        made_again |= noted & asked_for(service.received[before:])
    noted, before = noted_as_done(site), service.calls
    with site.running() as daemon:
        finish(site, daemon)
        states = jobs(site)
    made_again |= noted & asked_for(service.received[before:])

    with site.ledger() as ledger:
        versions = ledger.execute("SELECT DISTINCT sha256 FROM version WHERE mirror = 'docs'")
        contents = len(list(versions))
        origins = ledger.execute("SELECT DISTINCT origin FROM version WHERE mirror != 'docs'")
        made_by = {origin for (origin,) in origins}
    outputs = Counter(site.mirrors["processed"].files().values())
    calls = Counter((asked.path, asked.document) for asked in service.received)
    again = sum(calls.values()) - len(calls)
    sys.stdout.write(f"{RUNS} kills, {contents} contents, {len(calls)} pairs, {again} calls more\n")
    assert states.keys() <= {"done", "skipped"}
    assert len(outputs) == contents
    assert set(outputs.values()) == {1}
    assert outputs.keys() >= {converted(words) for words in site.docs.files().values()}
    assert again <= RUNS * 2 * AT_ONCE
    assert noted_as_done(site) == asked_for(service.received)
    assert made_again == set()  # what was noted as done nobody makes again
    assert made_by == {"conversion"}


def test_a_service_that_is_away_costs_no_attempt_and_what_waited_is_done_when_it_is_back(
    new_site: NewSite, service: FailingServer
) -> None:
    site = site_with(new_site, rules(service, attempts=1))
    service.go_down()
    with site.running() as daemon:
        for number in range(12):
            site.docs.write(f"{number}.txt", f"words {number}".encode())
        daemon.wait_for(lambda: len(daemon.events("converter.down")) == 2)
        # Those that it had in its hands come back a moment later.
        daemon.wait_for(lambda: jobs(site) == {"queued": 24})

        service.come_back()
        finish(site, daemon)

        assert jobs(site) == {"done": 24}
        assert len(daemon.events("converter.up")) == 2
    with site.ledger() as ledger:
        assert list(ledger.execute("SELECT DISTINCT attempts FROM job")) == [(1,)]


def test_a_run_once_with_a_service_that_is_away_ends_and_the_next_one_goes_on(
    new_site: NewSite, service: FailingServer
) -> None:
    site = site_with(new_site, rules(service, attempts=1))
    for number in range(12):
        site.docs.write(f"{number}.txt", f"words {number}".encode())
    service.go_down()
    site.run_once()
    before, down = jobs(site), breakers(site)
    service.come_back()

    site.run_once()
    site.run_once()  # what came meanwhile is carried up

    assert before == {"queued": 24}
    assert (down, breakers(site)) == ({"open"}, {"closed"})
    assert jobs(site) == {"done": 24}
    assert len(site.mirrors["published"].files()) == 12


def test_a_converter_that_cannot_be_had_pauses_its_rules_and_no_others(
    new_site: NewSite, service: FailingServer, tmp_path: Path
) -> None:
    program = tmp_path / "program"
    more = rules(service) + (
        f'[converter.gone]\nkind = "command"\ncommand = ["{program}", "{{input}}", "{{output}}"]\n'
        'produces = "md"\nrevision = "1"\n'
        '[[convert]]\nname = "gone"\nfrom = "docs"\npatterns = ["*.txt"]\n'
        'to = "processed/{rule}/{ulid}.{ext}"\nwith = "gone"\n'
    )
    site = site_with(new_site, more)
    with site.running() as daemon:
        site.docs.write("meanwhile.txt", b"meanwhile")
        daemon.wait_for(lambda: len(site.mirrors["published"].files()) == 1)
        [down] = daemon.events("converter.down")

    program.write_text('#!/bin/sh\ncp "$1" "$2"\n')
    program.chmod(0o755)
    with site.running() as daemon:
        daemon.wait_for(lambda: b"meanwhile" in site.mirrors["processed"].files().values())

    assert down["converter"] == "gone"
    assert str(program) in down["reason"]


def test_a_new_rule_converts_what_was_there_before_it(
    new_site: NewSite, service: FailingServer
) -> None:
    site = site_with(new_site, "")
    for number in range(5):
        site.docs.write(f"{number}.txt", f"words {number}".encode())
    site.run_once()

    site.configure(more=rules(service))
    site.run_once()
    first = len(service.received)
    site.run_once()

    assert len(site.mirrors["published"].files()) == 5
    assert len(site.mirrors["processed"].files()) == 5
    assert (first, len(service.received)) == (10, 10)


def test_the_jobs_of_a_rule_that_is_gone_are_skipped(
    new_site: NewSite, service: FailingServer
) -> None:
    site = site_with(new_site, rules(service))
    service.go_down()
    site.docs.write("a.txt", b"words")
    site.run_once()

    site.configure()
    site.run_once()

    assert jobs(site) == {"skipped": 2}


@pytest.mark.parametrize("is_folder_lost", [False, True])
def test_without_a_ledger_results_are_known_by_what_their_objects_say(
    new_site: NewSite, service: FailingServer, *, is_folder_lost: bool
) -> None:
    """And a rule for the mirror that they are in leaves them alone, as before."""
    more = rules(service) + (
        '[[convert]]\nname = "again"\nfrom = "published"\npatterns = ["*"]\n'
        'to = "processed/{rule}/{path}.{ext}"\nwith = "bypath"\n'
    )
    site = site_with(new_site, more)
    site.docs.write("in/a.txt", b"words")
    site.mirrors["published"].write("of a person.txt", b"mine")
    site.run_once()
    site.run_once()
    before = {name: mirror.files() for name, mirror in site.mirrors.items()}

    shutil.rmtree(site.state)
    if is_folder_lost:
        shutil.rmtree(site.mirrors["published"].folder)
        site.mirrors["published"].folder.mkdir()
    site.run_once()
    site.run_once()

    published = site.mirrors["published"]
    assert published.files() == before["published"] == published.objects()
    with site.ledger() as ledger:
        asked = set(ledger.execute("SELECT rule, path FROM job"))
        made = dict(ledger.execute("SELECT path, origin FROM version WHERE mirror = 'published'"))
    assert asked == {
        ("byversion", "in/a.txt"),
        ("bypath", "in/a.txt"),
        ("again", "of a person.txt"),
    }
    assert made["in/a.txt.md"] == "conversion"
    assert made["of a person.txt"] != "conversion"
    [story] = json.loads(site.run("why", "in/a.txt.md", "--json"))["versions"]
    assert story["made_from"]["source"]["path"] == "in/a.txt"


def test_a_rebuild_from_objects_knows_results_and_replaces_them_and_no_copy(
    new_site: NewSite, service: FailingServer
) -> None:
    more = rules(service) + (
        '[[convert]]\nname = "again"\nfrom = "published"\npatterns = ["*"]\n'
        'to = "processed/{rule}/{path}.{ext}"\nwith = "bypath"\n'
    )
    site = new_site(names=("published", "docs", "processed"), more=more)
    docs, published = site.mirrors["docs"], site.mirrors["published"]
    docs.write("a.txt", b"words")
    site.run_once()
    site.run_once()
    kept = published.head("a.txt.md")["Metadata"]
    client, bucket = published.client, servers.BUCKET
    copied = f"{bucket}/{published.prefix}a.txt.md"
    client.copy_object(Bucket=bucket, Key=f"{published.prefix}copy.md", CopySource=copied)
    is_told = published.head("copy.md")["Metadata"]["docferry-source"] == kept["docferry-source"]

    shutil.rmtree(site.state)
    site.run("rebuild", "--yes", "--from-objects")
    docs.write("a.txt", b"words, mended")
    site.run_once()
    site.run_once()

    assert is_told
    assert published.files() == {
        "a.txt.md": converted(b"words, mended"),
        "copy.md": converted(b"words"),
    }
    with site.ledger() as ledger:
        states = set(ledger.execute("SELECT rule, path, state FROM job WHERE mirror = 'published'"))
    assert states == {("again", "copy.md", "done")}
