"""Move large contents: uploads in parts, and copies that the store makes in parts."""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from threading import Semaphore
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from docferry.core.going_on import is_to_be_gone_on_with
from docferry.core.parts import MAX_PART_BYTES, part_bytes_for
from docferry.errors import DocferryError
from docferry.model import SentPart, Sha256, Token, UploadPlan
from docferry.storage.base import PART_BYTES, PARTS_AT_ONCE, Content
from docferry.storage.part_reader import PartReader
from docferry.storage.s3_client import S3Client, boto_headers, conditions
from docferry.storage.s3_errors import no_answer
from docferry.storage.s3_uploads import TakenUp, abort, take_up

if TYPE_CHECKING:
    from mypy_boto3_s3.type_defs import CompletedPartTypeDef, CopySourceTypeDef

T = TypeVar("T")

_COPY_PART_BYTES = 1024**3


class _Piece(NamedTuple):
    body: bytes | PartReader
    size: int  #: bytes
    sha256_so_far: Sha256  #: of the content up to its end


class MultipartUpload:
    """
    An upload under way: nobody sees any of it before `complete`.

    A context manager. Leaving it without `complete` takes the parts away again, unless it
    can be gone on with and only the store failed. What a crash leaves behind is gone on
    with, or swept later, by the note of it (`storage.s3_uploads`).

    Args:
        size: Of the content, where the next try of the very same is to go on with what this
            one has sent, if it is cut off; None: each try begins anew.
    """

    def __init__(
        self, client: S3Client, key: str, headers: dict[str, str], *, size: int | None = None
    ) -> None:
        self._client = client
        self._boto = client.connections.boto
        self._key = key
        self._doing = f"write {key}"
        self._parts: list[CompletedPartTypeDef] = []
        self._is_completed = False
        self._has_gone_on = False  # a part was sent in this try
        self._had_sizes: list[int] = []  # of parts that an earlier try has sent; bytes
        self._moved: Callable[[int], object] = lambda count: None
        self._plan = None
        if size is not None:
            self._plan = UploadPlan(headers, size, part_bytes_for(size, PART_BYTES))
        found = take_up(client, key, self._plan) if self._plan else None
        self._id, self._had, self._there = found or TakenUp(self._begin(headers), {}, {})

    def _begin(self, headers: dict[str, str]) -> str:
        client, key = self._client, self._key
        begun = client.call(
            self._doing, self._boto.create_multipart_upload, Key=key, **boto_headers(headers)
        )
        if not begun.get("UploadId"):
            raise no_answer(self._doing, client.connections.endpoint_url)
        try:
            client.uploads.begin(key, begun["UploadId"], self._plan)
        except DocferryError:  # without a note nobody would ever take it away
            self._abort(begun["UploadId"])
            raise
        return begun["UploadId"]

    @property
    def had_bytes(self) -> int:
        """How much of what `send` was given an earlier try had sent already."""
        return sum(self._had_sizes)

    def send(
        self,
        content: Content,
        moved: Callable[[int], object] = lambda count: None,
        *,
        part_bytes: int = PART_BYTES,
        at_once: int = PARTS_AT_ONCE,
    ) -> Sha256:
        """
        Send all parts that the store has not yet, some at once, read in order.

        Args:
            moved: Told of the bytes of each part once the store has it.
            part_bytes: At least 5 MiB; more where there would be too many parts.
            at_once: So many parts are in memory.

        Returns:
            The SHA-256 of what was read: of all parts, also those that are there already.
        """
        digest = hashlib.sha256()
        self._moved = moved

        def pieces() -> Iterator[_Piece]:
            each = part_bytes_for(content.size, part_bytes)
            for offset in range(0, content.size, each):
                size = min(each, content.size - offset)
                body = _body(content, offset, size, digest.update)
                yield _Piece(body, size, digest.hexdigest())

        self._in_parallel(pieces(), self._send_part, at_once)
        return digest.hexdigest()

    def copy(
        self, source: CopySourceTypeDef, size: int, condition: Token | None, part_bytes: int
    ) -> None:
        """
        Let the store copy *source* part by part.

        Raises:
            StaleError: It is not *condition*.
        """

        def copy_part(number: int, offset: int) -> Token:
            last = min(offset + part_bytes, size) - 1
            answer = self._client.call(
                self._doing,
                self._boto.upload_part_copy,
                Key=self._key,
                UploadId=self._id,
                PartNumber=number,
                CopySource=source,
                CopySourceRange=f"bytes={offset}-{last}",
                **source_conditions(condition),
            )
            return self._client.etag_in(answer.get("CopyPartResult", {}), self._doing)

        self._in_parallel(iter(range(0, size, part_bytes)), copy_part)

    def complete(self, condition: Token | None) -> Token:
        """
        Make the object appear.

        Raises:
            StaleError: *condition* does not hold. It may be tried again with another.
        """
        answer = self._client.call(
            self._doing,
            self._boto.complete_multipart_upload,
            Key=self._key,
            UploadId=self._id,
            MultipartUpload={"Parts": self._parts},
            **conditions(condition),
        )
        token = self._client.etag_in(answer, self._doing)
        self._is_completed = True
        return token

    def __enter__(self) -> MultipartUpload:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: object
    ) -> None:
        if self._is_completed:
            # The object is there: a note too many does no harm, a failure would.
            with suppress(DocferryError):
                self._client.uploads.end(self._key, self._id)
        elif self._plan is not None and is_to_be_gone_on_with(error, has_gone_on=self._has_gone_on):
            self._client.uploads.leave(self._id)
        else:
            self._abort(self._id)

    def _abort(self, upload_id: str) -> None:
        self._client.uploads.leave(upload_id)
        with suppress(DocferryError):  # what went wrong before is what counts; it is swept later
            abort(self._client, self._key, upload_id)
            self._client.uploads.end(self._key, upload_id)

    def _send_part(self, number: int, piece: _Piece) -> Token:
        had = self._etag_there(number, piece)
        if had is not None:
            self._had_sizes.append(piece.size)
            self._moved(piece.size)
            return had
        answer = self._client.call(
            self._doing,
            self._boto.upload_part,
            Key=self._key,
            UploadId=self._id,
            PartNumber=number,
            Body=piece.body,
        )
        if isinstance(piece.body, PartReader):
            piece.body.check()
        etag = self._client.etag_in(answer, self._doing)
        self._has_gone_on = True
        self._moved(piece.size)
        if self._plan is not None:
            part = SentPart(number, etag, piece.sha256_so_far)
            self._client.uploads.sent(self._key, self._id, part)
        return etag

    def _etag_there(self, number: int, piece: _Piece) -> Token | None:
        """Give the ETag of a part that the store has already. None: it has not this one."""
        had = self._had.get(number)
        # A content that is another up to here has another part there, or before it.
        if had is not None and had.sha256_so_far == piece.sha256_so_far:
            return had.etag
        etag, size = self._there.get(number, ("", -1))
        # What came to the store as we were killed was not noted. Some of them tell an MD5.
        return etag if size == piece.size and _md5(piece.body) == etag else None

    def _in_parallel(
        self,
        pieces: Iterator[T],
        request: Callable[[int, T], Token],
        at_once: int = PARTS_AT_ONCE,
    ) -> None:
        """Send a request for each piece, with its part's number. The first failure ends it."""
        under_way: deque[Future[Token]] = deque()
        pool = ThreadPoolExecutor(at_once, thread_name_prefix="part")
        permits = self._client.part_permits
        try:
            for number, piece in enumerate(_permitted(pieces, permits), 1):
                sent = pool.submit(request, number, piece)
                sent.add_done_callback(lambda _: permits.release())
                under_way.append(sent)
                if len(under_way) == at_once:
                    self._note(under_way.popleft())
            while under_way:
                self._note(under_way.popleft())
        finally:
            pool.shutdown(cancel_futures=True)

    def _note(self, sent: Future[Token]) -> None:
        etag = f'"{sent.result()}"'
        self._parts.append({"PartNumber": len(self._parts) + 1, "ETag": etag})


def copy_object(
    client: S3Client,
    source: str,
    size: int,
    target: str,
    headers: dict[str, str],
    *,
    source_is: Token | None,
    target_is: Token | None,
    source_version_id: str | None = None,
    copy_bytes: int = MAX_PART_BYTES,
    part_bytes: int | None = None,
) -> Token:
    """
    Let the store copy an object, with *headers* instead of its own.

    Args:
        source_is, target_is: Conditions; None: the store would not look at them.
        source_version_id: Of a version that the bucket keeps; None: what is there now.

    Raises:
        StaleError: A condition does not hold, or *source* is gone.
    """
    which: CopySourceTypeDef = {"Bucket": client.bucket, "Key": source}
    if source_version_id is not None:
        which["VersionId"] = source_version_id
    if size > copy_bytes:
        with MultipartUpload(client, target, headers) as upload:
            part_bytes = part_bytes or part_bytes_for(size, _COPY_PART_BYTES)
            upload.copy(which, size, source_is, part_bytes)
            return upload.complete(target_is)
    doing = f"copy {source} to {target}"
    answer = client.call(
        doing,
        client.connections.boto.copy_object,
        Key=target,
        CopySource=which,
        MetadataDirective="REPLACE",
        **boto_headers(headers),
        **source_conditions(source_is),
        **conditions(target_is),
    )
    return client.etag_in(answer.get("CopyObjectResult", {}), doing)


def source_conditions(condition: Token | None) -> dict[str, str]:
    """Give boto3's arguments for a condition on what is copied."""
    return {} if condition is None else {"CopySourceIfMatch": f'"{condition}"'}


def _body(
    content: Content, offset: int, size: int, hashed: Callable[[bytes], object]
) -> bytes | PartReader:
    """Give a part, once it was hashed: in memory, unless it is too large to be held there."""
    if size > PART_BYTES:
        return PartReader(content, offset, size, hashed)
    body = content.part(offset, size)
    hashed(body)
    return body


def _md5(body: bytes | PartReader) -> str:
    digest = hashlib.md5(usedforsecurity=False)
    if isinstance(body, bytes):
        digest.update(body)
        return digest.hexdigest()
    while piece := body.read(PART_BYTES):
        digest.update(piece)
    body.seek(0)
    return digest.hexdigest()


def _permitted(pieces: Iterator[T], permits: Semaphore) -> Iterator[T]:
    """Give each of *pieces* with a permit taken for it: a piece takes memory once it is read."""
    while True:
        permits.acquire()
        piece = None
        try:
            piece = next(pieces, None)
        finally:
            if piece is None:
                permits.release()
        if piece is None:
            return
        yield piece
