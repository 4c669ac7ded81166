"""What an archive has to say before a version is made of it, and when a version left its path."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from ulid import ULID

from docferry.core.rebuild import Archived, archived_versions, left_at
from docferry.model import Attributes
from ledger_rows import sha_of

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
CAME = NOW - timedelta(days=2)
WHOLE = Archived(
    str(ULID.from_datetime(CAME)), Attributes(path="a", sha256=sha_of("a"), size=1), NOW
)


def test_what_says_all_that_it_is_becomes_a_version() -> None:
    [row], _ = archived_versions([WHOLE], "docs", [], NOW)

    assert (row.id, row.path, row.sha256, row.size) == (WHOLE.version, "a", sha_of("a"), 1)
    assert (row.left_at, row.archived_remote) == (NOW, True)


@pytest.mark.parametrize(
    "odd",
    [
        replace(WHOLE, claims=replace(WHOLE.claims, path=None)),
        replace(WHOLE, claims=replace(WHOLE.claims, sha256=None)),
        replace(WHOLE, claims=replace(WHOLE.claims, size=None)),
        replace(WHOLE, claims=replace(WHOLE.claims, path=".docferry/mirror.json")),
        replace(WHOLE, version=str(ULID.from_datetime(NOW + timedelta(days=400)))),
        replace(WHOLE, version="no version"),
        replace(WHOLE, version="7ZZZZZZZZZZZZZZZZZZZZZZZZZ"),
    ],
    ids=["no path", "no hash", "no size", "docferry's", "far future", "no ULID", "no time"],
)
def test_what_says_too_little_or_nonsense_becomes_none(odd: Archived) -> None:
    rows, _ = archived_versions([odd], "docs", [], NOW)

    assert rows == []


def test_what_nothing_followed_and_no_archive_has_left_by_now() -> None:
    assert left_at("V", CAME, {}, None, NOW) == NOW
    assert left_at("V", CAME, {}, None, None) == CAME
