"""All that a process changed below a folder, and brought to the disk, in its order."""

from __future__ import annotations

import shutil
import struct
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path

_SOURCE = Path(__file__).with_name("recorder.c")
_HEAD = struct.Struct("<IIQQQQqqIIII")


class Kind(IntEnum):
    """What a record tells of; as in recorder.c."""

    CREATE = 1  # a file or a folder, with its name
    WRITE = 2
    TRUNCATE = 3
    LINK = 4
    RENAME = 5
    REMOVE = 6  # a name, of a file or a folder
    SYNC = 7
    SYNC_ALL = 8
    ATTRIBUTES = 9


@dataclass(frozen=True, slots=True)
class Record:
    """One call. What it does not tell of is 0 or empty."""

    kind: Kind
    time_ns: int  #: monotonic, at its end
    inode: int
    folder: int  #: the inode of the folder that *name* is in
    other_folder: int
    offset: int  #: of a write; the size of a truncation; the flags of a rename
    mtime_ns: int  #: of *inode* afterwards
    mode: int  #: of *inode* afterwards
    name: str
    other_name: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Recorder:
    """A library that records, and where to."""

    library: Path
    log: Path
    below: Path

    @classmethod
    def built(cls, folder: Path, below: Path) -> Recorder:
        """Build it, for what happens below *below*."""
        library = folder / "recorder.so"
        compiler = shutil.which("gcc")
        assert compiler is not None
        flags = ["-O1", "-U_FORTIFY_SOURCE", "-shared", "-fPIC"]
        subprocess.run([compiler, *flags, "-o", str(library), str(_SOURCE), "-ldl"], check=True)
        return cls(library, folder / "records", below)

    def environ(self, *, kill_at: int | None = None) -> Mapping[str, str]:
        """
        Give what a process needs in its environment to be recorded.

        Args:
            kill_at: It ends at its so-manieth change, instead of making it.
        """
        given = {"LD_PRELOAD": str(self.library), "RECORD_TO": str(self.log)}
        given |= {"RECORD_BELOW": str(self.below), "PYTHONDONTWRITEBYTECODE": "1"}
        return given if kill_at is None else given | {"RECORD_KILL_AT": str(kill_at)}

    def records(self) -> list[Record]:
        """Give all that was recorded so far."""
        return [*_read(self.log.read_bytes())] if self.log.exists() else []


def _read(log: bytes) -> Iterator[Record]:
    at = 0
    while at < len(log):
        size, kind, *facts, name_size, other_size, _ = _HEAD.unpack_from(log, at)
        time_ns, inode, folder, other_folder, offset, mtime_ns, mode = facts
        name_at = at + _HEAD.size
        other_at = name_at + name_size
        data_at = other_at + other_size
        yield Record(
            Kind(kind),
            time_ns,
            inode,
            folder,
            other_folder,
            offset,
            mtime_ns,
            mode,
            log[name_at:other_at].decode(errors="surrogateescape"),
            log[other_at:data_at].decode(errors="surrogateescape"),
            log[data_at : at + size],
        )
        at += size
