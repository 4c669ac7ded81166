"""
A ledger whose file is damaged: found out at the start, set aside, never replaced in silence.

A new ledger beside it would know of nothing: what was deleted while docferry was down would
come back, and the past would be gone from sight though the bucket still holds it.
"""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote

from docferry.errors import PermanentError, UserError
from docferry.ledger.faults import translate
from docferry.logs import get_logger

log = get_logger(__name__)

DAMAGED, REPLACED = ".damaged-", ".replaced-"
#: What SQLite has beside the file itself.
_SIDECARS = ("-wal", "-shm")


def is_there(path: Path) -> bool:
    """
    Say whether there is a ledger at *path*.

    Raises:
        PermanentError: Whoever asks may not look there.
    """
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        raise PermanentError(
            f"cannot look at the ledger {path}: {error.strerror}. Ask as the user that docferry "
            "runs as, or as root"
        ) from error
    return True


def refuse_damaged(path: Path) -> None:
    """
    Make sure that there is no damaged ledger at *path*; one that is, is set aside.

    Raises:
        UserError: There is one, or there was, and nobody has rebuilt it since.
    """
    refuse_set_aside(path)
    reason = damage_of(path)
    if reason is not None:
        aside = set_aside(path)
        log.error("ledger.damaged", path=str(path), reason=reason, set_aside=str(aside))
        refuse_set_aside(path)


def refuse_set_aside(path: Path) -> None:
    """
    Raises:
        UserError: The ledger *path* was set aside, and there is no new one.
    """
    if is_there(path):
        return
    asides = _asides(path)
    if not asides:
        return
    if REPLACED in asides[-1].name:
        raise UserError(
            f"the ledger was set aside as {asides[-1]} for one that should have taken its "
            f"place, and did not: restore that one again, or put it back to {path}, with what "
            "begins with its name"
        )
    raise UserError(
        f"the ledger was found damaged and set aside as {asides[-1]}. Make a new one from "
        "what the bucket holds: docferry rebuild. Only if you know better: put a sound copy "
        f"of it at {path}, or move the damaged one elsewhere to begin with an empty ledger"
    )


def refuse_lost(path: Path, audit: Path) -> None:
    """
    Args:
        audit: The audit's file: where that has rows there was a ledger once.

    Raises:
        UserError: There is none at *path*, or an empty file.
    """
    try:
        was_there = audit.stat().st_size > 0
    except OSError:
        return
    if was_there and is_empty(path):
        raise UserError(
            f"the ledger {path} is {'empty' if is_there(path) else 'gone'}, and {audit} tells of "
            "one that was there. Make a new one from what the bucket holds: docferry rebuild, or "
            f"put a sound copy of it there. To begin with one that knows of nothing, move {audit} "
            "elsewhere: nothing is deleted then, and what was deleted meanwhile comes back"
        )


def is_empty(path: Path) -> bool:
    """Say whether there is no ledger, or a file that lost all it had: SQLite takes it for new."""
    try:
        return not is_there(path) or path.stat().st_size == 0
    except OSError:  # it cannot be looked at: whoever opens it is told why
        return False


def damage_of(path: Path) -> str | None:
    """
    Say what is wrong with the file *path*; None: nothing, or there is none.

    Reads all of it: 2 s for a million files (1.1 GB) that are in the page cache.

    Raises:
        TemporaryError, PermanentError: It cannot be read, which says nothing of what is in it.
    """
    if not is_there(path):
        return None
    try:
        with closing(sqlite3.connect(f"file:{quote(str(path))}?mode=rw", uri=True)) as database:
            [(found,), *_] = database.execute("PRAGMA quick_check(1)").fetchall()
    except sqlite3.Error as error:
        if _is_damage(error):
            return str(error)
        raise translate(error, path) from error
    return None if found == "ok" else str(found)


def set_aside(path: Path, at: datetime | None = None, *, mark: str = DAMAGED) -> Path:
    """
    Give a ledger another name, with all that SQLite has beside it, and say which.

    As long as none is in its place, nobody makes an empty one there (`refuse_set_aside`).

    The file itself first: without its journal it could pass for a sound one, and be an old one.

    Raises:
        PermanentError: It cannot be renamed.
    """
    stamp = (at or datetime.now(UTC)).strftime("%Y%m%dT%H%M%S.%fZ")
    aside = path.with_name(f"{path.name}{mark}{stamp}")
    try:
        path.rename(aside)
        clear_sidecars(path, aside)
    except OSError as error:
        raise PermanentError(f"cannot rename {path} to {aside}: {error.strerror}") from error
    return aside


def clear_sidecars(path: Path, aside: Path) -> None:
    """Take what SQLite has beside *path* away, to *aside*: it would go into a new file there."""
    for end in _SIDECARS:
        sidecar = path.with_name(path.name + end)
        if sidecar.exists():
            sidecar.rename(aside.with_name(aside.name + end))


def put_in_place(unfinished: Path, path: Path) -> None:
    """Give a new ledger its name, last of all: a crash before leaves none."""
    try:
        # A stray journal of a lost ledger would be read into the new one.
        clear_sidecars(path, path.with_name(f"{path.name}.stray-{os.getpid()}"))
        for place in (unfinished, unfinished.parent):
            _bring_to_disk(place)
        unfinished.rename(path)
        _bring_to_disk(path.parent)
    except OSError as error:
        raise PermanentError(f"cannot put the new ledger to {path}: {error.strerror}") from error


def _bring_to_disk(place: Path) -> None:
    fd = os.open(place, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _asides(path: Path) -> list[Path]:
    """Give the ledgers that were set aside, for whichever reason, the last one at the end."""
    found = [one for mark in (DAMAGED, REPLACED) for one in path.parent.glob(f"{path.name}{mark}*")]
    ledgers = (one for one in found if not one.name.endswith(_SIDECARS))
    return sorted(ledgers, key=lambda one: one.name.rpartition("-")[2])


def _is_damage(error: sqlite3.Error) -> bool:
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF  # without its detail
    return code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
