"""What brings a tree back, and how people name the moment."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from docferry.core.rewind import PutBack, TakeAway, rewind
from docferry.core.when import moment, moment_ahead, span_of
from docferry.model import VersionRow
from ledger_rows import ulid_of, version

NOW = datetime(2026, 11, 26, 12, 0, tzinfo=UTC)
TREES = st.dictionaries(st.sampled_from("abcdef"), st.sampled_from("123"))


def tree(contents: dict[str, str]) -> list[VersionRow]:
    return [version(path, contents[path]) for path in sorted(contents)]


def test_a_path_is_put_back_taken_away_or_left() -> None:
    then = tree({"changed": "1", "gone": "1", "same": "1"})
    now = tree({"changed": "2", "new": "1", "same": "1"})

    steps = [*rewind(then, now)]

    assert steps == [
        PutBack("changed", then[0], instead_of=now[0].id),
        PutBack("gone", then[1], instead_of=None),
        TakeAway("new", ulid_of("new1")),
    ]


@given(then=TREES, now=TREES)
def test_what_is_yielded_makes_the_one_tree_of_the_other(
    then: dict[str, str], now: dict[str, str]
) -> None:
    result = {row.path: row.sha256 for row in tree(now)}

    for step in rewind(tree(then), tree(now)):
        match step:
            case PutBack(path, row, instead_of):
                assert (instead_of is None) == (path not in result)
                result[path] = row.sha256
            case TakeAway(path):
                del result[path]

    assert result == {row.path: row.sha256 for row in tree(then)}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-11-26", datetime(2026, 11, 25, 23, 0, tzinfo=UTC)),
        ("2026-11-26 09:30", datetime(2026, 11, 26, 8, 30, tzinfo=UTC)),
        ("2026-11-26T09:30:15Z", datetime(2026, 11, 26, 9, 30, 15, tzinfo=UTC)),
        ("2026-11-26T09:30:15+02:00", datetime(2026, 11, 26, 7, 30, 15, tzinfo=UTC)),
        ("2h", NOW - timedelta(hours=2)),
        ("3d ago", NOW - timedelta(days=3)),
        ("90 min", NOW - timedelta(minutes=90)),
        ("1w", NOW - timedelta(weeks=1)),
        ("yesterday", None),
        ("2026-13-01", None),
        ("99999999999999d", None),
        ("", None),
    ],
)
def test_a_moment_is_read_as_people_write_it(text: str, expected: datetime | None) -> None:
    assert moment(text, NOW, timezone(timedelta(hours=1))) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-12-24", datetime(2026, 12, 23, 23, 0, tzinfo=UTC)),
        ("2020-01-01T00:00Z", datetime(2020, 1, 1, tzinfo=UTC)),
        ("90d", NOW + timedelta(days=90)),
        (" 30 min ", NOW + timedelta(minutes=30)),
        ("3d ago", None),
        ("9999999d", None),
        ("soon", None),
    ],
)
def test_a_moment_to_come_is_read_too(text: str, expected: datetime | None) -> None:
    assert moment_ahead(text, NOW, timezone(timedelta(hours=1))) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1h", timedelta(hours=1)),
        ("0s", timedelta()),
        ("1.5 D", timedelta(hours=36)),
        ("1h ago", None),
        ("-1h", None),
        ("99999999999999d", None),
        ("", None),
    ],
)
def test_a_span_is_read_as_people_write_it(text: str, expected: timedelta | None) -> None:
    assert span_of(text) == expected


def test_the_same_content_under_another_version_is_left() -> None:
    then = tree({"a": "1"})
    now = [replace(then[0], id=ulid_of("had back since"))]

    assert [*rewind(then, now)] == []
