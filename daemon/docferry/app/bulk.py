"""Many things decided by one call, of which each has an answer of its own."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from docferry.app.letters import ANY, Decided, Which, discard_these, letters, replay_these
from docferry.config import Config
from docferry.errors import UserError
from docferry.job import JobRow, JobState
from docferry.ledger import Ledger
from docferry.model import Ulid

MOST_AT_ONCE = 1000


@dataclass(frozen=True, slots=True)
class Item:
    """
    What came of one of several.

    id: as it was given.
    why_not: None: it was done as asked.
    jobs: that it is about.
    """

    id: str
    why_not: str | None = None
    jobs: tuple[JobRow, ...] = ()


@dataclass(frozen=True, slots=True)
class Letters:
    """
    Which dead letters are meant: those that are named, or else those that are *which*.

    mirrors: whose documents' may be meant; None: of all.
    """

    mirrors: Collection[str] | None
    ids: Sequence[Ulid] = ()
    which: Which = ANY

    def takes(self, mirror: str) -> bool:
        return self.mirrors is None or mirror in self.mirrors


@dataclass(frozen=True, slots=True)
class Done:
    """
    What came of it.

    is_more: There are more that are meant than one call takes: call again.
    """

    items: tuple[Item, ...]
    is_more: bool


def replay(config: Config, ledger: Ledger, meant: Letters, at: datetime) -> Done:
    """
    Queue dead letters again.

    Raises:
        UserError: More are named than one call takes.
    """
    return _decide(ledger, meant, lambda jobs: replay_these(config, ledger, jobs, at))


def discard(ledger: Ledger, meant: Letters, at: datetime) -> Done:
    """
    Put dead letters aside, for good.

    Raises:
        UserError: More are named than one call takes.
    """
    return _decide(ledger, meant, lambda jobs: discard_these(ledger, jobs, at))


def require_few(identifiers: Sequence[str]) -> None:
    """
    Raises:
        UserError: They are more than one call may name.
    """
    if len(identifiers) > MOST_AT_ONCE:
        raise UserError(f"{len(identifiers)} are named, and {MOST_AT_ONCE} may be")


def require_clear(ids: Sequence[Ulid], which: Which, *, is_all: bool) -> None:
    """
    Raises:
        UserError: It is not clear which letters are meant: in one way, and one only.
    """
    if bool(ids) == (is_all or not which.is_any):
        raise UserError("which letters? Either `ids`, or what they have in common, or `all`")


def _decide(ledger: Ledger, meant: Letters, decide: Callable[[Sequence[JobRow]], Decided]) -> Done:
    require_few(meant.ids)
    jobs, left, is_more = _named(ledger, meant) if meant.ids else _chosen(ledger, meant)
    decided = decide(jobs)
    why_not = {**left, **decided.left}
    ids = [*dict.fromkeys(meant.ids)] or [job.id for job in jobs]
    return Done(tuple(Item(one, why_not.get(one.upper())) for one in ids), is_more)


def _named(ledger: Ledger, meant: Letters) -> tuple[list[JobRow], dict[Ulid, str], bool]:
    wanted = [*dict.fromkeys(one.upper() for one in meant.ids)]
    rows = {row.id: row for row in ledger.job_pages.some(wanted) if meant.takes(row.mirror)}
    left = {one: "there is no such job" for one in wanted if one not in rows} | {
        row.id: f"it is no dead letter: it is {row.state}"
        for row in rows.values()
        if row.state is not JobState.DEAD
    }
    return [row for row in rows.values() if row.id not in left], left, False


def _chosen(ledger: Ledger, meant: Letters) -> tuple[list[JobRow], dict[Ulid, str], bool]:
    found = [job for job in letters(ledger, meant.which) if meant.takes(job.mirror)]
    return found[:MOST_AT_ONCE], {}, len(found) > MOST_AT_ONCE
