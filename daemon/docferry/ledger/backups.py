"""
The ledger as a file to be put away, and such a file as the ledger again.

What a backup says of the past is true for ever. What it says of both sides was true when it
was made: since then files were edited, deleted and put back, and what waited was carried
out. So a ledger that comes back keeps the past and the agreements, but of the folder it
says nothing, as a rebuilt one does: what is absent there is then no deletion.
"""

from __future__ import annotations

import secrets
import sqlite3
from contextlib import closing
from datetime import datetime
from pathlib import Path
from urllib.parse import quote

from sqlalchemy import Text, bindparam, null, select

from docferry.core.audit import Action
from docferry.core.keys import KeysThen
from docferry.errors import PermanentError, UserError
from docferry.ledger import schema, upgrade
from docferry.ledger.audit import CHAIN, note
from docferry.ledger.damage import is_there
from docferry.ledger.database import Database
from docferry.ledger.keys import put_keys_then
from docferry.ledger.ledger import Ledger
from docferry.ledger.snapshots import translated
from docferry.ledger.waits import key_of
from docferry.model import NEVER_SEEN, UNFINISHED, HoldState, RequestState

#: What speaks of a moment: carried out on a later world it would do harm, or is not so.
_OF_A_MOMENT = (
    "arrival",
    "change",
    "deletion",
    "event",
    "intent",
    "problem",
    "snapshot",
    "transfer",
    "webhook_cursor",
    "webhook_delivery",
    "webhook_event",
)
_TAKEN_BACK = "the ledger was restored from a backup: ask again, if it is still meant"
_FORGET_THE_FOLDER = schema.synced.update().values(local_token=NEVER_SEEN)
_END_HOLDS = (
    schema.hold.update()
    .values(state=HoldState.DONE, finished_at=bindparam("ended_at", type_=schema.Instant))
    .where(schema.hold.c.state != HoldState.DONE)
)
_RENAME_INSTANCE = (
    schema.setting.update()
    .values(value=bindparam("new_value", type_=Text))
    .where(schema.setting.c.key == "instance")
)


def copy_to(path: Path, copy: Path) -> None:
    """
    Write the ledger *path*, as of one moment and whoever writes to it meanwhile, to *copy*.

    Raises:
        UserError: There is none.
        TemporaryError, PermanentError: It cannot be read, or *copy* not be written.
    """
    if not is_there(path):
        raise UserError(f"there is no ledger {path}: before the first `docferry run` there is none")
    with (
        translated(path),
        closing(sqlite3.connect(f"file:{quote(str(path))}?mode=rw", uri=True)) as database,
    ):
        database.execute("VACUUM INTO ?", [str(copy)])


def revision_of(path: Path) -> str:
    """
    Say which migration the ledger *path* stands at.

    Raises:
        UserError: It is no ledger, or a newer docferry's.
    """
    database = Database(path, read_only=True)
    try:
        return upgrade.revision_in(database)
    finally:
        database.close()


def refuse_strange(path: Path, model: Path) -> None:
    """
    Make sure that nothing in the ledger *path* acts by itself but what docferry put there.

    A trigger of somebody else's could undo what `come_back` does, and a view could hide it.

    Args:
        model: Where to make an empty ledger of the same schema, to be compared with.

    Raises:
        UserError: It is no ledger, or a newer docferry's.
        PermanentError: There are views or triggers in it that are not docferry's.
    """
    database = Database(model)
    try:
        with database.writing() as tx:
            upgrade.migrate(tx.connection, revision_of(path))
    finally:
        database.close()
    if _acting_in(path) - _acting_in(model):
        raise PermanentError(
            "the backup's ledger is damaged, or not docferry's: strange views or triggers are in it"
        )


def _acting_in(path: Path) -> set[tuple[str, str]]:
    query = "SELECT name, sql FROM sqlite_master WHERE type NOT IN ('table', 'index')"
    with translated(path), closing(sqlite3.connect(path)) as database:
        return set(database.execute(query).fetchall())


class Restored(Ledger):
    """A ledger of before. Is written to by one thread, before anybody else sees it."""

    def come_back(self, at: datetime, keys: KeysThen) -> None:
        """
        Drop what was true only when the backup was made; of API keys let *keys* be all.

        It goes on under another name: in the buckets the snapshots of the one that it takes
        the place of, which know more, are then not its own to remove.
        """
        request = schema.request
        with self._database.writing() as tx:
            for name in _OF_A_MOMENT:
                tx.run(schema.METADATA.tables[name].delete())
            tx.run(_END_HOLDS, ended_at=at)
            tx.update(
                request,
                {"state": RequestState.CANCELLED, "finished_at": at, "note": _TAKEN_BACK},
                request.c.state.in_(UNFINISHED),
            )
            tx.run(_FORGET_THE_FOLDER)
            tx.insert_missing(schema.setting, [{"key": CHAIN, "value": self.instance}])
            put_keys_then(tx, keys, at)
            note(tx, Action.LEDGER_RESTORED, at, None, {"keys_revoked": keys.revoked})
            tx.run(_RENAME_INSTANCE, new_value=secrets.token_hex(8))
            marked = select(schema.mirror.c.name).where(schema.mirror.c.marker_id.is_not(null()))
            # What people have held since is forgotten: it must not be let go for that.
            waits = [
                {"key": key_of(name), "value": at.isoformat()} for (name,) in tx.tuples(marked)
            ]
            tx.insert_missing(schema.setting, waits)
