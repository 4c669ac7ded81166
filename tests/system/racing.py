"""
People at work on both sides of a mirror as fast as they can, all at once, on the same few names.

What each of them remembers is put together at the end: only what is gone from both sides by their
own hands may be gone.
"""

from __future__ import annotations

import ctypes
import os
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from docferry.model import Side
from system.daemon import Mirror
from system.history import Person, sha256

_AT_FDCWD = -100
_RENAME_EXCHANGE = 2
_libc = ctypes.CDLL(None, use_errno=True)


class InTheFolder(Person):
    """Writes, renames, swaps and deletes in the folder alone."""

    def _deeds(self) -> list[Callable[[], None]]:
        often = [self._save, self._save_beside, self._swap, self._append]
        return [*often, *often, self._delete, self._rename, self._touch, self._rename_folder]

    def _swap(self) -> None:
        """Let two files change places at once."""
        one, other = self._there(), self._there()
        names = os.fsencode(one), os.fsencode(other)
        _libc.renameat2(_AT_FDCWD, names[0], _AT_FDCWD, names[1], _RENAME_EXCHANGE)
        self._tell(f"swapped {one} with", other)


class InTheBucket(Person):
    """Uploads, renames, swaps and deletes in the bucket alone."""

    def _deeds(self) -> list[Callable[[], None]]:
        often = [self._put, self._put, self._swap]
        return [*often, self._remove, self._put_renamed, self._put_again]

    def _swap(self) -> None:
        one, other = self._key_there(), self._key_there()
        contents = self.mirror.get(one), self.mirror.get(other)
        if contents[0] is not None and contents[1] is not None:
            self._put_at(one, contents[1])
            self._put_at(other, contents[0])


class Race:
    """Some people on one mirror."""

    def __init__(self, seed: int, mirror: Mirror, trash: Path) -> None:
        self.mirror = mirror
        self.people: Sequence[Person] = (
            InTheFolder(seed, mirror, trash, clashes=()),
            InTheBucket(seed + 1, mirror, trash, clashes=()),
        )

    @property
    def done(self) -> int:
        return sum(len(person.did) for person in self.people)

    @contextmanager
    def going_on(self) -> Iterator[None]:
        """Have all of them at work, each in a thread of its own, for as long as the block lasts."""
        over = threading.Event()
        threads = [threading.Thread(target=_work, args=(one, over)) for one in self.people]
        with ExitStack() as on_exit:
            for thread in threads:
                thread.start()
                on_exit.callback(thread.join)
            on_exit.callback(over.set)
            yield

    def lost(self, agreed: Iterable[str]) -> list[str]:
        """Say what cannot be had back, and should be; see `Person.lost`."""
        mirror = self.mirror
        kept = [*mirror.archived_files(), *mirror.archived_objects()]
        kept += [*mirror.files().values(), *mirror.objects().values()]
        there = {sha256(content) for content in kept}
        written = {sha: side for one in self.people for sha, side in one.written.items()}
        gone = {
            side: set[str]().union(*(one.destroyed[side] for one in self.people)) for side in Side
        }
        never = {sha for sha, side in written.items() if sha not in gone[side]}
        settled = set(agreed) - (gone[Side.LOCAL] & gone[Side.REMOTE])
        return sorted((never | settled) - there - {sha256(b"")})

    def invented(self) -> list[str]:
        """Name what is there now, and nobody has ever written."""
        written = {sha for one in self.people for sha in one.written} | {sha256(b"")}
        found = {**self.mirror.objects(), **self.mirror.files()}
        return sorted(key for key, content in found.items() if sha256(content) not in written)


def _work(person: Person, over: threading.Event) -> None:
    while not over.is_set():
        person.act()
