"""API keys in the ledger: their hashes, what each may do, and until when."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, func, null, select

from docferry.core.audit import Action
from docferry.core.keys import ApiKey, Hash, KeyId, KeysThen, Mark
from docferry.errors import ConflictError, NotFoundError
from docferry.ledger.audit import note
from docferry.ledger.database import Database, Row, Taken, Transaction
from docferry.ledger.schema import api_key, instant_text, session, setting

#: The mark of the pepper that the API has now.
PEPPER = "api-pepper"
#: Since when it is not known which keys there were.
LOST = "api-keys-lost"

_ROW = select(api_key)
_BY_ID = _ROW.where(api_key.c.id == bindparam("key_id"))
_USED = (
    api_key.update()
    .values(last_used_at=bindparam("used_at", type_=api_key.c.last_used_at.type))
    .where(api_key.c.id == bindparam("key_id"))
)
_SAME_KEY = Taken(("key",))


class Keys:
    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, key: ApiKey) -> None:
        """
        Let *key* count from now on.

        Raises:
            ConflictError: There is one of that name that was not revoked.
        """
        with self._database.writing() as tx:
            if _named(tx, key.name):
                raise ConflictError(
                    f"there is a key {key.name} already: revoke it first, rotate it, or take "
                    "another name"
                )
            tx.insert(api_key, [row_of(key)])
            note(tx, Action.KEY_CREATED, key.created_at, None, _facts_of_new(key))

    def get(self, key_id: KeyId) -> ApiKey | None:
        with self._database.reading() as tx:
            return _get(tx, key_id)

    def all(self) -> list[ApiKey]:
        """Give all of them, those that were revoked too, in the order of their names."""
        with self._database.reading() as tx:
            return tx.all(_ROW.order_by(api_key.c.name, api_key.c.created_at, api_key.c.id), _key)

    def named(self, what: str) -> ApiKey:
        """
        Give the key whose id, or name, is *what*. A name is of one that was not revoked.

        Raises:
            NotFoundError: There is none.
            ConflictError: One has it for an id and another for a name.
        """
        with self._database.reading() as tx:
            found = {key.id: key for key in (*_named(tx, what), _get(tx, what)) if key is not None}
        if len(found) > 1:
            ids = " and ".join(found)
            raise ConflictError(f"{what} is the name of one key and the id of another: say {ids}")
        if not found:
            raise NotFoundError(f"there is no key {what} that counts: docferry keys list")
        return next(iter(found.values()))

    def revoke(self, key_id: KeyId, at: datetime) -> ApiKey:
        """
        Let it not count any more, for ever; give it as it is now.

        Raises:
            ConflictError: It was revoked before.
        """
        with self._database.writing() as tx:
            key = _living(tx, key_id)
            tx.update(api_key, {"revoked_at": at}, api_key.c.id == key_id)
            note(tx, Action.KEY_REVOKED, at, None, {"key": key_id, "name": key.name})
            return _known(tx, key_id)

    def rotate(
        self, key_id: KeyId, new: Hash, pepper: Mark, *, previous_until: datetime, at: datetime
    ) -> ApiKey:
        """
        Let it have another secret, and the present one only *previous_until* then.

        One of before the present one ends at once.

        Raises:
            ConflictError: It was revoked, or has expired.
        """
        with self._database.writing() as tx:
            key = _living(tx, key_id)
            if key.expires_at is not None and at >= key.expires_at:
                raise ConflictError(
                    f"the key {key.name} has expired: revoke it and create another one"
                )
            values: Row = {
                "hash": new,
                "pepper": pepper,
                "previous_hash": key.hash,
                "previous_until": previous_until,
            }
            tx.update(api_key, values, api_key.c.id == key_id)
            until = {"previous_until": instant_text(previous_until)}
            note(tx, Action.KEY_ROTATED, at, None, {"key": key_id, "name": key.name, **until})
            return _known(tx, key_id)

    def note_use(self, key_id: KeyId, at: datetime) -> None:
        """Write down that it was used; who calls sees to it that this is not each time."""
        with self._database.writing() as tx:
            tx.run(_USED, key_id=key_id, used_at=at)

    def note_refused(self, at: datetime, facts: Mapping[str, object]) -> None:
        """Write down that somebody was refused; who calls sees to it that this is not each time."""
        with self._database.writing() as tx:
            note(tx, Action.KEY_REFUSED, at, None, facts)

    def are_needed(self) -> bool:
        """
        Say whether the API is only for those with a key: there is one, or was one.

        Also where that is not known. What was closed is not open to all for a revocation,
        nor for a ledger that was lost.
        """
        with self._database.reading() as tx:
            is_lost = tx.value(select(func.count()).where(setting.c.key == LOST))
            return bool(is_lost or tx.value(select(func.count()).select_from(api_key)))

    def note_lost(self, at: datetime) -> None:
        """Remember that there may have been keys that are not known any more."""
        with self._database.writing() as tx:
            tx.insert_missing(setting, [{"key": LOST, "value": instant_text(at)}])

    def pepper(self) -> Mark | None:
        """Give the mark of the pepper that the API has now; None: there was no API yet."""
        with self._database.reading() as tx:
            found = tx.value(select(setting.c.value).where(setting.c.key == PEPPER))
        return None if found is None else str(found)

    def put_pepper(self, mark: Mark) -> None:
        """Write down which pepper the API has now."""
        with self._database.writing() as tx:
            tx.upsert(setting, [{"key": PEPPER, "value": mark}], _SAME_KEY)


def put_keys_then(tx: Transaction, then: KeysThen, at: datetime) -> None:
    """Let those keys be all that there are, and let nobody be logged in."""
    tx.run(session.delete())  # some may have been ended since
    tx.run(api_key.delete())
    tx.insert(api_key, [row_of(key) for key in then.keys])
    if then.are_lost:
        tx.insert_missing(setting, [{"key": LOST, "value": instant_text(at)}])


def row_of(key: ApiKey) -> dict[str, object]:
    """Give *key* as a row of its table."""
    return asdict(key) | {"mirrors": None if key.mirrors is None else list(key.mirrors)}


def _facts_of_new(key: ApiKey) -> dict[str, object]:
    return {
        "key": key.id,
        "name": key.name,
        "role": key.role,
        "mirrors": None if key.mirrors is None else list(key.mirrors),
        "expires_at": None if key.expires_at is None else instant_text(key.expires_at),
    }


def _key(*, mirrors: Sequence[str] | None, **columns: Any) -> ApiKey:
    return ApiKey(mirrors=None if mirrors is None else tuple(mirrors), **columns)


def _get(tx: Transaction, key_id: KeyId) -> ApiKey | None:
    found = tx.found(_BY_ID, _key, key_id=key_id)
    return found[0] if found else None


def _named(tx: Transaction, name: str) -> list[ApiKey]:
    """Give the key of that name that was not revoked, if there is one."""
    return tx.all(_ROW.where(api_key.c.name == name, api_key.c.revoked_at.is_(null())), _key)


def _known(tx: Transaction, key_id: KeyId) -> ApiKey:
    key = _get(tx, key_id)
    if key is None:
        raise NotFoundError(f"there is no key {key_id}: docferry keys list")
    return key


def _living(tx: Transaction, key_id: KeyId) -> ApiKey:
    key = _known(tx, key_id)
    if key.revoked_at is not None:
        raise ConflictError(f"the key {key.name} ({key_id}) is revoked already")
    return key
