"""Where snapshots are kept: the same promises from every store, and from the one in memory."""

from __future__ import annotations

import hashlib
import os
import tracemalloc
from pathlib import Path

import pytest
from ulid import ULID

import servers
from contract.backends import s3_options, s3_storage
from docferry.errors import StaleError, TemporaryError
from docferry.storage.base import PART_BYTES
from docferry.storage.s3 import S3Storage
from docferry.storage.snapshots import (
    SNAPSHOT_PREFIX,
    MemorySnapshots,
    SnapshotFacts,
    SnapshotStore,
)

MIB = 1024 * 1024
SIZES = [0, 1, 5 * MIB, PART_BYTES + 1]


@pytest.fixture(params=["memory", "seaweedfs", "rclone", "moto"])
def snapshots(request: pytest.FixtureRequest) -> SnapshotStore:
    if request.param == "memory":
        return MemorySnapshots()
    return s3_storage(request.getfixturevalue(request.param)).snapshots


def stored(
    snapshots: SnapshotStore, folder: Path, content: bytes = b"packed", *, snapshot: str = ""
) -> tuple[str, SnapshotFacts]:
    file = folder / "file"
    file.write_bytes(content)
    facts = SnapshotFacts("instance", hashlib.sha256(content).hexdigest(), "0003", "1.2.3")
    snapshot = snapshot or str(ULID())
    snapshots.write(snapshot, file, facts)
    return snapshot, facts


@pytest.mark.parametrize("size", SIZES)
def test_what_is_written_comes_back_with_what_it_says_about_itself(
    snapshots: SnapshotStore, tmp_path: Path, size: int
) -> None:
    content = os.urandom(size)

    snapshot, facts = stored(snapshots, tmp_path, content)

    assert snapshots.all() == [snapshot]
    assert snapshots.describe(snapshot) == facts
    with snapshots.read(snapshot) as found:
        assert b"".join(found.parts()) == content


def test_the_newest_comes_first_and_a_removed_one_no_more(
    snapshots: SnapshotStore, tmp_path: Path
) -> None:
    names = sorted(str(ULID()) for _ in range(3))
    for name in names:
        stored(snapshots, tmp_path, snapshot=name)

    snapshots.remove(names[1])
    snapshots.remove(names[1])

    assert snapshots.all() == [names[2], names[0]]
    assert snapshots.describe(names[1]) is None
    with pytest.raises(StaleError):
        snapshots.read(names[1])


def test_where_there_is_none_there_is_none(snapshots: SnapshotStore) -> None:
    assert snapshots.all() == []
    assert snapshots.describe(str(ULID())) is None


@pytest.mark.parametrize("size", [10, PART_BYTES + 1])
def test_a_file_that_is_not_what_was_made_is_not_stored(
    snapshots: SnapshotStore, tmp_path: Path, size: int
) -> None:
    file = tmp_path / "file"
    file.write_bytes(os.urandom(size))

    with pytest.raises(TemporaryError, match="damaged"):
        snapshots.write(str(ULID()), file, SnapshotFacts("instance", "0" * 64))

    assert snapshots.all() == []


def test_a_large_one_is_never_in_memory_as_a_whole(
    seaweedfs: servers.S3Server, tmp_path: Path
) -> None:
    file, snapshots = tmp_path / "file", s3_storage(seaweedfs).snapshots
    with file.open("wb") as sparse:
        sparse.truncate(48 * MIB)

    tracemalloc.start()
    try:
        snapshots.write(str(ULID()), file, SnapshotFacts("instance", None))
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert peak_bytes < 16 * MIB


@pytest.mark.parametrize("name", ["", "../a", "a/b"])
def test_what_is_no_name_leads_nowhere(snapshots: SnapshotStore, tmp_path: Path, name: str) -> None:
    (tmp_path / "file").write_bytes(b"")

    with pytest.raises(ValueError, match="no version"):
        snapshots.write(name, tmp_path / "file", SnapshotFacts("instance", None))


def test_snapshots_are_no_documents(seaweedfs: servers.S3Server, tmp_path: Path) -> None:
    storage = s3_storage(seaweedfs)
    stored(storage.snapshots, tmp_path)

    assert [*storage.scan(), *storage.scan_odd()] == []
    assert [*storage.archive.scan()] == []


def test_what_lies_there_by_another_name_is_no_snapshot(seaweedfs: servers.S3Server) -> None:
    storage = s3_storage(seaweedfs)
    for name in ("note.txt", "x.sqlite3.gz", f"{ULID()}.sqlite3", f"{ULID()}/a.sqlite3.gz"):
        seaweedfs.client().put_object(
            Bucket=servers.BUCKET, Key=f"{storage.prefix}{SNAPSHOT_PREFIX}{name}", Body=b"x"
        )

    assert storage.snapshots.all() == []


def test_what_a_stranger_says_of_a_snapshot_is_not_believed_blindly(
    seaweedfs: servers.S3Server,
) -> None:
    storage, snapshot = s3_storage(seaweedfs), str(ULID())
    seaweedfs.client().put_object(
        Bucket=servers.BUCKET,
        Key=f"{storage.prefix}{SNAPSHOT_PREFIX}{snapshot}.sqlite3.gz",
        Body=b"x",
        Metadata={"docferry-sha256": "no", "docferry-schema": "x" * 1000, "docferry-writer": ""},
    )

    assert storage.snapshots.describe(snapshot) == SnapshotFacts("", None)


def test_in_a_bucket_with_versions_a_removed_snapshot_really_goes(
    moto: servers.S3Server, tmp_path: Path
) -> None:
    client, bucket = moto.client(), f"versioned-{ULID()}".lower()
    moto.make_bucket(bucket)
    client.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    storage = S3Storage(s3_options(moto), bucket, "p/")
    storage.probe()
    snapshot, _ = stored(storage.snapshots, tmp_path)

    storage.snapshots.remove(snapshot)

    prefix = f"p/{SNAPSHOT_PREFIX}"
    left = client.list_object_versions(Bucket=bucket, Prefix=prefix)
    assert left.get("Versions", []) + left.get("DeleteMarkers", []) == []
