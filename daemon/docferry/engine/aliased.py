"""
Second local names for objects whose own are blocked, and how they come to an end.

A store can hold both `a` and `a/b`; a folder cannot. What comes down as a newcomer gets an
alias. Two files can have the key of one object then: one at the alias, one at the name that
was blocked, and is free again. An alias ends when a file claims the name it stands for; what
is edited at one that has ended goes to that name, or beside it.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from docferry.core.merge import Difference
from docferry.core.paths import alias_for, is_alias, key_of, name_instead_of, path_of
from docferry.engine.beside import put_at_or_beside
from docferry.engine.dirty import DirtyPaths
from docferry.engine.sides import KnownContents, LocalSide
from docferry.engine.task import Task
from docferry.errors import BlockedPathError, NameTakenError
from docferry.ledger import Ledger
from docferry.logs import get_logger
from docferry.model import (
    Attributes,
    FileState,
    Forget,
    Key,
    Outcome,
    Path,
    Sha256,
    Side,
    SyncedState,
    Ulid,
    Upload,
    VersionRow,
)

log = get_logger(__name__)

#: A path blocked this often is no passing state: the newcomer gets another local name.
BLOCKED_BEFORE_ALIAS = 2


class Aliasing:
    """
    Gives and ends the aliases of one mirror. Used by its loop alone.

    Args:
        aliases: Shared with the remote side.
        is_on_its_way: Whether something is under way at a path or below, or waits to be deleted.
    """

    def __init__(
        self,
        mirror: str,
        ledger: Ledger,
        aliases: dict[Key, Path],
        local: LocalSide,
        dirty: DirtyPaths,
        is_on_its_way: Callable[[Path], bool],
    ) -> None:
        self._mirror = mirror
        self._ledger = ledger
        self._aliases = aliases
        self._local = local
        self._dirty = dirty
        self._is_on_its_way = is_on_its_way

    def blocked(self, seen: Difference, error: BlockedPathError, attempts: int) -> None:
        """Let what was *seen*, and could not be written for *error*, be written before long."""
        path, blocked_by = seen.path, error.blocked_by
        is_taken = isinstance(error, NameTakenError)
        if is_taken and self._was_renamed(seen, blocked_by):
            self._end(path, blocked_by)
        elif self._is_on_its_way(blocked_by):
            return  # it is tried again, and finds out what has come of it
        elif is_taken:
            self._taken(path, blocked_by)
        elif attempts >= BLOCKED_BEFORE_ALIAS:
            self._give(path, alias_for(key_of(path), blocked_by=blocked_by))

    def recorded(self, outcome: Outcome) -> None:
        """Have the name looked at to which what was at an alias may have gone."""
        path = outcome.operation.path
        if isinstance(outcome.operation, Forget) and is_alias(path):
            self._dirty.mark(path_of(key_of(path)))

    def is_over(self, path: Path) -> bool:
        """Say whether the object that had *path* as its second name is agreed on by its own."""
        own_name = self._own_name_of(path)
        return own_name is not None and self._agreed(own_name) is not None

    def is_own_name_awaited(self, path: Path) -> bool:
        """Say whether that object is still to come by its own name."""
        own_name = self._own_name_of(path)
        if own_name is None or self._agreed(own_name) is not None:
            return False
        return own_name in self._dirty or self._is_on_its_way(own_name)

    def _own_name_of(self, path: Path) -> Path | None:
        """Give the object's own name, where *path* is a second one that it has not any more."""
        return name_instead_of(path, self._aliases) if is_alias(path) else None

    def _taken(self, path: Path, name: Path) -> None:
        """Give the object that is called *name* here the name of the file at *path*."""
        if not self._is_as_agreed(name):
            return  # what was done there goes up first, or comes to a conflict
        if is_alias(path):
            self._give(name, path)  # its own is blocked: nobody could bring the file there
        else:
            self._end(path, name)

    def _was_renamed(self, seen: Difference, name: Path) -> bool:
        """Say whether what was seen is the file that was at *name*: no deletion there counts."""
        agreed, local = self._agreed(name), seen.local
        is_it = agreed is not None and local is not None and agreed.local_token == local.token
        return is_it and not is_alias(seen.path) and self._local.stat(name) is None

    def _end(self, path: Path, alias: Path) -> None:
        self._ledger.aliases.remove(self._mirror, key_of(path))
        self._aliases.pop(key_of(path), None)
        log.warning("path.unaliased", mirror=self._mirror, path=path, alias=alias)
        self._dirty.mark(path)
        self._dirty.mark(alias)

    def _give(self, path: Path, alias: Path) -> None:
        key = key_of(path)
        self._ledger.aliases.add(self._mirror, key, alias)
        self._aliases[key] = alias
        log.warning("path.aliased", mirror=self._mirror, path=path, alias=alias)
        self._dirty.mark(alias)
        self._dirty.mark(path)

    def _is_as_agreed(self, name: Path) -> bool:
        state = self._local.stat(name)
        if state is None:
            return True
        agreed = self._agreed(name)
        if agreed is None or not isinstance(state, FileState):
            return False
        return agreed.local_token == state.token

    def _agreed(self, path: Path) -> SyncedState | None:
        return self._ledger.synced.get(self._mirror, [path]).get(path)


class ToOwnName:
    """
    Moves what is at an alias that has ended to the name that it stood for, or beside it.

    Thread-safe: it keeps no state.
    """

    def __init__(
        self,
        mirror: str,
        local: LocalSide,
        known: KnownContents,
        *,
        now: Callable[[], datetime],
        new_ulid: Callable[[], Ulid],
    ) -> None:
        self._mirror = mirror
        self._local = local
        self._known = known
        self._now = now
        self._new_ulid = new_ulid

    def move(self, task: Task, error: NameTakenError) -> Outcome:
        """
        Put the file beside first, then take it away: a crash between the two repeats the first.

        Raises:
            NameTakenError: It is *error*, which an alias has to begin or to end for.
            StaleError: The file changed.
        """
        operation, path = task.operation, task.seen.path
        own_name = path_of(key_of(path))
        if not isinstance(operation, Upload) or not is_alias(path) or self._local.blocker(own_name):
            raise error
        token = operation.source.token
        with self._local.read(path, token) as content:
            sha256, mtime_ns = content.sha256(), content.attributes.mtime_ns
            attributes = Attributes(sha256=sha256, mtime_ns=mtime_ns)
            copy_path = put_at_or_beside(self._local, own_name, content, attributes)
        moved = self._version(task, operation, sha256, mtime_ns)
        self._known.begin_conflict(moved, copy_path)
        archive = Attributes(version=moved.id, sha256=sha256, path=path, parent=moved.parent)
        self._local.delete(path, expect=token, archive=archive)
        return Outcome(
            Forget(path),
            synced=None,
            archived=(moved.id, Side.LOCAL),
            displaced=moved,
            conflict_copy=None if copy_path == own_name else copy_path,
        )

    def _version(
        self, task: Task, operation: Upload, sha256: Sha256, mtime_ns: int | None
    ) -> VersionRow:
        base = task.seen.synced
        return VersionRow(
            self._new_ulid(),
            self._mirror,
            operation.path,
            sha256,
            operation.source.size,
            mtime_ns,
            task.origin,
            None if base is None else base.version,
            None,
            self._now(),
        )
