"""In front of a real bucket that keeps versions of its own, what is to be gone is gone."""

from __future__ import annotations

import json
import pathlib
from collections.abc import Iterator
from contextlib import nullcontext
from datetime import UTC, datetime
from typing import Any

import pytest

import servers
from docferry.app.daemon import Daemon
from docferry.app.mirrors import LEDGER_NAME
from docferry.app.sides import Sides, UlidSource, open_sides
from docferry.config import Config, load
from docferry.core.retention import Policy
from docferry.engine.archived import about
from docferry.engine.erase import Erasure
from docferry.engine.retention import Retention
from docferry.ledger import Ledger
from docferry.ledger.requests import NewRequest
from docferry.model import Path, RequestKind, RequestState
from docferry.storage.local_staging import Swap

PATH = "people/jane doe.docx"
SECRET = b"what jane wrote"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[servers.S3Server]:
    with servers.seaweedfs(tmp_path_factory.mktemp("seaweedfs")) as started:
        started.client().put_bucket_versioning(
            Bucket=servers.BUCKET, VersioningConfiguration={"Status": "Enabled"}
        )
        yield started


class Site:
    """A mirror in front of a versioned bucket; its daemon runs when it is told to."""

    def __init__(self, folder: pathlib.Path, server: servers.S3Server) -> None:
        self.client = server.client()
        self.prefix = f"{folder.name}/"
        self.root = folder / "docs"
        self.root.mkdir()
        self.state = folder / "state"
        file = folder / "docferry.toml"
        file.write_text(
            f'state_dir = "{self.state}"\n[metrics]\nport = 0\n[store.main]\n'
            f'endpoint_url = "{server.endpoint_url}"\n[mirror.docs]\nstore = "main"\n'
            f'bucket = "{servers.BUCKET}"\nprefix = "{self.prefix}"\nlocal = "{self.root}"\n'
            "settle = 0\n"
        )
        self.config: Config = load(file, {})

    def hold(self, path: Path, *contents: bytes) -> None:
        """Let the path hold contents, one after the other, the last one for good."""
        for content in contents:
            (self.root / path).parent.mkdir(exist_ok=True)
            (self.root / path).write_bytes(content)
            self.run()

    def run(self) -> None:
        with Daemon(self.config) as daemon:
            assert daemon.run(once=True)

    def ledger(self) -> Ledger:
        return Ledger.open(self.state / LEDGER_NAME)

    def sides(self, ledger: Ledger) -> Sides:
        found = open_sides(self.config, "docs", ledger, UlidSource(), connections=4, is_daemon=True)
        found.remote.probe()
        return found

    def kept(self) -> list[dict[str, Any]]:
        """List all that the bucket keeps below the prefix, delete markers too."""
        page = self.client.list_object_versions(Bucket=servers.BUCKET, Prefix=self.prefix)
        assert not page["IsTruncated"]
        return [dict(one) for one in (*page.get("Versions", []), *page.get("DeleteMarkers", []))]

    def contents_of(self, path: Path) -> set[bytes]:
        """Fetch all that the bucket keeps of a path."""
        return {self.fetch(one) for one in self.kept() if one["Key"] == self.prefix + path} - {b""}

    def fetch(self, kept: dict[str, Any]) -> bytes:
        """Give what the bucket keeps; nothing for a delete marker."""
        if "Size" not in kept:
            return b""
        version = {"Key": kept["Key"], "VersionId": kept["VersionId"]}
        return self.client.get_object(Bucket=servers.BUCKET, **version)["Body"].read()


@pytest.fixture
def site(tmp_path: pathlib.Path, server: servers.S3Server, monkeypatch: pytest.MonkeyPatch) -> Site:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", servers.ACCESS_KEY_ID)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", servers.SECRET_ACCESS_KEY)
    return Site(tmp_path, server)


def erase(site: Site, path: Path) -> tuple[RequestState, dict[str, Any]]:
    with site.ledger() as ledger:
        sides = site.sides(ledger)
        [number] = ledger.requests.add(
            [NewRequest("docs", path, RequestKind.ERASE)], datetime.now(UTC)
        )
        request = ledger.requests.get(number)
        assert request is not None
        Erasure(
            "docs",
            sides.local,
            sides.remote,
            sides.places,
            ledger,
            bucket_versions=lambda: sides.remote.bucket_versions,
            is_history_missed=lambda: False,
            renew_snapshots=lambda: None,
            alone=nullcontext,
            now=lambda: datetime.now(UTC),
        ).run(request)
        request = ledger.requests.get(number)
        assert request is not None
        return request.state, json.loads(request.note or "")


def test_of_an_erased_document_no_byte_is_left_on_either_side(site: Site) -> None:
    site.hold(PATH, SECRET + b" first", SECRET + b" then")
    key = site.prefix + PATH
    site.client.put_object(Bucket=servers.BUCKET, Key=key, Body=SECRET + b" elsewhere")
    site.run()
    (site.root / "other").write_bytes(b"another document")
    (site.root / PATH).unlink()
    site.run()
    site.hold(PATH, SECRET + b" again")
    versions = {one["Key"] for one in site.kept()}

    state, found = erase(site, PATH)

    assert (state, found["left"], len(found["versions"])) == (RequestState.DONE, [], 4)
    assert len(versions) >= 5
    for one in site.kept():
        assert PATH not in one["Key"]
        assert not any(version in one["Key"] for version in found["versions"])
        assert SECRET not in site.fetch(one)
    for file in [*site.root.rglob("*"), *site.state.rglob("*")]:
        assert PATH not in str(file)
        if file.is_file():
            assert SECRET not in file.read_bytes()
            assert PATH.encode() not in file.read_bytes()
    assert (site.root / "other").read_bytes() == b"another document"


def test_an_erased_document_that_comes_back_is_a_new_one(site: Site) -> None:
    site.hold(PATH, b"1")
    erase(site, PATH)

    site.hold(PATH, b"1")

    with site.ledger() as ledger:
        [row] = ledger.versions.of("docs", PATH)
        assert (row.parent, row.is_current) == (None, True)
    assert site.contents_of(PATH) == {b"1"}


def test_a_document_is_erased_where_its_file_is_gone_already(site: Site) -> None:
    site.hold(PATH, b"1")
    site.hold("other", b"2")
    (site.root / PATH).unlink()
    site.run()

    state, found = erase(site, PATH)

    assert (state, len(found["versions"])) == (RequestState.DONE, 1)
    assert not [one for one in site.kept() if one["Key"] == site.prefix + PATH]


def test_what_lies_on_the_way_to_the_archive_is_erased_too(site: Site) -> None:
    site.hold(PATH, SECRET)
    site.hold("other", b"2")
    with site.ledger() as ledger:
        [row], [other] = ledger.versions.of("docs", PATH), ledger.versions.of("docs", "other")
    own = site.root / ".docferry"
    for folder, version in (("staging", row.id), ("kept", row.id), ("kept", other.id)):
        (own / folder).mkdir(exist_ok=True)
        name = Swap(version, "none", "6-1-1", "a").name()
        (own / folder / name).write_bytes(SECRET if version == row.id else b"2")

    state, _ = erase(site, PATH)

    assert state is RequestState.DONE
    [left] = [file for file in own.rglob("*.*.*") if file.is_file()]
    assert other.id in left.name


def test_bytes_that_another_document_shares_stay_with_it(site: Site) -> None:
    site.hold(PATH, b"shared", b"1")
    site.hold("other", b"shared", b"2")
    with site.ledger() as ledger:
        archive = site.sides(ledger).remote.archive
        mine, theirs = (ledger.versions.of("docs", path)[1] for path in (PATH, "other"))
        archive.refer(theirs.id, mine.id, about(theirs))
        ledger.versions.note_bytes_of(theirs.id, mine.id)

    state, found = erase(site, PATH)

    assert (state, found["left"]) == (RequestState.DONE, [])
    with site.ledger() as ledger:
        with site.sides(ledger).remote.archive.read(theirs.id) as content:
            assert b"".join(content.parts()) == b"shared"
        [_, row] = ledger.versions.of("docs", "other")
        assert row.bytes_of is None


def test_what_retention_lets_go_goes_from_the_versions_of_the_bucket_too(site: Site) -> None:
    site.hold("a", b"1", b"2", b"3", b"4")
    site.hold("b", b"1")

    with site.ledger() as ledger:
        sides = site.sides(ledger)
        done = Retention(
            "docs",
            Policy(last=1),
            sides.places,
            ledger,
            bucket_versions=lambda: sides.remote.bucket_versions,
            now=lambda: datetime.now(UTC),
        ).round(lambda: False)
        archived = {one.version for one in sides.remote.archive.scan()}
        rows = ledger.versions.of("docs", "a")

    # The first content is what "b" holds now.
    assert (done.let_go, done.removed) == (1, 1)
    assert site.contents_of("a") == {b"4", b"3", b"1"}
    assert archived == {row.id for row in rows if row.left_at and not row.gone_at}
    assert not [one for one in site.kept() if rows[2].id in one["Key"]]
