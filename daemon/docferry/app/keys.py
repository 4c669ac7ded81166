"""API keys for people: create them, list them, revoke them, give them another secret."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from docferry.config import Config
from docferry.core.keys import (
    ID_BYTES,
    SECRET_BYTES,
    ApiKey,
    Identity,
    KeyId,
    KeyState,
    Mirrors,
    Role,
    hash_of,
    is_name,
    made_id,
    made_key,
    mark_of,
    unknown_in,
)
from docferry.errors import NotFoundError, UserError
from docferry.ledger import Ledger

LONGEST = timedelta(days=36525)


@dataclass(frozen=True, slots=True)
class ShownKey:
    """A key without anything of its secret."""

    id: KeyId
    name: str
    role: Role
    mirrors: Mirrors
    state: KeyState
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None  #: to a minute
    previous_until: datetime | None  #: after a rotation: so long the secret of before counts
    revoked_at: datetime | None


@dataclass(frozen=True, slots=True)
class NewKey:
    """
    A key and what its holder needs: *text*, which nobody can tell a second time.

    Not to be logged.
    """

    key: ShownKey
    text: str


def create(
    ledger: Ledger,
    config: Config,
    name: str,
    role: Role,
    now: datetime,
    *,
    mirrors: Mirrors = None,
    expires_at: datetime | None = None,
    by: Identity | None = None,
) -> NewKey:
    """
    Make a key.

    Args:
        by: Who asks by a key of their own; None: a person at the machine. Nobody gives more
            than they have.

    Raises:
        UserError: The name is taken or none, a mirror is not there, it would have expired, it
            would do more than *by* may, or the API has another pepper than is known here.
    """
    _refuse_more(by, role, mirrors)  # first: what follows names the mirrors there are
    _refuse_faulty(_known_to(by, config), name, mirrors, expires_at, now)
    pepper = _pepper(ledger, config)
    text = made_key(made_id(secrets.token_bytes(ID_BYTES)), secrets.token_bytes(SECRET_BYTES))
    key = ApiKey(
        id=text.id,
        name=name,
        role=role,
        mirrors=mirrors,
        hash=hash_of(text, pepper),
        pepper=mark_of(pepper),
        created_at=now,
        expires_at=expires_at,
    )
    ledger.keys.add(key)
    return NewKey(_shown(key, mark_of(pepper), now), text.text)


def listed(
    ledger: Ledger, config: Config, now: datetime, *, by: Identity | None = None
) -> list[ShownKey]:
    """Give the keys, those that were revoked too; of those that *by* may change."""
    mark = ledger.keys.pepper()
    if mark is None:
        mark = mark_of(_given(config))
    keys = ledger.keys.all()
    return [
        _shown(key, mark, now) for key in keys if by is None or by.covers(key.role, key.mirrors)
    ]


def revoke(
    ledger: Ledger, config: Config, what: str, now: datetime, *, by: Identity | None = None
) -> ShownKey:
    """
    Let the key that has the name, or the id, *what* not count any more, for ever.

    Raises:
        UserError: There is none that *by* may change, or it is revoked already.
    """
    key = _covered(ledger, what, by)
    return _shown(ledger.keys.revoke(key.id, now), mark_of(_given(config)), now)


def rotate(
    ledger: Ledger,
    config: Config,
    what: str,
    now: datetime,
    *,
    overlap: timedelta,
    by: Identity | None = None,
) -> NewKey:
    """
    Give the key that has the name, or the id, *what* another secret.

    Args:
        overlap: So long the present one is taken, too; a secret of before it is not.

    Raises:
        UserError: There is no such key that *by* may change, it is revoked or has expired, or
            the API has another pepper than is known here.
    """
    key = _covered(ledger, what, by)
    pepper = _pepper(ledger, config)
    text = made_key(key.id, secrets.token_bytes(SECRET_BYTES))
    if not timedelta() <= overlap <= LONGEST:
        raise UserError("the overlap is too long: a secret that is not to end needs no rotation")
    changed = ledger.keys.rotate(
        key.id, hash_of(text, pepper), mark_of(pepper), previous_until=now + overlap, at=now
    )
    return NewKey(_shown(changed, mark_of(pepper), now), text.text)


def _known_to(by: Identity | None, config: Config) -> list[str]:
    """Give the mirrors that there are, as far as *by* may know."""
    return [name for name in config.mirrors if by is None or by.sees(name)]


def _refuse_faulty(
    known: Sequence[str], name: str, mirrors: Mirrors, expires_at: datetime | None, now: datetime
) -> None:
    """
    Raises:
        UserError: No key can be so.
    """
    if not is_name(name):
        raise UserError(
            f"{name!r} is no name for a key: letters a-z, digits, '-' and '_', at most 63, "
            "beginning with neither of those"
        )
    if mirrors == ():
        raise UserError("a key for no mirror is good for nothing: name one, or none for all")
    if unknown := unknown_in(mirrors, known):
        raise UserError(
            f"there is no mirror {unknown[0]!r}; there are {', '.join(known) or 'none'}"
        )
    if expires_at is not None and not now < expires_at <= now + LONGEST:
        raise UserError(
            f"{expires_at:%Y-%m-%d %H:%M:%S %Z} is over already, or more than a hundred years "
            "away: without an end a key counts until it is revoked"
        )


def _covered(ledger: Ledger, what: str, by: Identity | None) -> ApiKey:
    """
    Give the key *what*, as far as *by* may know of it: as `listed` tells.

    Raises:
        UserError: There is none.
    """
    key = ledger.keys.named(what)
    if by is not None and not by.covers(key.role, key.mirrors):
        raise NotFoundError(f"there is no key {what} that counts: docferry keys list")
    return key


def _refuse_more(by: Identity | None, role: Role, mirrors: Mirrors) -> None:
    """
    Raises:
        UserError: Who acts could do more by such a key than by their own.
    """
    if by is not None and not by.covers(role, mirrors):
        of_all = "all mirrors" if mirrors is None else ", ".join(mirrors)
        raise UserError(f"the key {by.name} may less than the role {role} for {of_all}")


def _pepper(ledger: Ledger, config: Config) -> str | None:
    """
    Give what is to be made into a new hash.

    Raises:
        UserError: The API has another one: it would not know the key.
    """
    pepper = _given(config)
    if ledger.keys.pepper() not in (None, mark_of(pepper)):
        raise UserError(
            "docferry's API does not have the api.pepper that is to be read here, and would not "
            "know the key: ask as root, who can read the credentials folder; after a change of "
            "the file, restart docferry first"
        )
    return pepper


def _given(config: Config) -> str | None:
    return None if config.api_pepper is None else config.api_pepper.get_secret_value()


def _shown(key: ApiKey, pepper: str, now: datetime) -> ShownKey:
    is_overlap = key.previous_until is not None and now < key.previous_until
    return ShownKey(
        key.id,
        key.name,
        key.role,
        key.mirrors,
        key.state(pepper, now),
        key.created_at,
        key.expires_at,
        key.last_used_at,
        key.previous_until if is_overlap else None,
        key.revoked_at,
    )
