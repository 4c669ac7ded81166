"""What a bucket keeps of its own, where versioning is turned on: looked at, kept, removed."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler
from typing import Any, Literal

import pytest
from ulid import ULID

import servers
from contract.backends import s3_options
from contract.strangers import put
from docferry.core.paths import path_of
from docferry.errors import PermanentError, StaleError, TemporaryError
from docferry.model import Attributes, Path, Ulid
from docferry.storage.base import PART_BYTES
from docferry.storage.memory import BytesContent
from docferry.storage.probe import StoreProfile
from docferry.storage.s3 import S3Options, S3Storage
from docferry.storage.s3_versions import BucketVersion
from servers import S3Server

VERSIONED = "versioned-docs"  # one for all tests: SeaweedFS runs out of volumes
OLD, NEW = b"what it was", b"what it is now"
SHA256 = hashlib.sha256(OLD).hexdigest()


@pytest.fixture(scope="session")
def keeping() -> dict[str, StoreProfile]:
    """Remember what each store keeps to, once its versioned bucket is made."""
    return {}


@pytest.fixture(params=["seaweedfs", "moto"])
def server(request: pytest.FixtureRequest, keeping: dict[str, StoreProfile]) -> S3Server:
    found = request.getfixturevalue(request.param)
    assert isinstance(found, S3Server)
    if found.name not in keeping:
        found.make_bucket(VERSIONED)
        found.client().put_bucket_versioning(
            Bucket=VERSIONED, VersioningConfiguration={"Status": "Enabled"}
        )
        keeping[found.name] = S3Storage(s3_options(found), VERSIONED).probe()
    return found


@pytest.fixture
def storage(server: S3Server, keeping: dict[str, StoreProfile]) -> S3Storage:
    options, profile = s3_options(server), keeping[server.name]
    return S3Storage(options, VERSIONED, f"{ULID()}/", {}, profile)


class Stranger:
    """Somebody with another tool, below the prefix of *storage* in the versioned bucket."""

    def __init__(self, server: S3Server, storage: S3Storage) -> None:
        self._client = server.client()
        self._prefix = storage.prefix

    def put(self, key: str, content: bytes, **arguments: Any) -> str:
        full_key = self._prefix + key
        answer = self._client.put_object(Bucket=VERSIONED, Key=full_key, Body=content, **arguments)
        return answer.get("VersionId", "")  # SeaweedFS keeps no versions of a folder's marker

    def delete(self, key: str) -> str:
        answer = self._client.delete_object(Bucket=VERSIONED, Key=self._prefix + key)
        return answer["VersionId"]

    def kept(self, key: str) -> list[str]:
        """List all that the bucket keeps of exactly this key, by its ids."""
        key = self._prefix + key
        page = self._client.list_object_versions(Bucket=VERSIONED, Prefix=key)
        found = [*page.get("Versions", []), *page.get("DeleteMarkers", [])]
        return [each["VersionId"] for each in found if each["Key"] == key]


@pytest.fixture
def stranger(server: S3Server, storage: S3Storage) -> Stranger:
    return Stranger(server, storage)


def ids(versions: list[BucketVersion] | Iterator[BucketVersion]) -> list[str]:
    return [version.version_id for version in versions]


def read(storage: S3Storage, path: Path, version_id: str) -> bytes:
    with storage.bucket_versions.read(path, version_id) as content:
        whole = b"".join(content.parts())
        content.confirm()
    return whole


def archived(storage: S3Storage, version: Ulid) -> bytes:
    with storage.archive.read(version) as content:
        whole = b"".join(content.parts())
        content.confirm()
    return whole


def test_a_probe_finds_whether_versions_are_listed_in_order(
    server: S3Server, storage: S3Storage
) -> None:
    profile = storage.probe()

    assert profile.versioning
    assert profile.lists_versions_in_order == (server.name == "moto")


def test_a_probe_leaves_no_versions_behind_nor_do_killed_ones(
    server: S3Server, storage: S3Storage, stranger: Stranger
) -> None:
    begun_at = datetime.now(UTC) - timedelta(hours=2)
    killed, begun = str(ULID.from_datetime(begun_at)), str(ULID())
    for trial in (killed, begun):
        stranger.put(f".docferry/probe/{trial}/a/b", b"tried out")
    stranger.delete(f".docferry/probe/{killed}/a/b")

    storage.probe()

    page = server.client().list_object_versions(
        Bucket=VERSIONED, Prefix=f"{storage.prefix}.docferry/probe/"
    )
    found = [*page.get("Versions", []), *page.get("DeleteMarkers", [])]
    keys = [each["Key"].removeprefix(storage.prefix) for each in found]
    assert keys == [f".docferry/probe/{begun}/a/b"]


@pytest.mark.parametrize("status", ["Enabled", "Suspended", None])
def test_a_probe_tells_versioning_that_is_on_from_what_is_suspended(
    moto: S3Server, status: Literal["Enabled", "Suspended"] | None
) -> None:
    bucket = f"versioning-{status}".lower()
    moto.make_bucket(bucket)
    if status is not None:
        moto.client().put_bucket_versioning(
            Bucket=bucket, VersioningConfiguration={"Status": status}
        )

    profile = S3Storage(s3_options(moto), bucket).probe()

    assert profile.versioning == (status == "Enabled")
    assert profile.versioning_suspended == (status == "Suspended")
    page = moto.client().list_object_versions(Bucket=bucket)
    assert [*page.get("Versions", []), *page.get("DeleteMarkers", [])] == []


# Looking.


def test_what_is_kept_of_a_path_is_given_newest_first(
    storage: S3Storage, stranger: Stranger
) -> None:
    first, second = stranger.put("a", OLD), stranger.put("a", NEW)
    gone = stranger.delete("a")
    stranger.put("a-b", b"of another key")
    stranger.put("a/b", b"of another key")

    found = storage.bucket_versions.of("a")

    assert ids(found) == [gone, second, first]
    assert [each.is_delete_marker for each in found] == [True, False, False]
    assert [each.is_latest for each in found] == [True, False, False]
    assert [each.size for each in found] == [0, len(NEW), len(OLD)]
    assert found[0].token == ""
    assert found[2].token == hashlib.md5(OLD).hexdigest()
    assert {each.path for each in found} == {"a"}


def test_a_version_tells_when_it_came(storage: S3Storage, stranger: Stranger) -> None:
    stranger.put("a", OLD)

    [found] = storage.bucket_versions.of("a")

    assert found.modified_at.tzinfo is UTC
    assert abs(found.modified_at - datetime.now(UTC)) < timedelta(minutes=5)


def test_nothing_is_kept_of_what_never_was(storage: S3Storage, stranger: Stranger) -> None:
    stranger.put("ab", OLD)

    assert storage.bucket_versions.of("a") == []
    assert list(storage.bucket_versions.of("missing/a")) == []


def test_all_that_is_kept_is_listed_but_docferrys_own(
    storage: S3Storage, stranger: Stranger
) -> None:
    written = put(storage, "b/c", OLD)
    archive = Attributes(version=str(ULID()), sha256=SHA256)
    storage.write("b/c", BytesContent(NEW), Attributes(), expect=written.token, archive=archive)
    storage.write_marker(b"{}")
    stranger.put("a", OLD)
    stranger.delete("a")
    stranger.put("folder/", b"")

    found = list(storage.bucket_versions.scan())

    assert sorted(each.path for each in found) == ["a", "a", "b/c", "b/c"]
    for path in ("a", "b/c"):
        of_path = [each for each in found if each.path == path]
        assert of_path == storage.bucket_versions.of(path)


@pytest.mark.parametrize("page_keys", [1, 2, 3])
def test_what_is_kept_is_listed_page_by_page(
    storage: S3Storage, stranger: Stranger, page_keys: int
) -> None:
    for key in ("a", "b", "c"):
        for content in (b"1", b"22", b"333"):
            stranger.put(key, content)
    stranger.delete("b")
    versions = replace(storage.bucket_versions, page_keys=page_keys)

    found = list(versions.scan())

    assert sorted(ids(found)) == sorted(
        version_id for key in ("a", "b", "c") for version_id in stranger.kept(key)
    )
    assert [each.size for each in versions.of("b")] == [0, 3, 2, 1]
    assert versions.of("c") == storage.bucket_versions.of("c")


def test_what_a_store_leaves_out_between_two_pages_is_asked_for(
    storage: S3Storage, stranger: Stranger
) -> None:
    keys = [f"m/{name}.pdf" for name in range(10, 19)] + ["m/14", "m/14/x", "m/14.q", "m/14/y/z"]
    put_there = {(key, stranger.put(key, OLD)) for key in keys}
    put_there |= {("m/14", stranger.put("m/14", NEW)), ("m/14", stranger.delete("m/14"))}
    versions = replace(storage.bucket_versions, page_keys=6)

    found = [(each.path, each.version_id) for each in versions.scan()]

    assert sorted(found) == sorted(put_there)
    assert len(versions.of("m/14")) == 3


def test_where_not_all_can_be_listed_nothing_is_believed(
    server: S3Server, storage: S3Storage, stranger: Stranger
) -> None:
    kept = [stranger.put(key, OLD) for key in ("a", "a-1", "a-2", "a-3")]
    versions = replace(storage.bucket_versions, page_keys=2)

    if storage.profile.lists_versions_in_order:
        assert versions.remove_all("a") == 1
        return
    with pytest.raises(PermanentError, match="folders"):
        versions.remove_all("a")
    with pytest.raises(PermanentError, match="folders"):
        list(versions.scan())
    assert stranger.kept("a") == kept[:1]


@pytest.mark.parametrize("key", ["c\td", "50%_off"])
def test_keys_with_other_local_names_are_found_by_them(
    storage: S3Storage, stranger: Stranger, key: str
) -> None:
    version_id = stranger.put(key, OLD)

    [found] = storage.bucket_versions.scan()

    assert (found.path, found.version_id) == (path_of(key), version_id)
    assert storage.bucket_versions.of(found.path) == [found]
    assert read(storage, found.path, version_id) == OLD


def test_a_key_with_an_alias_is_found_by_it_alone(server: S3Server, storage: S3Storage) -> None:
    stranger = Stranger(server, storage)
    version_id = stranger.put("a/b", OLD)
    aliases = {"a/b": "%_~/a/b"}
    aliased = replace(storage.bucket_versions, aliases=aliases)

    assert [each.path for each in aliased.scan()] == ["%_~/a/b"]
    assert ids(aliased.of("%_~/a/b")) == [version_id]
    assert aliased.of("a/b") == []
    assert aliased.remove_all("a/b") == 0
    with pytest.raises(StaleError):
        aliased.read("a/b", version_id)
    assert stranger.kept("a/b") == [version_id]


def test_docferrys_own_objects_are_no_paths(storage: S3Storage) -> None:
    storage.write_marker(b"{}")

    with pytest.raises(ValueError, match="itself"):
        storage.bucket_versions.remove_all(".docferry/mirror.json")

    assert storage.read_marker() == b"{}"


# Reading.


def test_a_version_says_of_itself_what_it_was(storage: S3Storage, stranger: Stranger) -> None:
    attributes = Attributes(version=str(ULID()), sha256=SHA256, mtime_ns=5, parent=str(ULID()))
    storage.write("a", BytesContent(OLD), attributes, expect=None)
    stranger.put("a", NEW)
    _, first = storage.bucket_versions.of("a")

    found = storage.bucket_versions.describe("a", first.version_id)

    assert (found.version, found.sha256) == (attributes.version, SHA256)
    assert (found.mtime_ns, found.parent) == (5, attributes.parent)


@pytest.mark.parametrize("size", [0, 11, PART_BYTES + 3], ids=["empty", "small", "large"])
def test_an_overwritten_content_is_read_whole(
    storage: S3Storage, stranger: Stranger, size: int
) -> None:
    whole = os.urandom(size)
    version_id = stranger.put("a", whole)
    stranger.put("a", NEW)

    with storage.bucket_versions.read("a", version_id) as content:
        assert content.size == size
        assert content.sha256() == hashlib.sha256(whole).hexdigest()
        content.confirm()


def test_a_deletion_and_what_is_gone_cannot_be_read(storage: S3Storage, stranger: Stranger) -> None:
    first = stranger.put("a", OLD)
    gone = stranger.delete("a")
    storage.bucket_versions.remove("a", first)

    for version_id in (first, gone):
        with pytest.raises(StaleError):
            storage.bucket_versions.read("a", version_id)
        with pytest.raises(StaleError):
            storage.bucket_versions.describe("a", version_id)
        with pytest.raises(StaleError):
            storage.bucket_versions.archive("a", version_id, Attributes(version=str(ULID())))


# Archiving.


def test_an_overwritten_content_is_archived_as_it_was(
    storage: S3Storage, stranger: Stranger
) -> None:
    version_id = stranger.put("a", OLD, Metadata={"owner": "somebody"}, ContentType="text/plain")
    stranger.put("a", NEW)
    archive = Attributes(version=str(ULID()), sha256=SHA256, parent=str(ULID()), path="a")
    assert archive.version is not None

    storage.bucket_versions.archive("a", version_id, archive)

    assert archived(storage, archive.version) == OLD
    found = storage.archive.describe(archive.version)
    assert found is not None
    assert (found.version, found.sha256, found.parent) == (archive.version, SHA256, archive.parent)
    assert (found.path, found.content_type, found.size) == ("a", "text/plain", len(OLD))
    assert found.mtime_ns is not None


@pytest.mark.parametrize("copy_bytes", [PART_BYTES, 1024**3], ids=["in parts", "at once"])
def test_a_large_content_is_archived_whole(
    storage: S3Storage, stranger: Stranger, copy_bytes: int
) -> None:
    whole = os.urandom(PART_BYTES + 3)
    version_id = stranger.put("a", whole)
    stranger.put("a", NEW)
    archive = Attributes(version=str(ULID()), sha256=hashlib.sha256(whole).hexdigest())
    assert archive.version is not None

    replace(storage.bucket_versions, copy_bytes=copy_bytes).archive("a", version_id, archive)

    with storage.archive.read(archive.version) as content:
        assert content.sha256() == archive.sha256
        content.confirm()


def test_to_archive_again_changes_nothing(storage: S3Storage, stranger: Stranger) -> None:
    first, second = stranger.put("a", OLD), stranger.put("a", NEW)
    archive = Attributes(version=str(ULID()), sha256=SHA256)
    assert archive.version is not None
    storage.bucket_versions.archive("a", first, archive)
    kept = stranger.kept(f".docferry/versions/{archive.version}")

    storage.bucket_versions.archive("a", first, archive)
    with pytest.raises(StaleError):
        storage.bucket_versions.archive("a", second, Attributes(version=archive.version))

    assert stranger.kept(f".docferry/versions/{archive.version}") == kept
    assert archived(storage, archive.version) == OLD


def test_what_is_archived_from_an_archives_copy_is_no_reference(
    storage: S3Storage, stranger: Stranger
) -> None:
    claims = {"docferry-bytes-of": str(ULID()), "docferry-size": "7", "docferry-path": "b"}
    version_id = stranger.put("a", b"", Metadata=claims)
    version = str(ULID())

    storage.bucket_versions.archive("a", version_id, Attributes(version=version))

    found = storage.archive.describe(version)
    assert found is not None
    assert (found.bytes_of, found.path, found.size) == (None, None, 0)
    assert archived(storage, version) == b""


# Removing.


def test_one_version_is_removed_and_the_others_stay(storage: S3Storage, stranger: Stranger) -> None:
    first, second = stranger.put("a", OLD), stranger.put("a", NEW)

    storage.bucket_versions.remove("a", first)
    storage.bucket_versions.remove("a", first)

    assert stranger.kept("a") == [second]
    assert read(storage, "a", second) == NEW


def test_all_that_is_kept_of_a_path_is_removed_and_nothing_else(
    storage: S3Storage, stranger: Stranger
) -> None:
    for content in (OLD, NEW):
        stranger.put("a", content)
    stranger.delete("a")
    stranger.put("a", OLD)
    others = [stranger.put(key, NEW) for key in ("a-b", "a.b", "a/b", "ab")]

    removed = storage.bucket_versions.remove_all("a")

    assert removed == 4
    assert stranger.kept("a") == []
    assert [stranger.kept(key)[0] for key in ("a-b", "a.b", "a/b", "ab")] == others
    assert storage.bucket_versions.remove_all("a") == 0


def test_a_removed_version_of_the_archive_leaves_no_bytes_in_the_bucket(
    storage: S3Storage, stranger: Stranger
) -> None:
    first, second = str(ULID()), str(ULID())
    about = Attributes(sha256=SHA256, size=len(OLD), path="a")
    for version in (first, second):
        storage.archive.put(version, BytesContent(OLD), about)
    storage.archive.refer(first, second, about)
    key = f".docferry/versions/{first}"
    stranger.delete(key)
    assert len(stranger.kept(key)) == 3  # the bytes, the reference, a delete marker

    storage.archive.remove(first)

    assert stranger.kept(key) == []
    assert archived(storage, second) == OLD


def test_what_an_unprobed_bucket_keeps_is_removed_too(
    server: S3Server, storage: S3Storage, stranger: Stranger
) -> None:
    version = str(ULID())
    cautious = S3Storage(s3_options(server), VERSIONED, storage.prefix)
    cautious.archive.put(version, BytesContent(OLD), Attributes(sha256=SHA256))

    cautious.archive.remove(version)

    assert stranger.kept(f".docferry/versions/{version}") == []


# Other answers.


def test_a_store_that_keeps_none_says_so(rclone: S3Server) -> None:
    storage = S3Storage(s3_options(rclone), servers.BUCKET, f"{ULID()}/")

    with pytest.raises(PermanentError):
        storage.bucket_versions.of("a")


@pytest.mark.parametrize("body", [b"", b"<html>log in</html>", b"<a/>"])
def test_what_no_store_has_said_is_not_a_bucket_that_keeps_nothing(body: bytes) -> None:
    def answer(request: BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        request.wfile.write(body)

    with servers.answering(answer) as url:
        options = S3Options(url, access_key_id="key", secret_access_key="secret", attempts=1)
        storage = S3Storage(options, "b", "", profile=StoreProfile(versioning=True))

        with pytest.raises(TemporaryError):
            list(storage.bucket_versions.scan())
        with pytest.raises(TemporaryError):
            storage.bucket_versions.of("a")
        with pytest.raises(TemporaryError):
            storage.archive.remove(str(ULID()))
