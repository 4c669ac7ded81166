"""
Bring new files into a folder, several at a time.

To open the folders on the way, and to make names last through a power cut, costs as much
for many files of a folder as for one: a first download is mostly that.
"""

from __future__ import annotations

import stat
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from functools import partial
from os import stat_result
from threading import Lock
from typing import TypeAlias, TypeVar

from docferry.errors import BlockedPathError, DocferryError, StaleError
from docferry.model import Path, Written
from docferry.storage.atomic import Place, Renames
from docferry.storage.base import NewFile
from docferry.storage.local_folder import Folder, Parent
from docferry.storage.local_staging import Staging
from docferry.storage.local_write import stage
from docferry.storage.whole_sync import WholeSync

T = TypeVar("T")
_Staged: TypeAlias = tuple[Place, Written]

#: To refuse before a byte is moved what would be refused at the end saves nothing below it.
_WORTH_A_LOOK_BYTES = 64 * 1024
#: From so many files on, one sync of all costs less than one of each.
_MANY = 8


@dataclass(slots=True)
class Creation:
    """One batch of new files. What one of them fails with stands in its place."""

    folder: Folder
    root_fd: int
    staging: Staging
    renames: Renames
    whole_sync: WholeSync
    changing: Lock
    step: Callable[[str], None]
    _parents: dict[Path, Parent] = field(default_factory=dict)  # by the folder's path
    _stack: ExitStack = field(default_factory=ExitStack)

    def run(self, files: Sequence[NewFile]) -> list[Written | DocferryError]:
        """Stage them all, give them their names, and make the names last: in this order."""
        together = len(files) >= _MANY and self.whole_sync.is_worth_it(self.root_fd)
        stage_one = partial(self._stage, lasts=not together)
        staged = [self._attempt(file.path, partial(stage_one, file)) for file in files]
        if together:
            staged = self._make_last(staged)
        with self._stack:
            with self.changing:
                results = [
                    one
                    if isinstance(one, DocferryError)
                    else self._attempt(file.path, partial(self._appear, file, *one))
                    for file, one in zip(files, staged, strict=True)
                ]
            faults = {
                above: fault
                for above, parent in self._parents.items()
                if (fault := self._attempt(above or ".", parent.fsync)) is not None
            }
        return [
            result if isinstance(result, DocferryError) else faults.get(_above(file.path)) or result
            for file, result in zip(files, results, strict=True)
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

    def _stage(self, file: NewFile, *, lasts: bool) -> _Staged:
        if file.content.size > _WORTH_A_LOOK_BYTES:
            with suppress(FileNotFoundError), self.folder.parent(self.root_fd, file.path) as parent:
                refuse_if_taken(parent.place.look(), file.path)
        with self.staging.newcomer() as newcomer:
            written = stage(newcomer, file.content, file.attributes, None, lasts=lasts)
        self.step("staged")
        return newcomer, written

    def _appear(self, file: NewFile, newcomer: Place, written: Written) -> Written:
        try:
            target = self._place(file.path)
            try:
                self.renames.to_free_name(newcomer, target)
            except FileExistsError:
                refuse_if_taken(target.look(), file.path)
                raise  # gone again already: TemporaryError
        except (OSError, DocferryError):
            with suppress(FileNotFoundError):
                newcomer.unlink()
            raise
        self.step("visible")
        return written

    def _place(self, path: Path) -> Place:
        above, name = _above(path), path.rpartition("/")[2]
        parent = self._parents.get(above)
        if parent is None:
            found = self.folder.parent(self.root_fd, path, create=True)
            parent = self._parents[above] = self._stack.enter_context(found)
        return Place(parent.place.dir_fd, name)


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
