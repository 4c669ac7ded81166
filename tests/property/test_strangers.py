"""Whatever a bucket keeps of a key: each content of it is one version, its times in order."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from docferry.core.strangers import Known, Missed, sort_out, unnamed
from docferry.model import VersionRow
from docferry.storage.s3_versions import BucketVersion
from ledger_rows import ulid_of, version

START = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
LONG_AFTER = START + timedelta(days=2)


@dataclass(frozen=True)
class History:
    kept: list[BucketVersion]  # the newest first
    rows: list[VersionRow]


@st.composite
def histories(draw: st.DrawFn) -> History:
    """Contents and deletions, seconds or hours apart; docferry has seen some of them."""
    kept, rows, second = [], [], 0
    for number in range(draw(st.integers(1, 8))):
        second += draw(st.sampled_from([0, 1, 60, 7200]))
        content = draw(st.sampled_from("xyz-"))
        came_at, is_marker = START + timedelta(seconds=second), content == "-"
        token = "" if is_marker else f"etag-{content}"
        one = BucketVersion(
            path="a",
            version_id=f"v{number}",
            token=token,
            size=10,
            modified_at=came_at,
            is_latest=False,
            is_delete_marker=is_marker,
        )
        kept.append(one)
        if not is_marker and draw(st.booleans()):
            seen_at = came_at + timedelta(seconds=draw(st.integers(-5, 60)))
            left_at = seen_at + timedelta(seconds=draw(st.integers(1, 90)))
            row = replace(version("a", f"{number}"), id=ulid_of(f"{number}"), etag=token)
            rows.append(replace(row, created_at=seen_at, left_at=left_at))
    kept[-1] = replace(kept[-1], is_latest=True)
    return History(kept[::-1], rows)


@given(histories())
def test_every_content_that_is_past_is_known_or_missed_and_nothing_else_is(
    history: History,
) -> None:
    found = sort_out(history.kept, history.rows, since=START, now=LONG_AFTER)

    past = [one for one in history.kept if not one.is_latest and not one.is_delete_marker]
    assert [each.kept for each in found] == past[::-1]
    for each in found:
        if isinstance(each, Known):
            assert each.row.etag == each.kept.token


@given(histories())
def test_the_times_of_what_was_missed_are_in_its_order(history: History) -> None:
    found = sort_out(history.kept, history.rows, since=START, now=LONG_AFTER)

    spans = [(one.created_at, one.left_at) for one in found if isinstance(one, Missed)]
    times = [time for span in spans for time in span]
    assert times == sorted(times)
    assert all(START <= came < left <= LONG_AFTER for came, left in spans)


@given(histories())
def test_what_was_taken_in_once_is_known_from_then_on(history: History) -> None:
    first = sort_out(history.kept, history.rows, since=START, now=LONG_AFTER)
    names = dict(unnamed(first))
    rows = [
        replace(row, store_version=row.store_version or names.get(row.id)) for row in history.rows
    ]
    rows += [
        replace(
            version("a", one.kept.version_id),
            etag=one.kept.token,
            store_version=one.kept.version_id,
            created_at=one.created_at,
            left_at=one.left_at,
        )
        for one in first
        if isinstance(one, Missed)
    ]

    again = sort_out(history.kept, rows, since=START, now=LONG_AFTER)

    assert all(isinstance(one, Known) for one in again)
    assert [*unnamed(again)] == []
