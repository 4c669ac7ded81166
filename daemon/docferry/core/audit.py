"""
The audit: a chain of rows, in which each row's hash covers the one before it.

A row that was changed, taken out or put in breaks the chain there. Whoever writes all
of it anew from there on, or takes rows off its end, breaks nothing: that is found by
another copy of the chain, or by a hash of it that was noted elsewhere.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TypeAlias

Hash: TypeAlias = str  # 64 lower-case hex digits

FIRST: Hash = ""  #: what the first row of a chain follows


class Action(StrEnum):
    """What was done. Closed: whoever reads the audit knows all that can stand in it."""

    CONFIG_CHANGED = "config.changed"
    CREDENTIALS_CHANGED = "credentials.changed"
    LEDGER_REBUILT = "ledger.rebuilt"
    LEDGER_RESTORED = "ledger.restored"  # from a backup; what came after that is in another file
    HOLD_OPENED = "hold.opened"
    HOLD_APPROVED = "hold.approved"
    HOLD_DISCARDED = "hold.discarded"
    MIRROR_PAUSED = "mirror.paused"
    MIRROR_RESUMED = "mirror.resumed"
    MIRROR_ASKED = "mirror.asked"  # to poll, to walk its folder: now
    REQUEST_MADE = "request.made"  # a restore, a removal, a heal, an erasure; retention, now
    REQUEST_CANCELLED = "request.cancelled"
    VERSION_HELD = "version.held"
    VERSION_UNHELD = "version.unheld"
    VERSIONS_LET_GO = "versions.let-go"  # retention: their bytes go
    VERSIONS_ERASED = "versions.erased"
    FILE_RECEIVED = "file.received"  # by the API, into a mirror's folder; named by its SHA-256
    FILE_UNCONFIRMED = "file.unconfirmed"  # received, and after a crash not found at its path
    FILES_DELETED = "files.deleted"  # on a side, as the other or a person asked for; archived
    CONFLICT_SETTLED = "conflict.settled"
    CONVERSIONS_ASKED = "conversions.asked"  # by a person or a program: of which versions
    LETTERS_REPLAYED = "letters.replayed"
    LETTERS_DISCARDED = "letters.discarded"
    DELIVERIES_REPLAYED = "deliveries.replayed"  # of webhooks
    DELIVERIES_DISCARDED = "deliveries.discarded"
    KEY_CREATED = "key.created"  # an API key
    KEY_REVOKED = "key.revoked"
    KEY_ROTATED = "key.rotated"
    KEY_REFUSED = "key.refused"  # presented by whoever; of a flood one row a minute


@dataclass(frozen=True, slots=True)
class Entry:
    """
    What a row tells.

    No path and no content ever: documents are named by their versions, so that an erasure
    finds nothing of them here that it could not take out.
    """

    at: str  #: as the ledger writes times
    actor: str  #: whose process did it: a user's name, "daemon"
    action: str
    mirror: str | None  #: None: of none, or of several
    facts: str  #: a JSON object


@dataclass(frozen=True, slots=True)
class AuditRow:
    """A link of the chain, as it is stored: whoever checks it must not trust it to be sound."""

    seq: int  #: 1, 2, 3 …
    at: str
    actor: str
    action: str
    mirror: str | None
    facts: str
    previous: Hash
    hash: Hash


@dataclass(frozen=True, slots=True)
class Fault:
    """The first row at which a chain is not what was written."""

    seq: int
    what: str


def facts_text(facts: Mapping[str, object]) -> str:
    """Write facts down: the same facts always the same."""
    return json.dumps(facts, sort_keys=True, separators=(",", ":"))


def chained(
    chain: str, entries: Sequence[Entry], last: tuple[int, Hash] = (0, FIRST)
) -> list[AuditRow]:
    """
    Give *entries* as the next rows of a chain.

    Args:
        chain: Whose it is; rows of another one do not fit into it.
        last: The number and the hash of the row before them.
    """
    seq, previous = last
    rows = []
    for entry in entries:
        seq += 1
        row = AuditRow(
            seq, entry.at, entry.actor, entry.action, entry.mirror, entry.facts, previous, ""
        )
        previous = hash_of(chain, row)
        rows.append(replace(row, hash=previous))
    return rows


def hash_of(chain: str, row: AuditRow) -> Hash:
    """Give the hash that a row must have: of everything else in it, and of whose chain it is."""
    told = [chain, row.seq, row.at, row.actor, row.action, row.mirror, row.facts, row.previous]
    # A strange type, put there by hand, is to be told for a change, not to stop the check.
    return hashlib.sha256(json.dumps(told, default=repr).encode()).hexdigest()


def checked(chain: str, rows: Iterable[AuditRow]) -> Iterator[AuditRow | Fault]:
    """Give *rows*, in their order, as long as they are what was written; then the fault."""
    seq, previous = 0, FIRST
    for row in rows:
        what = _fault_of(chain, row, seq + 1, previous)
        if what is not None:
            yield Fault(row.seq, what)
            return
        seq, previous = row.seq, row.hash
        yield row


def _fault_of(chain: str, row: AuditRow, seq: int, previous: Hash) -> str | None:
    if row.seq != seq:
        return f"the row before it is missing: {seq} should be here"
    if hash_of(chain, row) != row.hash:
        return "it was changed: its hash is not that of what it says"
    if row.previous != previous:
        return "it does not follow the row before it: one of the two was written by somebody else"
    return None


def line_of(chain: str, row: AuditRow) -> str:
    """Write a row as a line of the audit's file: JSON, whole."""
    told = {
        "seq": row.seq,
        "at": row.at,
        "actor": row.actor,
        "action": row.action,
        "mirror": row.mirror,
        "facts": row.facts,
        "chain": chain,
        "previous": row.previous,
        "hash": row.hash,
    }
    return json.dumps(told, separators=(",", ":"), default=repr) + "\n"
