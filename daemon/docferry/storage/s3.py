"""
A prefix of an S3 bucket as one side of a mirror.

What a write or a deletion displaces is first copied, by the store itself, to
`<prefix>.docferry/versions/<ULID>`. Writes and deletions carry a precondition where
the store keeps to it; where it does not (`storage.probe`), docferry looks right before.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from functools import partial

from ulid import ULID

from docferry.core.paths import is_odd, is_reserved, key_of, path_of
from docferry.errors import DocferryError, PermanentError, StaleError, TemporaryError
from docferry.model import (
    ARCHIVE_PREFIX,
    MARKER_PATH,
    RESERVED,
    Attributes,
    Entry,
    FileState,
    Key,
    Path,
    Sha256,
    Token,
    Ulid,
    Unknown,
    Written,
)
from docferry.storage.base import PART_BYTES, Content
from docferry.storage.listing import Listed, OutOfOrderError, list_objects
from docferry.storage.probe import PROBE_PREFIX, StoreProfile, probe
from docferry.storage.s3_client import ABSENT, S3Client, is_plain
from docferry.storage.s3_connect import S3Options
from docferry.storage.s3_content import S3Content
from docferry.storage.s3_metadata import (
    ObjectHead,
    archive_headers,
    copy_headers,
    headers_of,
)
from docferry.storage.s3_multipart import MultipartUpload, copy_object

__all__ = ["S3Options", "S3Storage"]

_TRIAL = b"docferry looks whether this store can hold such a key\n"


class S3Storage:
    """
    A prefix. Thread-safe; asks nothing of the store when it is built.

    An empty object whose key ends in "/" is what consoles show as a folder: it is no
    document, and left alone.

    Args:
        prefix: "" or "a/b/".
        aliases: Local names for keys whose own are blocked. Kept, not copied: what is
            added to it later counts.
        profile: What the store keeps to, as once probed.
    """

    def __init__(
        self,
        options: S3Options,
        bucket: str,
        prefix: str = "",
        aliases: Mapping[Key, Path] | None = None,
        profile: StoreProfile = StoreProfile.CAUTIOUS,
    ) -> None:
        self.bucket = bucket
        self.prefix = prefix
        self.profile = profile
        self._client = S3Client(options, bucket)
        self._aliases = {} if aliases is None else aliases
        self._odd: list[Entry] = []

    # The store itself.

    def check_bucket(self) -> None:
        """
        Ask whether the bucket is there and open to us.

        Raises:
            UnreachableError, PermanentError: It is not; the message says what to do.
        """
        self._client.head_bucket()

    def probe(self) -> StoreProfile:
        """Find out what the store keeps to, and go by it from now on."""
        self.profile = probe(self._client, self.prefix)
        return self.profile

    # Looking.

    def scan(self) -> Iterator[Entry]:
        odd: list[Entry] = []
        start, aliases = len(self.prefix), self._aliases
        own = self.prefix + RESERVED + "/"
        for batch in self._list(self.prefix):
            for full_key, token, size in batch:
                if full_key.startswith(own) or _is_folder(full_key, size):
                    continue
                key = full_key[start:]
                path = aliases.get(key) or path_of(key)
                state = FileState(token, None, size)
                if is_odd(path):
                    odd.append((path, state))
                else:
                    yield path, state
        self._odd = sorted(odd, key=_path)

    def _list(self, prefix: str) -> Iterator[list[Listed]]:
        is_in_order = self.profile.lists_in_order
        fetch_page = partial(self._client.list_page, prefix)
        try:
            yield from list_objects(fetch_page, prefix, is_in_order=is_in_order)
        except OutOfOrderError:
            self.profile = replace(self.profile, lists_in_order=False)
            raise

    def scan_odd(self) -> list[Entry]:
        return self._odd

    def stat(self, path: Path) -> FileState | None:
        found = self.describe(path)
        return None if found is None else found[0]

    def describe(self, path: Path) -> tuple[FileState, Attributes] | None:
        """Look at one path now, with what the object says about itself: claims."""
        if self._alias_instead_of(path) is not None:
            return None
        key = self._key(path)
        head = self._client.head(key)
        if head is None or _is_folder(key, head.size):
            return None
        return FileState(head.token, None, head.size), head.attributes

    # Reading.

    def read(self, path: Path, expect: Token) -> Content:
        return self._open(self._key(path), expect)

    def read_archived(self, version: Ulid) -> Content:
        if not (version.isascii() and version.isalnum()):  # a ULID, not a way to somewhere else
            raise StaleError(f"there is no version {version!r}")
        return self._open(self._archive_key(version), None)

    def read_marker(self) -> bytes | None:
        try:
            return self._client.get(self.prefix + MARKER_PATH, None).body
        except StaleError:
            return None

    def _open(self, key: str, expect: Token | None) -> Content:
        fetched = self._client.get(key, expect)
        return S3Content(self._client, key, fetched, etag_is_md5=self.profile.etag_is_md5)

    # Changing.

    def write(
        self,
        path: Path,
        content: Content,
        attributes: Attributes,
        *,
        expect: Token | None,
        archive: Attributes | None = None,
    ) -> Written:
        if is_reserved(path):
            raise ValueError(f"{path!r} belongs to docferry itself")
        alias = self._alias_instead_of(path)
        if alias is not None:
            raise PermanentError(
                f"{path} has the key of the object that is kept here as {alias}: rename one of them"
            )
        key = self._key(path)
        if not is_plain(key):
            self._refuse_what_the_store_cannot_hold(key, content.size)
        if content.size <= PART_BYTES:
            return self._write_small(key, content, attributes, expect, archive)
        return self._write_large(key, content, attributes, expect, archive)

    def delete(self, path: Path, *, expect: Token, archive: Attributes) -> None:
        key = self._key(path)
        self._displace(key, expect, archive)
        if self.profile.conditional_delete:
            self._client.delete(key, expect)
        else:
            self._look_for(key, expect)
            self._client.delete(key)

    def copy_within(
        self, source: Path, source_token: Token, path: Path, attributes: Attributes
    ) -> Written:
        """
        Let the store copy a content to *path*, which must be free.

        Args:
            attributes: With the content's sha256: it is not read here.

        Raises:
            StaleError: *source* is not *source_token* any more, or *path* is taken.
        """
        if attributes.sha256 is None:
            raise ValueError(f"{path}: a copy needs the SHA-256 of what is copied")
        source_key, key = self._key(source), self._key(path)
        if not self.profile.conditional_copy or not is_plain(key):
            raise StaleError(f"{source} cannot be copied safely here: send it instead")
        head = self._look_for(source_key, source_token)
        headers = copy_headers(head, attributes)

        def send(condition: Token | None) -> Token:
            return copy_object(
                self._client,
                source_key,
                head.size,
                key,
                headers,
                source_is=source_token,
                target_is=condition,
            )

        token = self._create(key, send, is_kept=self.profile.conditional_copy_create)
        return Written(token, attributes.sha256, head.size)

    def write_marker(self, content: bytes) -> None:
        headers = {"Content-Type": "application/json"}
        self._client.put(self.prefix + MARKER_PATH, content, headers, None)

    # Writing.

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
            return self._client.put(key, body, headers, condition)

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
        with MultipartUpload(self._client, key, headers) as upload:
            _refuse_damage(sha256, upload.send(content))
            content.confirm()
            if expect is None:
                token = self._create(key, upload.complete, is_kept=is_kept)
            else:
                self._displace(key, expect, archive)
                self._look_for(key, expect)  # If-Match is not probed here
                token = upload.complete(expect if is_kept else None)
        found = self._client.head(key)  # rclone answers with one ETag and lists another
        if found is not None and found.size == content.size:
            claims = found.attributes
            if (claims.sha256, claims.version) == (sha256, attributes.version):
                token = found.token
        return Written(token, sha256, content.size)

    def _create(self, key: str, send: Callable[[Token | None], Token], *, is_kept: bool) -> Token:
        """Send where nothing is."""
        if is_kept:
            try:
                return send(ABSENT)
            except StaleError:
                # SeaweedFS says so also where a folder of that name was emptied.
                if self._client.head(key) is not None:
                    raise
        elif self._client.head(key) is not None:
            raise StaleError(f"there is something at {key} already")
        return send(None)

    def _displace(self, key: str, expect: Token, archive: Attributes | None) -> None:
        """
        Archive what is at *key*.

        Raises:
            StaleError: It is not *expect*; the archive is as it was.
        """
        if archive is None or archive.version is None:
            raise ValueError(f"{key}: what is displaced needs a version to be archived under")
        head = self._look_for(key, expect)
        place = self._archive_key(archive.version)
        is_kept = self.profile.conditional_copy
        if not is_kept and self._holds_already(place, head, archive):
            return
        token = copy_object(
            self._client,
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
        held = self._client.head(place)
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
            self._client.delete(place)  # somebody wrote before the copy: it may be theirs
            raise

    def _look_for(self, key: str, expect: Token) -> ObjectHead:
        """
        Raises:
            StaleError: There is something else at *key*, or nothing.
        """
        head = self._client.head(key)
        if head is None or head.token != expect:
            raise StaleError(f"{key} is another content than expected, or gone")
        return head

    def _refuse_what_the_store_cannot_hold(self, key: str, size: int) -> None:
        """
        Try out an awkward key where it can do no harm.

        SeaweedFS takes "a//b" and stores it as "a/b", which may be another document; it
        takes "a/" and loses the bytes.
        """
        if _is_folder(key, size):
            raise PermanentError(f"an empty {key!r} would be a folder's marker: rename the file")
        folder = f"{self.prefix}{PROBE_PREFIX}{ULID()}/"
        trial = folder + key.removeprefix(self.prefix)
        try:
            self._client.put(trial, _TRIAL, {}, None)
            found = [key for batch in self._list(folder) for key, _, _ in batch]
            is_held = found == [trial] and self._client.get(trial, None).body == _TRIAL
        except StaleError:
            is_held = False
        finally:
            with suppress(DocferryError):
                self._client.delete(trial)
        if not is_held:
            raise PermanentError(f"the store cannot hold a key like {key!r}: rename the file")

    def _alias_instead_of(self, path: Path) -> Path | None:
        """Give the local name that the object with this path's key has; None: it is *path*."""
        alias = self._aliases.get(key_of(path)) if self._aliases else None
        return None if alias == path else alias

    def _key(self, path: Path) -> str:
        return self.prefix + key_of(path)

    def _archive_key(self, version: Ulid) -> str:
        return f"{self.prefix}{ARCHIVE_PREFIX}{version}"


def _is_folder(key: str, size: int) -> bool:
    return size == 0 and key.endswith("/")


def _refuse_damage(announced: Sha256 | None, found: Sha256) -> None:
    if announced not in (None, found):
        raise TemporaryError(f"the content came damaged: its SHA-256 is {found}, not {announced}")


def _path(entry: Entry) -> Path:
    return entry.path if isinstance(entry, Unknown) else entry[0]
