"""
Compare the ledger, the folder and the bucket, content by content, and change nothing.

The folder is read; of the bucket the store's own checksum is believed, where it is still
the one that was agreed on, unless everything is to be read. What looks wrong is looked at
again before anything is said: the daemon may be at work meanwhile.
"""

from __future__ import annotations

import random
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor as Pool
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Protocol, TypeVar

from docferry.core import verify
from docferry.core.merge import Difference, Seen, Unseen, merge
from docferry.core.retry import delay_s
from docferry.core.verify import ABSENT, NOT_ASKED, Archived, Finding, Held, Moving, Sight
from docferry.engine.sight import see, see_archived, sight_of
from docferry.errors import ThrottledError
from docferry.ledger import Ledger
from docferry.model import Attributes, Entry, FileState, Path, Side, SyncedState, Ulid, VersionRow
from docferry.storage.base import Storage

T = TypeVar("T")
R = TypeVar("R")

#: So many contents are under way at a time: it bounds memory, not the pool.
WINDOW = 64
#: What moves is looked at so often before it is called moving.
_LOOKS = 3
#: A store that asks for less is asked again so often.
_PATIENCE = 6


class Described(Storage, Protocol):
    """A bucket, with what its objects say about themselves."""

    def describe(self, path: Path) -> tuple[FileState, Attributes] | None: ...


@dataclass(frozen=True, slots=True)
class Checked:
    """One path, or one displaced version, that was looked at; and what is wrong with it."""

    findings: tuple[Finding, ...]
    is_version: bool


#: What comes of a path at which nothing is wrong.
_WELL = Checked((), is_version=False)


class Verifier:
    """
    Verifies one mirror. Both sides have proven themselves.

    Args:
        takes: Is this path the mirror's, or left out by its filter?
        asked: The sides that are looked at; of another it is taken that it is as agreed.
        reads_all: Also read what the bucket's checksum, or an archive's listing, speaks for.
        pool: Contents are read in it.
    """

    def __init__(
        self,
        mirror: str,
        local: Storage,
        remote: Described,
        ledger: Ledger,
        takes: Callable[[Path], bool],
        pool: Pool,
        *,
        asked: frozenset[Side] = frozenset(Side),
        reads_all: bool = False,
    ) -> None:
        self._mirror = mirror
        self._local = local
        self._remote = remote
        self._ledger = ledger
        self._takes = takes
        self._pool = pool
        self._asked = asked
        self._reads_all = reads_all
        self._counting = threading.Lock()
        self.read_bytes = 0

    def run(self) -> Iterator[Checked]:
        """
        Yield what was looked at, the paths first.

        Raises:
            UnreachableError, TemporaryError, PermanentError: A side does not answer, or a
                listing did not finish: the rest is not known.
        """
        yield from _in_pool(self._pool, self._check, self._paths(), self._at_once)
        unknown: list[tuple[Side, Ulid, int]] = []
        for checked, strange in _in_pool(self._pool, self._check_archived, self._archived()):
            unknown += strange
            if checked is not None:
                yield checked
        # The last: what was displaced a moment ago is written down by now.
        known = self._ledger.versions.known([version for _, version, _ in unknown])
        for side, version, size in unknown:
            if version not in known:
                yield Checked((verify.of_unknown(side, version, size),), is_version=True)

    # Paths.

    def _paths(self) -> Iterator[Seen]:
        # Names that are not the same on both sides sort differently: a merge of their own.
        for is_odd in (False, True):
            local, remote = (self._tree(side, is_odd=is_odd) for side in Side)
            synced = self._agreed(is_odd=is_odd)
            yield from self._taken(merge(local, remote, synced, with_agreed=True))

    def _tree(self, side: Side, *, is_odd: bool) -> Iterable[Entry]:
        if side not in self._asked:
            return ()
        storage = self._storage(side)
        return storage.scan_odd() if is_odd else storage.scan()

    def _agreed(self, *, is_odd: bool) -> Iterable[tuple[Path, SyncedState]]:
        synced = self._ledger.synced
        return synced.scan_odd(self._mirror) if is_odd else synced.scan(self._mirror)

    def _taken(self, seen: Iterable[Seen]) -> Iterator[Seen]:
        return (one for one in seen if self._takes(_path_of(one)))

    def _at_once(self, seen: Seen) -> Checked | None:
        """Say of what the listing alone tells that it is well; None: there is more to look at."""
        if Side.LOCAL in self._asked or self._reads_all or isinstance(seen, Unseen):
            return None
        remote, synced = seen.remote, seen.synced
        if remote is None or synced is None:
            return None
        is_well = (remote.token, remote.size) == (synced.remote_token, synced.size)
        return _WELL if is_well else None

    def _check(self, seen: Seen) -> Checked:
        return Checked(tuple(_patiently(lambda: self._findings(seen))), is_version=False)

    def _findings(self, seen: Seen) -> list[Finding]:
        if isinstance(seen, Unseen):
            return self._unseen(seen)
        path, synced = seen.path, seen.synced
        local = self._first_sight(Side.LOCAL, seen, seen.local)
        remote = self._first_sight(Side.REMOTE, seen, seen.remote)
        return self._again(path) if verify.of_path(path, local, remote, synced) else []

    def _first_sight(self, side: Side, seen: Difference, state: FileState | None) -> Sight:
        if side not in self._asked:
            return NOT_ASKED
        if state is None or seen.synced is None:
            return sight_of(state)
        is_read = side is Side.LOCAL or self._reads_all
        if is_read and state.token == _token_on(side, seen.synced):
            storage = self._storage(side)
            return see(storage, seen.path, state.token, seen.synced.sha256, self._count)
        return sight_of(state)

    def _again(self, path: Path) -> list[Finding]:
        """Look at both sides now, and say what is wrong once the ledger holds still meanwhile."""
        findings: list[Finding] = []
        for _ in range(_LOOKS):
            synced = self._agreement(path)
            local, remote = self._look_local(path, synced), self._look_remote(path, synced)
            findings = verify.of_path(path, local, remote, synced)
            is_moving = isinstance(local, Moving) or isinstance(remote, Moving)
            if not is_moving and self._agreement(path) == synced:
                break
        return findings

    def _agreement(self, path: Path) -> SyncedState | None:
        return self._ledger.synced.get(self._mirror, [path]).get(path)

    def _look_local(self, path: Path, synced: SyncedState | None) -> Sight:
        if Side.LOCAL not in self._asked:
            return NOT_ASKED
        state = self._local.stat(path)
        if synced is None or not isinstance(state, FileState):
            return sight_of(state)
        return see(self._local, path, state.token, synced.sha256, self._count)

    def _look_remote(self, path: Path, synced: SyncedState | None) -> Sight:
        if Side.REMOTE not in self._asked:
            return NOT_ASKED
        described = self._remote.describe(path)
        if described is None or synced is None:
            return ABSENT if described is None else sight_of(described[0])
        state, claims = described
        # An edit by others does not go on saying that it is our version.
        is_ours = (claims.version, claims.sha256) == (synced.version, synced.sha256)
        if self._reads_all or (is_ours and state.token != synced.remote_token):
            sight = see(self._remote, path, state.token, synced.sha256, self._count)
        else:
            sight = Held(state.token, state.size)
        if isinstance(sight, Held):
            return Held(sight.token, sight.size, sight.sha256, claims_agreed=is_ours)
        return sight

    def _unseen(self, seen: Unseen) -> list[Finding]:
        path, why, below = seen.what.path, seen.what.reason, seen.what.below
        is_agreed = self._agreement(path) is not None
        if below:
            is_agreed = is_agreed or bool(self._ledger.synced.below(self._mirror, path))
            path = f"{path}/"
        return [verify.of_unseen(seen.side, path, why, is_agreed=is_agreed)]

    # Archives.

    def _archived(self) -> Iterator[Archived]:
        local, remote = (
            ((one.version, one.size) for one in self._storage(side).archive.scan())
            if side in self._asked
            else ()
            for side in Side
        )
        yield from verify.by_version(self._ledger.versions.displaced(self._mirror), local, remote)

    def _check_archived(
        self, found: Archived
    ) -> tuple[Checked | None, list[tuple[Side, Ulid, int]]]:
        """Check one version; give apart what nobody may know anything about."""
        row = found.row
        if row is None:
            listed = ((Side.LOCAL, found.local), (Side.REMOTE, found.remote))
            sizes = [(side, found.version, size) for side, size in listed if size is not None]
            return None, sizes
        findings = _patiently(lambda: self._archive_findings(row, found.local, found.remote))
        return Checked(tuple(findings), is_version=True), []

    def _archive_findings(
        self, row: VersionRow, local: int | None, remote: int | None
    ) -> list[Finding]:
        if not self._of_version(row, local, remote):
            return []
        now = self._ledger.versions.get(row.id)
        if now is None or now.is_current or now.gone_at is not None:
            return []  # let go, or come back, meanwhile
        return self._of_version(now, self._size(Side.LOCAL, now), self._size(Side.REMOTE, now))

    def _of_version(self, row: VersionRow, local: int | None, remote: int | None) -> list[Finding]:
        sights = (
            self._archive_sight(Side.LOCAL, row, local),
            self._archive_sight(Side.REMOTE, row, remote),
        )
        return verify.of_version(row, *sights)

    def _archive_sight(self, side: Side, row: VersionRow, listed: int | None) -> Sight:
        if side not in self._asked:
            return NOT_ASKED
        storage = self._storage(side)
        if side is Side.LOCAL and listed is None and row.bytes_of is not None:
            return self._shared_sight(storage, row, row.bytes_of)
        if listed is None:
            return ABSENT
        if side is Side.LOCAL or self._reads_all:
            return see_archived(storage, row.id, row.sha256, self._count)
        if listed != row.size and row.bytes_of is not None:
            described = storage.archive.describe(row.id)
            to = None if described is None else described.bytes_of
            return ABSENT if to is None else _described(storage, to)
        return Held("", listed)

    def _shared_sight(self, storage: Storage, row: VersionRow, to: Ulid) -> Sight:
        """See the bytes that a version of a folder has in another one's file."""
        owner = self._ledger.versions.get(to)
        if owner is not None and owner.gone_at is None:
            return _described(storage, to)  # they are read for their own version
        return see_archived(storage, to, row.sha256, self._count)

    def _size(self, side: Side, row: VersionRow) -> int | None:
        """Give the size of what an archive lists of a version, by a look at it."""
        if side not in self._asked:
            return None
        found = self._storage(side).archive.describe(row.id)
        if found is None:
            return None
        return 0 if found.bytes_of is not None else found.size

    def _storage(self, side: Side) -> Storage:
        return self._local if side is Side.LOCAL else self._remote

    def _count(self, part: bytes) -> None:
        with self._counting:
            self.read_bytes += len(part)


def _described(storage: Storage, version: Ulid) -> Sight:
    found = storage.archive.describe(version)
    return ABSENT if found is None or found.size is None else Held("", found.size)


def _token_on(side: Side, synced: SyncedState) -> str:
    return synced.local_token if side is Side.LOCAL else synced.remote_token


def _path_of(seen: Seen) -> Path:
    return seen.what.path if isinstance(seen, Unseen) else seen.path


def _patiently(check: Callable[[], T]) -> T:
    """Do *check* again, later, where the store asks for less."""
    for attempt in range(1, _PATIENCE):
        try:
            return check()
        except ThrottledError:
            threading.Event().wait(delay_s(attempt, jitter=random.random()))
    return check()


def _in_pool(
    pool: Pool,
    check: Callable[[T], R],
    items: Iterable[T],
    at_once: Callable[[T], R | None] = lambda item: None,
) -> Iterator[R]:
    """
    Give what comes of each of *items*; only some are under way at a time.

    Args:
        at_once: Tells what comes of one without the pool; None: it takes the pool.
    """
    coming: deque[Future[R]] = deque()
    try:
        for item in items:
            known = at_once(item)
            if known is not None:
                yield known
                continue
            coming.append(pool.submit(check, item))
            if len(coming) == WINDOW:
                yield coming.popleft().result()
        while coming:
            yield coming.popleft().result()
    finally:
        for future in coming:
            future.cancel()
