"""
What is on its way in and what was displaced: `.docferry/staging` and `.docferry/versions`.

A crash must not blur what is what. So a file in the staging folder that may hold a
displaced content *says in its name* what it is about (`Swap`), and the look at it that
was due when the crash came is taken by the sweep at the next start:

    the newcomer, untouched      it never became visible, or no longer is: unlinked
    the content that was to go   archived: `.docferry/versions/<version>`
    anything else                somebody's own work: given back

`*.new` files never were anything but unfinished newcomers: swept away. What is left of a
large download (`local_begun`) stays for the next try.

A file that somebody may still change from outside, through another hard link or through
a descriptor of which we cannot know, is archived as a copy. Where it is a descriptor, the
file itself is kept in `.docferry/kept` for a while: if it changes there, it is given back.
"""

from __future__ import annotations

import hashlib
import itertools
import os
import secrets
import shutil
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace

from docferry.core.paths import conflict_copy_path
from docferry.errors import StaleError
from docferry.model import MARKER_PATH, RESERVED, Path, Sha256, Token, Ulid
from docferry.storage.atomic import (
    Place,
    Renames,
    fsync_folder,
    has_writer,
    is_held,
    open_folder,
)
from docferry.storage.base import Content, WantsDownload
from docferry.storage.local_begun import Begun, drop_begun, going_on, is_begun
from docferry.storage.local_content import token_of

NO_NEWCOMER = "none"  #: the newcomer of a deletion
_NEW = ".new"  #: the end of the name of what is on its way in
_LINK = "link"  # the staged file is a second name of what is to be displaced
_RUN, _NUMBERS = secrets.token_hex(8), itertools.count()  # a name of its own for each newcomer
#: So long a displaced file is kept that may be open for writing.
UNSURE_S = 60.0
_COPY_BYTES = 1 << 20
_TAIL_BYTES = 80  # with two tokens, a ULID and a random part a name stays below 255 bytes


@dataclass(frozen=True, slots=True)
class Swap:
    """What a staged file is about. Written down as its name, the only durable note."""

    version: Ulid  #: to archive the displaced content under
    newcomer: Token  #: the token of what takes its place, or NO_NEWCOMER, or _LINK
    expect: Token  #: the token of what is to be displaced
    path: Path  #: where; read back from a name, only the end of its last segment

    def name(self) -> str:
        unique = secrets.token_hex(8)
        tail = self.path.rpartition("/")[2].encode()[-_TAIL_BYTES:].decode(errors="ignore")
        return ".".join((unique, self.version, self.newcomer, self.expect, tail))

    def by(self, newcomer: Token) -> Swap:
        return replace(self, newcomer=newcomer)

    @classmethod
    def of(cls, name: str) -> Swap | None:
        """Read it back from a staged file's name. None: the file is no part of a swap."""
        fields = name.split(".", 4)
        return cls(*fields[1:]) if len(fields) == 5 else None


@dataclass(slots=True)
class Newcomer:
    """A content on its way in."""

    place: Place
    begun: Begun | None  #: it outlives a try that is cut off

    @property
    def taken_bytes(self) -> int:
        """What it takes of the disk already."""
        return 0 if self.begun is None else self.begun.taken_bytes


class Staging:
    """The open folders below `.docferry`. What is done here lasts once they are fsynced."""

    def __init__(
        self, root_fd: int, renames: Renames, step: Callable[[str], None] = lambda name: None
    ) -> None:
        """
        Open the folders, and make them, but for `.docferry` itself.

        Raises:
            FileNotFoundError: There is no `.docferry`: this folder was never marked as a
                mirror, or what should be mounted here is not.
        """
        self._root_fd = root_fd
        self._renames = renames
        self._step = step
        self._versions_fd: int | None = None
        with ExitStack() as stack:
            self._own_fd = open_folder(RESERVED, dir_fd=root_fd)
            stack.callback(os.close, self._own_fd)
            self._staging_fd = _open_or_make("staging", self._own_fd)
            stack.callback(os.close, self._staging_fd)
            self._opened = stack.pop_all()

    def __enter__(self) -> Staging:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._opened.close()

    def fsync(self) -> None:
        """Make the archive, and the names in `.docferry`, last through a power cut."""
        fsync_folder(self._open_archive())
        fsync_folder(self._own_fd)

    def archived(self, version: Ulid) -> Place:
        """Give the place of a version in the archive."""
        return Place(self._open_archive(), version)

    @property
    def marker(self) -> Place:
        """The place of the mirror's marker."""
        return Place(self._own_fd, MARKER_PATH.rpartition("/")[2])

    @contextmanager
    def newcomer(self) -> Iterator[Place]:
        """Give a free name for a content on its way in, and remove what is left if it fails."""
        place = self._free_place()
        try:
            yield place
        except Exception:  # a bug too: until the next start nobody would look for it
            with suppress(FileNotFoundError):
                place.unlink()
            raise

    @contextmanager
    def newcomer_of(self, path: Path, content: Content) -> Iterator[Newcomer]:
        """
        Do as `newcomer`, for *content* on its way to *path*.

        A large one whose identity is known stays if it is cut off, and the next try goes on
        with it. Its place is another one after the block.
        """
        coming = None
        with going_on(self._staging_fd, path, content, self._free_place) as begun:
            if begun is not None:
                coming = Newcomer(begun.place, begun)
                yield coming
        if begun is None or coming is None:
            with self.newcomer() as place:
                yield Newcomer(place, None)
        else:
            coming.place = begun.place

    def drop_begun(self, is_wanted: WantsDownload) -> None:
        """Remove what came of downloads that were cut off and that nobody goes on with."""
        drop_begun(self._staging_fd, is_wanted)

    def replace(self, newcomer: Place, target: Place, swap: Swap) -> None:
        """
        Put *newcomer* in the place of what *swap* expects at *target*, and archive that.

        On a file system without RENAME_EXCHANGE what a person renames to *target* in the
        microseconds between the look and the leap is lost; without hard links as well
        nothing is, but *target* is missing for a moment.

        Raises:
            StaleError: Something else is there, or somebody writes to it; it was left
                there, or is beside it now if its name was taken meanwhile.
        """
        self._open_archive()
        staged = Place(self._staging_fd, swap.name())
        newcomer.rename_over(staged)
        self._step("named")
        try:
            exchanged = self._renames.exchange(staged, target)
        except FileNotFoundError:
            exchanged = False
        except OSError:
            staged.unlink()
            raise
        if exchanged:
            self._step("exchanged")
            self._settle(staged, swap, target)
        else:
            staged.rename_over(newcomer)
            self._replace_by_link(newcomer, target, swap)

    def remove(self, target: Place, swap: Swap) -> None:
        """
        Archive what *swap* expects at *target*.

        Raises:
            StaleError: As for `replace`.
        """
        self._open_archive()
        staged = Place(self._staging_fd, swap.name())
        try:
            target.rename_over(staged)
        except FileNotFoundError:
            raise _stale(swap) from None
        self._step("removed")
        self._settle(staged, swap, target)

    def sweep(self, unsure_s: float = UNSURE_S) -> list[Path]:
        """
        Tidy up after a crash: finish or undo what was under way. Only while nothing is, but
        for what is held (`atomic.hold`): that stays.

        Returns:
            The names, in the root, of contents that were somebody's own work and whose
            former place is not known any more.
        """
        recovered = []
        with os.scandir(self._staging_fd) as entries:
            names = sorted(entry.name for entry in entries)
        for name in names:
            staged = Place(self._staging_fd, name)
            swap = Swap.of(name)
            if is_begun(name):
                continue  # whether it is still wanted is known once both sides were looked at
            if swap is None and name.endswith(_NEW) and is_held(staged):
                continue  # on its way in, by another process: its end removes it
            if swap is None or _is_newcomer(staged, swap):
                staged.unlink()
            elif token_of(staged.look()) == swap.expect:
                self._archive(staged, swap)
            else:
                recovered.append(self._put_beside(staged, Place(self._root_fd, swap.path)))
        return recovered + self.look_at_kept(unsure_s)

    def look_at_kept(self, unsure_s: float = UNSURE_S) -> list[Path]:
        """
        Give back what has changed since it was displaced; unlink what did not for so long.

        Returns:
            The names, in the root, of what was given back.
        """
        given_back = []
        with ExitStack() as stack:
            try:
                fd = open_folder("kept", dir_fd=self._own_fd)
            except FileNotFoundError:
                return []
            stack.callback(os.close, fd)
            with os.scandir(fd) as entries:
                names = sorted(entry.name for entry in entries)
            for name in names:
                kept, swap = Place(fd, name), Swap.of(name)
                found = kept.look()
                if swap is None or found is None:
                    continue
                if token_of(found) != swap.expect:
                    given_back.append(self._put_beside(kept, Place(self._root_fd, swap.path)))
                elif time.time() - found.st_ctime >= unsure_s:  # a rename sets the ctime
                    kept.unlink()
        return given_back

    def _free_place(self) -> Place:
        return Place(self._staging_fd, f"{_RUN}-{next(_NUMBERS)}{_NEW}")

    def _open_archive(self) -> int:
        """Open the archive, before anything is displaced: what only comes in does without."""
        if self._versions_fd is None:
            self._versions_fd = _open_or_make("versions", self._own_fd)
            self._opened.callback(os.close, self._versions_fd)
        return self._versions_fd

    def _settle(self, staged: Place, swap: Swap, target: Place) -> None:
        """Look at what was displaced: archive it if it is what was to go, else give it back."""
        if not _is_expected(staged, swap):
            self._give_back(staged, swap, target)
            raise _stale(swap)
        try:
            self._archive(staged, swap)
        except (OSError, StaleError):
            self._give_back(staged, swap, target)
            raise

    def _replace_by_link(self, newcomer: Place, target: Place, swap: Swap) -> None:
        staged = Place(self._staging_fd, swap.by(_LINK).name())
        try:
            is_linked = self._renames.link(target, staged)
        except FileNotFoundError:
            raise _stale(swap) from None
        if not is_linked:
            self.remove(target, swap.by(NO_NEWCOMER))
            self._renames.to_free_name(newcomer, target)
            return
        self._step("linked")
        if not _is_expected(staged, swap) or token_of(target.look()) != swap.expect:
            staged.unlink()
            raise _stale(swap)
        newcomer.rename_over(target)
        self._step("replaced")
        self._archive(staged, swap)

    def _archive(self, staged: Place, swap: Swap) -> None:
        """
        Bring a content to the archive: the file itself only if nobody else can reach it.

        Raises:
            StaleError: It changed while it was copied.
        """
        found, has_writer = staged.look(), has_writer_at(staged)
        if found is None or (found.st_nlink == 1 and has_writer is False):
            self._move_to_archive(staged, swap.version)
            self._step("archived")
            return
        with self.newcomer() as copy:
            _copy(staged, copy, found)
            if token_of(staged.look()) != token_of(found):
                copy.unlink()
                raise _stale(swap)
            self._move_to_archive(copy, swap.version)
        self._step("archived")
        if has_writer is False:
            staged.unlink()  # somebody has it under another name
        else:
            self._keep(staged)

    def _keep(self, staged: Place) -> None:
        fd = _open_or_make("kept", self._own_fd)
        try:
            staged.rename_over(Place(fd, staged.name))
        finally:
            os.close(fd)
        self.look_at_kept()

    def _move_to_archive(self, staged: Place, version: Ulid) -> None:
        """
        Move a content to the archive.

        One of the same version and size is the same content, archived before; one of
        another size is damaged, but not ours to throw away.
        """
        place = self.archived(version)
        try:
            self._renames.to_free_name(staged, place)
        except FileExistsError:
            before, now = place.look(), staged.look()
            if before is not None and now is not None and before.st_size != now.st_size:
                aside = Place(self._open_archive(), f"{version}.{secrets.token_hex(4)}")
                self._renames.to_free_name(place, aside)
            staged.rename_over(place)

    def _give_back(self, staged: Place, swap: Swap, target: Place) -> None:
        """Return what was displaced by mistake to its name, or beside it if that is taken."""
        try:
            self._renames.to_free_name(staged, target)
        except FileExistsError:
            pass
        else:
            return
        if token_of(target.look()) == swap.newcomer:
            with suppress(FileNotFoundError):  # a person was faster: beside it, then
                self._renames.exchange(staged, target)
                self._step("given back")
        # A person may have written into the newcomer while it was visible, or replaced it.
        if _is_newcomer(staged, swap) and not is_being_written(staged):
            staged.unlink()
        else:
            self._put_beside(staged, target)

    def _put_beside(self, staged: Place, target: Place) -> str:
        """Give it a free name of its own in the target's folder, and say which."""
        digest = _sha256(staged)
        while True:
            name = conflict_copy_path(target.name, digest)
            try:
                self._renames.to_free_name(staged, Place(target.dir_fd, name))
            except FileExistsError:
                digest = secrets.token_hex(32)
            else:
                return name


def is_being_written(place: Place) -> bool:
    """Say whether somebody is known to have the file open for writing."""
    return has_writer_at(place) is True


def has_writer_at(place: Place) -> bool | None:
    """Say whether anybody has the file open for writing. None: unknown (`has_writer`)."""
    try:
        fd = place.open(os.O_RDONLY)
    except OSError:
        return None
    try:
        return has_writer(fd)
    finally:
        os.close(fd)


def _is_expected(staged: Place, swap: Swap) -> bool:
    # Away from its path nobody can open it any more: without a writer now, it is at rest.
    return token_of(staged.look()) == swap.expect and not is_being_written(staged)


def _is_newcomer(staged: Place, swap: Swap) -> bool:
    """Say whether it is a content of ours that nobody misses: untouched, or a second name."""
    found = staged.look()
    if swap.newcomer == _LINK:
        return found is not None and found.st_nlink > 1
    return token_of(found) == swap.newcomer


def _stale(swap: Swap) -> StaleError:
    return StaleError(f"{swap.path} is gone, another content, or open for writing")


def _sha256(place: Place) -> Sha256:
    """Hash a file; give a random number for what is none, or cannot be read."""
    found = place.look()
    if found is None or not stat.S_ISREG(found.st_mode):
        return secrets.token_hex(32)
    try:
        fd = place.open(os.O_RDONLY)
    except OSError:
        return secrets.token_hex(32)
    with os.fdopen(fd, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _copy(source: Place, target: Place, found: os.stat_result) -> None:
    """Copy a content, with its mtime and mode, and make it last."""
    with (
        os.fdopen(source.open(os.O_RDONLY), "rb") as reading,
        os.fdopen(target.open(os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as writing,
    ):
        shutil.copyfileobj(reading, writing, _COPY_BYTES)
        writing.flush()
        os.fchmod(writing.fileno(), stat.S_IMODE(found.st_mode) & 0o777)
        os.utime(writing.fileno(), ns=(found.st_mtime_ns, found.st_mtime_ns))
        os.fsync(writing.fileno())


def _open_or_make(name: str, dir_fd: int) -> int:
    try:
        return open_folder(name, dir_fd=dir_fd)
    except FileNotFoundError:
        with suppress(FileExistsError):
            os.mkdir(name, 0o700, dir_fd=dir_fd)
        return open_folder(name, dir_fd=dir_fd)
