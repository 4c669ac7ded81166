"""
Change what is in a bucket: each write, copy and deletion under its condition.

What is displaced is archived first. Where the store ignores a precondition, docferry
looks right before: somebody who writes in the moment between is then overwritten.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

from docferry.errors import StaleError, TemporaryError
from docferry.model import ARCHIVE_PREFIX, Attributes, Sha256, Token, Ulid, Written
from docferry.storage.base import PART_BYTES, Content
from docferry.storage.probe import StoreProfile
from docferry.storage.s3_client import S3Client
from docferry.storage.s3_folders import Folder, clear_emptied
from docferry.storage.s3_metadata import (
    ABSENT,
    ObjectHead,
    archive_headers,
    copy_headers,
    headers_of,
)
from docferry.storage.s3_multipart import MultipartUpload, copy_object


@dataclass(frozen=True, slots=True)
class Writer:
    """
    Writes below *prefix*, going by what the store keeps to. Keys are whole ones.

    Args:
        archives: False: what is displaced is not archived, for the store cannot copy it.
        moved: Told of each number of bytes of a large content that the store has taken.
    """

    client: S3Client
    prefix: str
    profile: StoreProfile
    archives: bool = True
    moved: Callable[[int], object] = lambda count: None

    def write(
        self,
        key: str,
        content: Content,
        attributes: Attributes,
        expect: Token | None,
        archive: Attributes | None,
    ) -> Written:
        """Do as `Storage.write` says."""
        if content.size <= PART_BYTES:
            return self._write_small(key, content, attributes, expect, archive)
        return self._write_large(key, content, attributes, expect, archive)

    def delete(self, key: str, expect: Token, archive: Attributes) -> None:
        """Do as `Storage.delete` says."""
        self._displace(key, expect, archive)
        if self.profile.conditional_delete:
            self.client.delete(key, expect)
        else:
            self._look_for(key, expect)
            self.client.delete(key)

    def copy(self, source: str, source_token: Token, key: str, attributes: Attributes) -> Written:
        """
        Let the store copy an object to *key*.

        Args:
            attributes: With the content's SHA-256: it is not read here.

        Raises:
            StaleError: *source* is not *source_token*, or *key* is taken, or the store
                would copy whatever is at *source* by then.
        """
        if attributes.sha256 is None:
            raise ValueError(f"{key}: a copy needs the SHA-256 of what is copied")
        if not self.profile.conditional_copy:
            raise StaleError(f"{source} cannot be copied safely here: send it instead")
        head = self._look_for(source, source_token)
        headers = copy_headers(head, attributes)

        def send(condition: Token | None) -> Token:
            return copy_object(
                self.client,
                source,
                head.size,
                key,
                headers,
                source_is=source_token,
                target_is=condition,
            )

        token = self._create(key, send, is_kept=self.profile.conditional_copy_create)
        return Written(token, attributes.sha256, head.size)

    def _write_small(
        self,
        key: str,
        content: Content,
        attributes: Attributes,
        expect: Token | None,
        archive: Attributes | None,
    ) -> Written:
        body = content.part(0, content.size) if content.size else b""
        if len(body) != content.size:
            raise TemporaryError(f"{len(body)} bytes came of a content of {content.size}")
        sha256 = hashlib.sha256(body).hexdigest()
        _refuse_damage(attributes.sha256, sha256)
        content.confirm()
        headers = headers_of(attributes) | headers_of(Attributes(sha256=sha256))

        def send(condition: Token | None) -> Token:
            return self.client.put(key, body, headers, condition)

        if expect is None:
            token = self._create(key, send, is_kept=self.profile.conditional_create)
        else:
            self._displace(key, expect, archive)
            if self.profile.conditional_replace:
                token = send(expect)
            else:
                self._look_for(key, expect)
                token = send(None)
        return Written(token, sha256, len(body))

    def _write_large(
        self,
        key: str,
        content: Content,
        attributes: Attributes,
        expect: Token | None,
        archive: Attributes | None,
    ) -> Written:
        # S3 takes the metadata before the bytes.
        sha256 = attributes.sha256 or content.sha256()
        headers = headers_of(attributes) | headers_of(Attributes(sha256=sha256))
        is_kept = self.profile.conditional_multipart
        with MultipartUpload(self.client, key, headers, size=content.size) as upload:
            _refuse_damage(sha256, upload.send(content, self.moved))
            content.confirm()
            if expect is None:
                token = self._create(key, upload.complete, is_kept=is_kept)
            else:
                self._displace(key, expect, archive)
                self._look_for(key, expect)  # If-Match is not probed here
                token = upload.complete(expect if is_kept else None)
        found = self.client.head(key)  # rclone answers with one ETag and lists another
        if found is not None and found.size == content.size:
            claims = found.attributes
            if (claims.sha256, claims.version) == (sha256, attributes.version):
                token = found.token
        return Written(token, sha256, content.size, upload.had_bytes)

    def _create(self, key: str, send: Callable[[Token | None], Token], *, is_kept: bool) -> Token:
        """
        Send where nothing is.

        Raises:
            StaleError: Something is there, or somebody is just writing.
        """
        if is_kept:
            try:
                return send(ABSENT)
            except StaleError:
                # Not without the condition: somebody may be writing, and not be visible yet.
                if self.client.head(key) is not None:
                    raise
            match clear_emptied(self.client, key):
                case Folder.NONE | Folder.REMOVED:
                    return send(ABSENT)
                case Folder.FULL:
                    pass  # beside a folder SeaweedFS takes it without the condition only
        if self.client.head(key) is not None:
            raise StaleError(f"there is something at {key} already")
        return send(None)

    def _displace(self, key: str, expect: Token, archive: Attributes | None) -> None:
        """
        Archive what is at *key*.

        Raises:
            StaleError: It is not *expect*; the archive is as it was.
        """
        if not self.archives:
            self._look_for(key, expect)
            return
        if archive is None or archive.version is None:
            raise ValueError(f"{key}: what is displaced needs a version to be archived under")
        head = self._look_for(key, expect)
        place = archive_key(self.prefix, archive.version)
        is_kept = self.profile.conditional_copy
        if not is_kept and self._holds_already(place, head, archive):
            return
        token = copy_object(
            self.client,
            key,
            head.size,
            place,
            archive_headers(head, archive),
            source_is=expect if is_kept else None,
            target_is=None,
        )
        if not is_kept and token != expect:
            self._check_archived(key, expect, place)

    def _holds_already(self, place: str, head: ObjectHead, archive: Attributes) -> bool:
        """Say whether an earlier try got so far. Without a condition, a copy might spoil it."""
        held = self.client.head(place)
        return (
            held is not None
            and held.size == head.size
            and archive.sha256 is not None
            and held.attributes.sha256 == archive.sha256
        )

    def _check_archived(self, key: str, expect: Token, place: str) -> None:
        try:
            self._look_for(key, expect)
        except StaleError:
            self.client.delete(place)  # somebody wrote before the copy: it may be theirs
            raise

    def _look_for(self, key: str, expect: Token) -> ObjectHead:
        """
        Raises:
            StaleError: There is something else at *key*, or nothing.
        """
        head = self.client.head(key)
        if head is None or head.token != expect:
            raise StaleError(f"{key} is another content than expected, or gone")
        return head


def archive_key(prefix: str, version: Ulid) -> str:
    """Give the key of an archived version."""
    return f"{prefix}{ARCHIVE_PREFIX}{version}"


def _refuse_damage(announced: Sha256 | None, found: Sha256) -> None:
    if announced not in (None, found):
        raise TemporaryError(f"the content came damaged: its SHA-256 is {found}, not {announced}")
