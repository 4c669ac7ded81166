"""
Find out what a store keeps to, by trying it on small objects of our own.

Many stores that speak S3 take a precondition and do not look at it: `rclone serve s3`
none at all, moto some. Where that is so docferry looks itself before it writes, and
says that it cannot do better.
"""

from __future__ import annotations

import hashlib
from base64 import b64encode
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError
from ulid import ULID

from docferry.errors import DocferryError, PermanentError
from docferry.model import RESERVED
from docferry.storage.clock import skew_s
from docferry.storage.listing import LISTED
from docferry.storage.s3_client import S3Client
from docferry.storage.s3_errors import status_of, translate
from docferry.storage.s3_version_pages import remove_versions_below

PROBE_PREFIX = f"{RESERVED}/probe/"


@dataclass(frozen=True, slots=True)
class StoreProfile:
    """What a store keeps to. True: seen to; False: it does not, or nobody has looked."""

    conditional_create: bool = False  #: PUT with If-None-Match
    conditional_replace: bool = False  #: PUT with If-Match
    conditional_delete: bool = False  #: DELETE with If-Match
    conditional_copy: bool = False  #: a copy with a condition on what is copied
    conditional_copy_create: bool = False  #: a copy with If-None-Match on where it goes
    conditional_multipart: bool = False  #: CompleteMultipartUpload with If-None-Match
    lists_in_order: bool = False  #: of UTF-8, as S3 promises
    versioning: bool = False  #: the bucket keeps versions of its own
    versioning_suspended: bool = False  #: it kept versions once, and goes on keeping those
    lists_versions_in_order: bool = False  #: those: else pages leave some out
    etag_is_md5: bool = False  #: of objects that came in one request
    sha256_checksums: bool = False  #: a body that is not of its checksum is refused
    clock_skew_s: float | None = None  #: the store's clock minus ours
    server: str = ""  #: what it calls itself

    CAUTIOUS: ClassVar[StoreProfile]  #: believes nothing: always looks before it writes

    def to_dict(self) -> dict[str, object]:
        """Give it as JSON values, for the ledger."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> StoreProfile:
        """Read it back. What another release wrote and this one does not know is left out."""
        known = {field.name for field in fields(cls)}
        return cls(**{name: value for name, value in values.items() if name in known})


StoreProfile.CAUTIOUS = StoreProfile()

_WRONG_ETAG = '"00000000000000000000000000000000"'
_BODY = b"docferry looks what this store keeps to\n"
_MEANING = {"docferry-probe": "safe to delete"}
_LONGEST_TRIAL = timedelta(hours=1)  # another machine may be at one just now


def probe(client: S3Client, prefix: str) -> StoreProfile:
    """
    Try out the store below `<prefix>.docferry/probe/`, with 20 requests or fewer.

    What is written for it is removed again, from a bucket's own versions too (a request
    each), and so is what earlier trials have left there that were killed in the middle.

    Raises:
        UnreachableError, TemporaryError, PermanentError: It does not answer, or not to us.
    """
    trial = _Trial(client, f"{prefix}{PROBE_PREFIX}{ULID()}")
    try:
        profile = trial.run()
    finally:
        trial.clean_up()
    keeps_versions = profile.versioning or profile.versioning_suspended
    _sweep(client, f"{prefix}{PROBE_PREFIX}", keeps_versions=keeps_versions)
    return profile


def _sweep(client: S3Client, folder: str, *, keeps_versions: bool) -> None:
    """Remove what is in *folder* and was put there by a trial of more than an hour ago."""
    oldest = datetime.now(UTC) - _LONGEST_TRIAL

    def is_old(key: str) -> bool:
        began_at = _began_at(key.removeprefix(folder).partition("/")[0])
        return began_at is not None and began_at < oldest

    with suppress(DocferryError):  # it takes little room; the next probe tries again
        for key, _, _ in client.list_page(folder, None)[LISTED]:
            if is_old(key):
                client.delete(key)
        if keeps_versions:
            remove_versions_below(client, folder, is_old)


def _began_at(name: str) -> datetime | None:
    """Read the time out of the name of a trial's folder; None: it is not one's."""
    try:
        return ULID.from_str(name).datetime
    except ValueError:
        return None


def _ids(page: Mapping[str, Any]) -> list[str]:
    return [each["VersionId"] for each in page.get("Versions", ())]


class _Trial:
    """One probe. Each method is one thing tried."""

    def __init__(self, client: S3Client, key: str) -> None:
        self._client = client
        self._boto = client.connections.boto
        # In this order, the wrong one, a store lists them that walks folders.
        self._folder = f"{key}/"
        self._key = f"{key}/a/b"
        self._copy_key = f"{key}/a-b"
        self._versioning: object = None  # the bucket's own word for it; None: not asked yet

    def run(self) -> StoreProfile:
        sent_at = datetime.now(UTC)
        first = self._call(self._boto.put_object, Key=self._key, Body=_BODY, Metadata=_MEANING)
        answered_at = datetime.now(UTC)
        etag = self._client.etag_in(first, f"try {self._key}")
        said = first["ResponseMetadata"]["HTTPHeaders"]
        self._versioning = self._asked_for_versioning()
        versioning = self._versioning == "Enabled"
        return StoreProfile(
            conditional_create=self._refuses_put(IfNoneMatch="*"),
            conditional_replace=self._refuses_put(IfMatch=_WRONG_ETAG),
            conditional_copy=self._refuses_copy(self._copy_key, CopySourceIfMatch=_WRONG_ETAG)
            and not self._refuses_copy(self._copy_key, CopySourceIfMatch=f'"{etag}"'),
            conditional_copy_create=self._refuses_copy(self._key, IfNoneMatch="*"),
            conditional_multipart=self._refuses_multipart(),
            sha256_checksums=self._refuses_wrong_checksum(),
            lists_in_order=self._lists_in_order(),
            versioning=versioning,
            versioning_suspended=self._versioning == "Suspended",
            lists_versions_in_order=versioning and self._lists_versions_in_order(),
            etag_is_md5=etag == hashlib.md5(_BODY, usedforsecurity=False).hexdigest(),
            clock_skew_s=skew_s(said.get("date"), sent_at, answered_at),
            server=str(said.get("server", "")),
            # The last: it takes the object away.
            conditional_delete=self._refuses_delete(),
        )

    def clean_up(self) -> None:
        for key in (self._key, self._copy_key):
            with suppress(DocferryError):  # small, in our own folder, and says what it is
                self._client.delete(key)
        if self._versioning is not None:  # then it has kept all that was put, and a marker
            with suppress(DocferryError):
                remove_versions_below(self._client, self._folder)

    def _refuses_put(self, **condition: str) -> bool:
        return self._refuses(
            self._boto.put_object, Key=self._key, Body=_BODY, Metadata=_MEANING, **condition
        )

    def _refuses_copy(self, target: str, **condition: str) -> bool:
        return self._refuses(
            self._boto.copy_object,
            Key=target,
            CopySource={"Bucket": self._client.bucket, "Key": self._key},
            MetadataDirective="REPLACE",  # else AWS refuses a copy onto itself as such
            Metadata=_MEANING,
            **condition,
        )

    def _refuses_multipart(self) -> bool:
        begun = self._call(self._boto.create_multipart_upload, Key=self._key, Metadata=_MEANING)
        upload = {"Key": self._key, "UploadId": begun["UploadId"]}
        self._client.uploads.begin(self._key, begun["UploadId"])
        try:
            part = self._call(self._boto.upload_part, **upload, PartNumber=1, Body=_BODY)
            refused = self._refuses(
                self._boto.complete_multipart_upload,
                **upload,
                MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]},
                IfNoneMatch="*",
            )
            if refused:
                self._call(self._boto.abort_multipart_upload, **upload)
        except DocferryError:
            self._client.uploads.leave(begun["UploadId"])
            raise
        self._client.uploads.end(self._key, begun["UploadId"])
        return refused

    def _refuses_wrong_checksum(self) -> bool:
        wrong = b64encode(hashlib.sha256(b"something else").digest()).decode()
        return self._refuses(
            self._boto.put_object,
            (400,),
            Key=self._key,
            Body=_BODY,
            Metadata=_MEANING,
            ChecksumSHA256=wrong,
        )

    def _asked_for_versioning(self) -> object:
        try:
            return self._call(self._boto.get_bucket_versioning).get("Status")
        except DocferryError:
            return None  # unknown to the store, or not for us to know

    def _lists_versions_in_order(self) -> bool:
        """See whether two pages give what one gives (`storage.version_listing`)."""
        try:
            whole, first = self._versions(), self._versions(MaxKeys=1)
            ends_at = first.get("NextKeyMarker"), first.get("NextVersionIdMarker")
            if None in ends_at:
                return False
            rest = self._versions(KeyMarker=ends_at[0], VersionIdMarker=ends_at[1])
        except PermanentError:
            return False  # unknown to the store, or not for us to know
        return bool(_ids(whole)) and sorted(_ids(first) + _ids(rest)) == sorted(_ids(whole))

    def _versions(self, **which: Any) -> Any:
        return self._call(self._boto.list_object_versions, Prefix=self._folder, **which)

    def _refuses_delete(self) -> bool:
        return self._refuses(self._boto.delete_object, Key=self._key, IfMatch=_WRONG_ETAG)

    def _lists_in_order(self) -> bool:
        page = self._client.list_page(self._folder, None)
        return [key for key, _, _ in page[LISTED]] == [self._copy_key, self._key]

    def _refuses(
        self, request: Callable[..., Any], by: tuple[int, ...] = (409, 412), /, **arguments: Any
    ) -> bool:
        """Say whether the store refuses; False also where it does not know the condition."""
        try:
            self._client.send(request, **arguments)
        except ClientError as error:
            if status_of(error) in by:
                return True
            if status_of(error) in (400, 405, 501):
                return False
            raise self._translated(error) from error
        except (BotoCoreError, ResponseParserError) as error:
            raise self._translated(error) from error
        return False

    def _call(self, request: Callable[..., Any], **arguments: Any) -> Any:
        return self._client.call(f"try {self._key}", request, **arguments)

    def _translated(self, error: Exception) -> DocferryError:
        return translate(error, f"try {self._key}", self._client.connections.endpoint_url)
