"""
One bucket of one store, through two clients: single requests, errors in our own words.

obstore (Rust) carries small bodies: 10,000 puts of 4 KiB cost it 2.5 s of CPU, boto3 16.
boto3's core does everything else, and again whatever obstore failed at: its errors have
the store's own code, and it takes keys and headers that obstore refuses.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, TypeVar

import obstore
from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError
from obstore.exceptions import AlreadyExistsError, BaseError, PreconditionError

from docferry.errors import StaleError, TemporaryError
from docferry.model import Token
from docferry.storage.base import PART_BYTES, PARTS_AT_ONCE
from docferry.storage.s3_connect import Connections, S3Options
from docferry.storage.s3_errors import no_answer, status_of, translate
from docferry.storage.s3_metadata import (
    CONTENT_HEADERS,
    Headers,
    ObjectHead,
    clean,
    token_of,
)

if TYPE_CHECKING:
    from mypy_boto3_s3.type_defs import (
        GetObjectOutputTypeDef,
        HeadObjectOutputTypeDef,
        ListObjectsV2OutputTypeDef,
    )
    from obstore import GetResult, PutMode

T = TypeVar("T")

#: As a condition of a write: nothing may be there. Any other condition is the ETag of
#: what must be there; None: whatever is there.
ABSENT: Token = "*"

#: One for each part of a large content that is in memory, over all transfers.
PART_PERMITS = threading.BoundedSemaphore(2 * PARTS_AT_ONCE)

#: obstore's time limit is for the whole of an upload, boto3's for each step. Over a thin
#: line a large body takes long and is no fault: it goes through boto3.
_LEAN_BYTES = 256 * 1024
#: Keys that obstore refuses or rewrites, or that stores do (SeaweedFS: "\" into "/").
_AWKWARD = re.compile(r"[\x00-\x1f\x7f\\]|(?<![^/])\.{0,2}(?![^/])")
#: An answer about what is in the bucket proves for so long that there is one.
_BUCKET_SEEN_S = 1.0
#: What obstore raises; ValueError and OSError instead of classes of its own at times.
_LEAN_FAILED = (BaseError, ValueError, OSError)


@dataclass(frozen=True, slots=True)
class Fetched:
    """A whole object, or only its head where it is larger than PART_BYTES."""

    head: ObjectHead
    body: bytes | None


class S3Client:
    """
    Requests to one bucket. Thread-safe; asks nothing of the store when it is built.

    Every method raises UnreachableError, ThrottledError, TemporaryError or
    PermanentError, and StaleError where a condition does not hold.
    """

    def __init__(self, options: S3Options, bucket: str) -> None:
        self.bucket = bucket
        self.connections = Connections(options, bucket)
        self._answered_s = -_BUCKET_SEEN_S

    def call(self, doing: str, request: Callable[..., T], **arguments: Any) -> T:
        """Send *request*, a method of `connections.boto`, to the bucket."""
        try:
            return request(Bucket=self.bucket, **arguments)
        except (BotoCoreError, ClientError, ResponseParserError) as error:
            raise self._translated(error, doing) from error

    def head_bucket(self) -> None:
        """
        Raises:
            PermanentError: There is no such bucket, or it is not ours to use.
        """
        self.call(f"use bucket {self.bucket}", self.connections.boto.head_bucket)
        self._answered_s = time.monotonic()

    def head(self, key: str) -> ObjectHead | None:
        """
        Look at one object. None: there is none.

        Raises:
            PermanentError: There is no bucket, and so nothing is known of the object.
        """
        found = self._head(key)
        if found is not None:
            self._answered_s = time.monotonic()
        elif time.monotonic() - self._answered_s > _BUCKET_SEEN_S:
            self.head_bucket()  # a HEAD's 404 does not tell a missing key from a missing bucket
        return found

    def get(self, key: str, expect: Token | None) -> Fetched:
        """
        Fetch one object.

        Args:
            expect: Its ETag; None: any.

        Raises:
            StaleError: There is another one, or none.
        """
        fetched = self._get_lean(key, expect) if is_plain(key) else None
        if fetched is None:
            fetched = self._get_with_boto(key, expect)
        if expect not in (None, fetched.head.token):  # rclone does not look at If-Match
            raise StaleError(f"{key} is another content than expected")
        self._answered_s = time.monotonic()
        return fetched

    def get_range(self, key: str, expect: Token, offset: int, size: int) -> bytes:
        """
        Fetch a piece of one object. Not through obstore: it does not understand rclone's.

        Raises:
            StaleError: There is another object, or none.
        """
        doing = f"read {key}"
        answer = self.call(
            doing,
            self.connections.boto.get_object,
            Key=key,
            IfMatch=f'"{expect}"',
            Range=f"bytes={offset}-{offset + size - 1}",
        )
        head = self._head_of(answer, doing)
        if head.token != expect:
            raise StaleError(f"{key} is another content than expected")
        return self._body_of(answer, doing, size)

    def put(self, key: str, body: bytes, headers: dict[str, str], condition: Token | None) -> Token:
        """
        Store one object, where *condition* holds.

        Raises:
            StaleError: It does not hold.
        """
        token = None
        if len(body) <= _LEAN_BYTES and is_plain(key):
            token = self._put_lean(key, body, headers, condition)
        if token is None:
            token = self._put_with_boto(key, body, headers, condition)
        self._answered_s = time.monotonic()
        return token

    def delete(self, key: str, condition: Token | None = None) -> None:
        """
        Raises:
            StaleError: *condition* does not hold.
        """
        boto, doing = self.connections.boto, f"delete {key}"
        answer = self.call(doing, boto.delete_object, Key=key, **conditions(condition))
        # A proxy's log-in page is a 200 too.
        if answer["ResponseMetadata"]["HTTPStatusCode"] != 204 and self.head(key) is not None:
            raise no_answer(doing, self.connections.endpoint_url)

    def list_page(self, prefix: str, after: str | None) -> ListObjectsV2OutputTypeDef:
        """Fetch one page of the listing, unchecked: `storage.listing` does that."""
        following = {} if after is None else {"ContinuationToken": after}
        page = self.call(
            f"list {self.bucket}/{prefix}",
            self.connections.boto.list_objects_v2,
            Prefix=prefix,
            **following,
        )
        self._answered_s = time.monotonic()
        return page

    def etag_in(self, answer: Any, doing: str) -> Token:
        """
        Give the ETag that every genuine answer about an object carries.

        Raises:
            TemporaryError: It has none: no store has sent it.
        """
        etag = answer.get("ETag")
        if not etag:
            raise no_answer(doing, self.connections.endpoint_url)
        return token_of(etag)

    # Through obstore. None: to be tried with boto3.

    def _get_lean(self, key: str, expect: Token | None) -> Fetched | None:
        try:
            result = obstore.get(
                self.connections.lean,
                key,
                options={"if_match": f'"{expect}"'} if expect is not None else None,
            )
            head = _lean_head(result)
            if head is None:
                return None
            body = bytes(result.bytes()) if head.size <= PART_BYTES else None
        except PreconditionError as error:
            raise self._translated(error, f"read {key}") from error
        except _LEAN_FAILED:
            return None
        if body is not None and len(body) != head.size:
            return None
        return Fetched(head, body)

    def _put_lean(
        self, key: str, body: bytes, headers: dict[str, str], condition: Token | None
    ) -> Token | None:
        mode: PutMode = "overwrite"
        if condition is not None:
            mode = "create" if condition == ABSENT else {"e_tag": f'"{condition}"'}
        try:
            result = obstore.put(
                self.connections.lean,
                key,
                body,
                attributes=headers,
                mode=mode,
                use_multipart=False,
            )
        except (AlreadyExistsError, PreconditionError) as error:
            raise self._translated(error, f"write {key}") from error
        except _LEAN_FAILED:
            return None
        etag = result["e_tag"]
        return token_of(etag) if etag else None

    def _head(self, key: str) -> ObjectHead | None:
        if is_plain(key):
            try:
                result = obstore.get(self.connections.lean, key, options={"head": True})
                found = _lean_head(result)
            except FileNotFoundError:
                return None
            except _LEAN_FAILED:
                found = None
            if found is not None:
                return found
        return self._head_with_boto(key)

    # Through boto3.

    def _head_with_boto(self, key: str) -> ObjectHead | None:
        doing = f"look at {key}"
        try:
            answer = self.connections.boto.head_object(Bucket=self.bucket, Key=key)
        except ClientError as error:
            if status_of(error) == 404:
                return None
            raise self._translated(error, doing) from error
        except (BotoCoreError, ResponseParserError) as error:
            raise self._translated(error, doing) from error
        return self._head_of(answer, doing)

    def _get_with_boto(self, key: str, expect: Token | None) -> Fetched:
        doing = f"read {key}"
        answer = self.call(
            doing,
            self.connections.boto.get_object,
            Key=key,
            **conditions(expect),
        )
        head = self._head_of(answer, doing)
        if head.size > PART_BYTES:
            answer["Body"].close()
            return Fetched(head, None)
        return Fetched(head, self._body_of(answer, doing, head.size))

    def _put_with_boto(
        self, key: str, body: bytes, headers: dict[str, str], condition: Token | None
    ) -> Token:
        doing = f"write {key}"
        answer = self.call(
            doing,
            self.connections.boto.put_object,
            Key=key,
            Body=body,
            **boto_headers(headers),
            **conditions(condition),
        )
        return self.etag_in(answer, doing)

    def _head_of(
        self, answer: GetObjectOutputTypeDef | HeadObjectOutputTypeDef, doing: str
    ) -> ObjectHead:
        token = self.etag_in(answer, doing)
        headers = {
            name: str(answer[argument])  # type: ignore[literal-required]
            for name, argument in CONTENT_HEADERS.items()
            if answer.get(argument)
        }
        metadata = {name.lower(): value for name, value in answer.get("Metadata", {}).items()}
        modified = str(answer.get("LastModified", ""))  # unparsed, as we asked for
        return ObjectHead(
            token, answer["ContentLength"], clean(metadata | headers), _http_date_ns(modified)
        )

    def _body_of(self, answer: GetObjectOutputTypeDef, doing: str, size: int) -> bytes:
        try:
            with answer["Body"] as stream:
                body = stream.read()
        except BotoCoreError as error:
            raise self._translated(error, doing) from error
        if len(body) != size:
            raise TemporaryError(f"cannot {doing}: {len(body)} bytes came of {size}")
        return body

    def _translated(self, error: Exception, doing: str) -> Exception:
        return translate(error, doing, self.connections.endpoint_url)


def is_plain(key: str) -> bool:
    """Say whether every client and store takes *key* as it is."""
    return _AWKWARD.search(key) is None


def conditions(condition: Token | None) -> dict[str, str]:
    """Give boto3's arguments for a condition."""
    if condition is None:
        return {}
    return {"IfNoneMatch": "*"} if condition == ABSENT else {"IfMatch": f'"{condition}"'}


def boto_headers(headers: Headers) -> dict[str, Any]:
    """Give boto3's arguments for *headers*."""
    known = {CONTENT_HEADERS[name]: headers[name] for name in headers if name in CONTENT_HEADERS}
    metadata = {name: value for name, value in headers.items() if name not in CONTENT_HEADERS}
    return known | {"Metadata": metadata}


def _lean_head(result: GetResult) -> ObjectHead | None:
    meta = result.meta
    etag = meta["e_tag"]
    if not etag:
        return None
    modified_ns = int(meta["last_modified"].timestamp()) * 10**9
    headers = result.attributes
    if "Content-Encoding" in headers:
        headers = clean(headers)
    return ObjectHead(token_of(etag), meta["size"], headers, modified_ns)


def _http_date_ns(text: str) -> int | None:
    try:
        return int(parsedate_to_datetime(text).timestamp()) * 10**9
    except ValueError:
        return None
