"""
One bucket of one store, through two clients: single requests, errors in our own words.

obstore carries small bodies (`storage.s3_lean`), boto3 everything else and again whatever
obstore failed at.
"""

from __future__ import annotations

import base64
import re
import time
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError

from docferry.errors import StaleError, TemporaryError
from docferry.model import Sha256, Token
from docferry.storage import s3_lean
from docferry.storage.base import PART_BYTES
from docferry.storage.clock import skew_s
from docferry.storage.listing import Page
from docferry.storage.s3_connect import Connections, S3Options
from docferry.storage.s3_errors import no_answer, status_of, translate
from docferry.storage.s3_genuine import PutAnswers, is_doubtful, is_listed, is_marked_as
from docferry.storage.s3_metadata import (
    ABSENT,
    CONTENT_HEADERS,
    Fetched,
    Headers,
    ObjectHead,
    clean,
    token_of,
)
from docferry.storage.s3_meter import MirrorMeter
from docferry.storage.s3_uploads import BegunUploads, NoNotes, UploadNotes

if TYPE_CHECKING:
    from botocore.response import StreamingBody
    from mypy_boto3_s3.type_defs import (
        GetObjectOutputTypeDef,
        HeadObjectOutputTypeDef,
    )

T = TypeVar("T")

#: S3 takes no longer keys. AWS answers 400 to a HEAD for one, without saying why.
_KEY_BYTES = 1024
_IS_CHECKSUM = re.compile(r"[A-Za-z0-9+/]{43}=")  # of 32 bytes
#: An answer about what is in the bucket proves for so long that there is one.
_BUCKET_SEEN_S = 1.0


class S3Client:
    """
    Requests to one bucket. Thread-safe; asks nothing of the store when it is built.

    Every method raises UnreachableError, ThrottledError, TemporaryError or
    PermanentError, and StaleError where a condition does not hold.
    """

    def __init__(
        self,
        options: S3Options,
        bucket: str,
        prefix: str = "",
        notes: UploadNotes | None = None,
        meter: MirrorMeter | None = None,
    ) -> None:
        self.bucket = bucket
        self.uploads = BegunUploads(bucket, notes or NoNotes())
        self.prefix = prefix
        self._put_answers = PutAnswers()
        self.connections = Connections(options, bucket, meter)
        self.part_permits = self.connections.meter.store.part_permits
        self._answered_s = -_BUCKET_SEEN_S
        #: The store's clock minus ours, as of its last listing or refusal; None: not known.
        self.skew_s: float | None = None

    def call(self, doing: str, request: Callable[..., T], **arguments: Any) -> T:
        """Send *request*, a method of `connections.boto`, to the bucket."""
        try:
            return self.send(request, **arguments)
        except (BotoCoreError, ClientError, ResponseParserError) as error:
            raise self._translated(error, doing) from error

    def send(self, request: Callable[..., T], **arguments: Any) -> T:
        """Do so, and let boto3's errors through."""
        with self.connections.meter.sending():
            return request(Bucket=self.bucket, **arguments)

    def find_bucket(self) -> None:
        """
        Make sure that the bucket is there and open to us.

        By listing, not by HEAD: that would not tell why it is refused, and asks for more
        than a policy that allows one prefix.

        Raises:
            PermanentError: It is not; the message says what to do.
        """
        doing, boto = f"use bucket {self.bucket}", self.connections.boto
        sent_at = datetime.now(UTC)
        page = self.call(doing, boto.list_objects_v2, Prefix=self.prefix, MaxKeys=1)
        self._note_clock(page, sent_at)
        if not page.get("Name"):
            raise no_answer(doing, self.connections.endpoint_url)
        self._answered_s = time.monotonic()

    def head(self, key: str, version_id: str | None = None) -> ObjectHead | None:
        """
        Look at one object, or at a version of it that the bucket keeps. None: there is none.

        Raises:
            PermanentError: There is no bucket, and so nothing is known of the object.
        """
        found = s3_lean.head(self.connections, key) if version_id is None else None
        found = found or self._head_with_boto(key, version_id)
        if not isinstance(found, str):
            if version_id is None:
                self._refuse_pages(key, found, f"look at {key}")
            self._answered_s = time.monotonic()
        elif time.monotonic() - self._answered_s > _BUCKET_SEEN_S:
            self.find_bucket()  # a HEAD's 404 does not tell a missing key from a missing bucket
        return None if isinstance(found, str) else found

    def checksum(self, key: str, expect: Token) -> Sha256 | None:
        """Give the SHA-256 that the store keeps of an object; None: none, or it is another one."""
        try:
            answer = self.send(self.connections.boto.head_object, Key=key, ChecksumMode="ENABLED")
        except (ClientError, BotoCoreError, ResponseParserError) as error:
            if isinstance(error, ClientError) and status_of(error) == 404:
                return None
            raise self._translated(error, f"look at {key}") from error
        encoded = answer.get("ChecksumSHA256", "")
        is_whole = _IS_CHECKSUM.fullmatch(encoded) is not None  # of parts it ends in "-7"
        is_it = token_of(answer.get("ETag", "")) == expect
        return base64.b64decode(encoded).hex() if is_whole and is_it else None

    def get(self, key: str, expect: Token | None, version_id: str | None = None) -> Fetched:
        """
        Fetch one object.

        Args:
            expect: Its ETag; None: any.
            version_id: Of a version that the bucket keeps; None: the object as it is now.

        Raises:
            StaleError: There is another one, or none.
        """
        fetched = s3_lean.get(self.connections, key, expect) if version_id is None else None
        fetched = fetched or self._get_with_boto(key, expect, version_id)
        if expect is None and version_id is None:
            self._refuse_pages(key, fetched.head, f"read {key}")
        if expect not in (None, fetched.head.token):  # rclone does not look at If-Match
            raise StaleError(f"{key} is another content than expected")
        self._answered_s = time.monotonic()
        return fetched

    def get_range(
        self, key: str, expect: Token, offset: int, size: int, version_id: str | None = None
    ) -> bytes:
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
            **_of_version(version_id),
        )
        with closing(answer["Body"]) as stream:
            head = self._head_of(answer, doing)
            if head.token != expect:
                raise StaleError(f"{key} is another content than expected")
            return self._all_of(stream, doing, size)

    def put(self, key: str, body: bytes, headers: dict[str, str], condition: Token | None) -> Token:
        """
        Store one object, where *condition* holds.

        Raises:
            StaleError: It does not hold.
        """
        token = s3_lean.put(self.connections, key, body, headers, condition)
        if token is None:
            token = self._put_with_boto(key, body, headers, condition)
        if self._put_answers.is_doubtful(token, body):
            token = self._token_of_what_came(key, body, headers, token)
        self._answered_s = time.monotonic()
        return token

    def delete(
        self, key: str, condition: Token | None = None, version_id: str | None = None
    ) -> bool:
        """
        Delete one object, or a version of it that the bucket keeps.

        Returns:
            The bucket has kept the object as a version of its own, below a delete marker.

        Raises:
            StaleError: *condition* does not hold.
        """
        boto, doing, which = self.connections.boto, f"delete {key}", _of_version(version_id)
        answer = self.call(doing, boto.delete_object, Key=key, **which, **conditions(condition))
        # A proxy's log-in page is a 200 too.
        is_certain = answer["ResponseMetadata"]["HTTPStatusCode"] == 204
        if not is_certain and self.head(key, version_id) is not None:
            raise no_answer(doing, self.connections.endpoint_url)
        return version_id is None and answer.get("DeleteMarker", False)

    def list_page(self, prefix: str, after: str | None, start: str | None = None) -> Page:
        """
        Fetch one page of the listing, unchecked: `storage.listing` does that.

        Args:
            after: The page before gave this token.
            start: Instead: only what comes after this key.
        """
        following: dict[str, Any] = {} if after is None else {"ContinuationToken": after}
        if start is not None:
            following["StartAfter"] = start
        sent_at = datetime.now(UTC)
        page = self.call(
            f"list {self.bucket}/{prefix}",
            self.connections.boto.list_objects_v2,
            Prefix=prefix,
            **following,
        )
        self._answered_s = time.monotonic()
        self._note_clock(page, sent_at)
        return page

    def hides_md5(self, key: str, expect: Token, version_id: str | None = None) -> bool:
        """
        Ask whether an object is encrypted so that its ETag is no MD5 (SSE-KMS, SSE-C).

        Raises:
            StaleError: There is another object by now.
        """
        doing = f"look at {key}"
        which = _of_version(version_id)
        answer = self.call(doing, self.connections.boto.head_object, Key=key, **which)
        if self.etag_in(answer, doing) != expect:
            raise StaleError(f"{key} is another content than expected")
        is_with_own_key = "SSECustomerAlgorithm" in answer
        return is_with_own_key or answer.get("ServerSideEncryption", "AES256") != "AES256"

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

    # Whether an answer is one.

    def _refuse_pages(self, key: str, head: ObjectHead, doing: str) -> None:
        """
        Raises:
            TemporaryError: Nothing in the answer tells that it is a store's, nor does a listing.
        """
        if not is_doubtful(head):
            return
        # What is below "a" is one common prefix, and comes after it.
        page = self.call(
            doing, self.connections.boto.list_objects_v2, Prefix=key, Delimiter="/", MaxKeys=100
        )
        if not page.get("Name") or not is_listed(page, key, head.token):
            raise no_answer(doing, self.connections.endpoint_url)

    def _token_of_what_came(
        self, key: str, body: bytes, headers: dict[str, str], token: Token
    ) -> Token:
        """
        Look at what was put, where the answer to that may be no store's.

        Raises:
            TemporaryError: It is not there.
        """
        found = self.head(key)
        if found is None or found.size != len(body):
            raise no_answer(f"write {key}", self.connections.endpoint_url)
        if found.token != token and not is_marked_as(headers, found):
            raise no_answer(f"write {key}", self.connections.endpoint_url)
        self._put_answers.proved_right()
        return found.token

    # Through boto3.

    def _head_with_boto(self, key: str, version_id: str | None) -> ObjectHead | Literal["absent"]:
        doing = f"look at {key}"
        try:
            which: dict[str, Any] = _of_version(version_id)
            answer = self.send(self.connections.boto.head_object, Key=key, **which)
        except ClientError as error:
            is_too_long = status_of(error) == 400 and len(key.encode()) > _KEY_BYTES
            is_delete_marker = status_of(error) == 405 and version_id is not None
            if status_of(error) == 404 or is_too_long or is_delete_marker:
                return "absent"
            raise self._translated(error, doing) from error
        except (BotoCoreError, ResponseParserError) as error:
            raise self._translated(error, doing) from error
        return self._head_of(answer, doing, version_id)

    def _get_with_boto(self, key: str, expect: Token | None, version_id: str | None) -> Fetched:
        doing = f"read {key}"
        answer = self.call(
            doing,
            self.connections.boto.get_object,
            Key=key,
            **_of_version(version_id),
            **conditions(expect),
        )
        with closing(answer["Body"]) as stream:
            head = self._head_of(answer, doing, version_id)
            is_small = head.size <= PART_BYTES
            return Fetched(head, self._all_of(stream, doing, head.size) if is_small else None)

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
        self,
        answer: GetObjectOutputTypeDef | HeadObjectOutputTypeDef,
        doing: str,
        version_id: str | None = None,
    ) -> ObjectHead:
        token = self.etag_in(answer, doing)
        headers = {
            name: str(answer[argument])  # type: ignore[literal-required]
            for name, argument in CONTENT_HEADERS.items()
            if answer.get(argument)
        }
        metadata = {name.lower(): value for name, value in answer.get("Metadata", {}).items()}
        modified = str(answer.get("LastModified", ""))  # unparsed, as we asked for
        head = ObjectHead(
            token, answer["ContentLength"], clean(metadata | headers), _http_date_ns(modified)
        )
        # No listing has a former version under its key.
        if version_id is not None and is_doubtful(head) and "VersionId" not in answer:
            raise no_answer(doing, self.connections.endpoint_url)
        return head

    def _note_clock(self, answer: Any, sent_at: datetime) -> None:
        said = answer.get("ResponseMetadata", {}).get("HTTPHeaders", {})
        self.skew_s = skew_s(said.get("date"), sent_at, datetime.now(UTC))

    def _all_of(self, stream: StreamingBody, doing: str, size: int) -> bytes:
        try:
            body = self._read(stream)
        except BotoCoreError as error:
            raise self._translated(error, doing) from error
        if len(body) != size:
            raise TemporaryError(f"cannot {doing}: {len(body)} bytes came of {size}")
        return body

    def _read(self, stream: StreamingBody) -> bytes:
        down = self.connections.meter.store.down
        if down.rate is None:
            return stream.read()
        pieces = []
        while piece := stream.read(down.piece_bytes()):
            down.take(len(piece))
            pieces.append(piece)
        return b"".join(pieces)

    def _translated(self, error: Exception, doing: str) -> Exception:
        if isinstance(error, ClientError):
            self._note_clock(error.response, datetime.now(UTC))
        return translate(error, doing, self.connections.endpoint_url)


def conditions(condition: Token | None) -> dict[str, str]:
    """Give boto3's arguments for a condition."""
    if condition is None:
        return {}
    return {"IfNoneMatch": "*"} if condition == ABSENT else {"IfMatch": f'"{condition}"'}


def _of_version(version_id: str | None) -> dict[str, str]:
    return {} if version_id is None else {"VersionId": version_id}


def boto_headers(headers: Headers) -> dict[str, Any]:
    """Give boto3's arguments for *headers*."""
    known = {CONTENT_HEADERS[name]: headers[name] for name in headers if name in CONTENT_HEADERS}
    metadata = {name: value for name, value in headers.items() if name not in CONTENT_HEADERS}
    return known | {"Metadata": metadata}


def _http_date_ns(text: str) -> int | None:
    try:
        return int(parsedate_to_datetime(text).timestamp()) * 10**9
    except (ValueError, OverflowError):  # the latter for a zone that is far away
        return None
