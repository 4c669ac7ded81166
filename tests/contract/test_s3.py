"""What the S3 side does beyond the contract: other people's objects, weak stores, odd keys."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace

import pytest
from ulid import ULID

from contract.backends import s3_options, s3_storage
from contract.strangers import CONTENT, SHA256, Stranger, paths, put
from docferry.errors import PermanentError, StaleError, TemporaryError
from docferry.model import Attributes, Token
from docferry.storage.base import PART_BYTES
from docferry.storage.memory import BytesContent
from docferry.storage.probe import StoreProfile
from docferry.storage.s3 import S3Storage
from docferry.storage.s3_client import S3Client
from docferry.storage.s3_connect import Connections
from docferry.storage.s3_multipart import copy_object
from servers import BUCKET, S3Server

MTIME_NS = 1_234_567_890_123_456_700

WEAK = StoreProfile(etag_is_md5=True, lists_in_order=True)
STRONG = StoreProfile(
    conditional_create=True,
    conditional_replace=True,
    conditional_delete=True,
    conditional_copy=True,
    conditional_copy_create=True,
    conditional_multipart=True,
    etag_is_md5=True,
    sha256_checksums=True,
)
PROFILES = {
    "seaweedfs": STRONG,  # it walks folders: not in order
    "rclone": WEAK,
    "moto": replace(
        WEAK,
        conditional_create=True,
        conditional_replace=True,
        conditional_delete=True,
        conditional_multipart=True,
    ),
}


@pytest.fixture(params=PROFILES)
def server(request: pytest.FixtureRequest) -> S3Server:
    found = request.getfixturevalue(request.param)
    assert isinstance(found, S3Server)
    return found


@contextmanager
def before(
    request: str, server: S3Server, act: Callable[[], object], after: int = 0
) -> Iterator[None]:
    """Let somebody act right before a *request* ("CopyObject") leaves, *after* so many others."""
    events = Connections(s3_options(server), BUCKET).boto.meta.events
    left: list[Callable[[], object]] = [act] + [lambda: None] * after  # taken from the end

    def handler(**_: object) -> None:
        if left:
            left.pop()()

    events.register(f"before-call.s3.{request}", handler)
    yield
    events.unregister(f"before-call.s3.{request}", handler)
    assert not left


# The probe.


def test_a_probe_finds_what_a_store_keeps_to(server: S3Server) -> None:
    storage = S3Storage(s3_options(server), BUCKET, f"{ULID()}/")
    assert storage.profile == StoreProfile.CAUTIOUS

    profile = storage.probe()

    assert replace(profile, clock_skew_s=None, server="") == PROFILES[server.name]
    assert storage.profile == profile
    assert profile.clock_skew_s is not None
    assert abs(profile.clock_skew_s) < 60
    assert profile.server


def test_a_probe_leaves_nothing_behind(server: S3Server) -> None:
    storage = S3Storage(s3_options(server), BUCKET, f"{ULID()}/")

    storage.probe()

    assert Stranger(server, storage).listed() == []
    uploads = server.client().list_multipart_uploads(Bucket=BUCKET, Prefix=storage.prefix)
    assert not uploads.get("Uploads")


def test_versioning_is_seen(moto: S3Server) -> None:
    moto.make_bucket("versioned")
    moto.client().put_bucket_versioning(
        Bucket="versioned", VersioningConfiguration={"Status": "Enabled"}
    )

    assert S3Storage(s3_options(moto), "versioned").probe().versioning


def test_a_profile_comes_back_from_the_ledger() -> None:
    profile = replace(STRONG, clock_skew_s=-1.5, server="some store")

    assert StoreProfile.from_dict(profile.to_dict() | {"of another release": 1}) == profile


# Other people's objects.


def test_everybody_can_read_what_was_written(server: S3Server) -> None:
    storage = s3_storage(server)
    attributes = Attributes(version=str(ULID()), mtime_ns=MTIME_NS, content_type="text/plain")

    storage.write("a b/ü.txt", BytesContent(CONTENT), attributes, expect=None)

    answer = Stranger(server, storage).get("a b/ü.txt")
    assert answer["Body"].read() == CONTENT
    assert answer["ContentType"].startswith("text/plain")
    metadata = {name.lower(): value for name, value in answer["Metadata"].items()}
    assert metadata["docferry-sha256"] == SHA256
    assert metadata["docferry-version"] == attributes.version


def test_an_object_of_a_stranger_is_read(server: S3Server) -> None:
    storage = s3_storage(server)
    token = Stranger(server, storage).put("a.txt", Metadata={"owner": "somebody"})

    with storage.read("a.txt", token) as content:
        assert content.sha256() == SHA256
        content.confirm()
        assert content.attributes.sha256 is None
        assert content.attributes.mtime_ns is not None  # when it was last modified


def test_compressed_content_stays_as_it_is(server: S3Server) -> None:
    storage = s3_storage(server)
    token = Stranger(server, storage).put("a.gz", ContentEncoding="gzip")

    with storage.read("a.gz", token) as content:
        assert b"".join(content.parts()) == CONTENT


@pytest.mark.parametrize("size", [1000, PART_BYTES + 1], ids=["small", "large"])
def test_metadata_that_a_stranger_took_along_is_not_believed(
    seaweedfs: S3Server, size: int
) -> None:
    storage = s3_storage(seaweedfs)
    bytes_of_theirs = os.urandom(size)
    lie = {"docferry-sha256": SHA256}
    token = Stranger(seaweedfs, storage).put("a", bytes_of_theirs, Metadata=lie)

    for profile in (storage.profile, StoreProfile.CAUTIOUS):  # with and without an MD5 to go by
        storage.profile = profile
        with storage.read("a", token) as content:
            assert content.sha256() == hashlib.sha256(bytes_of_theirs).hexdigest()
            content.confirm()


def test_what_consoles_show_as_folders_is_no_document(server: S3Server) -> None:
    storage = s3_storage(server)
    stranger = Stranger(server, storage)
    if server.name != "rclone":  # it refuses such keys
        stranger.put("", b"")
        stranger.put("folder/", b"")
    stranger.put("folder/a")

    assert paths(storage.scan()) == ["folder/a"]
    assert storage.scan_odd() == []
    assert storage.stat("folder/%_") is None


def test_only_what_is_below_the_prefix_is_seen(server: S3Server) -> None:
    storage = s3_storage(server)
    put(s3_storage(server, storage.prefix.removesuffix("/") + "x/"), "other")
    put(storage, "a")

    assert paths(storage.scan()) == ["a"]


def test_an_object_is_described_with_its_claims(server: S3Server) -> None:
    storage = s3_storage(server)
    written = put(storage, "a")

    described = storage.describe("a")

    assert described is not None
    assert described[0].token == written.token
    assert described[1].sha256 == SHA256
    assert storage.describe("b") is None


# Listing.


def test_a_listing_of_many_pages_comes_in_order(seaweedfs: S3Server) -> None:
    storage = s3_storage(seaweedfs)
    names = [f"{n % 7}{'-/'[n % 2]}{n}" for n in range(1100)]
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda name: put(storage, name), names))

    assert paths(storage.scan()) == sorted(names)


def test_the_same_listing_is_known_again_and_any_change_is_noticed(server: S3Server) -> None:
    storage = s3_storage(server)
    stranger = Stranger(server, storage)
    stranger.put("a")
    was_known_before = storage.is_as_scanned()
    list(storage.scan())
    is_known = storage.is_as_scanned()
    stranger.put("b/c")
    is_known_after_a_change = storage.is_as_scanned()
    list(storage.scan())
    stranger.put("a", b"the same key, another content")

    assert (was_known_before, is_known, is_known_after_a_change) == (False, True, False)
    assert not storage.is_as_scanned()


def test_a_listing_of_many_pages_is_known_again(seaweedfs: S3Server) -> None:
    storage = s3_storage(seaweedfs)
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda n: put(storage, f"{n}"), range(1100)))
    list(storage.scan())

    is_known = storage.is_as_scanned()
    put(storage, "zzz")

    assert is_known
    assert not storage.is_as_scanned()


def test_a_store_that_turns_out_to_walk_folders_is_sorted_the_next_time(
    seaweedfs: S3Server,
) -> None:
    storage = s3_storage(seaweedfs)
    for path in ("a/b/c", "a/b-c"):
        put(storage, path)
    storage.profile = replace(storage.profile, lists_in_order=True)

    with pytest.raises(TemporaryError, match="in order"):
        list(storage.scan())

    assert paths(storage.scan()) == ["a/b-c", "a/b/c"]


# Conditions, and stores that ignore them.


def test_a_bucket_that_is_gone_is_not_an_empty_one(moto: S3Server) -> None:
    moto.make_bucket("vanishing")
    storage = S3Storage(s3_options(moto), "vanishing")
    storage.check_bucket()
    moto.client().delete_bucket(Bucket="vanishing")
    storage = S3Storage(s3_options(moto), "vanishing")

    for ask in (
        lambda: storage.stat("a"),
        lambda: list(storage.scan()),
        lambda: storage.read("a", "token"),
        storage.read_marker,
        storage.check_bucket,
    ):
        with pytest.raises(PermanentError, match="no such bucket"):
            ask()


def test_a_folder_that_was_emptied_does_not_block_its_name(server: S3Server) -> None:
    storage = s3_storage(server)
    written = put(storage, "name/a")
    storage.delete("name/a", expect=written.token, archive=Attributes(version=str(ULID())))

    put(storage, "name")

    assert paths(storage.scan()) == ["name"]


def test_a_tree_of_folders_that_was_emptied_does_not_block_its_name(seaweedfs: S3Server) -> None:
    storage = s3_storage(seaweedfs)
    stranger = Stranger(seaweedfs, storage)
    for key in ("name/a/b/c", "name/a/d", "name/e/f"):
        stranger.put(key)
        stranger.delete(key)

    put(storage, "name")

    assert stranger.listed() == ["name"]


@pytest.mark.parametrize("size", [PART_BYTES, PART_BYTES + 1], ids=["small", "large"])
def test_what_a_stranger_writes_where_a_folder_was_emptied_is_not_overwritten(
    seaweedfs: S3Server, size: int
) -> None:
    storage = s3_storage(seaweedfs)
    stranger = Stranger(seaweedfs, storage)
    stranger.put("name/a")
    stranger.delete("name/a")
    request = "PutObject" if size <= PART_BYTES else "CompleteMultipartUpload"

    with (
        before(request, seaweedfs, lambda: stranger.put("name", b"theirs"), after=1),
        pytest.raises(StaleError),
    ):
        put(storage, "name", bytes(size))

    assert stranger.get("name")["Body"].read() == b"theirs"


def test_a_folder_in_which_something_is_stays_beside_its_name(seaweedfs: S3Server) -> None:
    storage = s3_storage(seaweedfs)
    stranger = Stranger(seaweedfs, storage)
    stranger.put("name/full/c")

    put(storage, "name")
    assert stranger.listed() == ["name", "name/full/c"]
    with pytest.raises(StaleError):
        put(storage, "name", b"again")


def test_nothing_is_copied_over(seaweedfs: S3Server) -> None:
    storage = s3_storage(seaweedfs)
    source = put(storage, "a")
    put(storage, "b", b"theirs")

    with pytest.raises(StaleError):
        storage.copy_within("a", source.token, "b", Attributes(sha256=SHA256))

    with storage.read("b", storage.stat("b").token) as content:  # type: ignore[union-attr]
        assert b"".join(content.parts()) == b"theirs"


def test_a_content_is_copied_within_the_store(seaweedfs: S3Server) -> None:
    storage = s3_storage(seaweedfs)
    Stranger(seaweedfs, storage).put(
        "a", ContentType="text/plain", CacheControl="no-cache", Metadata={"docferry-parent": "x"}
    )
    state = storage.stat("a")
    assert state is not None
    attributes = Attributes(version=str(ULID()), sha256=SHA256, mtime_ns=MTIME_NS)

    copied = storage.copy_within("a", state.token, "b", attributes)

    assert (copied.sha256, copied.size) == (SHA256, len(CONTENT))
    described = storage.describe("b")
    assert described is not None
    assert described[0].token == copied.token
    assert described[1] == replace(attributes, content_type="text/plain")
    assert Stranger(seaweedfs, storage).get("b")["CacheControl"] == "no-cache"


def test_a_source_that_moved_on_is_not_copied(server: S3Server) -> None:
    storage = s3_storage(server)
    source = put(storage, "a")
    Stranger(server, storage).put("a", b"another")

    with pytest.raises(StaleError):
        storage.copy_within("a", source.token, "b", Attributes(sha256=SHA256))

    assert storage.stat("b") is None


def delete(storage: S3Storage, expect: Token, archive: Attributes) -> None:
    storage.delete("a", expect=expect, archive=archive)


def replace_it(storage: S3Storage, expect: Token, archive: Attributes) -> None:
    storage.write("a", BytesContent(b"ours"), Attributes(), expect=expect, archive=archive)


@pytest.mark.parametrize("change", [replace_it, delete])
def test_what_a_stranger_writes_just_before_it_is_archived_is_kept(
    server: S3Server, change: Callable[[S3Storage, Token, Attributes], None]
) -> None:
    storage, archive = s3_storage(server), Attributes(version=str(ULID()), sha256=SHA256)
    written = put(storage, "a")
    stranger = Stranger(server, storage)

    with (
        before("CopyObject", server, lambda: stranger.put("a", b"theirs")),
        pytest.raises(StaleError),
    ):
        change(storage, written.token, archive)

    assert stranger.get("a")["Body"].read() == b"theirs"
    assert archive.version is not None
    with pytest.raises(StaleError):
        storage.read_archived(archive.version)


def test_what_was_archived_by_an_earlier_try_is_not_spoiled(rclone: S3Server) -> None:
    storage, archive = s3_storage(rclone), Attributes(version=str(ULID()), sha256=SHA256)
    written = put(storage, "a")
    stranger = Stranger(rclone, storage)
    stranger.put(f".docferry/versions/{archive.version}", Metadata={"docferry-sha256": SHA256})

    storage.write("a", BytesContent(b"ours"), Attributes(), expect=written.token, archive=archive)

    assert archive.version is not None
    with storage.read_archived(archive.version) as content:
        assert content.sha256() == SHA256
        content.confirm()


# Large contents.


def test_a_large_content_has_the_token_that_is_listed(server: S3Server) -> None:
    storage = s3_storage(server)
    whole = os.urandom(PART_BYTES + 1)

    written = put(storage, "large", whole)

    assert [entry[1].token for entry in storage.scan() if isinstance(entry, tuple)] == [
        written.token
    ]


def test_a_large_content_is_replaced_and_archived(server: S3Server) -> None:
    storage = s3_storage(server)
    first, second = os.urandom(PART_BYTES + 1), os.urandom(PART_BYTES + 2)
    written = put(storage, "large", first)
    archive = Attributes(version=str(ULID()), sha256=written.sha256, path="large")

    again = storage.write(
        "large", BytesContent(second), Attributes(), expect=written.token, archive=archive
    )

    assert archive.version is not None
    with storage.read_archived(archive.version) as content:
        assert content.sha256() == written.sha256
    with storage.read("large", again.token) as content:
        assert content.sha256() == again.sha256 == hashlib.sha256(second).hexdigest()


def test_a_large_content_that_somebody_wrote_first_is_not_overwritten(server: S3Server) -> None:
    storage = s3_storage(server)
    stranger = Stranger(server, storage)

    with (
        before("UploadPart", server, lambda: stranger.put("large", b"theirs")),
        pytest.raises(StaleError),
    ):
        put(storage, "large", os.urandom(PART_BYTES + 1))

    assert stranger.get("large")["Body"].read() == b"theirs"
    uploads = server.client().list_multipart_uploads(Bucket=BUCKET, Prefix=storage.prefix)
    assert not uploads.get("Uploads")


def test_a_large_content_that_changes_while_it_is_read_is_refused(seaweedfs: S3Server) -> None:
    storage = s3_storage(seaweedfs)
    written = put(storage, "large", os.urandom(PART_BYTES + 1))

    with storage.read("large", written.token) as content:
        Stranger(seaweedfs, storage).put("large", os.urandom(PART_BYTES + 1))

        with pytest.raises(StaleError):
            content.sha256()


def test_the_largest_objects_are_copied_in_parts(seaweedfs: S3Server) -> None:
    storage = s3_storage(seaweedfs)
    whole = os.urandom(12 * 1024**2)
    written = put(storage, "large", whole)
    client = S3Client(s3_options(seaweedfs), BUCKET)

    copied = copy_object(
        client,
        storage.prefix + "large",
        len(whole),
        storage.prefix + "copy",
        {"docferry-writer": "w"},
        source_is=written.token,
        target_is=None,
        copy_bytes=1024**2,
        part_bytes=5 * 1024**2,
    )

    with storage.read("copy", copied) as content:
        assert content.sha256() == written.sha256
        assert content.attributes.writer == "w"
