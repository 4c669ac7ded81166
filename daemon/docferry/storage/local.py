"""
A folder on this machine as one side of a mirror.

Nothing is overwritten or unlinked in place. A new content is staged on the folder's own
file system, hashed, fsynced, and only then given its name, in one step; what it
displaces is looked at *after* it left its place, where nobody can change it any more
(`storage.local_staging`). A person may do anything at any moment: it is noticed, and
what they wrote is kept.
"""

from __future__ import annotations

import errno
import os
import pathlib
import stat
import threading
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import (
    ExitStack,
    contextmanager,
    suppress,
)
from dataclasses import replace
from functools import partial

from docferry.errors import (
    BlockedPathError,
    DocferryError,
    StaleError,
    UnreachableError,
)
from docferry.model import (
    MARKER_PATH,
    RESERVED,
    Attributes,
    Entry,
    FileState,
    Path,
    Token,
    Ulid,
    Unknown,
    Written,
)
from docferry.storage import local_traces
from docferry.storage.atomic import Place, Renames, fsync_folder
from docferry.storage.base import Arrival, Content, WantsDownload
from docferry.storage.local_archive import LocalArchive
from docferry.storage.local_batch import (
    Batch,
    Room,
    look_first,
    refuse_if_taken,
    swap_of,
    unguarded,
)
from docferry.storage.local_content import LocalContent, state_of, token_of
from docferry.storage.local_folder import Folder, has_marker
from docferry.storage.local_intake import Intake, Opened, incoming
from docferry.storage.local_staging import UNSURE_S, Staging, is_being_written
from docferry.storage.local_walk import MOUNT, in_order, kind_of, walk, why_unreadable
from docferry.storage.local_write import stage
from docferry.storage.memory import BytesContent
from docferry.storage.under_way import UnderWay
from docferry.storage.whole_sync import WholeSync

_CHANGED = "what is above it changed while it was looked at"


class LocalStorage:
    """
    A folder. Thread-safe, but one process at a time may write to it.

    Only `write_marker` makes the folder `.docferry`; without it there is no `write`
    and no `delete`: a mount point whose file system is missing takes no harm.

    Args:
        needs_marker: What is in a folder without a marker is not the mirror's: nothing is
            read, and nothing is absent. A mount point whose file system went meanwhile
            may well have a file that some program has just written there.
        step: Called with the name of each step of a change; tests crash there.
        renames: What the file system can do; tests take it away.
        whole_sync: How many files are brought to the disk at once; tests look on.
        room: Entered with the size of a content while it comes in; raises FullError if the
            disk is to take no more.
        under_way: Is told how far large contents have come.
    """

    def __init__(
        self,
        root: pathlib.Path,
        *,
        needs_marker: bool = False,
        step: Callable[[str], None] = lambda name: None,
        renames: Renames | None = None,
        whole_sync: WholeSync | None = None,
        room: Room = unguarded,
        under_way: UnderWay | None = None,
    ) -> None:
        self.root = root
        self._folder = Folder(root)
        self._needs_marker = needs_marker
        self._step = step
        self._renames = renames or Renames()
        self._odd: list[Entry] = []
        self._whole_sync = whole_sync or WholeSync()
        self._room = room
        self._under_way = under_way or UnderWay()
        # A few system calls long. Without it, two of our own writes to one path would
        # take each other for strangers, and pruning would remove a folder just made.
        self._changing = threading.Lock()
        self.archive = LocalArchive(
            self._folder,
            self._renames,
            self._require_marker,
            self._staging,
            partial(self._open, expect=None, own=True),
            step,
        )

    # Looking.

    def scan(self) -> Iterator[Entry]:
        odd: list[Entry] = []
        with self._folder.open() as root_fd:
            try:
                yield from walk(root_fd, odd)
                at_start, now = os.fstat(root_fd), self.root.stat()
            except OSError as error:
                raise UnreachableError(f"cannot list {self.root}: {error.strerror}") from error
        if not os.path.samestat(at_start, now):
            raise UnreachableError(f"{self.root} was replaced or mounted while it was listed")
        self._odd = in_order(odd)

    def scan_odd(self) -> list[Entry]:
        return self._odd

    def paths_below(self, folder: Path) -> Iterator[Path | Unknown]:
        """Yield what is below *folder* now, odd paths too, in no order, and what cannot be told."""
        odd: list[Entry] = []
        with self._folder.translated(folder), self._folder.open() as root_fd:
            try:
                with (
                    suppress(FileNotFoundError, BlockedPathError),
                    self._folder.parent(root_fd, f"{folder}/-") as parent,
                ):
                    for found in (walk(parent.place.dir_fd, odd), odd):
                        yield from (_below(folder, entry) for entry in found)
            except PermissionError as error:
                yield Unknown(folder, why_unreadable(error), below=True)

    def stat(self, path: Path) -> FileState | Unknown | None:
        try:
            found = self._look(path)
        except BlockedPathError as error:
            above = self.stat(error.blocked_by)
            if isinstance(above, FileState):  # nothing can be below a file
                return None
            # What was no folder may be one again by now, with the file in it: not "absent".
            return Unknown(path, _CHANGED if above is None else above.reason)
        except OSError as error:
            if error.errno == errno.ENAMETOOLONG:
                return None
            return Unknown(path, f"cannot be looked at: {error.strerror}")
        if found is None:
            return None
        if stat.S_ISDIR(found.st_mode):
            mounted = found.st_dev != self.root.stat().st_dev
            return Unknown(path, MOUNT, below=True) if mounted else None
        if not stat.S_ISREG(found.st_mode):
            return Unknown(path, kind_of(found.st_mode))
        return state_of(found)

    def is_being_written(self, path: Path) -> bool:
        """Say whether somebody is known to have *path* open for writing."""
        try:
            with self._folder.open() as root_fd, self._folder.parent(root_fd, path) as parent:
                return token_of(parent.place.look()) is not None and is_being_written(parent.place)
        except (OSError, BlockedPathError):
            return False

    def blocker(self, path: Path) -> Path | None:
        """Name what is in the way of a new file at *path*; None: nothing."""
        try:
            with (
                self._folder.translated(path),
                self._folder.open() as root_fd,
                suppress(FileNotFoundError),
                self._folder.parent(root_fd, path) as parent,
            ):
                refuse_if_taken(parent.place.look(), path)
        except BlockedPathError as error:
            return error.blocked_by
        except StaleError:  # a file: that is for the writer to find
            return None
        return None

    def free_bytes(self) -> int:
        """Give the room that is left for docferry's user on the folder's file system."""
        with self._folder.translated("."):
            found = os.statvfs(self.root)
        return found.f_bavail * found.f_frsize

    # Reading.

    def read(self, path: Path, expect: Token) -> Content:
        content = self._open(path, expect, own=False)
        if content is None:
            raise StaleError(f"{path} is gone or another content than expected")
        if content.is_being_written():
            content.close()
            raise StaleError(f"{path} is open for writing: it is taken once it is closed")
        return content

    def make_last(self, path: Path, content: Content) -> None:
        """
        Make what `read` opened, its name and those of its folders last through a power cut.

        Raises:
            StaleError: Its folder is gone.
        """
        assert isinstance(content, LocalContent)
        with self._folder.translated(path), self._folder.open() as root_fd:
            content.make_last()
            try:
                with self._folder.parent(root_fd, path) as parent:
                    for fd in parent.fds[::-1]:
                        fsync_folder(fd)
            except (FileNotFoundError, BlockedPathError) as error:
                raise StaleError(f"{path} is gone") from error

    def lasts_together(self) -> bool:
        """Say whether `make_all_last` costs less than to make many files last one by one."""
        with self._folder.translated("."), self._folder.open() as root_fd:
            return self._whole_sync.is_worth_it(root_fd)

    def make_all_last(self) -> None:
        """Make all that is in the folder by now last through a power cut."""
        with self._folder.translated("."), self._folder.open() as root_fd:
            self._whole_sync.run(root_fd)

    def read_archived(self, version: str) -> Content:
        return self.archive.read(version)

    def read_marker(self) -> bytes | None:
        content = self._open(MARKER_PATH, expect=None, own=True)
        if content is None:
            return None
        with content:
            return b"".join(content.parts())

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
        [result] = self.write_all([Arrival(path, content, attributes, expect, archive)])
        if isinstance(result, DocferryError):
            raise result
        return result

    def write_all(self, arrivals: Sequence[Arrival]) -> list[Written | DocferryError]:
        """
        Do as `write` does, for several paths.

        Returns:
            For each what it came to, or the error that `write` would have raised.
        """
        for one in arrivals:  # a ValueError comes before any change
            if one.expect is not None:
                swap_of(one.path, one.expect, one.archive)
        try:
            with (
                self._folder.translated(RESERVED),
                self._folder.open() as root_fd,
                self._staging(root_fd) as staging,
            ):
                batch = Batch(
                    self._folder,
                    root_fd,
                    staging,
                    self._renames,
                    self._whole_sync,
                    self._changing,
                    self._step,
                    self._room,
                    self._under_way,
                )
                return batch.run(arrivals)
        except DocferryError as error:  # the folder itself is out of reach
            return [error] * len(arrivals)

    @contextmanager
    def intake(self) -> Iterator[Intake]:
        """
        Take in a content whose size and hash are known at its end. What is not put is removed.

        Another process than the daemon may do so: it gives way to what is there, as a person's
        program would.
        """
        with (
            self._folder.translated(RESERVED),
            self._folder.open() as root_fd,
            self._staging(root_fd) as staging,
        ):
            self._require_marker(root_fd)
            opened = Opened(self._folder, root_fd, staging, self._renames, self._changing)
            with incoming(opened) as intake:
                yield intake

    def delete(self, path: Path, *, expect: Token, archive: Attributes) -> None:
        swap = swap_of(path, expect, archive)
        with (
            self._folder.translated(path),
            self._folder.open() as root_fd,
            self._staging(root_fd) as staging,
            ExitStack() as stack,
        ):
            look_first(self._folder, root_fd, path, expect)
            with self._changing:
                parent = stack.enter_context(self._folder.parent(root_fd, path))
                staging.remove(parent.place, swap)
                parent.prune()
            staging.fsync()
            parent.fsync()

    def write_marker(self, content: bytes) -> None:
        with self._folder.translated(MARKER_PATH), self._folder.open() as root_fd:
            with suppress(FileExistsError):
                os.mkdir(RESERVED, 0o700, dir_fd=root_fd)
                fsync_folder(root_fd)
            with self._staging(root_fd) as staging, staging.newcomer() as newcomer:
                stage(newcomer, BytesContent(content), Attributes(), None, mode=0o600)
                newcomer.rename_over(staging.marker)
                staging.fsync()

    def sweep_staging(self, *, unsure_s: float = UNSURE_S) -> list[Path]:
        """
        Finish or undo what a crash interrupted. Call it at start, before any change.

        Returns:
            Paths under which contents of persons were put that a crash had caught out of
            their place (at the root, as conflict copies): tell a person.
        """
        with self._folder.translated(RESERVED), self._folder.open() as root_fd:
            if Place(root_fd, RESERVED).look() is None:
                return []
            with self._changing, self._staging(root_fd) as staging:
                recovered = staging.sweep(unsure_s)
                staging.fsync()
                fsync_folder(root_fd)
        return recovered

    def drop_begun(self, is_wanted: WantsDownload) -> None:
        """Remove what came of large downloads that were cut off, where nobody goes on with it."""
        with (
            self._folder.translated(RESERVED),
            self._folder.open() as root_fd,
            self._staging(root_fd) as staging,
        ):
            staging.drop_begun(is_wanted)

    def look_at_kept(self, *, unsure_s: float = UNSURE_S) -> list[Path]:
        """
        Look at what was displaced while it may have been open for writing.

        Returns:
            As `sweep_staging`: what has changed since, and was given back.
        """
        with (
            self._folder.translated(RESERVED),
            self._folder.open() as root_fd,
            self._changing,
            self._staging(root_fd) as staging,
        ):
            given_back = staging.look_at_kept(unsure_s)
            if given_back:
                fsync_folder(root_fd)
        return given_back

    def drop_staged(self, versions: Collection[Ulid]) -> None:
        """Remove what is staged, or kept for a while, of *versions*."""
        with self._changing:
            local_traces.drop_staged(self._folder, versions)

    def traces(self, path: Path, versions: Collection[Ulid]) -> Iterator[str]:
        """Name what is left of a document: at its path, and of its versions anywhere."""
        return local_traces.traces(self._folder, path, versions)

    def _look(self, path: Path) -> os.stat_result | None:
        with self._folder.open() as root_fd:
            try:
                with self._folder.parent(root_fd, path) as parent:
                    found = parent.place.look()
            except FileNotFoundError:
                found = None
            if found is None:
                self._require_marker(root_fd)
        return found

    def _require_marker(self, root_fd: int) -> None:
        if self._needs_marker and not has_marker(root_fd):
            raise UnreachableError(
                f"{self.root} has no {MARKER_PATH}: it is not the mirror's folder, or not mounted"
            )

    def _open(self, path: Path, expect: Token | None, *, own: bool) -> LocalContent | None:
        """Open what is at *path* if it is *expect* (None: any regular file)."""

        with self._folder.translated(path), ExitStack() as opened:
            root_fd = opened.enter_context(self._folder.open())
            if not own:
                self._require_marker(root_fd)
            try:
                place = opened.enter_context(self._folder.parent(root_fd, path, own=own)).place
                # Look before opening: to open a FIFO or a device is to act on it.
                token = token_of(place.look())
                if token is None or expect not in (None, token):
                    return None
                fd = place.open(os.O_RDONLY)
            except (FileNotFoundError, BlockedPathError):
                return None
            look = partial(self._look_in, place, path)
            content = LocalContent(fd, path, token, look, opened.pop_all())
        if content.was_as_expected:
            return content
        content.close()
        return None

    def _look_in(self, place: Place, path: Path) -> os.stat_result | None:
        with self._folder.translated(path):
            return place.look()

    @contextmanager
    def _staging(self, root_fd: int) -> Iterator[Staging]:
        try:
            staging = Staging(root_fd, self._renames, self._step)
        except FileNotFoundError as error:
            raise UnreachableError(
                f"{self.root} has no {RESERVED}: it is not the mirror's folder, or not mounted"
            ) from error
        with staging:
            yield staging


def _below(folder: Path, entry: Entry) -> Path | Unknown:
    if isinstance(entry, Unknown):
        return replace(entry, path=f"{folder}/{entry.path}")
    return f"{folder}/{entry[0]}"
