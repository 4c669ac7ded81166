"""How long what has ended is kept, and what in the state directory was left behind."""

from __future__ import annotations

import re
from collections.abc import Collection
from datetime import timedelta

#: Answered requests, and jobs that cannot be called for again: a person may still ask about them.
KEPT_FOR = timedelta(days=90)
#: Deliveries of webhooks that are over: each has its payload in the ledger.
DELIVERIES_KEPT_FOR = timedelta(days=30)
#: Answers to calls of programs, which come again within minutes, or not at all.
ANSWERS_KEPT_FOR = timedelta(hours=24)
#: A ledger as it was before a migration: by then the docferry of before is not wanted back.
COPIES_KEPT_FOR = timedelta(days=30)
#: What is under way is younger: a backup or a snapshot of the largest ledger takes minutes.
UNDER_WAY_FOR = timedelta(days=1)

_COPY = re.compile(r"ledger\.sqlite3\.before-\d+")
_UNFINISHED = re.compile(
    r"ledger\.sqlite3\.before-\d+\.unfinished|ledger\.sqlite3\.rebuilding(-wal|-shm)?"
    r"|restoring|rebuilding"
)
_SNAPSHOT = "snapshot-"


def is_left_behind(name: str, age: timedelta, mirrors: Collection[str]) -> bool:
    """
    Say whether a file or folder in the state directory may go.

    Ledgers that were set aside, damaged or replaced, never do: they may be all there is.

    Args:
        age: Since it was changed last.
        mirrors: Those that are configured.
    """
    if _COPY.fullmatch(name):
        return age >= COPIES_KEPT_FOR
    is_of_a_gone_mirror = name.startswith(_SNAPSHOT) and name[len(_SNAPSHOT) :] not in mirrors
    return age >= UNDER_WAY_FOR and (is_of_a_gone_mirror or _UNFINISHED.fullmatch(name) is not None)
