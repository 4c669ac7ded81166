"""
A bucket's archive: `<prefix>.docferry/versions/`, an object a version, bytes or a reference.

A reference is an empty object with the metadata of its version, and `docferry-bytes-of`:
the version under which the bytes are. So the bucket alone tells all that there was.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from docferry.errors import StaleError, TemporaryError, ThrottledError, UnreachableError
from docferry.model import ARCHIVE_PREFIX, Attributes, Sha256, Ulid
from docferry.storage.base import Archived, Content, check_bytes, check_versions, is_version
from docferry.storage.listing import Listed
from docferry.storage.probe import StoreProfile
from docferry.storage.read_lately import ReadLately
from docferry.storage.s3_client import S3Client
from docferry.storage.s3_content import S3Content
from docferry.storage.s3_metadata import (
    ABSENT,
    Fetched,
    ObjectHead,
    archive_headers,
    headers_of,
    is_same_content,
)
from docferry.storage.s3_versions import remove_versions_of_key
from docferry.storage.s3_write import Writer, archive_key


@dataclass(frozen=True, slots=True)
class S3Archive:
    """
    The archive below one prefix, as `storage.base.Archive` says. Thread-safe.

    Args:
        list_objects: Lists what is below a prefix, some at a time.
        read_lately: The bytes that were found sound; shared by all that ask this store.
    """

    client: S3Client
    prefix: str
    profile: StoreProfile
    list_objects: Callable[[str], Iterator[list[Listed]]]
    read_lately: ReadLately

    def scan(self) -> Iterator[Archived]:
        folder = self.prefix + ARCHIVE_PREFIX
        for batch in self.list_objects(folder):
            for key, _, size in batch:
                version = key.removeprefix(folder)
                if is_version(version):
                    yield Archived(version, size, None)

    def describe(self, version: Ulid) -> Attributes | None:
        found = self.look(version)
        return None if found is None else found[0]

    def look(self, version: Ulid) -> tuple[Attributes, int | None] | None:
        """Do as `describe`; say also when it came into the archive (ns since the epoch)."""
        head = self.client.head(self._key(version)) if is_version(version) else None
        if head is None:
            return None
        if head.is_reference:
            return head.attributes, head.modified_ns
        return replace(head.attributes, bytes_of=None, size=head.size), head.modified_ns

    def read(self, version: Ulid) -> Content:
        if not is_version(version):
            raise StaleError(f"there is no version {version!r}")
        found = self.client.get(self._key(version), None)
        claims = found.head.attributes
        if not found.head.is_reference or claims.bytes_of is None:
            return self._content(version, found)
        found = self.client.get(self._key(claims.bytes_of), None)
        _refuse_other_bytes(version, found.head, claims)
        content = self._content(claims.bytes_of, found)
        content.attributes = claims
        return content

    def put(self, version: Ulid, content: Content, attributes: Attributes) -> None:
        check_versions(version)
        key, sha256 = self._key(version), attributes.sha256
        head = self.client.head(key)
        if head is not None:
            _refuse_another(version, head, content.size, sha256)
            if self._has_bytes(version, head):
                return
            self._drop_reference(version, head, content)
        dressed = replace(attributes, version=version, bytes_of=None, size=None)
        try:
            Writer(self.client, self.prefix, self.profile).write(key, content, dressed, None, None)
        except StaleError:
            # Taken: by a request of our own whose answer was lost, perhaps.
            head = self.client.head(key)
            if head is None or not is_same_content(head, content.size, sha256):
                raise

    def refer(self, version: Ulid, to: Ulid, attributes: Attributes) -> None:
        check_versions(version, to)
        size, sha256 = check_bytes(attributes)
        target = self.client.head(self._key(to))
        target = _refuse_other_bytes(version, target, attributes)
        own = self.client.head(self._key(version))
        dressed = replace(attributes, version=version, bytes_of=to)
        if own is None:
            self._refuse_damaged(version, to, target, sha256)
            condition = ABSENT if self.profile.conditional_create else None
            headers = headers_of(dressed)
        else:
            _refuse_another(version, own, size, sha256)
            if own.is_reference and own.attributes.bytes_of == to:
                return
            self._refuse_unread(version, own, sha256)
            self._refuse_damaged(version, to, target, sha256)
            condition = own.token if self.profile.conditional_replace else None
            headers = archive_headers(own, dressed)
        self.client.put(self._key(version), b"", headers, condition)

    def remove(self, version: Ulid) -> None:
        check_versions(version)
        key = self._key(version)
        # A bucket whose versioning was suspended goes on keeping, and says so only here.
        if self.profile.versioning or self.client.delete(key):
            remove_versions_of_key(self.client, key, self.profile)

    def _key(self, version: Ulid) -> str:
        return archive_key(self.prefix, version)

    def _content(self, version: Ulid, fetched: Fetched) -> S3Content:
        is_md5 = self.profile.etag_is_md5
        return S3Content(self.client, self._key(version), fetched, etag_is_md5=is_md5)

    def _has_bytes(self, version: Ulid, head: ObjectHead) -> bool:
        """Say whether an object is no reference to bytes that are gone."""
        to = head.attributes.bytes_of
        if not head.is_reference or to is None:
            return True
        try:
            _refuse_other_bytes(version, self.client.head(self._key(to)), head.attributes)
        except StaleError:
            return False
        return True

    def _drop_reference(self, version: Ulid, head: ObjectHead, content: Content) -> None:
        """
        Make room for the bytes that a reference has lost, once they are known to be right.

        Raises:
            TemporaryError: They came damaged; nothing changed.
        """
        found = content.sha256()
        content.confirm()
        if found != head.attributes.sha256:
            raise TemporaryError(f"version {version} came damaged: its SHA-256 is {found}")
        condition = head.token if self.profile.conditional_delete else None
        self.client.delete(self._key(version), condition)

    def _refuse_damaged(self, version: Ulid, to: Ulid, target: ObjectHead, sha256: Sha256) -> None:
        """
        Read what is to be all that the bucket has: what it claims to be outlives its bytes.

        Its ETag would not tell, as that outlives them, too.

        Raises:
            StaleError: It is damaged.
        """
        key = self._key(to)
        if (key, target.token, sha256) in self.read_lately:
            return
        try:
            with self._content(to, self.client.get(key, target.token)) as content:
                found = content.sha256()
                content.confirm()
        except (UnreachableError, ThrottledError):
            raise
        except TemporaryError as error:  # a store that sees damage gives nothing
            raise StaleError(f"the bytes of version {to} cannot be read: {error}") from error
        if found != sha256:
            raise StaleError(f"the bytes of version {to} are damaged: {version} does without")
        self.read_lately.add((key, target.token, sha256))

    def _refuse_unread(self, version: Ulid, own: ObjectHead, sha256: Sha256) -> None:
        """Refuse to give bytes away of which nobody has said what they are, unless equal."""
        if own.attributes.sha256 is not None:
            return
        with self._content(version, self.client.get(self._key(version), own.token)) as content:
            if content.sha256() != sha256:
                raise _another(version)
            content.confirm()


def _refuse_other_bytes(version: Ulid, target: ObjectHead | None, claims: Attributes) -> ObjectHead:
    """
    Give *target*.

    Raises:
        StaleError: *target* is not a whole object with the bytes that *claims* speak of.
    """
    if (
        target is None
        or target.is_reference
        or claims.sha256 is None
        or (target.size, target.attributes.sha256) != (claims.size, claims.sha256)
    ):
        raise StaleError(f"the bytes of version {version} are not where it refers to")
    return target


def _refuse_another(version: Ulid, head: ObjectHead, size: int, sha256: Sha256 | None) -> None:
    if not is_same_content(head, size, sha256):
        raise _another(version)


def _another(version: Ulid) -> StaleError:
    return StaleError(f"the archive holds another content as version {version}")
