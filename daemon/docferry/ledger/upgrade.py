"""Bring the ledger's schema to what this docferry knows, or refuse to touch it."""

from __future__ import annotations

import errno
import os
import secrets
import sqlite3
import threading
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

from sqlalchemy import Connection, Text, column, inspect, select, table

from docferry.errors import UserError
from docferry.ledger.database import Database, Transaction
from docferry.ledger.lock import is_held
from docferry.ledger.schema import setting
from docferry.logs import get_logger

log = get_logger(__name__)

#: The newest migration. Migrations are numbered, so that an unknown one can be told for newer.
HEAD = "0008"
#: What comes between the name of the ledger and the migration before which a copy was made.
BEFORE = ".before-"

# alembic keeps what it is doing in its own modules: two migrations at once write into each
# other's databases, and crash the process.
_one_at_a_time = threading.Lock()

_alembic_version = table("alembic_version", column("version_num", Text))


def upgrade(database: Database) -> None:
    """
    Create or migrate the schema where needed, in one transaction.

    Raises:
        UserError: A newer docferry made it, it is no ledger at all, or another process
            is using it as it is.
    """
    with database.writing() as tx:
        found = _revision(tx, database.path)
        _refuse_newer(found, database.path)
        if found == HEAD:
            return
        _refuse_while_in_use(database.path)
        if found is not None and is_held(database.path.parent) == os.getpid():
            _keep_copy(database.path)  # a daemon's own; a snapshot's is made to be read once
        migrate(tx.connection)
        # A random id: tells this ledger's own uploads from everybody else's.
        tx.insert_missing(setting, [{"key": "instance", "value": secrets.token_hex(8)}])
    if found is not None:  # each snapshot is made as a new one
        copy = copy_before(database.path)
        log.info(
            "ledger.migrated",
            path=str(database.path),
            was=found,
            schema=HEAD,
            before=str(copy) if copy.exists() else None,
        )


def check(database: Database) -> None:
    """
    Make sure that the schema can be read as it is.

    Raises:
        UserError: It is newer or older than this docferry.
    """
    with database.reading() as tx:
        found = _revision(tx, database.path)
    _refuse_newer(found, database.path)
    if found != HEAD:
        raise UserError(
            f"the ledger {database.path} is older than this docferry; start `docferry run` "
            "once to bring it up to date"
        )


def revision_in(database: Database) -> str:
    """
    Say which migration a ledger stands at.

    Raises:
        UserError: It is no ledger, or a newer docferry's.
    """
    with database.reading() as tx:
        found = _revision(tx, database.path)
    if found is None:
        raise UserError(f"{database.path} is no ledger: there is nothing in it")
    _refuse_newer(found, database.path)
    return found


def _revision(tx: Transaction, path: Path) -> str | None:
    """Give the migration that the database stands at; None: it is empty."""
    tables = inspect(tx.connection).get_table_names()
    if "alembic_version" in tables:
        return str(tx.value(select(_alembic_version.c.version_num)))
    if tables:
        raise UserError(f"{path} is a database, but not a ledger; move it away")
    return None


def _refuse_newer(found: str | None, path: Path) -> None:
    if found is not None and found > HEAD:
        raise UserError(
            f"the ledger {path} was written by a newer docferry (schema {found}, this one "
            f"knows {HEAD}); install that docferry again, or restore an older ledger"
        )


def _refuse_while_in_use(path: Path) -> None:
    pid = is_held(path.parent)
    if pid not in (None, os.getpid()):
        raise UserError(
            f"the ledger {path} has to be brought up to date, but docferry runs on it "
            f"(pid {pid}); stop it first"
        )


def copy_before(path: Path, revision: str = HEAD) -> Path:
    """Name the copy of the ledger that is kept when it is migrated to *revision*."""
    return path.with_name(f"{path.name}{BEFORE}{revision}")


def _keep_copy(path: Path) -> None:
    """
    Keep the ledger as it is: for who must go back to the docferry of before.

    Where there is no room for it the migration goes on without: it is one transaction.
    """
    copy = copy_before(path)
    unfinished = copy.with_name(f"{copy.name}.unfinished")
    unfinished.unlink(missing_ok=True)
    try:
        _require_room(path)
        with closing(sqlite3.connect(f"file:{quote(str(path))}?mode=rw", uri=True)) as database:
            database.execute("VACUUM INTO ?", [str(unfinished)])
        unfinished.chmod(0o600)
        unfinished.replace(copy)
    except (sqlite3.Error, OSError) as error:
        unfinished.unlink(missing_ok=True)
        log.warning("ledger.uncopied", path=str(path), copy=str(copy), reason=str(error))


def _require_room(path: Path) -> None:
    """
    Raises:
        OSError: The copy would leave the migration, which may write all anew, without room.
    """
    found = os.statvfs(path.parent)
    if found.f_bavail * found.f_frsize < 2 * path.stat().st_size:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def migrate(connection: Connection, to: str = "head") -> None:
    """Run the migrations that are missing, up to *to*, inside the connection's transaction."""
    # Imported here: most starts find nothing to migrate.
    from alembic import command
    from alembic.config import Config

    options = Config(attributes={"connection": connection})
    options.set_main_option("script_location", "docferry.ledger:migrations")
    with _one_at_a_time:
        command.upgrade(options, to)
