"""What happened lately, with what is to be said about it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from docferry.core.canary import CANARY_PATH
from docferry.ledger import Ledger
from docferry.ledger.events import EventKind, EventRow


@dataclass(frozen=True, slots=True)
class Event:
    """
    Something that happened.

    id: grows; whoever was away asks for what came after it.
    facts: of the thing as it is when it is looked at, which may be later; empty: it is gone.
    """

    id: int
    kind: EventKind
    mirror: str
    ref: str
    facts: dict[str, object] = field(default_factory=dict)


def told(ledger: Ledger, rows: Sequence[EventRow]) -> list[Event]:
    """Give *rows* with what is known of them, but for what canaries do."""
    files = ledger.history.rows([int(row.ref) for row in rows if row.kind is EventKind.FILE])
    jobs = ledger.jobs.rows([row.ref for row in rows if row.kind is EventKind.JOB])
    found = []
    for row in rows:
        facts: dict[str, object] = {}
        if row.kind is EventKind.FILE and (file := files.get(int(row.ref))) is not None:
            if file.path == CANARY_PATH:
                continue
            facts = {"path": file.path, "what": file.kind, "version": file.version, "at": file.at}
        elif row.kind is EventKind.JOB and (job := jobs.get(row.ref)) is not None:
            facts = {"path": job.path, "rule": job.rule, "state": job.state, "version": job.version}
        found.append(Event(row.id, row.kind, row.mirror, row.ref, facts))
    return found
