"""
Look at the three trees: at all of them, one side, or a handful of paths; and what a folder
mark stands for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor as Pool
from dataclasses import dataclass

from docferry.core.merge import Difference, Seen, Unseen, changed, gone, merge
from docferry.core.paths import fault_in_name, first_fault, printable
from docferry.engine.gate import Gate
from docferry.engine.identity import Places
from docferry.engine.sides import LocalSide
from docferry.ledger import Ledger
from docferry.model import Entry, FileState, Path, Side, Unknown
from docferry.storage.base import Storage

#: Below this many paths it is quicker to ask one after the other than to use the pool.
_FEW = 4
_TOLD_EVERY = 1000


@dataclass(frozen=True, slots=True)
class Looks:
    """Threads that only look, so that it never waits behind a long transfer."""

    pool: Pool
    gate: Gate  #: how many looks the store bears at a time


def all_trees(
    mirror: str, places: Places, ledger: Ledger, on_wait: Callable[[], None]
) -> Iterator[Seen]:
    """
    Yield every path at which the three trees are not as agreed.

    Args:
        on_wait: Called now and then, also where nothing is to be done for long.

    Raises:
        UnreachableError, TemporaryError: A walk or a listing did not finish.
    """
    local, remote, synced = places.local, places.remote, ledger.synced
    yield from merge(_told(local.scan(), on_wait), remote.scan(), synced.scan(mirror))
    # Names that are not the same on both sides sort differently: a merge of their own.
    yield from merge(local.scan_odd(), remote.scan_odd(), synced.scan_odd(mirror))


def changed_on(
    side: Side, mirror: str, places: Places, ledger: Ledger, on_wait: Callable[[], None]
) -> Iterator[Path | Unknown]:
    """
    Yield the paths at which one side alone is not as agreed.

    Args:
        on_wait: Called now and then, also where nothing is to be done for long.

    Raises:
        UnreachableError, TemporaryError: The walk or the listing did not finish.
    """
    storage, synced = places.side(side), ledger.synced
    yield from changed(side, _told(storage.scan(), on_wait), synced.scan(mirror))
    yield from changed(side, storage.scan_odd(), synced.scan_odd(mirror))


def gone_from(
    side: Side, mirror: str, places: Places, ledger: Ledger, on_wait: Callable[[], None]
) -> Iterator[Path]:
    """
    Yield the agreed paths that *side* does not have any more: see `changed_on`.

    Raises:
        UnreachableError, TemporaryError: The walk or the listing did not finish.
    """
    storage, synced = places.side(side), ledger.synced
    yield from gone(side, _told(storage.scan(), on_wait), synced.scan(mirror))
    yield from gone(side, storage.scan_odd(), synced.scan_odd(mirror))


def changed_after(
    after: Path, mirror: str, places: Places, ledger: Ledger
) -> Iterator[Path | Unknown]:
    """
    Yield the paths after *after* at which the bucket is not as agreed.

    Raises:
        UnreachableError, TemporaryError: The listing did not finish.
    """
    yield from changed(
        Side.REMOTE, places.remote.scan_after(after), ledger.synced.scan(mirror, after)
    )


def look_at(
    paths: Sequence[Path], mirror: str, places: Places, ledger: Ledger, looks: Looks
) -> Iterator[Seen]:
    """
    Yield what the three trees hold at each of *paths*, as agreed or not.

    Raises:
        UnreachableError: A side does not answer.
        ThrottledError: The store bears fewer.
    """

    def stat(path: Path) -> FileState | Unknown | None:
        with looks.gate:
            return places.remote.stat(path)

    synced = ledger.synced.get(mirror, paths)
    if len(paths) < _FEW:
        remotes: Iterator[FileState | Unknown | None] = map(stat, paths)
    else:
        remotes = looks.pool.map(stat, paths)
    for path, remote in zip(paths, remotes, strict=True):
        local = places.local.stat(path)
        if isinstance(local, Unknown):
            yield Unseen(Side.LOCAL, local)
        elif isinstance(remote, Unknown):
            yield Unseen(Side.REMOTE, remote)
        else:
            yield Difference(path, local, remote, synced.get(path))


def look_here(paths: Sequence[Path], mirror: str, places: Places, ledger: Ledger) -> Iterator[Seen]:
    """Yield what the folder and the ledger hold at each of *paths*; the bucket is not asked."""
    synced = ledger.synced.get(mirror, paths)
    for path in paths:
        local = places.local.stat(path)
        if isinstance(local, Unknown):
            yield Unseen(Side.LOCAL, local)
        else:
            yield Difference(path, local, None, synced.get(path))


def is_empty(storage: Storage, takes: Callable[[Path], bool]) -> bool:
    """
    Say whether a side holds no file that the mirror takes. What a filter leaves out, such
    as a file manager's droppings in an emptied folder, is no file of the mirror.

    Raises:
        UnreachableError: The side does not answer.
    """
    # The odd ones are known when the scan has come to its end.
    for entries in (storage.scan, storage.scan_odd):
        for entry in entries():
            if isinstance(entry, Unknown) or takes(entry[0]):
                return False
    return True


@dataclass(frozen=True, slots=True)
class Expanded:
    """What marks stand for."""

    paths: list[Path]
    unseen: list[Unknown]  #: what is not known: nothing is said about the paths below it


def expand(
    marks: Sequence[Path], mirror: str, places: Places, ledger: Ledger, *, most: int
) -> Expanded | None:
    """
    Turn marks into paths: "folder/" stands for all that is, or was, below it.

    None: there are more than *most*; a full run is cheaper.
    """
    odd = [_unspellable(places.local, mark) for mark in marks if fault_in_name(mark)]
    paths: dict[Path, None] = {what: None for what in odd if not isinstance(what, Unknown)}
    unseen = {what.path: what for what in odd if isinstance(what, Unknown)}
    for mark in [mark for mark in marks if not fault_in_name(mark)]:
        if not mark.endswith("/"):
            paths[mark] = None
            continue
        folder = mark.rstrip("/")
        if not folder:
            return None
        for found in places.local.paths_below(folder):
            if isinstance(found, Unknown):
                unseen.setdefault(found.path, found)  # a folder comes with the odd names, too
            else:
                paths[found] = None
            if len(paths) + len(unseen) > most:
                return None
        for path in ledger.synced.below(mirror, folder):
            paths[path] = None
        if len(paths) > most:
            return None
    hidden = tuple(f"{what.path}/" for what in unseen.values() if what.below)
    seen = [path for path in paths if not path.startswith(hidden)]
    return Expanded(seen, list(unseen.values()))


def _unspellable(local: LocalSide, mark: Path) -> Unknown | Path:
    """Tell of a name that cannot be mirrored; where it is gone give what it is shown as."""
    path, fault, is_folder = first_fault(mark)
    shown = printable(path)
    is_there = local.stat(path) is not None or local.blocker(path) is not None
    return Unknown(shown, fault, below=is_folder) if is_there else shown


def _told(entries: Iterable[Entry], on_wait: Callable[[], None]) -> Iterator[Entry]:
    for number, entry in enumerate(entries):
        if number % _TOLD_EVERY == 0:
            on_wait()
        yield entry
