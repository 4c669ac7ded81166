"""
Retention: which displaced versions stay, each with the reason, and which are let go.

As with restic's `forget`: a version stays if any rule keeps it. Without a rule all of
them stay, for ever.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from itertools import islice

from docferry.model import Origin, Sha256, Ulid, VersionRow


@dataclass(frozen=True, slots=True)
class Policy:
    """The rules of a mirror; each for every path by itself. 0: there is no such rule."""

    last: int = 0  #: versions besides the current one
    at_least: timedelta = timedelta(0)  #: since it was displaced
    hourly: int = 0  #: the newest of each of the last so many hours in which there was one
    daily: int = 0
    weekly: int = 0

    @property
    def lets_go(self) -> bool:
        """Whether anything is ever let go."""
        return self != Policy()


class Why(StrEnum):
    """Why a version stays, or does not, the way one says it. The first that is true counts."""

    HELD = "it is held"
    ASKED = "it is asked for"
    NEEDED = "a file has the same content now"
    NO_RULE = "no rule lets anything go"
    LAST = "it is among the last ones"
    YOUNG = "it was displaced not long ago"
    HOURLY = "it is the newest of its hour"
    DAILY = "it is the newest of its day"
    WEEKLY = "it is the newest of its week"
    LET_GO = "no rule keeps it"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What becomes of one displaced version, and why."""

    version: VersionRow
    why: Why

    @property
    def goes(self) -> bool:
        return self.why is Why.LET_GO


def judge(
    rows: Iterable[VersionRow],
    policy: Policy,
    now: datetime,
    *,
    current: Collection[Sha256],
    asked: Collection[Ulid],
) -> list[Verdict]:
    """
    Judge the displaced versions of one path, the last one displaced first.

    Hours, days and weeks are those of UTC in which a version was displaced. Rotten bytes
    that were kept as evidence follow the same rules by themselves: they take the place of
    no document.

    Args:
        rows: Of one path. Current ones, and those that were let go, are passed over.
        current: Of their contents those that some path of the mirror has now: their
            archived bytes may be the only sound ones one day.
        asked: Of them those that somebody wants to have back.
    """
    displaced = sorted(
        (row for row in rows if row.left_at is not None and row.gone_at is None),
        key=lambda row: (_left_at(row), row.id),
        reverse=True,
    )
    kept = {
        version: why
        for is_evidence in (False, True)
        for version, why in _kept_by_rules(
            [row for row in displaced if (row.origin is Origin.EVIDENCE) is is_evidence],
            policy,
            now,
        ).items()
    }

    def why(row: VersionRow) -> Why:
        if row.held:
            return Why.HELD
        if row.id in asked:
            return Why.ASKED
        if row.sha256 in current:
            return Why.NEEDED
        return kept.get(row.id, Why.LET_GO) if policy.lets_go else Why.NO_RULE

    return [Verdict(row, why(row)) for row in displaced]


def may_remove_bytes(version: VersionRow, on_its_bytes: Iterable[VersionRow]) -> bool:
    """
    Say whether nobody needs the archived bytes of a version any more.

    Args:
        on_its_bytes: The versions whose bytes are kept under this one.
    """
    return version.gone_at is not None and all(row.gone_at is not None for row in on_its_bytes)


def is_copy_of(
    token: str, store_version: str, version: VersionRow, others: Iterable[VersionRow]
) -> bool:
    """
    Say whether a version that the bucket itself keeps is one that was let go.

    Args:
        token, store_version: The ETag of what the bucket keeps, and how it calls it.
        others: All versions of the path. One that is still to be had keeps its content.
    """
    is_it = store_version == version.store_version or token == version.etag
    is_needed = any(
        row.sha256 == version.sha256 or token == row.etag or store_version == row.store_version
        for row in others
        if row.gone_at is None
    )
    return version.gone_at is not None and is_it and not is_needed


def _kept_by_rules(
    displaced: Sequence[VersionRow], policy: Policy, now: datetime
) -> dict[Ulid, Why]:
    """Give what the rules keep of *displaced*, the last one first."""
    kept = {
        Why.WEEKLY: _newest_of_each(displaced, policy.weekly, lambda at: at.isocalendar()[:2]),
        Why.DAILY: _newest_of_each(displaced, policy.daily, lambda at: at.date()),
        Why.HOURLY: _newest_of_each(displaced, policy.hourly, lambda at: (at.date(), at.hour)),
        Why.YOUNG: [row.id for row in displaced if now - _left_at(row) < policy.at_least],
        Why.LAST: [row.id for row in islice(displaced, policy.last)],
    }
    return {version: why for why, versions in kept.items() for version in versions}


def _newest_of_each(
    displaced: Sequence[VersionRow], count: int, period_of: Callable[[datetime], Hashable]
) -> list[Ulid]:
    newest: dict[Hashable, Ulid] = {}
    for row in displaced:
        newest.setdefault(period_of(_left_at(row).astimezone(UTC)), row.id)
    return [*islice(newest.values(), count)]


def _left_at(row: VersionRow) -> datetime:
    assert row.left_at is not None  # only displaced ones come here
    return row.left_at
