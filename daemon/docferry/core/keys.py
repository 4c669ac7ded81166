"""
API keys: how they are made and read, what each may do, and what is to be said of one presented.

`dfk_<id>_<secret>`: the id is public, and names a key in lists, the log and the audit. The
secret is random, of 160 bits: nobody finds it by trying, so one round of SHA-256 keeps it as
well as a slow hash would. Only that hash is kept.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TypeAlias

KeyId: TypeAlias = str  # 8 characters of `_ALPHABET`
Hash: TypeAlias = str  # 64 lower-case hex digits
Mark: TypeAlias = str  # tells one pepper from another; "": there is none
Mirrors: TypeAlias = tuple[str, ...] | None  # names; None: all of them, later ones too

PREFIX = "dfk_"
ID_BYTES, SECRET_BYTES = 5, 20  #: each a whole number of characters
#: A use is written down no more often: else each request would be a write.
NOTE_USE_EVERY = timedelta(minutes=1)

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"  # no i, l, o, u: www.crockford.com/base32.html
_BITS = 5  # of each character
_FORM = re.compile(rf"{PREFIX}([{_ALPHABET}]{{8}})_([{_ALPHABET}]{{32}})")
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
_NOBODYS: Hash = "0" * 64  # compared with where there is no key: time is not to tell that


class Role(StrEnum):
    """What a key may do; each may all that those before it may."""

    VIEWER = "viewer"  # look
    OPERATOR = "operator"  # decide about documents: restore, convert, approve
    ADMIN = "admin"  # also keys, webhooks, erasures

    def may(self, needed: Role) -> bool:
        """Say whether this role is enough where *needed* is."""
        order = list(Role)  # words compare by their letters, which would make admin the least
        return order.index(self) >= order.index(needed)


class Why(StrEnum):
    """Why a key is refused: for the log and the audit. Who presented it is told nothing of it."""

    UNREADABLE = "unreadable"  # it has not the form of a key
    UNKNOWN = "unknown"  # there is no key with its id
    OTHER_PEPPER = "other-pepper"  # none can be checked that was made with another one
    WRONG = "wrong"  # another secret
    REPLACED = "replaced"  # the secret of before a rotation, and its overlap is over
    EXPIRED = "expired"
    REVOKED = "revoked"


class KeyState(StrEnum):
    VALID = "valid"
    EXPIRED = "expired"
    REVOKED = "revoked"
    UNUSABLE = "unusable"  # made with another pepper than docferry has now


@dataclass(frozen=True, slots=True)
class KeyText:
    """A key as its holder has it. Shows its secret only when asked for all of its text."""

    id: KeyId
    secret: str = field(repr=False)

    @property
    def text(self) -> str:
        return f"{PREFIX}{self.id}_{self.secret}"


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key as the ledger keeps it."""

    id: KeyId
    name: str  #: of one key alone, among those that are not revoked
    role: Role
    mirrors: Mirrors
    hash: Hash = field(repr=False)
    pepper: Mark  #: that `hash` was made with
    created_at: datetime
    expires_at: datetime | None = None  #: None: never
    previous_hash: Hash | None = field(default=None, repr=False)  #: of before the last rotation
    previous_until: datetime | None = None  #: so long the previous secret is taken, too
    revoked_at: datetime | None = None
    last_used_at: datetime | None = None  #: to a minute

    def state(self, pepper: Mark, now: datetime) -> KeyState:
        """Say what it is worth *now*, to a docferry with that *pepper*."""
        if self.revoked_at is not None:
            return KeyState.REVOKED
        if self.expires_at is not None and now >= self.expires_at:
            return KeyState.EXPIRED
        return KeyState.VALID if self.pepper == pepper else KeyState.UNUSABLE


@dataclass(frozen=True, slots=True)
class Identity:
    """Who acts by a key."""

    id: KeyId
    name: str
    role: Role
    mirrors: Mirrors

    @property
    def actor(self) -> str:
        """As the audit calls it; no user of a machine has a blank in the name."""
        return f"key {self.name}"

    def may(self, needed: Role) -> bool:
        return self.role.may(needed)

    def sees(self, mirror: str) -> bool:
        return self.mirrors is None or mirror in self.mirrors

    def covers(self, role: Role, mirrors: Mirrors) -> bool:
        """Say whether a key with that *role* for those *mirrors* could do no more than this one."""
        if not self.may(role):
            return False
        return self.mirrors is None or (mirrors is not None and set(mirrors) <= set(self.mirrors))


@dataclass(frozen=True, slots=True)
class Accepted:
    """
    A key that counts.

    stamp: of its secret, for a session: what was let in by a secret is so no longer than the
        secret. It is as good as that, so whoever holds it must not be able to make one: in a
        cookie it has to be signed.
    """

    identity: Identity
    stamp: str


@dataclass(frozen=True, slots=True)
class Refused:
    """A key that does not count. Its *id*, where it has one, need not be that of any key."""

    why: Why
    id: KeyId | None = None


Verdict: TypeAlias = Accepted | Refused


def made_key(key_id: KeyId, secret: bytes) -> KeyText:
    """Make a key of `SECRET_BYTES` random bytes."""
    return KeyText(key_id, _written(secret, SECRET_BYTES))


def made_id(random: bytes) -> KeyId:
    """Make an id of `ID_BYTES` random bytes."""
    return _written(random, ID_BYTES)


def parsed(text: str) -> KeyText | None:
    """Read what somebody presents as a key; None: it is none. Nothing about it is mended."""
    found = _FORM.fullmatch(text)
    return None if found is None else KeyText(found[1], found[2])


def hash_of(key: KeyText, pepper: str | None) -> Hash:
    """
    Give what is kept of *key*.

    With a pepper, which is not in the ledger, whoever can write to the ledger alone cannot
    make a key. The whole text is hashed, so that a hash is of no use under another id.
    """
    whole = key.text.encode()
    if pepper is None:
        return hashlib.sha256(whole).hexdigest()
    return hmac.digest(pepper.encode(), whole, "sha256").hex()


def mark_of(pepper: str | None) -> Mark:
    """Tell *pepper* from others, without telling what it is."""
    if pepper is None:
        return ""
    return hmac.digest(pepper.encode(), b"docferry api.pepper", "sha256").hex()[:16]


def is_name(text: str) -> bool:
    return _NAME.fullmatch(text) is not None


def judged(
    presented: KeyText | None, key: ApiKey | None, pepper: str | None, now: datetime
) -> Verdict:
    """
    Say whether *presented* counts *now*.

    Args:
        presented: None: it was no key.
        key: That has its id; None: none has.
    """
    if presented is None:
        return Refused(Why.UNREADABLE)
    found = hash_of(presented, pepper)
    current, previous = (key.hash, key.previous_hash) if key else (None, None)
    # Both, whatever the first one says, and whether or not there is a key.
    is_current = hmac.compare_digest(found, current or _NOBODYS)
    is_previous = hmac.compare_digest(found, previous or _NOBODYS)
    if key is None:
        return Refused(Why.UNKNOWN, presented.id)
    return _verdict(key, mark_of(pepper), now, is_current=is_current, is_previous=is_previous)


def judged_again(
    key_id: KeyId, stamp: str, key: ApiKey | None, pepper: str | None, now: datetime
) -> Verdict:
    """Say whether what was accepted once, with that *stamp*, still is *now*."""
    if key is None:
        return Refused(Why.UNKNOWN, key_id)
    return _verdict(
        key,
        mark_of(pepper),
        now,
        is_current=hmac.compare_digest(stamp.encode(), stamp_of(key.hash).encode()),
        is_previous=hmac.compare_digest(
            stamp.encode(), stamp_of(key.previous_hash or _NOBODYS).encode()
        ),
    )


def stamp_of(kept: Hash) -> str:
    """Give what tells one secret of a key from its next one, and is no help to find either."""
    return hashlib.sha256(f"stamp {kept}".encode()).hexdigest()[:32]


def is_use_new(noted_at: datetime | None, now: datetime) -> bool:
    """
    Say whether a use is to be written down.

    Of two at once the earlier may come later; a clock that was put back further hides none.
    """
    return noted_at is None or abs(now - noted_at) >= NOTE_USE_EVERY


def unknown_in(mirrors: Mirrors, configured: Collection[str]) -> list[str]:
    """Give those of *mirrors* that are not configured, in their order."""
    return [name for name in mirrors or () if name not in configured]


@dataclass(frozen=True, slots=True)
class KeysThen:
    """
    The keys of a ledger that came back from a backup.

    revoked: how many of *keys* were only now, as nobody knows whether they had been meanwhile.
    are_lost: It is not known which others there were.
    """

    keys: tuple[ApiKey, ...]
    revoked: int
    are_lost: bool


def keys_of_backup(keys: Sequence[ApiKey], at: datetime, *, is_trusted: bool) -> KeysThen:
    """
    Say which keys count where a backup has *keys*, and the ledger of since then has none to tell.

    A key that was revoked or rotated after the backup would come to life again, for whoever
    it was taken from. So none counts, unless a person says that they are all as they were.
    """
    if is_trusted:
        return KeysThen(tuple(keys), 0, are_lost=False)
    ended = tuple(key if key.revoked_at else replace(key, revoked_at=at) for key in keys)
    return KeysThen(ended, sum(key.revoked_at is None for key in keys), are_lost=True)


def _written(random: bytes, size: int) -> str:
    if len(random) != size:
        raise ValueError(f"{size} random bytes are needed, not {len(random)}")
    number = int.from_bytes(random)
    shifts = range(size * 8 - _BITS, -1, -_BITS)
    return "".join(_ALPHABET[number >> shift & (1 << _BITS) - 1] for shift in shifts)


def _verdict(
    key: ApiKey, pepper: Mark, now: datetime, *, is_current: bool, is_previous: bool
) -> Verdict:
    """What a key is worth is only for who has its secret: whoever has not, has a wrong one."""
    state = key.state(pepper, now)
    if key.pepper != pepper:
        return Refused(Why.OTHER_PEPPER, key.id)
    previous = key.previous_hash if is_previous else None  # what was compared may be nobody's
    if not is_current and previous is None:
        return Refused(Why.WRONG, key.id)
    if state is KeyState.REVOKED:
        return Refused(Why.REVOKED, key.id)
    if state is KeyState.EXPIRED:
        return Refused(Why.EXPIRED, key.id)
    if not is_current and (key.previous_until is None or now >= key.previous_until):
        return Refused(Why.REPLACED, key.id)
    kept = key.hash if is_current or previous is None else previous
    return Accepted(Identity(key.id, key.name, key.role, key.mirrors), stamp_of(kept))
