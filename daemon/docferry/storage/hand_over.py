"""
Move a settled file out of one folder into another. A crash leaves it in one of them, whole.

On one file system that is a rename. Between two, the content is copied by `storage.local`,
and `remove` takes the original away: it is looked at again *after* it left its place,
where no saver can replace it any more:

    .docferry/taken/<token>/<path>   has that token: it is safe elsewhere, and unlinked
                                     anything else: somebody's new work, given back

The name says which, so that `recover` can finish what a crash interrupted. Where nobody
can tell whether it is open for writing, it stays aside for a while before it is unlinked:
somebody may go on writing through a descriptor, and what comes then is given back too.
"""

from __future__ import annotations

import errno
import os
import pathlib
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress

from docferry.errors import BlockedPathError, PermanentError, StaleError, UnreachableError
from docferry.model import MARKER_PATH, RESERVED, Entry, Path, Token, Unknown
from docferry.storage.atomic import Place, Renames
from docferry.storage.local_content import token_of
from docferry.storage.local_folder import Folder, Parent, has_marker
from docferry.storage.local_staging import has_writer_at
from docferry.storage.local_walk import in_order, walk

#: So long after the settle time a file stays aside that may be open for writing.
UNSURE_S = 60.0
_TAKEN = f"{RESERVED}/taken"


class HandOver:
    """
    From the folder *source* to the folder *target*. For one thread.

    Args:
        unsure_s: How long a file stays aside that may be open for writing.
        step: Called with the name of each step; tests crash there.
    """

    def __init__(
        self,
        source: pathlib.Path,
        target: pathlib.Path,
        *,
        unsure_s: float = UNSURE_S,
        step: Callable[[str], None] = lambda name: None,
    ) -> None:
        self._source = Folder(source)
        self._target = Folder(target)
        self._renames = Renames()
        self._unsure_s = unsure_s
        self._step = step

    def rename(self, path: Path, expect: Token, target: Path) -> bool:
        """
        Give the file the name *target* in the other folder, which must be free.

        False: that is on another file system; nothing changed.

        Raises:
            StaleError: The file is not *expect* any more, or *target* is taken.
            PermanentError: We may not.
            UnreachableError: The target folder is not there, or not marked as a mirror's.
        """
        with _entered(self._source, path) as source:
            _make_last(source.place, expect)
            self._require_marker()
            with _entered(self._target, target, create=True) as there:
                try:
                    self._renames.to_free_name(source.place, there.place)
                except FileExistsError as error:
                    raise _taken(there.place, target) from error
                except OSError as error:
                    if error.errno != errno.EXDEV:
                        raise
                    there.unmake()
                    return False
                self._step("renamed")
                there.fsync()
            source.fsync()
        return True

    def require_removable(self, path: Path) -> None:
        """
        Make sure, before a content is brought away, that the original can be.

        Raises:
            PermanentError: Our user may not.
        """
        with _entered(self._source, path) as source:
            fd = source.place.dir_fd
            if not os.access(".", os.W_OK | os.X_OK, dir_fd=fd, effective_ids=True):
                raise PermanentError(
                    f"{self._source.root / path} cannot be moved away: give docferry's user the "
                    "right to write its folder"
                )

    def remove(self, path: Path, expect: Token) -> None:
        """
        Take a file away whose content is safe elsewhere.

        Raises:
            StaleError: It is another content by now, or open for writing: it stays.
        """
        with (
            _entered(self._source, path) as source,
            _entered(self._source, f"{_TAKEN}/{expect}/{path}", create=True, own=True) as aside,
        ):
            self._renames.to_free_name(source.place, aside.place)
            self._step("aside")
            self._settle(aside, source.place, expect)

    def make_last(self, target: Path, expect: Token) -> None:
        """
        Make sure that a content in the other folder outlives a power cut.

        Raises:
            StaleError: It is not *expect* any more.
        """
        with _entered(self._target, target) as there:
            _make_last(there.place, expect)
            there.fsync()

    def recover(self) -> None:
        """Finish each `remove` that was interrupted. Call it at start, and now and then."""
        for token in self._names_in(_TAKEN):
            for path in self._paths_below(f"{_TAKEN}/{token}"):
                self._recover_one(path, token)

    def _names_in(self, folder: Path) -> list[str]:
        with self._own(folder) as fd:
            return [] if fd is None else sorted(os.listdir(fd))  # noqa: PTH208  an open one

    def _paths_below(self, folder: Path) -> list[Path]:
        odd: list[Entry] = []
        with self._own(folder) as fd:
            found = [] if fd is None else [*walk(fd, odd)]
        entries = found + in_order(odd)
        return [entry.path if isinstance(entry, Unknown) else entry[0] for entry in entries]

    @contextmanager
    def _own(self, folder: Path) -> Iterator[int | None]:
        """Open a folder of ours in the source. None: there is none, or it leads elsewhere."""
        with self._source.translated(folder), self._source.open() as root_fd, ExitStack() as stack:
            fd = None
            # People may write to what they drop into: a link of theirs is nothing of ours.
            with suppress(FileNotFoundError, BlockedPathError):
                parent = self._source.parent(root_fd, f"{folder}/-", own=True)
                fd = stack.enter_context(parent).place.dir_fd
            yield fd

    def _recover_one(self, path: Path, token: Token) -> None:
        with (
            _entered(self._source, path, create=True) as original,
            _entered(self._source, f"{_TAKEN}/{token}/{path}", own=True) as aside,
            suppress(StaleError),
        ):
            self._settle(aside, original.place, token)

    def _settle(self, aside: Parent, original: Place, expect: Token) -> None:
        """Unlink what was put aside if it is *expect* and stays so, else give it back."""
        has_writer = has_writer_at(aside.place)
        found = aside.place.look()
        is_safe = token_of(found) == expect and has_writer is not True
        if is_safe and found is not None:
            if has_writer is None and time.time() - found.st_ctime < self._unsure_s:
                return  # a rename sets the ctime; `recover` looks again
            aside.place.unlink()
        else:
            with suppress(FileExistsError):  # a newer one is there: `recover` tries again
                self._renames.to_free_name(aside.place, original)
        self._step("settled")
        aside.prune()
        if not is_safe:
            raise StaleError(f"{original.name} changed while it was moved: it was given back")

    def _require_marker(self) -> None:
        with self._target.open() as root_fd:
            if not has_marker(root_fd):
                raise UnreachableError(
                    f"{self._target.root} has no {MARKER_PATH}: it is not mounted, or its mirror "
                    "has not run yet"
                )


@contextmanager
def _entered(
    folder: Folder, path: Path, *, create: bool = False, own: bool = False
) -> Iterator[Parent]:
    with folder.translated(path), folder.open() as root_fd:
        try:
            with folder.parent(root_fd, path, create=create, own=own) as parent:
                yield parent
        except FileNotFoundError as error:
            raise StaleError(f"{folder.root / path} is gone") from error


def _make_last(place: Place, expect: Token) -> None:
    # Looked at before it is opened: to open a FIFO or a device is to act on it.
    if token_of(place.look()) != expect:
        raise StaleError(f"{place.name} is another content by now")
    fd = place.open(os.O_RDONLY)
    try:
        os.fsync(fd)
        if token_of(os.fstat(fd)) != expect:
            raise StaleError(f"{place.name} is another content by now")
    finally:
        os.close(fd)


def _taken(place: Place, path: Path) -> StaleError | BlockedPathError:
    found = place.look()
    if found is not None and stat.S_ISDIR(found.st_mode):
        return BlockedPathError(
            f"a folder stands at {path}, where a file is to go: rename one of the two",
            blocked_by=path,
        )
    return StaleError(f"there is something at {path} already")
