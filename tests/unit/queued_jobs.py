"""Jobs in a ledger: queued, claimed, and looked at again."""

from __future__ import annotations

from docferry.core.failures import Failed
from docferry.job import Failure, JobRow, NewJob
from docferry.ledger import Ledger
from ledger_rows import MINUTE, NOW, new_job

RULES = ("to-markdown",)
BUSY = Failed(Failure.OUTAGE, "busy")
BROKEN = Failed(Failure.REFUSED, "not a document", output="line 1: what is this?")


def queue(ledger: Ledger, *jobs: NewJob | str) -> None:
    made = [new_job(one) if isinstance(one, str) else one for one in jobs]
    ledger.record("docs", [], made, at=NOW)


def claim(ledger: Ledger, minutes: int = 0, *rules: str) -> JobRow:
    at = NOW + minutes * MINUTE
    found = ledger.jobs.claim(at, at + MINUTE, rules=rules or RULES)
    assert found is not None
    return found


def job(ledger: Ledger, one: JobRow) -> JobRow:
    found = ledger.jobs.get(one.id)
    assert found is not None
    return found
