"""
What a disk may hold after a power cut, of what was written to it.

What was synced is there: a file's content once the file was, a name once the folder that it is
in was. Of everything else any part may be there, as far as file systems with a journal go: a
change of names is there as a whole or not at all, and not without an earlier one of the same
name. Bytes that were not synced may be missing, be zeros, or be there in part.
"""

from __future__ import annotations

import copy
import os
import random
import stat
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

from system.recorder import Kind, Record

_EXCHANGE = 2  # a flag of renameat2
_TORN_BYTES = 4096  # a write may end at a block
#: A name: the folder that it is in, and itself. Its change: what it names then; None: nothing.
#: What has names is numbered by us: an inode's number is given away again.
_Name: TypeAlias = tuple[int, str]
_Change: TypeAlias = dict[_Name, int | None]


@dataclass(frozen=True, slots=True)
class Found:
    """A file as the disk has it after the cut."""

    content: bytes
    mtime_ns: int
    mode: int
    inode: int  #: that it had


@dataclass(frozen=True, slots=True)
class Survival:
    """
    What survives of what was not synced.

    Args:
        name: Asked for each change of names.
        write: Asked for each write: how much of its bytes survives, from 0 to 1.
        size: Asked for each file whose content was not synced: whether it has its size
            nevertheless, the rest being zeros.
    """

    name: Callable[[], bool]
    write: Callable[[], float]
    size: Callable[[], bool]


NOTHING = Survival(lambda: False, lambda: 0.0, lambda: False)
NAMES = Survival(lambda: True, lambda: 0.0, lambda: False)
ZEROS = Survival(lambda: True, lambda: 0.0, lambda: True)
ALL = Survival(lambda: True, lambda: 1.0, lambda: True)


def some(seed: int) -> Survival:
    source = random.Random(seed)
    return Survival(
        lambda: source.random() < 0.5,
        lambda: source.choice((0.0, 0.5, 1.0, 1.0)),
        lambda: source.random() < 0.5,
    )


@dataclass(slots=True)
class _Inode:
    number: int
    mode: int
    mtime_ns: int
    content: bytes = b""  # on the disk
    synced_mtime_ns: int = 0
    pending: list[tuple[int, bytes | None]] = field(default_factory=list)  # None: cut off there

    def sync(self) -> None:
        self.content = _applied(self.content, self.pending)
        self.synced_mtime_ns = self.mtime_ns
        self.pending = []

    def after(self, survival: Survival) -> tuple[bytes, int]:
        """Give content and mtime after a cut."""
        if not self.pending:
            return self.content, self.mtime_ns
        whole = _applied(self.content, self.pending)
        kept = []
        for at, data in self.pending:
            share = survival.write()
            if data is None or share == 1.0:
                kept += [(at, data)] if share else []
            else:
                kept.append((at, data[: int(len(data) * share) // _TORN_BYTES * _TORN_BYTES]))
        content = _applied(self.content, kept)
        if survival.size():
            return content[: len(whole)].ljust(len(whole), b"\0"), self.mtime_ns
        return content, self.mtime_ns if survival.name() else self.synced_mtime_ns


class Disk:
    """A disk that is told what is written to it. Begins as *root* is now, all of it synced."""

    def __init__(self, root: Path) -> None:
        self._all: list[_Inode] = []
        self._by_number: dict[int, int] = {}
        self._names: dict[_Name, int | None] = {}  # on the disk
        self._now: dict[_Name, int | None] = {}
        self._pending: list[_Change] = []
        self._take_in(root)

    def copy(self) -> Disk:
        return copy.deepcopy(self)

    def take(self, record: Record) -> None:
        """Let it happen."""
        it = self._by_number.get(record.inode)
        match record.kind:
            case Kind.CREATE:
                made = _Inode(record.inode, record.mode, record.mtime_ns)
                self._change({self._name(record): self._add(made)})
            case Kind.LINK:
                self._change({self._name(record): it})
            case Kind.REMOVE:
                self._change({self._name(record): None})
            case Kind.RENAME:
                self._rename(record)
            case Kind.SYNC_ALL:
                self._sync_all()
            case Kind.SYNC if it is not None:
                self._sync(it)
            case Kind.WRITE | Kind.TRUNCATE | Kind.ATTRIBUTES if it is not None:
                self._write(self._all[it], record)

    def after(self, survival: Survival) -> Mapping[Path, Found | None]:
        """Give what is there after a cut: files, and None for folders; the ones above first."""
        names = dict(self._names)
        lost: set[_Name] = set()
        for change in self._pending:
            if lost.isdisjoint(change) and survival.name():
                names |= change
            else:
                lost |= change.keys()
        below: dict[int, list[tuple[str, int]]] = {}
        for (folder, name), inode in names.items():
            if inode is not None:
                below.setdefault(folder, []).append((name, inode))
        contents = [one.after(survival) for one in self._all]
        found: dict[Path, Found | None] = {}
        rest = [(Path(), 0)]
        while rest:
            above, folder = rest.pop()
            for name, number in sorted(below.get(folder, ())):
                it, path = self._all[number], above / name
                found[path] = None
                if stat.S_ISDIR(it.mode):
                    rest.append((path, number))
                else:
                    found[path] = Found(*contents[number], it.mode, it.number)
        return found

    def _take_in(self, folder: Path) -> None:
        facts = folder.stat()
        above = self._add(_Inode(facts.st_ino, facts.st_mode, facts.st_mtime_ns))
        for entry in os.scandir(folder):
            if entry.is_dir(follow_symlinks=False):
                self._take_in(Path(entry))
            else:
                facts, content = entry.stat(), Path(entry).read_bytes()
                made = _Inode(facts.st_ino, facts.st_mode, facts.st_mtime_ns, content)
                self._add(made)
                made.sync()
            self._names[above, entry.name] = self._by_number[entry.inode()]
        self._now |= self._names

    def _add(self, inode: _Inode) -> int:
        self._all.append(inode)
        self._by_number[inode.number] = len(self._all) - 1
        return len(self._all) - 1

    def _name(self, record: Record) -> _Name:
        return self._by_number[record.folder], record.name

    def _change(self, change: _Change) -> None:
        self._pending.append(change)
        self._now |= change

    def _rename(self, record: Record) -> None:
        one, other = self._name(record), (self._by_number[record.other_folder], record.other_name)
        is_exchange = record.offset & _EXCHANGE
        left = self._now.get(other) if is_exchange else None
        self._change({one: left, other: self._now[one]})

    def _sync(self, it: int) -> None:
        self._all[it].sync()
        # With a change come all earlier ones of the same names.
        wanted: set[_Name] = set()
        due = []
        for change in reversed(self._pending):
            if any(folder == it for folder, _ in change) or wanted & change.keys():
                wanted |= change.keys()
                due.append(change)
        for change in reversed(due):
            self._names |= change
        self._pending = [each for each in self._pending if not any(each is one for one in due)]

    def _sync_all(self) -> None:
        for inode in self._all:
            inode.sync()
        for change in self._pending:
            self._names |= change
        self._pending = []

    def _write(self, inode: _Inode, record: Record) -> None:
        inode.mode, inode.mtime_ns = record.mode, record.mtime_ns
        # Attributes are as the bytes: not on the disk before the file is synced.
        data = None if record.kind is Kind.TRUNCATE else record.data
        inode.pending.append((record.offset, data))


def _applied(content: bytes, writes: Iterable[tuple[int, bytes | None]]) -> bytes:
    made = bytearray(content)
    for at, data in writes:
        made += bytes(max(0, at - len(made)))
        if data is None:
            del made[at:]
        else:
            made[at : at + len(data)] = data
    return bytes(made)
