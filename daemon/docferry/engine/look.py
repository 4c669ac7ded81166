"""
Look at paths: the three trees for a handful of them, and what a folder mark stands for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor as Pool

from docferry.core.merge import Difference, Seen, Unseen
from docferry.engine.identity import Places
from docferry.ledger import Ledger
from docferry.model import FileState, Path, Side, Unknown
from docferry.storage.base import Storage

#: Below this many paths it is quicker to ask one after the other than to use the pool.
_FEW = 4


def look_at(
    paths: Sequence[Path], mirror: str, places: Places, ledger: Ledger, pool: Pool
) -> Iterator[Seen]:
    """
    Yield what the three trees hold at each of *paths*, as agreed or not.

    Raises:
        UnreachableError: A side does not answer.
    """
    synced = ledger.synced.get(mirror, paths)
    if len(paths) < _FEW:
        remotes: Iterator[FileState | Unknown | None] = map(places.remote.stat, paths)
    else:
        remotes = pool.map(places.remote.stat, paths)
    for path, remote in zip(paths, remotes, strict=True):
        local = places.local.stat(path)
        if isinstance(local, Unknown):
            yield Unseen(Side.LOCAL, local)
        elif isinstance(remote, Unknown):
            yield Unseen(Side.REMOTE, remote)
        else:
            yield Difference(path, local, remote, synced.get(path))


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


def expand(
    marks: Sequence[Path], mirror: str, places: Places, ledger: Ledger, *, most: int
) -> list[Path] | None:
    """
    Turn marks into paths: "folder/" stands for all that is, or was, below it.

    None: there are more than *most*; a full run is cheaper.
    """
    paths: dict[Path, None] = {}
    for mark in marks:
        if not mark.endswith("/"):
            paths[mark] = None
            continue
        folder = mark.rstrip("/")
        if not folder:
            return None
        for path in places.local.paths_below(folder):
            paths[path] = None
            if len(paths) > most:
                return None
        for path in ledger.synced.below(mirror, folder):
            paths[path] = None
        if len(paths) > most:
            return None
    return list(paths)
