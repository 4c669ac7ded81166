"""
Bring contents to their paths in a folder, several at a time: new ones, and in the place of others.

To open the folders on the way, to bring contents to the disk and to make names last through
a power cut costs as much for many files of a folder as for one: a first download is mostly
that, and so is a tree that is had back.
"""

from __future__ import annotations

import stat
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext, suppress
from dataclasses import dataclass, field
from functools import partial
from os import stat_result
from threading import Lock
from typing import TypeAlias, TypeVar

from docferry.errors import BlockedPathError, DocferryError, StaleError
from docferry.model import Attributes, Path, Token, Way, Written
from docferry.storage.atomic import Place, Renames
from docferry.storage.base import Arrival
from docferry.storage.local_content import token_of
from docferry.storage.local_folder import Folder, Parent
from docferry.storage.local_staging import NO_NEWCOMER, Staging, Swap, is_being_written
from docferry.storage.local_write import stage
from docferry.storage.under_way import UnderWay
from docferry.storage.whole_sync import WholeSync

T = TypeVar("T")
_Staged: TypeAlias = tuple[Place, Written]
#: Entered with the bytes that are to come in; gives what is told of those that have come.
Room: TypeAlias = Callable[[int], AbstractContextManager[Callable[[int], object]]]

#: To refuse before a byte is moved what would be refused at the end saves nothing below it.
_WORTH_A_LOOK_BYTES = 64 * 1024
#: From so many files on, one sync of all costs less than one of each.
_MANY = 8


@dataclass(slots=True)
class Batch:
    """Some arrivals in one folder. What one of them fails with stands in its place."""

    folder: Folder
    root_fd: int
    staging: Staging
    renames: Renames
    whole_sync: WholeSync
    changing: Lock
    step: Callable[[str], None]
    room: Room
    under_way: UnderWay
    _parents: dict[Path, Parent] = field(default_factory=dict)  # by the folder's path
    _stack: ExitStack = field(default_factory=ExitStack)

    def run(self, arrivals: Sequence[Arrival]) -> list[Written | DocferryError]:
        """Stage them all, give them their names, and make the names last: in this order."""
        together = len(arrivals) >= _MANY and self.whole_sync.is_worth_it(self.root_fd)
        stage_one = partial(self._stage, lasts=not together)
        staged = [self._attempt(one.path, partial(stage_one, one)) for one in arrivals]
        if together:
            staged = self._make_last(staged)
        with self._stack:
            with self.changing:
                results = [
                    found
                    if isinstance(found, DocferryError)
                    else self._attempt(one.path, partial(self._appear, one, *found))
                    for one, found in zip(arrivals, staged, strict=True)
                ]
            faults = self._make_names_last(arrivals, results)
        return [
            result if isinstance(result, DocferryError) else fault or result
            for result, fault in zip(results, faults, strict=True)
        ]

    def _attempt(self, path: Path, action: Callable[[], T]) -> T | DocferryError:
        try:
            with self.folder.translated(path):
                return action()
        except DocferryError as error:
            return error

    def _make_last(self, staged: list[_Staged | DocferryError]) -> list[_Staged | DocferryError]:
        fault = self._attempt(".", partial(self.whole_sync.run, self.root_fd))
        if fault is None:
            return staged
        for one in staged:
            if not isinstance(one, DocferryError):
                one[0].unlink()
        return [one if isinstance(one, DocferryError) else fault for one in staged]

    def _make_names_last(
        self, arrivals: Sequence[Arrival], results: Sequence[Written | DocferryError]
    ) -> list[DocferryError | None]:
        """Make all names last: what was displaced first. Give what each arrival fails with."""
        is_displaced = [
            one.expect is not None and isinstance(result, Written)
            for one, result in zip(arrivals, results, strict=True)
        ]
        unarchived = self._attempt(".", self.staging.fsync) if any(is_displaced) else None
        unnamed = {
            above: self._attempt(above or ".", parent.fsync)
            for above, parent in self._parents.items()
        }
        return [
            (unarchived if displaced else None) or unnamed.get(_above(one.path))
            for one, displaced in zip(arrivals, is_displaced, strict=True)
        ]

    def _stage(self, arrival: Arrival, *, lasts: bool) -> _Staged:
        replaced = self._look_first(arrival)
        path, content = arrival.path, arrival.content
        with (
            self.staging.newcomer_of(path, content) as coming,
            self.room(max(0, content.size - coming.taken_bytes)) as took,
            self.under_way.carries(path, Way.DOWN, content.size) as moved,
        ):
            written = stage(
                coming.place,
                content,
                arrival.attributes,
                replaced,
                lasts=lasts,
                begun=coming.begun,
                moved=moved,
                took=took,
            )
        self.step("staged")
        return coming.place, written

    def _look_first(self, arrival: Arrival) -> stat_result | None:
        path = arrival.path
        if arrival.expect is not None:
            return look_first(self.folder, self.root_fd, path, arrival.expect)
        if arrival.content.size > _WORTH_A_LOOK_BYTES:
            with suppress(FileNotFoundError), self.folder.parent(self.root_fd, path) as parent:
                refuse_if_taken(parent.place.look(), path)
        return None

    def _appear(self, arrival: Arrival, newcomer: Place, written: Written) -> Written:
        try:
            target = self._place(arrival.path, create=arrival.expect is None)
            if arrival.expect is None:
                self._take_free_name(newcomer, target, arrival.path)
            else:
                swap = swap_of(arrival.path, arrival.expect, arrival.archive)
                self.staging.replace(newcomer, target, swap.by(written.token))
        except (OSError, DocferryError):
            with suppress(FileNotFoundError):
                newcomer.unlink()
            raise
        self.step("visible")
        return written

    def _take_free_name(self, newcomer: Place, target: Place, path: Path) -> None:
        try:
            self.renames.to_free_name(newcomer, target)
        except FileExistsError:
            refuse_if_taken(target.look(), path)
            raise  # gone again already: TemporaryError

    def _place(self, path: Path, *, create: bool) -> Place:
        above, name = _above(path), path.rpartition("/")[2]
        parent = self._parents.get(above)
        if parent is None:
            found = self.folder.parent(self.root_fd, path, create=create)
            parent = self._parents[above] = self._stack.enter_context(found)
        return Place(parent.place.dir_fd, name)


def unguarded(size: int) -> AbstractContextManager[Callable[[int], object]]:
    """Let any content come in."""
    return nullcontext(lambda count: None)


def look_first(folder: Folder, root_fd: int, path: Path, expect: Token) -> stat_result:
    """
    Refuse before a byte is moved what would be refused at the end anyway.

    Raises:
        StaleError: *expect* is not there, or somebody writes to it.
    """
    try:
        with folder.parent(root_fd, path) as parent:
            found = parent.place.look()
            if found is None or token_of(found) != expect or is_being_written(parent.place):
                raise StaleError(f"{path} is gone, another content, or open for writing")
    except (FileNotFoundError, BlockedPathError) as error:
        raise StaleError(f"{path} is gone") from error
    return found


def swap_of(path: Path, expect: Token, archive: Attributes | None) -> Swap:
    """
    Say what is to be displaced, and under which version.

    Raises:
        ValueError: Under none: a mistake in the program.
    """
    if archive is None or archive.version is None:
        raise ValueError(f"{path}: what is displaced needs a version to be archived under")
    return Swap(archive.version, NO_NEWCOMER, expect, path)


def refuse_if_taken(found: stat_result | None, path: Path) -> None:
    """
    Refuse a place where something is already.

    Raises:
        BlockedPathError: A folder is there.
        StaleError: Anything else is.
    """
    if found is None:
        return
    if stat.S_ISDIR(found.st_mode):
        raise BlockedPathError(
            f"a folder stands at {path}, where a file is to go: rename one of the two",
            blocked_by=path,
        )
    raise StaleError(f"there is something at {path} already")


def _above(path: Path) -> Path:
    return path.rpartition("/")[0]
