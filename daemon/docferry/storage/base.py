"""
What a side of a mirror can do. One contract, one test suite (tests/contract/).

Paths are `model.Path` on both sides: the S3 side maps them to keys and back
(`core.paths`). Everything below `.docferry/` is docferry's own: `scan` does not
yield it, the engine never plans on it.
"""

from __future__ import annotations

import hashlib
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, TypeAlias

from docferry.errors import DocferryError
from docferry.model import (
    Attributes,
    Entry,
    FileState,
    Path,
    Sha256,
    Token,
    Ulid,
    Unknown,
    Written,
)

#: Contents up to this size move in one request and are held in memory; larger
#: ones move in parts of this size, a few at a time (or larger: S3 takes 10,000 parts).
PART_BYTES = 16 * 1024 * 1024
PARTS_AT_ONCE = 4

#: Gives the bytes at an offset, so many, which an earlier try has fetched. None: it has not.
Give: TypeAlias = Callable[[int, int], bytes | None]

_IS_ULID = re.compile(r"[0-9A-HJKMNP-TV-Z]{26}")


class Content(ABC):
    """
    A content at rest that can be read more than once, at any offset.

    Use it as a context manager. Reading raises StaleError when the content is no
    longer the one that was asked for: never a mix of two contents.
    """

    size: int  #: bytes
    attributes: Attributes  #: what the side says about it: claims, not facts
    #: Tells it from every other content, anywhere. None: nothing does, or nobody needs it.
    identity: str | None = None

    @abstractmethod
    def part(self, offset: int, size: int) -> bytes:
        """
        Read exactly *size* bytes from *offset*. Thread-safe.

        Raises:
            StaleError: It changed or is gone.
            TemporaryError: A short or broken answer.
        """

    @abstractmethod
    def parts(self, part_bytes: int = PART_BYTES) -> Iterator[bytes]:
        """Read it all, in order, in bounded memory (a remote one reads ahead)."""

    def take_from(self, give: Give) -> None:
        """Have `parts` fetch only what *give* has not. Only of a content with an identity."""
        raise NotImplementedError

    @abstractmethod
    def confirm(self) -> None:
        """
        Check, after the last read, that it is still what was asked for.

        Raises:
            StaleError: It changed while it was read: forget what was read.
        """

    @abstractmethod
    def close(self) -> None: ...

    def sha256(self) -> Sha256:
        """Read it all and hash it."""
        return self.read_into(lambda part: None)

    def read_into(self, take: Callable[[bytes], object], part_bytes: int = PART_BYTES) -> Sha256:
        """Read it all, in order, in bounded memory, hand each part to *take*, and hash it."""
        digest = hashlib.sha256()
        for part in self.parts(part_bytes):
            digest.update(part)
            take(part)
        return digest.hexdigest()

    def __enter__(self) -> Content:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()


@dataclass(frozen=True, slots=True)
class Arrival:
    """A content on its way to a path: what `Storage.write` is told about it."""

    path: Path
    content: Content
    attributes: Attributes
    expect: Token | None = None
    archive: Attributes | None = None


class WantsUpload(Protocol):
    """Says whether somebody may still go on with an upload in parts that was cut off."""

    def __call__(self, path: Path, size: int, begun_at: datetime) -> bool: ...


class WantsDownload(Protocol):
    """Says whether somebody may still go on with a download that was cut off."""

    def __call__(self, path: Path, size: int, last_at: datetime, /) -> bool: ...


@dataclass(frozen=True, slots=True)
class Archived:
    """Something in the archive, as a listing tells of it."""

    version: Ulid
    size: int  #: bytes, of what lies there: 0 where the bytes are under another version
    modified_ns: int | None  #: the content's mtime; None: the listing does not tell


class Archive(Protocol):
    """
    What was displaced, by version: `.docferry/versions/<ULID>` on either side.

    A bucket's archive may hold a version as a *reference*: an empty object that says
    what the version was and under which other one its bytes are. A folder's has none.

    Every method may raise UnreachableError, TemporaryError and PermanentError; those
    that change something raise ValueError for a version that is no ULID.
    """

    def scan(self) -> Iterator[Archived]:
        """
        Yield all that is there, in the order of ULIDs. What is no version is left out.

        Raises:
            UnreachableError, TemporaryError: It did not finish. What was not yielded is
                then unknown, not absent.
        """
        ...

    def describe(self, version: Ulid) -> Attributes | None:
        """Give what a version says about itself, with its size. None: it is not there."""
        ...

    def read(self, version: Ulid) -> Content:
        """
        Open a version; one reference is followed.

        Raises:
            StaleError: It is not there, or its reference points to other bytes, or none.
        """
        ...

    def put(self, version: Ulid, content: Content, attributes: Attributes) -> None:
        """
        Bring a content into the archive, whole, checked, durably.

        Nothing happens where one of the same size (and SHA-256, where both are known) is
        there already. A reference whose bytes are gone is replaced by them.

        Raises:
            StaleError: Another content is there, or this one changed; nothing changed.
            TemporaryError: The content came damaged: not `attributes.sha256`.
        """
        ...

    def refer(self, version: Ulid, to: Ulid, attributes: Attributes) -> None:
        """
        Keep the bytes of two equal versions once, under *to*.

        A bucket then holds a reference as *version*, in the place of its bytes if they are
        there; a folder holds nothing. Until it returns, and for as long as *version* is
        kept, nobody may remove *to* or make a reference of it.

        Args:
            attributes: Of *version*; `size` and `sha256` are what *to* must hold.

        Raises:
            StaleError: *to* does not hold these bytes, or *version* other ones; nothing
                changed.
        """
        ...

    def remove(self, version: Ulid) -> None:
        """
        Remove the bytes of a version for good, from the bucket's own versions too.

        References to it are not looked for. Nothing is there: nothing to do.
        """
        ...


class Storage(Protocol):
    """
    A folder or a prefix.

    Every method may raise UnreachableError (the side does not answer),
    TemporaryError (again later) and PermanentError (a person must act).
    """

    @property
    def archive(self) -> Archive: ...

    def scan(self) -> Iterator[Entry]:
        """
        Yield everything the side holds, in the order of the paths' UTF-8 bytes.

        Entries whose path differs from the key (`core.paths.is_odd`) are left out
        here and yielded by `scan_odd` once `scan` is exhausted.

        Raises:
            UnreachableError, TemporaryError: The walk or listing did not finish. What
                was not yielded is then unknown, not absent.
        """
        ...

    def scan_odd(self) -> list[Entry]:
        """Give the odd entries met by the last finished `scan`, sorted by path."""
        ...

    def stat(self, path: Path) -> FileState | Unknown | None:
        """Look at one path now. None: it is known to be absent."""
        ...

    def read(self, path: Path, expect: Token) -> Content:
        """
        Open the content at *path*.

        Raises:
            StaleError: The side holds another content there, or none, or somebody is
                known to have it open for writing.
        """
        ...

    def write(
        self,
        path: Path,
        content: Content,
        attributes: Attributes,
        *,
        expect: Token | None,
        archive: Attributes | None = None,
    ) -> Written:
        """
        Make *path* hold *content*, whole or not at all, durably.

        What it displaces goes to the archive first, under `archive.version`; the path
        is never empty. `attributes.sha256`, when given, is checked against the bytes.
        `content.confirm()` is called before the new content becomes visible.

        Args:
            expect: The token of what is there now; None: nothing may be there.
            archive: Names what is displaced; needed whenever *expect* is given.

        Raises:
            StaleError: The side, or the content, is not as expected; nothing changed.
            BlockedPathError: A file stands where a folder is needed, or vice versa.
        """
        ...

    def delete(self, path: Path, *, expect: Token, archive: Attributes) -> None:
        """
        Move what is at *path* to the archive, under `archive.version`.

        Raises:
            StaleError: The side does not hold *expect* there; nothing changed.
        """
        ...

    def read_archived(self, version: str) -> Content:
        """
        Open an archived version, as `archive.read` does.

        Raises:
            StaleError: The archive of this side does not hold it.
        """
        ...

    def read_marker(self) -> bytes | None:
        """Give the side's marker (`.docferry/mirror.json`); None: it has none."""
        ...

    def write_marker(self, content: bytes) -> None:
        """Write the side's marker, replacing the one it has."""
        ...


def write_each(storage: Storage, arrivals: Sequence[Arrival]) -> list[Written | DocferryError]:
    """Write contents one by one, where several at once are no cheaper."""
    results: list[Written | DocferryError] = []
    for one in arrivals:
        try:
            written = storage.write(
                one.path, one.content, one.attributes, expect=one.expect, archive=one.archive
            )
        except DocferryError as error:
            results.append(error)
        else:
            results.append(written)
    return results


def is_version(name: str) -> bool:
    """Say whether *name* is a ULID, and so can be no way to somewhere else."""
    return _IS_ULID.fullmatch(name) is not None


def check_versions(*versions: Ulid) -> None:
    """
    Refuse what is to name something in an archive and is no ULID, or names it twice.

    Raises:
        ValueError: So it is: a mistake in the program, before anything changed.
    """
    for version in versions:
        if not is_version(version):
            raise ValueError(f"{version!r} is no version")
    if len({*versions}) < len(versions):
        raise ValueError(f"version {versions[0]} cannot refer to itself")


def check_bytes(attributes: Attributes) -> tuple[int, Sha256]:
    """Give the size and SHA-256 that a reference needs to say which bytes it is about."""
    if attributes.size is None or attributes.sha256 is None:
        raise ValueError("a reference needs the size and the SHA-256 of its bytes")
    return attributes.size, attributes.sha256
