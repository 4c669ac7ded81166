"""What went wrong in the database, in docferry's own errors."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from sqlalchemy.exc import DBAPIError

from docferry.errors import DocferryError, PermanentError, TemporaryError

_BUSY = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}
_DAMAGED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
_DENIED = {
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_PERM,
    sqlite3.SQLITE_AUTH,
}


def translate(error: DBAPIError | sqlite3.Error, path: Path) -> DocferryError:
    """Say what *error*, met on the ledger at *path*, means and what to do about it."""
    cause = error.orig if isinstance(error, DBAPIError) else error
    code = getattr(cause, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF  # without its detail
    what = f"the ledger {path}"
    if code in _BUSY:
        return TemporaryError(f"{what} is locked by another process; it is tried again")
    if code == sqlite3.SQLITE_FULL:
        return TemporaryError(f"{what} cannot grow: the disk is full; free some space")
    if code == sqlite3.SQLITE_IOERR:
        return TemporaryError(
            f"{what} cannot be read or written ({cause}); check the disk, its free space "
            "and the system log"
        )
    if code in _DAMAGED:
        return PermanentError(
            f"{what} is damaged ({cause}); restart docferry, which sets it aside, and make it "
            "anew from the bucket: docferry rebuild"
        )
    if code in _DENIED:
        return PermanentError(
            f"{what} cannot be opened for this ({cause}). Ask as root, or as the user that "
            "docferry runs as; if that does not help, check that its folder exists, and who may "
            "write there"
        )
    return PermanentError(f"{what} refused a statement ({cause}); please report this as a bug")


def is_undecodable(error: DBAPIError | sqlite3.Error) -> bool:
    """Say whether a row has a text that is none: the driver has no code for that, only words."""
    return "Could not decode to UTF-8" in str(error)
