"""What the engine asks of the two sides of a mirror, beyond `Storage`, and of the ledger."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Protocol

from docferry.errors import DocferryError
from docferry.model import (
    Attributes,
    Entry,
    Path,
    Provenance,
    Sha256,
    SyncedState,
    Token,
    Ulid,
    Unknown,
    VersionRow,
    Written,
)
from docferry.storage.base import Arrival, Content, Storage, WantsDownload, WantsUpload


class LocalSide(Storage, Protocol):
    def is_being_written(self, path: Path) -> bool:
        """Say whether somebody is known to have *path* open for writing."""
        ...

    def make_last(self, path: Path, content: Content) -> None:
        """
        Make *content*, which `read` opened at *path*, and its name last through a power cut.

        Raises:
            StaleError: It has not that name any more.
        """
        ...

    def lasts_together(self) -> bool:
        """Say whether `make_all_last` costs less than to make many files last one by one."""
        ...

    def make_all_last(self) -> None:
        """
        Do so for all that is on this side by now, and whatever else is on its file system.

        For many files it costs next to nothing each, where others write little.
        """
        ...

    def paths_below(self, folder: Path) -> Iterator[Path | Unknown]:
        """Yield what is below *folder* now, odd paths too, in no order, and what cannot be told."""
        ...

    def write_all(self, arrivals: Sequence[Arrival]) -> list[Written | DocferryError]:
        """
        Do as `write` does, for several paths at a lower cost.

        Returns:
            For each what it came to, or the error that `write` would have raised.
        """
        ...

    def drop_begun(self, is_wanted: WantsDownload) -> None:
        """Remove what came of large downloads that were cut off and are not wanted any more."""
        ...

    def blocker(self, path: Path) -> Path | None:
        """
        Name what is in the way of a new file at *path*.

        A file where a folder is needed, or *path* itself where a folder is. None: nothing.
        """
        ...


class RemoteSide(Storage, Protocol):
    def sweep_uploads(self, is_wanted: WantsUpload) -> list[DocferryError]:
        """
        Take away what uploads of ours that were cut off have left; say why some stays.

        *is_wanted* is asked only about those that can be gone on with.
        """
        ...

    def begun_as(self, path: Path, attributes: Attributes) -> Ulid | None:
        """
        Give the version of an upload that was cut off and is gone on with by `write`.

        None: none to *path* is of just these *attributes*, but for their version.
        """
        ...

    def scan_after(self, path: Path) -> Iterator[Entry]:
        """
        Yield as `scan` does what comes after *path*, which costs no more than that.

        Raises:
            UnreachableError, TemporaryError: The listing did not finish.
        """
        ...

    def is_as_scanned(self) -> bool:
        """Say whether a scan would yield exactly what the last finished one did."""
        ...

    def copy_within(
        self, source: Path, source_token: Token, path: Path, attributes: Attributes
    ) -> Written:
        """
        Copy an object inside the store.

        Raises:
            StaleError: The source is not *source_token* any more, or *path* is taken.
        """
        ...


class KnownContents(Protocol):
    """What the executor asks the ledger, and tells it before an operation is done."""

    def find_sha256(self, mirror: str, sha256: Sha256) -> tuple[Path, SyncedState] | None: ...

    def is_intended(self, mirror: str, path: Path, version: Ulid) -> bool:
        """Say whether *version* is an upload of ours that was begun and never written down."""
        ...

    def intended(self, mirror: str, paths: Sequence[Path]) -> Collection[Path]:
        """Give those of *paths* with an upload of ours that was begun and never written down."""
        ...

    def unagreed(self, mirror: str, path: Path) -> tuple[Ulid, Sha256] | None:
        """Give the version that a path, without an agreement, holds all the same, and its hash."""
        ...

    def intend(self, mirror: str, path: Path, version: Ulid) -> None:
        """Note durably that *version* is about to be uploaded to *path*."""
        ...

    def newest(self, mirror: str, path: Path) -> Ulid | None:
        """Give the greatest version that ever was at *path*; None: there was none."""
        ...

    def parent_of(self, version: Ulid) -> Ulid | None:
        """Give the version that this one replaced; None: it is not known, or there was none."""
        ...

    def made_at(self, mirror: str, path: Path, sha256: Callable[[], Sha256]) -> Provenance | None:
        """
        Say of what a conversion made the content at *path*; None: it is nobody's result.

        *sha256* is called only where there may be one.
        """
        ...

    def begin_conflict(self, displaced: VersionRow, copy_path: Path) -> None:
        """Note durably that *displaced* is about to go, and which copy of it stays."""
        ...
