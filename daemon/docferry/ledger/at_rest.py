"""
A ledger that nobody has open, for who may read it and write nothing beside it.

In WAL mode SQLite wants two more files beside the database: whoever opens it first makes them,
whoever closes it last takes them away. While docferry runs, and after it was killed, they are
there, and SQLite reads them as they are. After a clean end the file alone is all there is, and
SQLite refuses to open it (measured with 3.40). It reads such a file as one that never changes
(`immutable`), without a lock; so it is for us to see whether somebody began to write meanwhile.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from docferry.errors import TemporaryError

#: What lies beside the file while changes are under way, or were left there by a crash.
_JOURNALS = ("-wal", "-journal")


@dataclass(frozen=True, slots=True)
class AtRest:
    """A ledger's file as it was when nobody had it open."""

    path: Path
    _stamp: tuple[int, ...]

    @classmethod
    def found(cls, path: Path) -> AtRest | None:
        """Look at the ledger *path*. None: it can be read as others are, or not at all."""
        if os.access(path.parent, os.W_OK) or not path.exists():
            return None
        stamp = _stamp_of(path)
        return None if stamp is None else cls(path, stamp)

    def refuse_changed(self) -> None:
        """
        Raises:
            TemporaryError: Somebody has opened it since: what was read of it may be of two times.
        """
        if _stamp_of(self.path) != self._stamp:
            raise TemporaryError(
                f"the ledger {self.path} was opened for writing while it was read; ask again"
            )


def _stamp_of(path: Path) -> tuple[int, ...] | None:
    """Give what a write changes; None: it is open, or a crash left changes beside it."""
    # The journals first: who writes has one from before he changes the file until after.
    if any(path.with_name(path.name + end).exists() for end in _JOURNALS):
        return None
    found = path.stat()
    return found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns
