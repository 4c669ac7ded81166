"""Which displaced versions stay, why, and whose bytes may go."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from docferry.core.retention import Policy, Verdict, Why, is_copy_of, judge, may_remove_bytes
from docferry.model import Origin, Sha256, Ulid, VersionRow
from ledger_rows import NOW, version

HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def left(name: str, ago: timedelta, origin: Origin = Origin.LOCAL) -> VersionRow:
    """A version that was displaced *ago*."""
    row = version("a", name)
    return replace(row, id=name, created_at=NOW - 400 * DAY, left_at=NOW - ago, origin=origin)


def judged(
    rows: Sequence[VersionRow],
    policy: Policy,
    *,
    current: Sequence[Sha256] = (),
    asked: Sequence[Ulid] = (),
) -> dict[Ulid, Why]:
    verdicts = judge(rows, policy, NOW, current=current, asked=asked)
    return {verdict.version.id: verdict.why for verdict in verdicts}


def at(text: str) -> timedelta:
    """How long ago it was."""
    return NOW - datetime.fromisoformat(text + "Z")


def test_without_a_rule_everything_stays() -> None:
    rows = [left("1", DAY), left("2", 4000 * DAY)]

    assert judged(rows, Policy()) == {"1": Why.NO_RULE, "2": Why.NO_RULE}


def test_the_last_ones_are_those_that_were_displaced_last() -> None:
    rows = [left("1", 3 * DAY), left("2", DAY), left("3", 2 * DAY)]

    assert judged(rows, Policy(last=2)) == {"2": Why.LAST, "3": Why.LAST, "1": Why.LET_GO}


def test_the_age_counts_from_when_it_was_displaced() -> None:
    rows = [left("1", 9 * DAY), left("2", 10 * DAY), left("3", -DAY)]

    kept = judged(rows, Policy(at_least=10 * DAY))

    assert kept == {"3": Why.YOUNG, "1": Why.YOUNG, "2": Why.LET_GO}


@pytest.mark.parametrize(
    ("policy", "stays"),
    [
        (Policy(hourly=2), {"5": Why.HOURLY, "3": Why.HOURLY}),
        (Policy(daily=2), {"5": Why.DAILY, "2": Why.DAILY}),
        (Policy(weekly=2), {"5": Why.WEEKLY, "1": Why.WEEKLY}),
        (Policy(weekly=9), {"5": Why.WEEKLY, "1": Why.WEEKLY, "0": Why.WEEKLY}),
        (Policy(hourly=1, weekly=2), {"5": Why.HOURLY, "1": Why.WEEKLY}),
    ],
)
def test_of_an_hour_a_day_or_a_week_the_newest_stays(
    policy: Policy, stays: dict[Ulid, Why]
) -> None:
    rows = [
        left("5", at("2026-11-20T10:59:59")),  # a Friday
        left("4", at("2026-11-20T10:00:00")),
        left("3", at("2026-11-20T08:30:00")),
        left("2", at("2026-11-16T00:00:00")),  # the Monday of that week
        left("1", at("2026-11-15T23:59:59")),
        left("0", at("2025-11-20T10:00:00")),
    ]

    kept = judged(rows, policy)

    assert {one: why for one, why in kept.items() if why is not Why.LET_GO} == stays


def test_a_version_stays_if_any_rule_keeps_it() -> None:
    rows = [left("1", DAY), left("2", 2 * DAY), left("3", 3 * DAY)]

    kept = judged(rows, Policy(last=1, at_least=3 * DAY))

    assert kept == {"1": Why.LAST, "2": Why.YOUNG, "3": Why.LET_GO}


def test_what_is_held_or_asked_for_stays_whatever_the_rules() -> None:
    rows = [replace(left("1", 9 * DAY), held=True), left("2", 9 * DAY), left("3", 9 * DAY)]

    kept = judged(rows, Policy(at_least=DAY), asked=["2"])

    assert kept == {"1": Why.HELD, "2": Why.ASKED, "3": Why.LET_GO}


def test_what_some_file_has_as_its_content_stays() -> None:
    rows = [left("1", 9 * DAY), left("2", 9 * DAY)]

    kept = judged(rows, Policy(at_least=DAY), current=[rows[0].sha256])

    assert kept == {"1": Why.NEEDED, "2": Why.LET_GO}


def test_what_is_current_or_gone_is_not_judged() -> None:
    current = replace(left("1", DAY), left_at=None)
    gone = replace(left("2", DAY), gone_at=NOW)

    assert judge([current, gone], Policy(last=1), NOW, current=(), asked=()) == []


def test_what_is_gone_takes_no_place_among_the_last() -> None:
    gone = replace(left("2", DAY), gone_at=NOW)

    assert judged([gone, left("1", 2 * DAY)], Policy(last=1)) == {"1": Why.LAST}


def test_evidence_takes_the_place_of_no_document() -> None:
    rotten = left("3", DAY, Origin.EVIDENCE)
    older = left("1", 3 * DAY, Origin.EVIDENCE)

    kept = judged([rotten, left("2", 2 * DAY), older], Policy(last=1))

    assert kept == {"3": Why.LAST, "2": Why.LAST, "1": Why.LET_GO}


def test_a_verdict_says_whether_it_goes() -> None:
    goes = [Verdict(left("1", DAY), why).goes for why in Why]

    assert goes.count(True) == 1


def test_shared_bytes_stay_until_nobody_is_left_who_needs_them() -> None:
    gone = replace(left("1", DAY), gone_at=NOW)
    other = left("2", DAY)

    assert may_remove_bytes(gone, [])
    assert not may_remove_bytes(gone, [other])
    assert not may_remove_bytes(gone, [replace(other, gone_at=NOW), left("3", DAY)])
    assert may_remove_bytes(gone, [replace(other, gone_at=NOW)])
    assert not may_remove_bytes(other, [])


@pytest.mark.parametrize(
    ("others", "is_one"),
    [
        ([], True),
        ([replace(left("2", DAY), etag="e2")], True),
        ([replace(left("2", DAY), etag="e1")], False),
        ([replace(left("2", DAY), etag="e1", gone_at=NOW)], True),
        ([replace(left("2", DAY), etag="other", store_version="v1")], False),
        ([replace(left("2", DAY), etag="other", sha256=left("1", DAY).sha256)], False),
    ],
)
def test_what_the_bucket_keeps_goes_if_no_version_to_be_had_has_its_content(
    others: list[VersionRow], *, is_one: bool
) -> None:
    gone = replace(left("1", DAY), gone_at=NOW, etag="e1")

    assert is_copy_of("e1", "v1", gone, [gone, *others]) is is_one


def test_what_the_bucket_keeps_of_a_version_to_be_had_stays() -> None:
    row = replace(left("1", DAY), etag="e1", store_version="v1")

    assert not is_copy_of("e1", "v1", row, [])


def test_what_the_bucket_keeps_is_known_by_its_etag_or_by_its_own_name() -> None:
    gone = replace(left("1", DAY), gone_at=NOW, etag="e1", store_version="v1")

    assert is_copy_of("e1", "v9", gone, [gone])
    assert is_copy_of("e9", "v1", gone, [gone])
    assert not is_copy_of("e9", "v9", gone, [gone])
