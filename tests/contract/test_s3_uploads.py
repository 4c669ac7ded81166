"""What a killed upload leaves in the store, and that only that is taken away."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest
from ulid import ULID

from contract.backends import s3_options
from docferry.errors import TemporaryError
from docferry.model import Attributes, BegunUpload, SentPart, UploadPlan
from docferry.storage.base import PART_BYTES
from docferry.storage.memory import BytesContent
from docferry.storage.part_reader import PartReader
from docferry.storage.probe import PROBE_PREFIX
from docferry.storage.s3 import S3Storage
from docferry.storage.s3_client import S3Client
from docferry.storage.s3_multipart import MultipartUpload
from servers import BUCKET, S3Server

LARGE = BytesContent(b"x" * (PART_BYTES + 1))


class Notes:
    """What a ledger keeps of begun uploads; it stays when the process is gone."""

    def __init__(self) -> None:
        self.noted: dict[str, BegunUpload] = {}
        self.sent_parts: dict[str, list[SentPart]] = defaultdict(list)
        self.is_full = False

    def begun(self, bucket: str, key: str, upload_id: str, plan: UploadPlan | None) -> None:
        if self.is_full:
            raise TemporaryError("the disk is full")
        self.noted[upload_id] = BegunUpload(key, upload_id, datetime.now(UTC), plan)

    def sent(self, bucket: str, key: str, upload_id: str, part: SentPart) -> None:
        self.sent_parts[upload_id].append(part)

    def parts(self, bucket: str, key: str, upload_id: str) -> Sequence[SentPart]:
        return self.sent_parts[upload_id]

    def ended(self, bucket: str, key: str, upload_id: str) -> None:
        self.noted.pop(upload_id, None)

    def unfinished(self, bucket: str) -> Sequence[BegunUpload]:
        return list(self.noted.values())


class Site:
    """A prefix of its own in a store, with what was noted about it."""

    def __init__(self, server: S3Server) -> None:
        self.notes = Notes()
        self.boto = server.client()
        self._server = server
        self.options = s3_options(server)
        self.prefix = f"{ULID()}/"

    def storage(self) -> S3Storage:
        """Give the storage as a process that has just been started has it."""
        return S3Storage(s3_options(self._server), BUCKET, self.prefix, notes=self.notes)

    def kill_in_mid_upload(self, key: str) -> MultipartUpload:
        """Send all parts of an upload and die before they become an object."""
        client = S3Client(s3_options(self._server), BUCKET, self.prefix, self.notes)
        upload = MultipartUpload(client, self.prefix + key, {})
        upload.send(LARGE)
        return upload

    def strange_upload(self, key: str) -> str:
        """Begin an upload as somebody else does; give its id."""
        full_key = self.prefix + key
        upload_id = self.boto.create_multipart_upload(Bucket=BUCKET, Key=full_key)["UploadId"]
        self.boto.upload_part(
            Bucket=BUCKET, Key=full_key, UploadId=upload_id, PartNumber=1, Body=b"theirs"
        )
        return upload_id

    def uploads(self) -> list[str]:
        """Give the ids of the uploads that are begun below the prefix."""
        page = self.boto.list_multipart_uploads(Bucket=BUCKET, Prefix=self.prefix)
        return [upload["UploadId"] for upload in page.get("Uploads", ())]


@pytest.fixture(params=["seaweedfs", "rclone", "moto"])
def site(request: pytest.FixtureRequest) -> Site:
    return Site(request.getfixturevalue(request.param))


def test_the_parts_of_a_killed_upload_are_taken_away_by_the_next_process(site: Site) -> None:
    site.kill_in_mid_upload("a")
    site.kill_in_mid_upload("b")
    assert len(site.uploads()) == 2

    failures = site.storage().sweep_uploads()

    assert failures == []
    assert site.uploads() == []
    assert site.notes.noted == {}


def test_a_strangers_upload_is_left_alone_also_to_the_very_key(site: Site) -> None:
    site.kill_in_mid_upload("a")
    theirs = [site.strange_upload("a"), site.strange_upload("b")]

    site.storage().sweep_uploads()

    assert sorted(site.uploads()) == sorted(theirs)


def test_an_upload_that_is_under_way_is_not_swept(site: Site) -> None:
    storage = site.storage()

    class Sweeping(BytesContent):
        """Lets housekeeping come while it is being sent."""

        def confirm(self) -> None:
            assert storage.sweep_uploads() == []

    written = storage.write("a", Sweeping(b"x" * (PART_BYTES + 1)), Attributes(), expect=None)

    assert written.size == PART_BYTES + 1
    assert site.notes.noted == {}
    assert site.uploads() == []


def test_an_upload_that_was_completed_and_not_struck_off_keeps_its_object(site: Site) -> None:
    """A kill between the two: the sweep then asks the store to abort what is an object."""
    site.kill_in_mid_upload("a").complete(None)
    assert len(site.notes.noted) == 1

    failures = site.storage().sweep_uploads()

    assert failures == []
    assert site.notes.noted == {}
    head = site.boto.head_object(Bucket=BUCKET, Key=site.prefix + "a")
    assert head["ContentLength"] == LARGE.size


def test_no_part_is_sent_of_an_upload_that_could_not_be_noted(site: Site) -> None:
    site.notes.is_full = True

    with pytest.raises(TemporaryError, match="disk is full"):
        site.storage().write("a", LARGE, Attributes(), expect=None)

    assert site.uploads() == []


def test_a_probe_removes_what_an_earlier_one_that_was_killed_has_left(site: Site) -> None:
    long_ago = ULID.from_datetime(datetime.now(UTC) - timedelta(hours=2))
    lately = ULID.from_datetime(datetime.now(UTC) - timedelta(minutes=2))
    left = {f"{long_ago}/a/b", f"{long_ago}/a-b"}
    others = {f"{lately}/a/b", "a document of somebody/x"}
    for name in left | others:
        site.boto.put_object(Bucket=BUCKET, Key=f"{site.prefix}{PROBE_PREFIX}{name}", Body=b"x")

    site.storage().probe()

    folder = f"{site.prefix}{PROBE_PREFIX}"
    page = site.boto.list_objects_v2(Bucket=BUCKET, Prefix=folder)
    assert {found["Key"].removeprefix(folder) for found in page["Contents"]} == others


def test_a_part_that_is_too_large_for_memory_is_read_while_it_is_sent(site: Site) -> None:
    whole = os.urandom(12 * 1024**2)
    client = S3Client(site.options, BUCKET, site.prefix, site.notes)
    boto, which = client.connections.boto, {"Key": site.prefix + "a"}
    half = len(whole) // 2
    which["UploadId"] = client.call("begin", boto.create_multipart_upload, **which)["UploadId"]
    parts = []
    for number, offset in enumerate((0, half), 1):
        body = PartReader(BytesContent(whole), offset, half, lambda piece: None)
        answer = client.call("send", boto.upload_part, PartNumber=number, Body=body, **which)
        body.check()
        parts.append({"PartNumber": number, "ETag": answer["ETag"]})

    client.call("end", boto.complete_multipart_upload, MultipartUpload={"Parts": parts}, **which)

    held = site.boto.get_object(Bucket=BUCKET, Key=site.prefix + "a")
    assert held["Body"].read() == whole
