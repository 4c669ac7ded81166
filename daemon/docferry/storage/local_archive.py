"""A folder's archive: `.docferry/versions`, one file a version, and nothing else about it."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import dataclass

from docferry.errors import BlockedPathError, StaleError, UnreachableError
from docferry.model import ARCHIVE_PREFIX, Attributes, Sha256, Ulid
from docferry.storage.atomic import Place, Renames, fsync, fsync_folder
from docferry.storage.base import Archived, Content, check_bytes, check_versions, is_version
from docferry.storage.local_content import LocalContent
from docferry.storage.local_folder import Folder, Parent
from docferry.storage.local_staging import Staging
from docferry.storage.local_write import stage

_NAME = ARCHIVE_PREFIX.rstrip("/")


@dataclass(frozen=True, slots=True)
class LocalArchive:
    """
    The archive of one folder, as `storage.base.Archive` says. Asks nothing when it is built.

    A file `<ULID>.<hex>` is what was found damaged as that version: it is no version, but
    goes with it.

    Args:
        require_marker: Raises UnreachableError where the open root is not the mirror's.
        staging: Opens the staging folder below the open root.
        open_own: Opens a file below `.docferry`; None: there is none.
        step: Called with the name of each step of a change; tests crash there.
    """

    folder: Folder
    renames: Renames
    require_marker: Callable[[int], None]
    staging: Callable[[int], AbstractContextManager[Staging]]
    open_own: Callable[[str], LocalContent | None]
    step: Callable[[str], None]

    def scan(self) -> Iterator[Archived]:
        with self._opened() as fd:
            if fd is None:
                return
            try:
                for name in sorted(filter(is_version, _names(fd))):
                    found = Place(fd, name).look()
                    if found is not None and stat.S_ISREG(found.st_mode):
                        yield Archived(name, found.st_size, found.st_mtime_ns)
            except OSError as error:
                raise UnreachableError(f"cannot list {self._where}: {error.strerror}") from error
            if not self._is_still(fd):
                raise UnreachableError(f"{self._where} was replaced while it was listed")

    def describe(self, version: Ulid) -> Attributes | None:
        if not is_version(version):
            return None
        with self._opened() as fd:
            found = None if fd is None else Place(fd, version).look()
        if found is None or not stat.S_ISREG(found.st_mode):
            return None
        return Attributes(mtime_ns=found.st_mtime_ns, size=found.st_size)

    def read(self, version: Ulid) -> Content:
        content = None
        if is_version(version):
            with self._opened() as fd:  # what is not mounted lacks nothing
                content = None if fd is None else self.open_own(ARCHIVE_PREFIX + version)
        if content is None:
            raise StaleError(f"{self._where} does not hold version {version!r}")
        return content

    def put(self, version: Ulid, content: Content, attributes: Attributes) -> None:
        check_versions(version)
        with (
            self.folder.translated(_NAME),
            self.folder.open() as root_fd,
            self.staging(root_fd) as staging,
        ):
            self.require_marker(root_fd)
            place = staging.archived(version)
            if not self._holds(place, content.size, attributes.sha256):
                self._bring(staging, place, content, attributes)
                self.step("archived")
            staging.fsync()  # an earlier try may not have come to it

    def refer(self, version: Ulid, to: Ulid, attributes: Attributes) -> None:
        check_versions(version, to)
        size, sha256 = check_bytes(attributes)
        with self._opened() as fd:
            if fd is None:
                return
            own, other = Place(fd, version), Place(fd, to)
            if not self._holds(own, size, sha256):
                return
            if self._holds(other, size, sha256):
                own.unlink()
            else:
                self.renames.to_free_name(own, other)
            self.step("referred")
            fsync_folder(fd)

    def remove(self, version: Ulid) -> None:
        check_versions(version)
        with self._opened() as fd:
            if fd is None:
                return
            for name in _names(fd):
                if name == version or name.startswith(f"{version}."):
                    with suppress(FileNotFoundError):
                        Place(fd, name).unlink()
            self.step("removed")
            fsync_folder(fd)

    def _bring(
        self, staging: Staging, place: Place, content: Content, attributes: Attributes
    ) -> None:
        with staging.newcomer() as newcomer:
            written = stage(newcomer, content, attributes, None, mode=0o600)
            self.step("staged")
            try:
                self.renames.to_free_name(newcomer, place)
            except FileExistsError:  # another thread was faster
                if not self._holds(place, written.size, written.sha256):
                    raise
                newcomer.unlink()

    @property
    def _where(self) -> str:
        return f"the archive of {self.folder.root}"

    @contextmanager
    def _opened(self) -> Iterator[int | None]:
        """Open the archive. None: there is none yet."""
        with self.folder.translated(_NAME), self.folder.open() as root_fd, ExitStack() as stack:
            self.require_marker(root_fd)
            try:
                parent = stack.enter_context(self._parent(root_fd))
            except FileNotFoundError:
                fd = None
            else:
                fd = parent.place.dir_fd
            yield fd

    def _parent(self, root_fd: int) -> AbstractContextManager[Parent]:
        return self.folder.parent(root_fd, f"{_NAME}/-", own=True)

    def _is_still(self, fd: int) -> bool:
        """Say whether the open archive is the one that is in the folder now."""
        try:
            with self.folder.open() as root_fd, self._parent(root_fd) as parent:
                return os.path.samestat(os.fstat(fd), os.fstat(parent.place.dir_fd))
        except (FileNotFoundError, BlockedPathError):
            return False

    def _holds(self, place: Place, size: int, sha256: Sha256 | None) -> bool:
        """
        Say whether a content is there.

        Args:
            sha256: None: nobody knows it; the size has to do.

        Raises:
            StaleError: Another one is.
        """
        found = place.look()
        if found is None:
            return False
        if (
            not stat.S_ISREG(found.st_mode)
            or found.st_size != size
            or (sha256 is not None and sha256 != _last_and_hash(place))
        ):
            raise StaleError(f"{self._where} holds another content as version {place.name}")
        return True


def _names(dir_fd: int) -> list[str]:
    with os.scandir(dir_fd) as entries:
        return [entry.name for entry in entries]


def _last_and_hash(place: Place) -> Sha256:
    """Hash a file, once it is on the disk: another one may be removed because of it."""
    with os.fdopen(place.open(os.O_RDONLY), "rb") as file:
        fsync(file.fileno())
        return hashlib.file_digest(file, "sha256").hexdigest()
