"""Which objects are believed when a ledger is made anew, and which have to be read."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from ulid import ULID

from docferry.core.rebuild import Found, is_written_since, may_forget_held, version_read
from docferry.model import Attributes, FileState, SyncedState
from ledger_rows import NOW

MINUTE = timedelta(minutes=1)
VERSION = str(ULID.from_datetime(NOW))


def found(at: datetime | None) -> Found:
    return Found("a", FileState("etag", None, 4), Attributes(version=VERSION), at)


@pytest.mark.parametrize(
    ("at", "is_since"),
    [
        (NOW, False),
        (NOW - 14 * MINUTE, False),  # the clocks differ
        (NOW + 15 * MINUTE, False),  # or the upload took so long
        (NOW + 16 * MINUTE, True),
        (None, True),
    ],
)
def test_an_object_much_younger_than_its_version_may_be_another_content(
    at: datetime | None, *, is_since: bool
) -> None:
    assert is_written_since(found(at), None, None) is is_since


@pytest.mark.parametrize(
    ("checksum", "lacks", "is_since"),
    [("0" * 64, False, False), ("1" * 64, False, True), (None, True, True), (None, False, False)],
)
def test_where_the_store_keeps_a_checksum_it_tells_whatever_the_time(
    checksum: str | None, *, lacks: bool, is_since: bool
) -> None:
    claims = Attributes(version=VERSION, sha256="0" * 64)
    at = NOW + (16 * MINUTE if checksum is not None else 0 * MINUTE)
    one = replace(found(at), claims=claims, checksum=checksum)

    assert is_written_since(one, None, None, lacks_checksum=lacks) is is_since


@pytest.mark.parametrize(("size_here", "is_since"), [(None, False), (4, False), (5, True)])
def test_a_file_of_another_size_makes_an_object_doubtful(
    size_here: int | None, *, is_since: bool
) -> None:
    assert is_written_since(found(NOW), None, size_here) is is_since


@pytest.mark.parametrize(
    ("agreed", "is_since"), [(VERSION, True), ("another", False)], ids=["its own", "another"]
)
def test_a_version_that_was_agreed_on_under_another_token_was_written_again(
    agreed: str, *, is_since: bool
) -> None:
    base = SyncedState("0" * 64, "local", "another etag", agreed, 4)

    assert is_written_since(found(NOW), base, None) is is_since


@pytest.mark.parametrize("at", [NOW - 5 * MINUTE, NOW + 5 * MINUTE, None])
def test_what_was_read_came_when_its_object_did_and_never_later_than_now(
    at: datetime | None,
) -> None:
    row = version_read(found(at), "docs", "0" * 64, VERSION, None, NOW)

    assert row.created_at == min(NOW, at or NOW)


@pytest.mark.parametrize(
    ("is_from_snapshot", "refused", "has_waited", "may_forget"),
    [
        (True, 0, False, False),
        (False, 0, False, True),  # objects do not say that they are held
        (True, 1, False, True),  # the newest one may have said more
        (True, 0, True, True),  # nobody has spoken since the rebuild before
    ],
)
def test_a_ledger_that_no_whole_snapshot_tells_of_may_forget_what_was_held(
    *, is_from_snapshot: bool, refused: int, has_waited: bool, may_forget: bool
) -> None:
    found = may_forget_held(
        is_from_snapshot=is_from_snapshot, refused=refused, has_waited=has_waited
    )

    assert found is may_forget
