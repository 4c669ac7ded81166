"""A large upload that was cut off is gone on with as the version that it was begun as."""

from __future__ import annotations

from dataclasses import replace

import pytest

from docferry.model import Attributes, Path, SyncedState, Token, Ulid, Upload, Written
from docferry.storage.base import PART_BYTES, Content
from docferry.storage.memory import MemoryStorage, sha256_of
from unit.memory_mirror import MemoryMirror

LARGE = b"x" * (PART_BYTES + 1)
BEGUN: Ulid = "0" * 25 + "A"


class Bucket(MemoryStorage):
    """Holds an upload that was cut off."""

    offered: dict[Path, Attributes]
    had_bytes = 0

    def begun_as(self, path: Path, attributes: Attributes) -> Ulid | None:
        found = self.offered.get(path)
        is_it = found is not None and replace(found, version=attributes.version) == attributes
        return found.version if found is not None and is_it else None

    def write(
        self,
        path: Path,
        content: Content,
        attributes: Attributes,
        *,
        expect: Token | None,
        archive: Attributes | None = None,
    ) -> Written:
        written = super().write(path, content, attributes, expect=expect, archive=archive)
        return replace(written, had_bytes=self.had_bytes)


@pytest.fixture
def bucket() -> Bucket:
    bucket = Bucket(knows_sha256=False)
    bucket.offered = {}
    return bucket


@pytest.fixture
def mirror(bucket: Bucket) -> MemoryMirror:
    return MemoryMirror(remote=bucket)


def begin(mirror: MemoryMirror, bucket: Bucket, content: bytes = LARGE) -> None:
    """Save a file, and let an earlier process have begun to send it."""
    token = mirror.local.user_write("p", content)
    with mirror.local.read("p", token) as found:
        bucket.offered["p"] = replace(
            found.attributes,
            version=BEGUN,
            sha256=sha256_of(content),
            writer="this",
        )


def test_it_becomes_the_version_that_it_was_begun_as(mirror: MemoryMirror, bucket: Bucket) -> None:
    begin(mirror, bucket)
    bucket.had_bytes = PART_BYTES

    outcome = mirror.do(mirror.task("p"))

    assert outcome.synced is not None
    assert outcome.version is not None
    assert outcome.synced.version == outcome.version.id == BEGUN
    assert bucket.files["p"].attributes.version == BEGUN
    assert ("p", BEGUN) in mirror.intents
    assert outcome.moved_bytes == 1


def test_another_content_is_a_version_of_its_own(mirror: MemoryMirror, bucket: Bucket) -> None:
    begin(mirror, bucket)
    mirror.local.user_write("p", LARGE + b"y")

    outcome = mirror.do(mirror.task("p"))

    assert outcome.version is not None
    assert outcome.version.id == bucket.files["p"].attributes.version != BEGUN


def test_what_replaces_something_else_by_now_is_a_version_of_its_own(
    mirror: MemoryMirror, bucket: Bucket
) -> None:
    begin(mirror, bucket)
    mirror.agree("p", b"agreed on since")
    mirror.local.user_write("p", LARGE)

    outcome = mirror.do(mirror.task("p"))

    assert isinstance(outcome.operation, Upload)
    assert outcome.version is not None
    assert outcome.version.id != BEGUN


def test_a_path_that_has_had_a_newer_version_since_gets_no_older_one(
    mirror: MemoryMirror, bucket: Bucket
) -> None:
    begin(mirror, bucket)
    mirror.newest_of = {"p": "Z" * 26}  # it was there, and was deleted

    outcome = mirror.do(mirror.task("p"))

    assert outcome.version is not None
    assert outcome.version.id != BEGUN


def test_a_small_file_is_asked_about_by_nobody(mirror: MemoryMirror, bucket: Bucket) -> None:
    begin(mirror, bucket, b"small")

    outcome = mirror.do(mirror.task("p"))

    assert outcome.version is not None
    assert outcome.version.id != BEGUN


def test_what_the_path_holds_without_an_agreement_keeps_its_version(
    mirror: MemoryMirror, bucket: Bucket
) -> None:
    begin(mirror, bucket)
    held: Ulid = "0" * 25 + "H"
    mirror.held["p"] = held, sha256_of(LARGE)

    outcome = mirror.do(mirror.task("p"))

    assert isinstance(outcome.synced, SyncedState)
    assert outcome.synced.version == held == bucket.files["p"].attributes.version


def test_a_download_that_is_gone_on_with_moves_only_what_was_missing() -> None:
    folder = Bucket(knows_sha256=False)
    folder.offered, folder.had_bytes = {}, PART_BYTES
    mirror = MemoryMirror(local=folder)
    mirror.remote.user_write("p", LARGE)

    outcome = mirror.do(mirror.task("p"))

    assert outcome.moved_bytes == 1
