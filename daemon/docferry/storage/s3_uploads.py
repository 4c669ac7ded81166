"""
Uploads in parts that are begun: which are ours, and which of them nobody goes on with.

A store lists begun uploads without their metadata: it cannot be asked whose they are.
So the id that it gave us is noted before the first part is sent, and only what was
noted is ever taken away. What was begun and not noted has no part.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError

from docferry.errors import DocferryError, UnreachableError
from docferry.storage.s3_errors import code_of, translate

if TYPE_CHECKING:
    from docferry.storage.s3_client import S3Client


class UploadNotes(Protocol):
    """Durable notes of begun uploads, each by the whole key and the store's id for it."""

    def begun(self, bucket: str, key: str, upload_id: str) -> None: ...
    def ended(self, bucket: str, key: str, upload_id: str) -> None: ...
    def unfinished(self, bucket: str) -> Sequence[tuple[str, str]]:
        """Give the keys and ids of what was begun and has not ended."""
        ...


class NoNotes:
    """For whoever begins no uploads in parts, or does not mind what a crash leaves."""

    def begun(self, bucket: str, key: str, upload_id: str) -> None:
        """Note nothing."""

    def ended(self, bucket: str, key: str, upload_id: str) -> None:
        """Note nothing."""

    def unfinished(self, bucket: str) -> Sequence[tuple[str, str]]:
        return ()


class BegunUploads:
    """The uploads in parts to one bucket. Thread-safe."""

    def __init__(self, bucket: str, notes: UploadNotes) -> None:
        self._bucket = bucket
        self._notes = notes
        self._under_way: set[str] = set()
        self._lock = threading.Lock()

    def begin(self, key: str, upload_id: str) -> None:
        """Note an upload, before its first part is sent."""
        with self._lock:
            self._under_way.add(upload_id)
        self._notes.begun(self._bucket, key, upload_id)

    def leave(self, upload_id: str) -> None:
        """Say that nobody goes on with an upload; its note stays until its parts are gone."""
        with self._lock:
            self._under_way.discard(upload_id)

    def end(self, key: str, upload_id: str) -> None:
        """Forget an upload that became an object, or whose parts are gone."""
        self.leave(upload_id)
        self._notes.ended(self._bucket, key, upload_id)

    def left(self) -> list[tuple[str, str]]:
        """Give the uploads of ours that nobody goes on with: an earlier process's, mostly."""
        noted = self._notes.unfinished(self._bucket)
        with self._lock:
            return [(key, upload) for key, upload in noted if upload not in self._under_way]


def abort(client: S3Client, key: str, upload_id: str) -> None:
    """Let the store throw the parts of an upload away; one that it does not know has none."""
    try:
        client.connections.boto.abort_multipart_upload(
            Bucket=client.bucket, Key=key, UploadId=upload_id
        )
    except (BotoCoreError, ClientError, ResponseParserError) as error:
        if isinstance(error, ClientError) and code_of(error) == "NoSuchUpload":
            return
        doing = f"take away the parts of {key}"
        raise translate(error, doing, client.connections.endpoint_url) from error


def sweep(client: S3Client) -> list[DocferryError]:
    """
    Take away the parts that interrupted uploads of ours have left in the bucket.

    Returns:
        Why some are still there; they are tried again the next time.

    Raises:
        UnreachableError: The store does not answer.
    """
    failures: list[DocferryError] = []
    for key, upload_id in client.uploads.left():
        try:
            abort(client, key, upload_id)
        except UnreachableError:
            raise
        except DocferryError as error:
            failures.append(error)
        else:
            client.uploads.end(key, upload_id)
    return failures
