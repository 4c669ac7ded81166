"""
Uploads in parts that are begun: which are ours, which to go on with, which nobody goes on with.

A store lists begun uploads without their metadata: it cannot be asked whose they are.
So the id that it gave us is noted before the first part is sent, and only what was
noted is ever gone on with, or taken away. What was begun and not noted has no part.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple, Protocol

from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError

from docferry.errors import DocferryError, ThrottledError, UnreachableError
from docferry.model import BegunUpload, SentPart, Token, UploadPlan
from docferry.storage.s3_errors import code_of, translate
from docferry.storage.s3_metadata import token_of

if TYPE_CHECKING:
    from docferry.storage.s3_client import S3Client


class UploadNotes(Protocol):
    """Durable notes of begun uploads, each by the whole key and the store's id for it."""

    def begun(self, bucket: str, key: str, upload_id: str, plan: UploadPlan | None) -> None: ...
    def sent(self, bucket: str, key: str, upload_id: str, part: SentPart) -> None: ...
    def parts(self, bucket: str, key: str, upload_id: str) -> Sequence[SentPart]: ...
    def ended(self, bucket: str, key: str, upload_id: str) -> None: ...
    def unfinished(self, bucket: str) -> Sequence[BegunUpload]:
        """Give what was begun and has not ended."""
        ...


class NoNotes:
    """For whoever begins no uploads in parts, or does not mind what a crash leaves."""

    def begun(self, bucket: str, key: str, upload_id: str, plan: UploadPlan | None) -> None:
        """Note nothing."""

    def sent(self, bucket: str, key: str, upload_id: str, part: SentPart) -> None:
        """Note nothing."""

    def parts(self, bucket: str, key: str, upload_id: str) -> Sequence[SentPart]:
        return ()

    def ended(self, bucket: str, key: str, upload_id: str) -> None:
        """Note nothing."""

    def unfinished(self, bucket: str) -> Sequence[BegunUpload]:
        return ()


class BegunUploads:
    """The uploads in parts to one bucket. Thread-safe."""

    def __init__(self, bucket: str, notes: UploadNotes) -> None:
        self._bucket = bucket
        self._notes = notes
        self._under_way: set[str] = set()
        self._lock = threading.Lock()

    def begin(self, key: str, upload_id: str, plan: UploadPlan | None = None) -> None:
        """
        Note an upload, before its first part is sent, or once more when it is gone on with.

        Args:
            plan: What it is of; None: nobody is to go on with it.
        """
        with self._lock:
            self._under_way.add(upload_id)
        try:
            self._notes.begun(self._bucket, key, upload_id, plan)
        except DocferryError:
            self.leave(upload_id)
            raise

    def sent(self, key: str, upload_id: str, part: SentPart) -> None:
        """Note that the store has taken a part. Without the note it is only sent again."""
        with suppress(DocferryError):
            self._notes.sent(self._bucket, key, upload_id, part)

    def parts(self, key: str, upload_id: str) -> Sequence[SentPart]:
        """Give the parts that the store has taken, as far as they were noted."""
        return self._notes.parts(self._bucket, key, upload_id)

    def leave(self, upload_id: str) -> None:
        """Say that nobody goes on with an upload; its note stays until its parts are gone."""
        with self._lock:
            self._under_way.discard(upload_id)

    def end(self, key: str, upload_id: str) -> None:
        """Forget an upload that became an object, or whose parts are gone."""
        self.leave(upload_id)
        self._notes.ended(self._bucket, key, upload_id)

    def left(self, key: str | None = None) -> list[BegunUpload]:
        """Give the uploads of ours, to *key* or any, that are cut off: by an earlier process."""
        noted = self._notes.unfinished(self._bucket)
        with self._lock:
            return [
                upload
                for upload in noted
                if upload.id not in self._under_way and key in (None, upload.key)
            ]


def abort(client: S3Client, key: str, upload_id: str) -> None:
    """Let the store throw the parts of an upload away; one that it does not know has none."""
    try:
        client.send(client.connections.boto.abort_multipart_upload, Key=key, UploadId=upload_id)
    except (BotoCoreError, ClientError, ResponseParserError) as error:
        if isinstance(error, ClientError) and code_of(error) == "NoSuchUpload":
            return
        doing = f"take away the parts of {key}"
        raise translate(error, doing, client.connections.endpoint_url) from error


class TakenUp(NamedTuple):
    """An upload that is gone on with."""

    id: str  #: the store's own
    noted: Mapping[int, SentPart]  #: parts that were noted and that the store has, by number
    there: Mapping[int, tuple[Token, int]]  #: ETag and size of all parts that it has


def take_up(client: S3Client, key: str, plan: UploadPlan) -> TakenUp | None:
    """
    Find an upload to *key* of the very same plan that was cut off; others to it are aborted.

    Returns:
        None: there is none, or the store has forgotten it.
    """
    found = None
    for left in client.uploads.left(key):
        has = _parts_there(client, left) if left.plan == plan and found is None else None
        if has is not None:
            client.uploads.begin(key, left.id, plan)
            noted = client.uploads.parts(key, left.id)
            known = {part.number: part for part in noted if _is_there(part, has, plan)}
            found = TakenUp(left.id, known, has)
            continue
        with suppress(DocferryError):  # it is swept later
            abort(client, key, left.id)
            client.uploads.end(key, left.id)
    return found


def sweep(
    client: S3Client, is_wanted: Callable[[BegunUpload], bool] = lambda _: False
) -> list[DocferryError]:
    """
    Take away the parts that interrupted uploads of ours have left in the bucket.

    Args:
        is_wanted: Asked about each that can be gone on with: whether it may be.

    Returns:
        Why some are still there; they are tried again the next time.

    Raises:
        UnreachableError: The store does not answer.
    """
    failures: list[DocferryError] = []
    for left in client.uploads.left():
        if left.plan is not None and is_wanted(left):
            continue
        try:
            abort(client, left.key, left.id)
        except UnreachableError:
            raise
        except DocferryError as error:
            failures.append(error)
        else:
            client.uploads.end(left.key, left.id)
    return failures


def _parts_there(client: S3Client, left: BegunUpload) -> dict[int, tuple[Token, int]] | None:
    """
    Ask the store for ETag and size of each part that it has of an upload.

    None: it has forgotten the upload, or cannot tell.

    Raises:
        UnreachableError, ThrottledError: It does not answer now.
    """
    boto, found = client.connections.boto, dict[int, tuple[Token, int]]()
    doing, after = f"list the parts of {left.key}", 0
    try:
        while True:
            page = client.call(
                doing, boto.list_parts, Key=left.key, UploadId=left.id, PartNumberMarker=after
            )
            for part in page.get("Parts", ()):
                found[part["PartNumber"]] = token_of(part["ETag"]), part["Size"]
            if not page.get("IsTruncated") or max(found, default=0) <= after:
                return found
            after = max(found)
    except (UnreachableError, ThrottledError):
        raise
    except (DocferryError, KeyError):
        return None


def _is_there(part: SentPart, has: Mapping[int, tuple[Token, int]], plan: UploadPlan) -> bool:
    size = min(plan.part_bytes, plan.size - (part.number - 1) * plan.part_bytes)
    return has.get(part.number) == (part.etag, size)
