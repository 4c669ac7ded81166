"""
Read the three trees side by side and point at what differs.

All three streams come in the order of the paths' UTF-8 bytes (which is Python's
own order of strings), so that memory does not grow with the number of files.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TypeAlias, TypeVar

from docferry.errors import TemporaryError
from docferry.model import Entry, FileState, Path, Provenance, Side, SyncedState, Unknown

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Difference:
    """
    A path at which the three trees are not as agreed.

    claimed: what the object says it was made of, once it was read (`Outcome.claimed`).
    """

    path: Path
    local: FileState | None
    remote: FileState | None
    synced: SyncedState | None
    claimed: Provenance | None = None

    @property
    def is_settled(self) -> bool:
        """Whether there is no difference, after all: as agreed, or nowhere."""
        return self.is_nowhere or _as_agreed(self.local, self.remote, self.synced)

    @property
    def is_nowhere(self) -> bool:
        """Whether none of the trees has anything there."""
        return self.local is None and self.remote is None and self.synced is None


@dataclass(frozen=True, slots=True)
class Unseen:
    """A path, or a whole subtree, that one side could not be asked about."""

    side: Side
    what: Unknown


Seen: TypeAlias = Difference | Unseen

# Greater than every path: keys have at most 1,024 bytes, so at most 256 such characters.
_END = "\U0010ffff" * 1025


def merge(
    local: Iterable[Entry],
    remote: Iterable[Entry],
    synced: Iterable[tuple[Path, SyncedState]],
    *,
    with_agreed: bool = False,
) -> Iterator[Seen]:
    """
    Yield every path that is not as agreed, in order, and what could not be seen.

    Nothing is said about paths that one side could not be asked about.

    Args:
        with_agreed: Yield those that are as agreed, too.

    Raises:
        TemporaryError: A stream came out of order: nothing can be told from it.
    """
    locals_ = _in_order(_keyed(local), "the local walk")
    remotes = _in_order(_keyed(remote), "the remote listing")
    agreed = _in_order(synced, "the ledger")
    nothing = (_END, None)
    local_path, local_state = next(locals_, nothing)
    remote_path, remote_state = next(remotes, nothing)
    agreed_path, agreed_state = next(agreed, nothing)
    unseen: tuple[str, ...] = ()  # prefixes about which nothing is known
    while (path := min(local_path, remote_path, agreed_path)) is not _END:
        here: FileState | Unknown | None = None
        there: FileState | Unknown | None = None
        base: SyncedState | None = None
        if local_path == path:
            here = local_state
            local_path, local_state = next(locals_, nothing)
        if remote_path == path:
            there = remote_state
            remote_path, remote_state = next(remotes, nothing)
        if agreed_path == path:
            base = agreed_state
            agreed_path, agreed_state = next(agreed, nothing)
        if isinstance(here, Unknown) or isinstance(there, Unknown):
            for side, state in ((Side.LOCAL, here), (Side.REMOTE, there)):
                if isinstance(state, Unknown):
                    yield Unseen(side, state)
                    if state.below:
                        unseen = (*(p for p in unseen if path.startswith(p)), path)
        elif (with_agreed or not _as_agreed(here, there, base)) and not path.startswith(unseen):
            yield Difference(path, here, there, base)


def changed(
    side: Side, entries: Iterable[Entry], synced: Iterable[tuple[Path, SyncedState]]
) -> Iterator[Path | Unknown]:
    """
    Yield the paths at which one side alone is not as agreed: added, edited or gone.

    Raises:
        TemporaryError: A stream came out of order.
    """
    found = _in_order(_keyed(entries), f"the {side} side")
    agreed = _in_order(synced, "the ledger")
    nothing = (_END, None)
    path, state = next(found, nothing)
    agreed_path, base = next(agreed, nothing)
    unseen: tuple[str, ...] = ()
    while path is not _END or agreed_path is not _END:
        if path < agreed_path:
            if isinstance(state, Unknown):
                yield state
                unseen = (path,) if state.below else unseen
            else:
                yield path
            path, state = next(found, nothing)
        elif path > agreed_path:
            if not agreed_path.startswith(unseen):
                yield agreed_path
            agreed_path, base = next(agreed, nothing)
        else:
            if isinstance(state, Unknown):
                yield state
            elif state is None or base is None or state.token != _token_on(side, base):
                yield path
            path, state = next(found, nothing)
            agreed_path, base = next(agreed, nothing)


def gone(
    side: Side, entries: Iterable[Entry], synced: Iterable[tuple[Path, SyncedState]]
) -> Iterator[Path]:
    """
    Yield the agreed paths at which one side has nothing any more.

    Raises:
        TemporaryError: A stream came out of order.
    """
    found = _in_order(_keyed(entries), f"the {side} side")
    nothing = (_END, None)
    path, state = next(found, nothing)
    unseen: tuple[str, ...] = ()
    for agreed_path, _ in _in_order(synced, "the ledger"):
        while path < agreed_path:
            if isinstance(state, Unknown) and state.below:
                unseen = (path,)
            path, state = next(found, nothing)
        if path != agreed_path and not agreed_path.startswith(unseen):
            yield agreed_path


def _token_on(side: Side, synced: SyncedState) -> str:
    return synced.local_token if side is Side.LOCAL else synced.remote_token


def _as_agreed(
    local: FileState | None, remote: FileState | None, synced: SyncedState | None
) -> bool:
    return (
        synced is not None
        and local is not None
        and remote is not None
        and local.token == synced.local_token
        and remote.token == synced.remote_token
    )


def place_of(entry: Entry) -> str:
    """Give the place of *entry* in the order: a whole unknown subtree's is its first path's."""
    if isinstance(entry, Unknown):
        return entry.path + "/" if entry.below else entry.path
    return entry[0]


def _keyed(entries: Iterable[Entry]) -> Iterator[tuple[Path, FileState | Unknown]]:
    for entry in entries:
        if isinstance(entry, Unknown):
            yield place_of(entry), entry
        else:
            yield entry


def _in_order(stream: Iterable[tuple[Path, T]], name: str) -> Iterator[tuple[Path, T]]:
    last = ""
    for item in stream:
        path = item[0]
        if path <= last:
            raise TemporaryError(
                f"{name} came out of order ({path!r} after {last!r}): nothing is decided from it"
            )
        last = path
        yield item
