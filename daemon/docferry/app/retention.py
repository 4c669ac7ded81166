"""What retention would let go now, for a person: `docferry retention`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from docferry.app.mirrors import mirror_named
from docferry.config import Config
from docferry.core.retention import Policy, Verdict
from docferry.engine.retention import WHY_IT_WAITS, verdicts, what_to_do
from docferry.errors import UserError
from docferry.ledger import Ledger
from docferry.ledger.requests import NewRequest
from docferry.model import Path, RequestKind, Ulid


@dataclass(frozen=True, slots=True)
class Judged:
    """One displaced version, and what would become of it."""

    path: Path
    version: Ulid
    size: int  #: bytes
    left_at: datetime
    goes: bool
    why: str


@dataclass(frozen=True, slots=True)
class Outlook:
    """What a round would do now."""

    mirror: str
    policy: Policy
    goes: int
    goes_bytes: int  #: some of them may stay, where another version shares them
    stays: int
    stays_why: dict[str, int]
    versions: tuple[Judged, ...]  #: the first ones: those that go, or all
    waits_since: datetime | None = None  #: nothing goes before a person has said so
    waits_why: str | None = None
    what_to_do: str | None = None


def outlook(
    ledger: Ledger, config: Config, mirror: str, now: datetime, *, most: int | None
) -> Outlook:
    """
    Say what a round at *now* would do with each displaced version of *mirror*.

    Args:
        most: So many of those that would go are listed; None: all, and those that stay.
    """
    policy = mirror_named(config, mirror).retention
    goes, goes_bytes, why = 0, 0, Counter[str]()
    listed: list[Judged] = []
    for verdict in verdicts(ledger, mirror, policy, now):
        if verdict.goes:
            goes += 1
            goes_bytes += verdict.version.size
        else:
            why[verdict.why.value] += 1
        if most is None or (verdict.goes and len(listed) < most):
            listed.append(_judged(verdict))
    found = Outlook(mirror, policy, goes, goes_bytes, why.total(), dict(why), tuple(listed))
    since = waits_since(ledger, config, mirror)
    if since is None:
        return found
    remedy = what_to_do(mirror)
    return replace(found, waits_since=since, waits_why=WHY_IT_WAITS, what_to_do=remedy)


def outlooks(
    ledger: Ledger, config: Config, mirrors: Sequence[str], now: datetime, *, most: int | None
) -> Iterator[Outlook]:
    """Do so for several."""
    for mirror in mirrors:
        yield outlook(ledger, config, mirror, now, most=most)


def ask_for_a_round(
    ledger: Ledger, config: Config, mirror: str, now: datetime, *, is_sure: bool
) -> int:
    """
    Ask the daemon for a round, if nobody has; give the request's number.

    Args:
        is_sure: A person's word, where retention waits for it. To ask alone is none: that
            may be a timer.

    Raises:
        UserError: It waits, and nobody is sure.
    """
    if waits_since(ledger, config, mirror) is not None:
        if not is_sure:
            raise UserError(f"retention waits: {WHY_IT_WAITS}. First {what_to_do(mirror)}")
        ledger.waits.end(mirror)
    [(number, _)] = ledger.requests.add_once([NewRequest(mirror, "", RequestKind.RETENTION)], now)
    return number


def waits_since(ledger: Ledger, config: Config, mirror: str) -> datetime | None:
    """Say since when rules of *mirror* wait for a person's word; None: they do not."""
    lets_go = mirror_named(config, mirror).retention.lets_go
    return ledger.waits.since(mirror) if lets_go else None


def _judged(verdict: Verdict) -> Judged:
    row = verdict.version
    assert row.left_at is not None  # only displaced ones are judged
    return Judged(row.path, row.id, row.size, row.left_at, verdict.goes, verdict.why.value)
