"""
Calls that come again: carried out once, and answered the same as long as answers are kept.

Whoever gets no answer cannot know whether the call was carried out. So it says a key of its
own with it (`Idempotency-Key`, draft-ietf-httpapi-idempotency-key-header), and says the same
one again. The answer that was given is then given again, and nothing is done twice.

A process that dies between `begin` and `finish` leaves a marker without an answer: calls with
that key are told to come later, until `BUSY_FOR` is over; then the next one is carried out. What
the dead one did is in the ledger by then, or it is not: each act is one transaction. To be
carried out once more does no harm: a job that is queued is not queued twice, and a hold that is
decided answers that it is. Only what `force` asks for is converted again, if it was done by then.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeAlias

from docferry.core.housekeeping import ANSWERS_KEPT_FOR
from docferry.errors import UserError
from docferry.ledger import Ledger
from docferry.ledger.answers import AnswerId

#: How long a call may take; then whoever makes it is taken for dead.
BUSY_FOR = timedelta(minutes=10)
LONGEST_KEY = 255
_NOT_KEPT = 500  # and above: it failed for a reason of ours, and may go well next time


@dataclass(frozen=True, slots=True)
class Fresh:
    """It is to be carried out; then `finish` with this."""

    id: AnswerId
    begun_at: datetime


@dataclass(frozen=True, slots=True)
class Replay:
    """It was carried out, and answered so."""

    status: int
    body: str
    location: str | None = None


@dataclass(frozen=True, slots=True)
class Busy:
    """It is being carried out (409)."""

    since: datetime


@dataclass(frozen=True, slots=True)
class Mismatch:
    """Something else was sent under that key (422)."""


Begun: TypeAlias = Fresh | Replay | Busy | Mismatch


def begin(
    ledger: Ledger, actor: str, key: str, route: str, fingerprint: str, at: datetime
) -> Begun:
    """
    Say what is to be done with a call.

    Args:
        actor: Whose keys these are: no one is given another one's answer.
        key: As the caller has said it.
        route: Method and path: a key counts for one of them.
        fingerprint: `fingerprint_of` what was sent.

    Raises:
        UserError: It is no key.
    """
    if not 0 < len(key) <= LONGEST_KEY or not key.isprintable():
        raise UserError(f"an Idempotency-Key has 1 to {LONGEST_KEY} printable characters")
    answer_id = fingerprint_of(*(one.encode() for one in (actor, key, route)))
    found = ledger.answers.begin(
        answer_id, fingerprint, at, kept_since=at - ANSWERS_KEPT_FOR, alive_since=at - BUSY_FOR
    )
    if found is None:
        return Fresh(answer_id, at)
    if found.fingerprint != fingerprint:
        return Mismatch()
    if found.status is None:
        return Busy(found.begun_at)
    return Replay(found.status, found.body or "", found.location)


def finish(
    ledger: Ledger, fresh: Fresh, status: int, body: str, location: str | None = None
) -> None:
    """
    Keep the answer, but of a call that failed for a reason of ours.

    A refusal that is raised does not come here: `give_up`, and it is looked at anew next time.

    Nor that of a call which took longer than `BUSY_FOR`, if another was begun in its place.
    """
    if status >= _NOT_KEPT:
        ledger.answers.drop(fresh.id, fresh.begun_at)
    else:
        ledger.answers.finish(fresh.id, fresh.begun_at, status, body, location)


def give_up(ledger: Ledger, fresh: Fresh) -> None:
    """Nothing came of the call: it may come again at once."""
    ledger.answers.drop(fresh.id, fresh.begun_at)


def fingerprint_of(*parts: bytes) -> str:
    """Hash *parts*; not the same for any that are divided otherwise."""
    told = hashlib.sha256()
    for part in parts:
        told.update(len(part).to_bytes(8, "big") + part)
    return told.hexdigest()
