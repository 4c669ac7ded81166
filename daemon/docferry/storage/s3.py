"""
A prefix of an S3 bucket as one side of a mirror.

What a write or a deletion displaces is first copied, by the store itself, to
`<prefix>.docferry/versions/<ULID>`. Writes and deletions carry a precondition where
the store keeps to it; where it does not (`storage.probe`), docferry looks right before.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import datetime
from functools import partial
from operator import itemgetter

from ulid import ULID

from docferry.core.paths import (
    is_odd,
    is_reserved,
    key_of,
    name_instead_of,
    path_of,
    require_own_name,
)
from docferry.errors import DocferryError, PermanentError, StaleError
from docferry.model import (
    MARKER_PATH,
    RESERVED,
    Attributes,
    BegunUpload,
    Entry,
    FileState,
    Key,
    Path,
    Sha256,
    Token,
    Ulid,
    Way,
    Written,
)
from docferry.storage.base import Content, WantsUpload
from docferry.storage.listing import Listed, OutOfOrderError, Page, list_objects
from docferry.storage.prefix_listing import PrefixListing
from docferry.storage.probe import PROBE_PREFIX, StoreProfile, probe
from docferry.storage.read_lately import ReadLately
from docferry.storage.s3_archive import S3Archive
from docferry.storage.s3_client import S3Client
from docferry.storage.s3_connect import S3Options
from docferry.storage.s3_content import S3Content
from docferry.storage.s3_folders import is_folder
from docferry.storage.s3_lean import is_plain
from docferry.storage.s3_metadata import ABSENT, VERSION, headers_of
from docferry.storage.s3_meter import MirrorMeter
from docferry.storage.s3_traces import traces
from docferry.storage.s3_uploads import UploadNotes, sweep
from docferry.storage.s3_version_pages import remove_versions_below
from docferry.storage.s3_versions import BucketVersions
from docferry.storage.s3_write import Writer, archive_key
from docferry.storage.snapshots import S3Snapshots
from docferry.storage.under_way import UnderWay

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
        notes: Keeps what uploads in parts were begun; None: what a crash leaves of them
            stays.
        under_way: Is told how far large contents have come.
        meter: Counts what is asked of the store, and keeps it within limits; None: nobody does.
    """

    def __init__(
        self,
        options: S3Options,
        bucket: str,
        prefix: str = "",
        aliases: Mapping[Key, Path] | None = None,
        profile: StoreProfile = StoreProfile.CAUTIOUS,
        notes: UploadNotes | None = None,
        under_way: UnderWay | None = None,
        meter: MirrorMeter | None = None,
    ) -> None:
        self.bucket = bucket
        self.prefix = prefix
        self.profile = profile
        self._client = S3Client(options, bucket, prefix, notes, meter)
        self._aliases = {} if aliases is None else aliases
        self._read_lately = ReadLately()
        self._under_way = under_way or UnderWay()
        self._odd: list[Entry] = []
        self._listing = PrefixListing(partial(self._client.list_page, prefix), prefix)

    def use(self, options: S3Options) -> None:
        """Connect in another way from now on: the store has other keys."""
        self._client.connections.use(options)

    # The store itself.

    def check_bucket(self) -> None:
        """
        Ask whether the bucket is there and open to us.

        Raises:
            UnreachableError, PermanentError: It is not; the message says what to do.
        """
        self._client.find_bucket()

    @property
    def skew_s(self) -> float | None:
        """The store's clock minus ours, as its last listing or refusal told. None: not known."""
        return self._client.skew_s

    @property
    def endpoint_url(self) -> str:
        """
        Where the store is.

        Raises:
            PermanentError: No connection to it can be set up.
        """
        return self._client.connections.endpoint_url

    def credentials_end_at(self) -> datetime | None:
        """
        Say when the keys in use end. None: they do not, or nobody tells.

        Raises:
            PermanentError: No connection to it can be set up.
        """
        return self._client.connections.credentials_end_at()

    def probe(self) -> StoreProfile:
        """Find out what the store keeps to, and go by it from now on."""
        self.profile = probe(self._client, self.prefix)
        return self.profile

    def sweep_uploads(
        self, is_wanted: WantsUpload = lambda path, size, begun_at: False
    ) -> list[DocferryError]:
        """
        Take away the parts that interrupted uploads of ours have left.

        Args:
            is_wanted: Says of what can be gone on with whether somebody may do so.

        Returns:
            Why some are still there.
        """

        def is_kept(left: BegunUpload) -> bool:
            assert left.plan is not None
            return is_wanted(self._path(left.key), left.plan.size, left.begun_at)

        return sweep(self._client, is_kept)

    def begun_as(self, path: Path, attributes: Attributes) -> Ulid | None:
        """
        Find an upload that was cut off and that `write` goes on with.

        Args:
            attributes: With the content's SHA-256. The version may be another one.

        Returns:
            The version that it was begun as; None: there is none.
        """
        for left in self._client.uploads.left(self._key(path)):
            headers = left.plan.headers if left.plan else {}
            version = headers.get(VERSION)
            if version and headers == headers_of(replace(attributes, version=version)):
                return version
        return None

    # Looking.

    def scan(self) -> Iterator[Entry]:
        odd: list[tuple[Path, FileState]] = []
        yield from self._entries(self._list_all(), odd)
        self._odd = [*sorted(odd, key=itemgetter(0))]

    def scan_after(self, path: Path) -> Iterator[Entry]:
        # A store that begins at the beginning costs more, and nothing else.
        entries = self._entries(self._list(self.prefix, self._key(path)), [])
        yield from (entry for entry in entries if entry[0] > path)

    def _entries(
        self, batches: Iterator[list[Listed]], odd: list[tuple[Path, FileState]]
    ) -> Iterator[tuple[Path, FileState]]:
        """Yield the documents of a listing; those with odd paths are added to *odd*."""
        start, aliases = len(self.prefix), self._aliases
        own = self.prefix + RESERVED + "/"
        for batch in batches:
            for full_key, token, size in batch:
                if full_key.startswith(own) or is_folder(full_key, size):
                    continue
                key = full_key[start:]
                path = aliases.get(key) or path_of(key)
                state = FileState(token, None, size)
                if is_odd(path):
                    odd.append((path, state))
                else:
                    yield path, state

    def is_as_scanned(self) -> bool:
        """Say whether the store lists exactly what the last finished `scan` saw: cheap to ask."""
        return self._listing.is_as_before()

    def _list_all(self) -> Iterator[list[Listed]]:
        with self._noting_order():
            yield from self._listing.objects(is_in_order=self.profile.lists_in_order)

    def _list(self, prefix: str, start: str | None = None) -> Iterator[list[Listed]]:
        def fetch_page(after: str | None) -> Page:
            return self._client.list_page(prefix, after, None if after else start)

        with self._noting_order():
            is_in_order = self.profile.lists_in_order
            yield from list_objects(fetch_page, prefix, is_in_order=is_in_order)

    @contextmanager
    def _noting_order(self) -> Iterator[None]:
        try:
            yield
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
        found = self.look(path)
        return None if found is None else found[:2]

    def look(self, path: Path) -> tuple[FileState, Attributes, int | None] | None:
        """Do as `describe`; say also when the object was written (ns since the epoch)."""
        if name_instead_of(path, self._aliases) is not None:
            return None
        key = self._key(path)
        head = self._client.head(key)
        if head is None or is_folder(key, head.size):
            return None
        return FileState(head.token, None, head.size), head.attributes, head.modified_ns

    def checksum(self, path: Path, expect: Token) -> Sha256 | None:
        """Give the SHA-256 that the store itself keeps of an object. None: it keeps none."""
        return self._client.checksum(self._key(path), expect)

    @property
    def archive(self) -> S3Archive:
        return S3Archive(
            self._client,
            self.prefix,
            self.profile,
            self._list,
            self._read_lately,
        )

    @property
    def bucket_versions(self) -> BucketVersions:
        """What the bucket itself keeps of former contents, where `profile.versioning`."""
        return BucketVersions(self._client, self.prefix, self.profile, self._aliases)

    @property
    def snapshots(self) -> S3Snapshots:
        """The snapshots of the ledger that are kept below the prefix."""
        return S3Snapshots(self._client, self.prefix, self.profile, self._list)

    def traces(self, path: Path, versions: Collection[Ulid]) -> Iterator[str]:
        """Name what is left of a document: objects, and what the bucket keeps of its own."""
        keys = [archive_key(self.prefix, version) for version in versions]
        if name_instead_of(path, self._aliases) is None:
            keys.append(self._key(path))
        return traces(self._client, self.profile, keys, self._list_all)

    # Reading.

    def read(self, path: Path, expect: Token) -> Content:
        return self._open(self._key(path), expect)

    def read_archived(self, version: Ulid) -> Content:
        return self.archive.read(version)

    def read_marker(self) -> bytes | None:
        try:
            body = self._client.get(self.prefix + MARKER_PATH, None).body
        except StaleError:
            return None
        return b"" if body is None else body  # too large to be one

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
        require_own_name(path, self._aliases)
        key = self._key(path)
        if not is_plain(key):
            self._refuse_what_the_store_cannot_hold(key, content.size)
        with self._under_way.carries(path, Way.UP, content.size) as moved:
            writer = replace(self._writer, moved=moved)
            return writer.write(key, content, attributes, expect, archive)

    def delete(self, path: Path, *, expect: Token, archive: Attributes) -> None:
        if name_instead_of(path, self._aliases) is not None:
            raise StaleError(f"the object with the key of {path} has another name here by now")
        self._writer.delete(self._key(path), expect, archive)

    def copy_within(
        self, source: Path, source_token: Token, path: Path, attributes: Attributes
    ) -> Written:
        """
        Let the store copy a content to *path*, which must be free.

        Args:
            attributes: With the content's sha256: it is not read here.

        Raises:
            StaleError: *source* is not *source_token* any more, or *path* is taken.
            NameTakenError: The object that it would be goes by another local name.
        """
        require_own_name(path, self._aliases)
        source_key, key = self._key(source), self._key(path)
        if not is_plain(key):
            raise StaleError(f"{path} has an awkward key: send the content instead")
        return self._writer.copy(source_key, source_token, key, attributes)

    def overwrite_unreadable(
        self, path: Path, content: Content, attributes: Attributes, *, expect: Token
    ) -> Written:
        """
        Put a content in the place of an object that the store can neither give nor copy.

        Nothing is archived, for nothing can be. Only for who has tried both.

        Args:
            attributes: With the sha256 that *content* must have.

        Raises:
            StaleError: The object is not *expect*; nothing changed.
        """
        if attributes.sha256 is None:
            raise ValueError(f"{path}: nothing takes its place that is not known")
        writer = replace(self._writer, archives=False)
        return writer.write(self._key(path), content, attributes, expect, None)

    def write_as_others(self, path: Path, body: bytes, *, expect: Token | None) -> None:
        """
        Put a small object the way those do who know nothing of docferry; nothing is archived.

        Args:
            expect: What is there; None: nothing.

        Raises:
            StaleError: Something else is, and the store looks at conditions.
        """
        is_kept = self.profile.conditional_replace if expect else self.profile.conditional_create
        condition = (expect or ABSENT) if is_kept else None
        self._client.put(self._key(path), body, {}, condition)

    def write_marker(self, content: bytes) -> None:
        headers = {"Content-Type": "application/json"}
        self._client.put(self.prefix + MARKER_PATH, content, headers, None)

    def _refuse_what_the_store_cannot_hold(self, key: str, size: int) -> None:
        """
        Try out an awkward key where it can do no harm.

        SeaweedFS takes "a//b" and stores it as "a/b", which may be another document; it
        takes "a/" and loses the bytes.
        """
        if is_folder(key, size):
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
                if self._client.delete(trial):  # the bucket has kept it as a version
                    remove_versions_below(self._client, folder)
        if not is_held:
            raise PermanentError(f"the store cannot hold a key like {key!r}: rename the file")

    @property
    def _writer(self) -> Writer:
        return Writer(self._client, self.prefix, self.profile)

    def _key(self, path: Path) -> str:
        return self.prefix + key_of(path)

    def _path(self, full_key: str) -> Path:
        key = full_key.removeprefix(self.prefix)
        return self._aliases.get(key) or path_of(key)
