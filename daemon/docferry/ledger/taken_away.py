"""
A ledger whose file is taken away while docferry has it open.

SQLite goes on with the file that has no name any more, and says nothing: all that is written down
would be gone with the process. What is still open can be written to its place again.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

from docferry.errors import DocferryError, PermanentError
from docferry.ledger.damage import REPLACED, put_in_place
from docferry.ledger.database import Database

_UNFINISHED = ".unfinished"


@dataclass(frozen=True, slots=True)
class OpenFile:
    """The ledger's file as it was when it was opened."""

    path: Path
    device: int
    inode: int

    @classmethod
    def of(cls, path: Path) -> Self:
        found = path.stat()
        return cls(path, found.st_dev, found.st_ino)

    @property
    def is_in_place(self) -> bool:
        """Whether its name still leads to it. Where nobody can tell it is taken for so."""
        try:
            found = self.path.stat()
        except FileNotFoundError:
            return False
        except OSError:
            return True
        return (found.st_dev, found.st_ino) == (self.device, self.inode)


def put_back(database: Database, opened: OpenFile) -> str:
    """
    Write what *database* still has to its place, if that is free; say what became of it.

    Another ledger in its place was put there by somebody, and stays; this one is kept beside it.
    """
    path = opened.path
    if _device_above(path) != opened.device:
        return f"the file system of {path.parent} is gone, and the ledger with it: mount it again"
    place = path
    if path.exists():
        place = path.with_name(f"{path.name}{REPLACED}{datetime.now(UTC):%Y%m%dT%H%M%S.%fZ}")
    try:
        _write(database, place)
    except DocferryError as error:
        return f"the ledger {path} was taken away, and could not be put back: {error}"
    if place == path:
        return f"the ledger {path} was taken away; it was put back as it was: start docferry again"
    return (
        f"another ledger was put to {path} while docferry ran: it counts from the next start on, "
        f"and the one before is kept as {place}"
    )


def _write(database: Database, place: Path) -> None:
    unfinished = place.with_name(f"{place.name}{_UNFINISHED}")
    try:
        place.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
        unfinished.unlink(missing_ok=True)
    except OSError as error:
        raise PermanentError(f"cannot write to {place.parent}: {error.strerror}") from error
    database.copy_to(unfinished)
    put_in_place(unfinished, place)


def _device_above(path: Path) -> int | None:
    """Say which file system the nearest folder above *path* is on that is there."""
    for folder in path.parents:
        try:
            return folder.stat().st_dev
        except FileNotFoundError:
            continue
        except OSError:
            return None
    return None
