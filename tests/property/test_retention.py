"""Retention lets nothing go that is held, current or needed, and nothing twice."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from docferry.core.retention import Policy, judge
from docferry.model import Origin, Sha256, Ulid, VersionRow
from ledger_rows import NOW, sha_of

CONTENTS = [sha_of(name) for name in "abcd"]
COUNTS = st.integers(0, 3)
AGES = st.integers(-2, 30 * 24 * 4).map(lambda quarters: timedelta(minutes=15 * quarters))
POLICIES = st.builds(Policy, COUNTS, AGES.map(abs) | st.just(timedelta(0)), COUNTS, COUNTS, COUNTS)


@st.composite
def histories(draw: st.DrawFn) -> list[VersionRow]:
    """The versions of one path."""
    return [
        VersionRow(
            id=f"{number:026d}",
            mirror="docs",
            path="a",
            sha256=draw(st.sampled_from(CONTENTS)),
            size=1,
            mtime_ns=None,
            origin=draw(st.sampled_from([Origin.LOCAL, Origin.LOCAL, Origin.EVIDENCE])),
            parent=None,
            etag=None,
            created_at=NOW - timedelta(days=60),
            left_at=draw(st.none() | AGES.map(lambda age: NOW - age)),
            held=draw(st.sampled_from([False, False, True])),
            gone_at=draw(st.sampled_from([None, None, None, NOW])),
        )
        for number in range(draw(st.integers(0, 12)))
    ]


def goes(rows: Sequence[VersionRow], policy: Policy, current: Sequence[Sha256] = ()) -> set[Ulid]:
    verdicts = judge(rows, policy, NOW, current=current, asked=())
    return {verdict.version.id for verdict in verdicts if verdict.goes}


@given(histories(), POLICIES, st.lists(st.sampled_from(CONTENTS)))
def test_nothing_goes_that_is_held_current_or_the_content_of_a_file(
    rows: list[VersionRow], policy: Policy, current: list[Sha256]
) -> None:
    gone = goes(rows, policy, current)

    for row in rows:
        if row.held or row.is_current or row.sha256 in current:
            assert row.id not in gone


@given(histories(), POLICIES, POLICIES)
def test_more_rules_never_let_more_go(
    rows: list[VersionRow], policy: Policy, other: Policy
) -> None:
    both = Policy(
        max(policy.last, other.last),
        max(policy.at_least, other.at_least),
        max(policy.hourly, other.hourly),
        max(policy.daily, other.daily),
        max(policy.weekly, other.weekly),
    )
    if policy.lets_go:
        assert goes(rows, both) <= goes(rows, policy)


@given(histories(), POLICIES)
def test_a_second_time_at_the_same_instant_nothing_more_goes(
    rows: list[VersionRow], policy: Policy
) -> None:
    gone = goes(rows, policy)
    left = [replace(row, gone_at=NOW) if row.id in gone else row for row in rows]

    assert goes(left, policy) == set()


@given(histories(), POLICIES)
def test_every_displaced_version_that_is_still_to_be_had_is_judged_once(
    rows: list[VersionRow], policy: Policy
) -> None:
    judged = [one.version.id for one in judge(rows, policy, NOW, current=(), asked=())]

    expected = [row.id for row in rows if row.left_at is not None and row.gone_at is None]
    assert sorted(judged) == sorted(expected)
