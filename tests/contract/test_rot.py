"""What real stores do with bytes that have rotted in them, and what can be promised then."""

from __future__ import annotations

import os
import pathlib
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime

import pytest

import proxy
import servers
from contract.backends import s3_options, s3_storage
from docferry.config import MirrorConfig
from docferry.core.guards import marker
from docferry.core.verify import Held, Unreadable
from docferry.engine.contents import Contents
from docferry.engine.heal import Healer
from docferry.engine.identity import Places
from docferry.engine.patrol import Patrol
from docferry.engine.sight import see
from docferry.errors import StaleError, TemporaryError
from docferry.ledger import Ledger
from docferry.model import (
    Attributes,
    FileState,
    Heal,
    MarkSynced,
    Mode,
    Origin,
    Outcome,
    Path,
    Side,
    SyncedState,
    Upload,
    VersionRow,
)
from docferry.storage.local import LocalStorage
from docferry.storage.memory import BytesContent, sha256_of
from docferry.storage.s3 import S3Storage
from ledger_rows import fresh_ledger

VERSION = "01JAAAAAAAAAAAAAAAAAAAAAAA"
EVIDENCE = "01JAAAAAAAAAAAAAAAAAAAAAAB"


@pytest.fixture
def own_seaweedfs(tmp_path: pathlib.Path) -> Iterator[tuple[servers.S3Server, pathlib.Path]]:
    """A server of our own: its files are changed under it."""
    folder = tmp_path / "seaweedfs"
    folder.mkdir()
    with servers.seaweedfs(folder) as server:
        yield server, folder


def rot_in(folder: pathlib.Path, content: bytes) -> None:
    """Flip bytes of *content* wherever a server keeps it below *folder*."""
    found = 0
    for file in folder.rglob("*.dat"):
        with file.open("r+b") as volume:
            offset = volume.read().find(content)
            if offset >= 0:
                volume.seek(offset + 3)
                volume.write(bytes([content[3] ^ 0xFF]))
                found += 1
    assert found == 1


class Kept:
    """A folder and a bucket that agree on some documents."""

    def __init__(self, folder: pathlib.Path, remote: S3Storage, ledger: Ledger) -> None:
        (folder / "docs").mkdir()
        self.local = LocalStorage(folder / "docs")
        self.remote = remote
        self.ledger = ledger
        for side in (self.local, remote):
            side.write_marker(marker("M"))
        ledger.mirrors.put(
            "docs", store="s", bucket="b", prefix="", local="/docs", mode=Mode.TWO_WAY
        )
        ledger.mirrors.put("docs", marker_id="M")
        self._numbers = iter(range(1, 1000))
        self.places = Places(self.local, remote, "the folder", "the bucket")
        self.contents = Contents("docs", self.places, ledger.versions, ledger.synced)

    def new_ulid(self) -> str:
        return f"{next(self._numbers):026d}"

    def agree(self, path: Path, content: bytes) -> SyncedState:
        version, sha256, now = self.new_ulid(), sha256_of(content), datetime.now(UTC)
        attributes = Attributes(version=version, sha256=sha256)
        tokens = [
            side.write(path, BytesContent(content), attributes, expect=None).token
            for side in (self.local, self.remote)
        ]
        size = len(content)
        state = SyncedState(sha256, tokens[0], tokens[1], version, size)
        row = VersionRow(
            version, "docs", path, sha256, size, None, Origin.LOCAL, None, tokens[1], now
        )
        upload = Upload(path, FileState(tokens[0], sha256, size), expect_remote=None)
        self.ledger.record("docs", [Outcome(upload, state, row)], at=now)
        return state

    def patrol(self) -> Patrol:
        options = MirrorConfig("docs", "s", "b", self.local.root, patrol_rate_mib=1024)
        return Patrol(
            options,
            self.places,
            self.ledger,
            self.contents,
            self.new_ulid,
            lambda: datetime.now(UTC),
        )

    def heal(self, path: Path) -> Outcome:
        healer = Healer("docs", self.local, self.remote, self.contents, "this")
        synced = self.ledger.synced.get("docs", [path])[path]
        now = datetime.now(UTC)
        operation = Heal(path, 1, Side.REMOTE, expect=synced.remote_token)
        outcome = healer.heal(operation, synced, self.new_ulid(), now)
        self.ledger.record("docs", [outcome], at=now)
        return outcome


@pytest.fixture
def ledger(tmp_path: pathlib.Path) -> Iterator[Ledger]:
    with fresh_ledger(tmp_path / "ledger.sqlite3") as ledger:
        yield ledger


def test_seaweedfs_gives_no_more_what_has_rotted_and_takes_the_sound_content(
    own_seaweedfs: tuple[servers.S3Server, pathlib.Path],
) -> None:
    # It tries for 13 s before it says so. Of a key like this only one client asks, once.
    server, folder = own_seaweedfs
    path, content = "a\tb", os.urandom(500)
    remote = S3Storage(replace(s3_options(server), attempts=1), servers.BUCKET, "p/")
    remote.probe()
    sha256 = sha256_of(content)
    sound = Attributes(version=VERSION, sha256=sha256)
    token = remote.write(path, BytesContent(content), sound, expect=None).token
    rot_in(folder, content)

    seen = see(remote, path, token, sha256)

    assert isinstance(seen, Unreadable)
    assert seen.is_rot
    assert remote.stat(path) == FileState(token, None, 500)

    archive = Attributes(version=EVIDENCE, path=path)
    with pytest.raises(TemporaryError):  # it cannot copy it, either
        remote.write(path, BytesContent(content), sound, expect=token, archive=archive)
    written = remote.overwrite_unreadable(path, BytesContent(content), sound, expect=token)

    assert see(remote, path, written.token, sha256) == Held(written.token, 500, sha256)


def test_what_the_store_cannot_give_is_seen_as_such(seaweedfs: servers.S3Server) -> None:
    with proxy.in_front_of(seaweedfs) as between:
        remote = s3_storage(replace(seaweedfs, endpoint_url=between.url))
        token = remote.write("a", BytesContent(b"sound"), Attributes(), expect=None).token
        between.mood = lambda request: (
            request.command == "GET"
            and request.path.endswith("/a")
            and request.refuse(500, "InternalError")
        )

        seen = see(remote, "a", token, sha256_of(b"sound"))

    assert isinstance(seen, Unreadable)
    assert seen.is_rot
    assert between.refused >= 2


def test_an_object_is_overwritten_without_a_copy_only_as_the_one_that_was_meant(
    seaweedfs: servers.S3Server,
) -> None:
    remote = s3_storage(seaweedfs)
    token = remote.write("a", BytesContent(b"rotten"), Attributes(), expect=None).token
    sound = Attributes(version=VERSION, sha256=sha256_of(b"sound"))

    with pytest.raises(StaleError):
        remote.overwrite_unreadable("a", BytesContent(b"sound"), sound, expect="another")
    with pytest.raises(TemporaryError):
        remote.overwrite_unreadable("a", BytesContent(b"wrong"), sound, expect=token)
    with pytest.raises(ValueError, match="not known"):
        remote.overwrite_unreadable("a", BytesContent(b"sound"), Attributes(), expect=token)
    with remote.read("a", token) as content:
        assert b"".join(content.parts()) == b"rotten"

    written = remote.overwrite_unreadable("a", BytesContent(b"sound"), sound, expect=token)

    with remote.read("a", written.token) as content:
        assert b"".join(content.parts()) == b"sound"
        assert content.attributes.version == VERSION
    assert list(remote.archive.scan()) == []


def test_bytes_that_come_changed_again_and_again_are_rot_and_are_healed(
    seaweedfs: servers.S3Server, tmp_path: pathlib.Path, ledger: Ledger
) -> None:
    with proxy.in_front_of(seaweedfs) as between:
        remote = s3_storage(replace(seaweedfs, endpoint_url=between.url))
        kept = Kept(tmp_path, remote, ledger)
        state = kept.agree("a", b"sound")
        kept.agree("b", b"sound, too")
        healed: list[bool] = []

        def mood(request: proxy.Request) -> bool:
            if not request.path.endswith("/a"):
                return False
            if request.command == "PUT":
                healed.append(True)
            is_spoilt = request.command == "GET" and not healed
            return is_spoilt and request.hand_on(lambda body: b"?" + body[1:])

        between.mood = mood
        row = kept.patrol().run_cycle()
        assert row is not None
        assert (row.checked, row.found) == (2, 1)

        outcome = kept.heal("a")

        assert outcome.synced is not None
        described = remote.describe("a")
        assert described is not None
        assert described[0].token == outcome.synced.remote_token
        assert (described[1].version, described[1].sha256) == (state.version, state.sha256)
        # The store had the sound bytes all the time: of them there is no evidence to keep.
        assert outcome.displaced is None
        assert list(remote.archive.scan()) == []


def test_rotten_objects_are_healed_and_kept_as_evidence(
    seaweedfs: servers.S3Server, tmp_path: pathlib.Path, ledger: Ledger
) -> None:
    remote = s3_storage(seaweedfs)
    kept = Kept(tmp_path, remote, ledger)
    kept.agree("a", b"sound")
    # Other bytes under the token that was agreed on: here the ledger is made to believe so.
    token = remote.write(
        "other", BytesContent(b"wrong"), Attributes(sha256=sha256_of(b"wrong")), expect=None
    ).token
    seaweedfs.client().copy_object(
        Bucket=servers.BUCKET,
        Key=f"{remote.prefix}a",
        CopySource={"Bucket": servers.BUCKET, "Key": f"{remote.prefix}other"},
    )
    ledger.record("docs", [with_remote_token(ledger, "a", token)], at=datetime.now(UTC))

    outcome = kept.heal("a")

    assert outcome.displaced is not None
    assert outcome.displaced.sha256 == sha256_of(b"wrong")
    evidence = remote.archive.describe(outcome.displaced.id)
    assert evidence is not None
    assert (evidence.sha256, evidence.path) == (sha256_of(b"wrong"), "a")
    assert outcome.synced is not None
    with remote.read("a", outcome.synced.remote_token) as content:
        assert b"".join(content.parts()) == b"sound"


def with_remote_token(ledger: Ledger, path: Path, token: str) -> Outcome:
    state = replace(ledger.synced.get("docs", [path])[path], remote_token=token)
    mark = MarkSynced(
        path, state.sha256, state.size, state.local_token, token, is_new_content=False
    )
    return Outcome(mark, state)


def test_rotten_archived_objects_are_healed_and_kept(
    seaweedfs: servers.S3Server, tmp_path: pathlib.Path, ledger: Ledger
) -> None:
    remote = s3_storage(seaweedfs)
    kept = Kept(tmp_path, remote, ledger)
    sound, now = b"displaced", datetime.now(UTC)
    row = VersionRow(
        VERSION,
        "docs",
        "a",
        sha256_of(sound),
        len(sound),
        None,
        Origin.LOCAL,
        None,
        None,
        now,
        left_at=now,
        archived_local=True,
        archived_remote=True,
    )
    ledger.versions.add([row])
    about = Attributes(version=VERSION, sha256=row.sha256, path="a")
    kept.local.archive.put(VERSION, BytesContent(sound), about)
    # It says of itself what it was, and has other bytes, as what rots.
    key = f"{remote.prefix}.docferry/versions/{VERSION}"
    seaweedfs.client().put_object(
        Bucket=servers.BUCKET,
        Key=key,
        Body=b"DISPLACED",
        Metadata={"docferry-sha256": row.sha256, "docferry-version": VERSION},
    )

    done = kept.patrol().run_cycle()

    assert done is not None
    assert done.found == 1
    with remote.archive.read(VERSION) as content:
        assert content.sha256() == row.sha256
    [evidence] = [one for one in ledger.versions.displaced("docs") if one.id != VERSION]
    with remote.archive.read(evidence.id) as content:
        assert b"".join(content.parts()) == b"DISPLACED"
    assert evidence.archived_remote


def test_where_the_etag_is_computed_anew_rot_looks_like_an_edit(
    rclone: servers.S3Server, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """So it comes down as one; what it displaces stays in the archive of the folder."""
    remote = s3_storage(rclone)
    token = remote.write("a", BytesContent(b"sound"), Attributes(), expect=None).token
    base = tmp_path_factory.getbasetemp()
    [file] = {f.resolve() for f in base.glob(f"rclone*/root/{servers.BUCKET}/{remote.prefix}a")}
    before = file.stat()
    file.write_bytes(b"s?und")
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))

    found = remote.stat("a")

    assert isinstance(found, FileState)
    assert found.token != token
