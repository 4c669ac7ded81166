"""
The versions that a bucket keeps of its own, where versioning is turned on: look, keep, remove.

They are the only trace of what a stranger has put over an object, or deleted, between two
looks of docferry's.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

from docferry.core.parts import MAX_PART_BYTES
from docferry.core.paths import is_reserved, key_of, name_instead_of, path_of
from docferry.errors import StaleError
from docferry.model import RESERVED, Attributes, Key, Path, Token
from docferry.storage.base import Content, check_versions
from docferry.storage.probe import StoreProfile
from docferry.storage.s3_client import S3Client
from docferry.storage.s3_content import S3Content
from docferry.storage.s3_folders import is_folder
from docferry.storage.s3_metadata import ABSENT, ObjectHead, archive_headers, is_same_content
from docferry.storage.s3_multipart import copy_object
from docferry.storage.s3_version_pages import PAGE_KEYS, VersionPages
from docferry.storage.s3_write import archive_key
from docferry.storage.version_listing import ListedVersion, list_versions, list_versions_of


@dataclass(frozen=True, slots=True)
class BucketVersion:
    """One content that was at a path, or (a delete marker) that it was deleted there."""

    path: Path
    version_id: str  #: the store's own name for it, no ULID
    token: Token  #: "" for a delete marker
    size: int  #: bytes; 0 for a delete marker
    modified_at: datetime
    is_latest: bool
    is_delete_marker: bool


@dataclass(frozen=True, slots=True)
class BucketVersions:
    """
    What the bucket keeps of the objects below a prefix. Thread-safe.

    Only where `profile.versioning`: elsewhere there is one version, called "null", or
    the store knows no such request (PermanentError).

    Args:
        aliases: Local names for keys whose own are blocked, as `S3Storage` has them.
        page_keys: So many are listed at once; tests take fewer.
        copy_bytes: What is larger is copied in parts; tests take less.
    """

    client: S3Client
    prefix: str
    profile: StoreProfile
    aliases: Mapping[Key, Path]
    page_keys: int = PAGE_KEYS
    copy_bytes: int = MAX_PART_BYTES

    def of(self, path: Path) -> list[BucketVersion]:
        """Give all that is kept of exactly this path's object, the newest first."""
        try:
            found = versions_of_key(self.client, self._key(path), self.profile, self.page_keys)
        except _AnothersError:
            return []
        return [_named(path, listed) for listed in found]

    def scan(self) -> Iterator[BucketVersion]:
        """
        Yield all that is kept below the prefix but docferry's own, in the listing's order.

        Raises:
            UnreachableError, TemporaryError: It did not finish. What was not yielded is
                then unknown, not absent.
            PermanentError: The store cannot list them all (`storage.version_listing`).
        """
        own = self.prefix + RESERVED + "/"
        fetch = VersionPages(self.client, self.page_keys)
        is_in_order = self.profile.lists_versions_in_order
        for batch in list_versions(fetch, self.prefix, is_in_order=is_in_order):
            for listed in batch:
                if listed.key.startswith(own) or is_folder(listed.key, listed.size):
                    continue
                key = listed.key[len(self.prefix) :]
                yield _named(self.aliases.get(key) or path_of(key), listed)

    def describe(self, path: Path, version_id: str) -> Attributes:
        """
        Give what a version says about itself: claims.

        Raises:
            StaleError: The bucket does not keep it, or it is a delete marker.
        """
        return self._look_for(self._key(path), version_id).attributes

    def archive(self, path: Path, version_id: str, archive: Attributes) -> None:
        """
        Let the store copy a version into the archive, under `archive.version`.

        Nothing happens where one of the same size (and SHA-256, where both are known) is
        there already.

        Raises:
            StaleError: The bucket does not keep it, or the archive holds another content
                under that version; nothing changed.
        """
        if archive.version is None:
            raise ValueError(f"{path}: what is archived needs a version to be archived under")
        check_versions(archive.version)
        key, place = self._key(path), archive_key(self.prefix, archive.version)
        head = self._look_for(key, version_id)
        held = self.client.head(place)
        if held is not None:
            if is_same_content(held, head.size, archive.sha256 or head.attributes.sha256):
                return
            raise StaleError(f"the archive holds another content as version {archive.version}")
        copy_object(
            self.client,
            key,
            head.size,
            place,
            archive_headers(head, archive),
            source_is=None,  # a version never changes
            target_is=ABSENT if self._is_condition_kept(head.size) else None,
            source_version_id=version_id,
            copy_bytes=self.copy_bytes,
        )

    def read(self, path: Path, version_id: str) -> Content:
        """
        Open a version.

        Raises:
            StaleError: The bucket does not keep it, or it is a delete marker.
        """
        key = self._key(path)
        expect = self._look_for(key, version_id).token
        fetched = self.client.get(key, expect, version_id)
        is_md5 = self.profile.etag_is_md5
        return S3Content(self.client, key, fetched, etag_is_md5=is_md5, version_id=version_id)

    def remove(self, path: Path, version_id: str) -> None:
        """Remove one version, or delete marker, for good. Not there: nothing to do."""
        with suppress(StaleError):  # no such version
            self.client.delete(self._key(path), version_id=version_id)

    def remove_all(self, path: Path) -> int:
        """
        Remove every version and delete marker of exactly this path's object, for good.

        Returns:
            How many there were.
        """
        try:
            key = self._key(path)
        except _AnothersError:
            return 0
        return remove_versions_of_key(self.client, key, self.profile, self.page_keys)

    def _look_for(self, key: str, version_id: str) -> ObjectHead:
        head = self.client.head(key, version_id)
        if head is None:
            raise StaleError(f"the bucket keeps no content of {key} as version {version_id}")
        return head

    def _is_condition_kept(self, size: int) -> bool:
        is_one_request = size <= self.copy_bytes
        profile = self.profile
        return profile.conditional_copy_create if is_one_request else profile.conditional_multipart

    def _key(self, path: Path) -> str:
        """
        Raises:
            _AnothersError: The object with this path's key has another local name.
        """
        if is_reserved(path):
            raise ValueError(f"{path!r} belongs to docferry itself")
        key, name = key_of(path), name_instead_of(path, self.aliases)
        if name is not None:
            raise _AnothersError(f"the object at {key} is kept here as {name}")
        return self.prefix + key


class _AnothersError(StaleError):
    """A path has no object: the one with its key is another path's."""


def versions_of_key(
    client: S3Client, key: str, profile: StoreProfile, page_keys: int = PAGE_KEYS
) -> list[ListedVersion]:
    """Give all that the bucket keeps of exactly *key*, the newest first."""
    fetch = VersionPages(client, page_keys)
    return list_versions_of(fetch, key, is_in_order=profile.lists_versions_in_order)


def remove_versions_of_key(
    client: S3Client, key: str, profile: StoreProfile, page_keys: int = PAGE_KEYS
) -> int:
    """
    Remove every version and delete marker of exactly *key*, for good; say how many.

    The oldest first: while one is left, it can be seen that there is something to remove.
    """
    found = versions_of_key(client, key, profile, page_keys)
    for listed in reversed(found):
        with suppress(StaleError):  # somebody else was faster
            client.delete(key, version_id=listed.version_id)
    return len(found)


def _named(path: Path, listed: ListedVersion) -> BucketVersion:
    return BucketVersion(
        path,
        listed.version_id,
        listed.token,
        listed.size,
        listed.modified_at,
        listed.is_latest,
        listed.is_delete_marker,
    )
