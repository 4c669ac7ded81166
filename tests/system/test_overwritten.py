"""In a bucket that keeps versions, what others overwrite between two polls can be had back."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

import servers
from contract.backends import s3_options
from docferry.app.sides import UlidSource
from docferry.engine.strangers import KeptVersions, StoreVersions
from docferry.ledger import Ledger
from docferry.model import Attributes
from docferry.storage.base import Content
from docferry.storage.probe import StoreProfile
from docferry.storage.s3 import S3Storage
from docferry.storage.s3_versions import BucketVersion
from ledger_rows import fresh_ledger
from system.conftest import NewSite
from system.daemon import Site

KEEPING = "keeping-docs"  # one for all tests: SeaweedFS runs out of volumes


@pytest.fixture(scope="session")
def keeping(server: servers.S3Server) -> servers.S3Server:
    server.make_bucket(KEEPING)
    server.client().put_bucket_versioning(
        Bucket=KEEPING, VersioningConfiguration={"Status": "Enabled"}
    )
    return server


class Stranger:
    """Somebody with another tool in the bucket that keeps versions, below a prefix."""

    def __init__(self, server: servers.S3Server, prefix: str) -> None:
        self._client = server.client()
        self.prefix = prefix

    def put(self, key: str, *contents: bytes) -> None:
        for content in contents:
            self._client.put_object(Bucket=KEEPING, Key=self.prefix + key, Body=content)

    def delete(self, key: str) -> None:
        self._client.delete_object(Bucket=KEEPING, Key=self.prefix + key)

    def archived(self) -> list[str]:
        found = self._client.list_objects_v2(
            Bucket=KEEPING, Prefix=f"{self.prefix}.docferry/versions/"
        )
        return [each["Key"] for each in found.get("Contents", ())]


@pytest.fixture
def site(new_site: NewSite, keeping: servers.S3Server) -> Site:
    made = new_site()
    made.bucket = KEEPING
    made.configure()
    return made


@pytest.fixture
def stranger(site: Site, keeping: servers.S3Server) -> Stranger:
    return Stranger(keeping, site.docs.prefix)


def versions(site: Site, path: str) -> list[dict[str, Any]]:
    """Give the versions of a path, the oldest first; none is no fault."""
    answer = site.asked("versions", path, "--json")
    return [] if answer.returncode else json.loads(answer.stdout)["versions"][::-1]


def contents(site: Site, path: str) -> list[bytes]:
    """Have every version of a path back."""
    return [site.run("cat", each["id"]).encode() for each in versions(site, path)]


def test_what_was_overwritten_or_deleted_between_two_polls_can_be_had_back(
    site: Site, stranger: Stranger
) -> None:
    with site.running() as daemon:
        site.docs.write("a.txt", b"from here")
        daemon.wait_for(lambda: len(versions(site, "a.txt")) == 1)
        daemon.wait_until("in-step")

        with daemon.paused():
            stranger.put("a.txt", b"one", b"two", b"three")
            stranger.put("b.txt", b"came and went")
            stranger.delete("b.txt")

        daemon.wait_for(lambda: len(versions(site, "a.txt")) == 4)
        daemon.wait_until("in-step")
    site.run_once()  # what came and went tells of itself in a sweep alone: hourly, and at a start
    assert contents(site, "a.txt") == [b"from here", b"one", b"two", b"three"]
    assert contents(site, "b.txt") == [b"came and went"]
    assert site.docs.files() == {"a.txt": b"three"}


def test_what_happened_while_docferry_was_down_is_found_once(
    site: Site, stranger: Stranger
) -> None:
    site.docs.write("a.txt", b"from here")
    assert site.work_off()
    stranger.put("a.txt", b"one", b"two", b"one", b"three")
    assert site.work_off()
    found, archived = versions(site, "a.txt"), stranger.archived()

    site.run_once()

    assert contents(site, "a.txt") == [b"from here", b"one", b"two", b"one", b"three"]
    assert versions(site, "a.txt") == found
    assert stranger.archived() == archived


def test_what_both_sides_overwrote_is_had_back_from_the_bucket(
    site: Site, stranger: Stranger
) -> None:
    site.docs.write("a.txt", b"agreed on")
    assert site.work_off()
    site.docs.write("a.txt", b"edited here")
    stranger.put("a.txt", b"edited there")

    events = site.run_once()

    assert b"agreed on" in contents(site, "a.txt")
    assert [event for event in events if event["event"] == "version.lost"] == []


def test_what_others_overwrote_can_be_restored(site: Site, stranger: Stranger) -> None:
    site.docs.write("a.txt", b"from here")
    assert site.work_off()
    stranger.put("a.txt", b"one", b"two")
    assert site.work_off()
    _, one, _ = versions(site, "a.txt")

    site.run("restore", one["id"], "--wait", "0", code=None)
    site.run_once()

    assert site.docs.files()["a.txt"] == b"one"


def test_a_check_says_that_what_others_overwrite_is_kept(site: Site) -> None:
    said = site.run("check", code=None)

    assert "what others overwrite between two polls is kept, too" in said


def test_a_check_says_where_it_cannot_be_kept(
    site: Site, new_site: NewSite, keeping: servers.S3Server
) -> None:
    client = keeping.client()
    client.put_bucket_versioning(Bucket=KEEPING, VersioningConfiguration={"Status": "Suspended"})
    try:
        suspended = site.run("check", code=None)
    finally:
        client.put_bucket_versioning(Bucket=KEEPING, VersioningConfiguration={"Status": "Enabled"})

    never_on = new_site().run("check", code=None)

    cannot = "what others overwrite twice between two polls, or at once with an edit"
    assert f"the bucket's versioning is suspended: {cannot}" in suspended
    assert f"the bucket has no versioning: {cannot}" in never_on


# Killed.


class KilledError(BaseException):
    """The process ends here."""


class Killing:
    """A bucket in which the process ends when it has copied so many contents."""

    def __init__(self, storage: S3Storage, copies: int) -> None:
        self._versions = storage.bucket_versions
        self._left = copies
        self.profile: StoreProfile = storage.profile

    @property
    def bucket_versions(self) -> KeptVersions:
        return self

    def of(self, path: str) -> list[BucketVersion]:
        return self._versions.of(path)

    def scan(self) -> Iterator[BucketVersion]:
        return self._versions.scan()

    def read(self, path: str, version_id: str) -> Content:
        return self._versions.read(path, version_id)

    def archive(self, path: str, version_id: str, archive: Attributes) -> None:
        self._versions.archive(path, version_id, archive)
        self._left -= 1
        if self._left == 0:
            raise KilledError


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with fresh_ledger(tmp_path / "ledger.sqlite3") as ledger:
        yield ledger


@pytest.fixture
def new_chore(ledger: Ledger) -> Callable[[Any], StoreVersions]:
    def make(remote: Any) -> StoreVersions:
        return StoreVersions(
            "docs",
            remote,
            ledger,
            takes=lambda path: True,
            new_ulid=UlidSource(),
            now=lambda: datetime.now(UTC),
        )

    return make


@pytest.mark.parametrize("copies", [1, 2])
def test_a_kill_between_the_copy_and_its_note_adds_nothing_twice(
    keeping: servers.S3Server,
    ledger: Ledger,
    new_chore: Callable[[Any], StoreVersions],
    copies: int,
) -> None:
    stranger = Stranger(keeping, f"killed-{copies}/")
    storage = S3Storage(s3_options(keeping), KEEPING, stranger.prefix)
    storage.probe()
    killed = new_chore(Killing(storage, copies))
    stranger.put("a", b"one", b"two", b"three")
    with pytest.raises(KilledError):
        killed.run(lambda: False)

    new_chore(storage).run(lambda: False)

    rows = ledger.versions.of("docs", "a")[::-1]
    assert [row.sha256 for row in rows] == [
        hashlib.sha256(content).hexdigest() for content in (b"one", b"two")
    ]
    assert all(row.archived_remote for row in rows)
    assert len(stranger.archived()) == 2
