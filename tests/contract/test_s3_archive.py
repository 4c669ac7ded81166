"""What the archive of a bucket does with what strangers and bad luck have put into it."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import pytest
from ulid import ULID

import proxy
from contract.backends import s3_options, s3_storage
from contract.strangers import CONTENT, SHA256, Stranger
from docferry.errors import StaleError, TemporaryError
from docferry.model import Attributes, Ulid
from docferry.storage.memory import BytesContent
from docferry.storage.s3 import S3Storage
from servers import S3Server

ABOUT = Attributes(sha256=SHA256, size=len(CONTENT), path="a")
EMPTY_SHA256 = hashlib.sha256(b"").hexdigest()
OTHER = b"_ document"  # as long as CONTENT


@pytest.fixture(params=["seaweedfs", "rclone", "moto"])
def server(request: pytest.FixtureRequest) -> S3Server:
    found = request.getfixturevalue(request.param)
    assert isinstance(found, S3Server)
    return found


def new_version() -> Ulid:
    return str(ULID())


def key_of(version: Ulid) -> str:
    return f".docferry/versions/{version}"


def read(storage: S3Storage, version: Ulid) -> bytes:
    with storage.archive.read(version) as content:
        whole = b"".join(content.parts())
        content.confirm()
    return whole


def read_or_none(storage: S3Storage, version: Ulid) -> bytes | None:
    try:
        return read(storage, version)
    except (StaleError, TemporaryError):
        return None


def test_what_is_no_version_is_not_listed(server: S3Server) -> None:
    storage, version = s3_storage(server), new_version()
    stranger = Stranger(server, storage)
    storage.archive.put(version, BytesContent(CONTENT), ABOUT)
    for key in (version.lower(), f"{version}.0a1b2c3d", f"folder/{new_version()}"):
        stranger.put(key_of(key))

    assert [found.version for found in storage.archive.scan()] == [version]


def test_bytes_of_which_nobody_said_what_they_are_are_read_before_they_go(
    server: S3Server,
) -> None:
    storage, first, second, third = s3_storage(server), *(new_version() for _ in range(3))
    stranger = Stranger(server, storage)
    stranger.put(key_of(first), CONTENT)
    stranger.put(key_of(second), OTHER)
    storage.archive.put(third, BytesContent(CONTENT), ABOUT)

    storage.archive.refer(first, third, ABOUT)
    with pytest.raises(StaleError):
        storage.archive.refer(second, third, ABOUT)

    found = storage.archive.describe(first)
    assert found is not None
    assert found.bytes_of == third
    assert read(storage, second) == OTHER


def test_bytes_of_which_nobody_said_what_they_are_are_no_ones_bytes(server: S3Server) -> None:
    storage, first, second = s3_storage(server), new_version(), new_version()
    storage.archive.put(first, BytesContent(CONTENT), ABOUT)
    Stranger(server, storage).put(key_of(second), CONTENT)

    with pytest.raises(StaleError):
        storage.archive.refer(first, second, ABOUT)

    assert read(storage, first) == CONTENT


def test_bytes_are_not_given_away_for_others_that_have_rotted(server: S3Server) -> None:
    storage, first, second = s3_storage(server), new_version(), new_version()
    storage.archive.put(first, BytesContent(CONTENT), ABOUT)
    Stranger(server, storage).put(key_of(second), OTHER, Metadata={"docferry-sha256": SHA256})

    with pytest.raises(StaleError):
        storage.archive.refer(first, second, ABOUT)

    assert read(storage, first) == CONTENT


def test_no_reference_is_made_to_bytes_that_have_rotted(server: S3Server) -> None:
    """It would be all that the bucket has, while a folder may have sound ones."""
    storage, first, second = s3_storage(server), new_version(), new_version()
    Stranger(server, storage).put(key_of(second), OTHER, Metadata={"docferry-sha256": SHA256})

    with pytest.raises(StaleError):
        storage.archive.refer(first, second, ABOUT)

    assert storage.archive.describe(first) is None


def test_what_many_versions_come_to_refer_to_is_read_once(moto: S3Server) -> None:
    twin, versions = new_version(), [new_version() for _ in range(20)]
    read: list[str] = []

    def note(request: proxy.Request) -> bool:
        if request.command == "GET":
            read.append(request.path)
        return False

    with proxy.in_front_of(moto) as between:
        storage = s3_storage(moto)
        storage = S3Storage(
            replace(s3_options(moto), endpoint_url=between.url),
            storage.bucket,
            storage.prefix,
            profile=storage.profile,
        )
        for version in (twin, *versions[:5]):
            storage.archive.put(version, BytesContent(CONTENT), ABOUT)
        between.mood = note

        for version in versions:
            storage.archive.refer(version, twin, ABOUT)

    assert len(read) == 1


def test_a_reference_stays_where_the_bytes_that_should_replace_it_are_damaged(
    server: S3Server,
) -> None:
    storage, first, second = s3_storage(server), new_version(), new_version()
    storage.archive.put(second, BytesContent(CONTENT), ABOUT)
    storage.archive.refer(first, second, ABOUT)
    storage.archive.remove(second)

    with pytest.raises(TemporaryError):
        storage.archive.put(first, BytesContent(OTHER), ABOUT)
    with pytest.raises(TemporaryError):
        storage.archive.put(first, BytesContent(OTHER), Attributes())

    found = storage.archive.describe(first)
    assert found is not None
    assert (found.bytes_of, found.path) == (second, "a")


def test_what_a_stranger_has_set_on_an_object_stays_on_its_reference(server: S3Server) -> None:
    storage, first, second = s3_storage(server), new_version(), new_version()
    stranger = Stranger(server, storage)
    stranger.put(key_of(first), Metadata={"owner": "somebody", "docferry-sha256": SHA256})
    storage.archive.put(second, BytesContent(CONTENT), ABOUT)

    storage.archive.refer(first, second, ABOUT)

    metadata = stranger.get(key_of(first))["Metadata"]
    assert {name.lower(): value for name, value in metadata.items()}["owner"] == "somebody"


def test_a_crafted_reference_leads_nowhere(server: S3Server) -> None:
    storage, version, other = s3_storage(server), new_version(), new_version()
    stranger = Stranger(server, storage)
    storage.archive.put(other, BytesContent(CONTENT), ABOUT)
    claims = [
        {"docferry-bytes-of": other},
        {"docferry-bytes-of": other, "docferry-size": str(len(CONTENT))},
        {"docferry-bytes-of": version, "docferry-size": "0", "docferry-sha256": EMPTY_SHA256},
    ]

    for metadata in claims:
        stranger.put(key_of(version), b"", Metadata=metadata)
        with pytest.raises(StaleError):
            storage.archive.read(version)


def test_a_crafted_way_out_of_the_archive_is_not_taken(server: S3Server) -> None:
    storage, version = s3_storage(server), new_version()
    storage.write_marker(CONTENT)
    claims = {"docferry-size": str(len(CONTENT)), "docferry-sha256": SHA256}
    way_out = {"docferry-bytes-of": "../mirror.json"}
    Stranger(server, storage).put(key_of(version), b"", Metadata=claims | way_out)

    assert read_or_none(storage, version) in (None, b"")
