"""What a bucket keeps of one key is told apart: known, missed, and none of ours."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from docferry.core.strangers import (
    Finding,
    Known,
    Missed,
    is_lent,
    is_lost,
    row_with,
    sort_out,
    tells_of_others,
    unnamed,
)
from docferry.model import (
    DeleteLocal,
    DeleteRemote,
    Download,
    FileState,
    Forget,
    KeepBoth,
    MarkSynced,
    Operation,
    Upload,
    VersionRow,
)
from docferry.storage.s3_versions import BucketVersion
from ledger_rows import version

START = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


def at(minutes: float) -> datetime:
    return START + timedelta(minutes=minutes)


def kept(name: str, minutes: float, *, is_latest: bool = False) -> BucketVersion:
    return BucketVersion(
        path="a",
        version_id=name,
        token=f"etag-{name[0]}",
        size=10,
        modified_at=at(minutes),
        is_latest=is_latest,
        is_delete_marker=False,
    )


def marker(name: str, minutes: float, *, is_latest: bool = False) -> BucketVersion:
    found = kept(name, minutes, is_latest=is_latest)
    return replace(found, token="", size=0, is_delete_marker=True)


def row(content: str, came: float, left: float | None = None) -> VersionRow:
    found = version("a", f"{content}{came}")
    left_at = None if left is None else at(left)
    return replace(found, etag=f"etag-{content}", created_at=at(came), left_at=left_at)


def sorted_out(newest_first: Sequence[BucketVersion], *rows: VersionRow) -> list[Finding]:
    return sort_out(newest_first, rows, since=START, now=at(1000))


def missed(found: list[Finding]) -> list[tuple[str, datetime, datetime]]:
    return [
        (each.kept.version_id, each.created_at, each.left_at)
        for each in found
        if isinstance(each, Missed)
    ]


def test_what_was_overwritten_between_two_looks_was_there_until_the_next_came() -> None:
    found = sorted_out([kept("z", 30, is_latest=True), kept("y", 20), kept("x", 10)], row("z", 40))

    assert missed(found) == [("x", at(10), at(20)), ("y", at(20), at(30))]


def test_what_was_deleted_again_was_there_until_then() -> None:
    found = sorted_out([marker("m", 20, is_latest=True), kept("x", 10)])

    assert missed(found) == [("x", at(10), at(20))]


def test_what_follows_a_deletion_follows_no_content() -> None:
    found = sorted_out(
        [kept("z", 30, is_latest=True), kept("y", 20), marker("m", 15), kept("x", 10)]
    )

    assert [each.follows for each in found if isinstance(each, Missed)] == [None, None]


def test_what_follows_a_content_says_so() -> None:
    found = sorted_out(
        [kept("z", 30, is_latest=True), kept("y", 20), kept("x", 10)], row("x", 11, 40)
    )

    [known, after] = found
    assert isinstance(known, Known)
    assert isinstance(after, Missed)
    assert after.follows == known.kept.version_id


def test_what_is_there_now_and_deletions_are_left_alone() -> None:
    assert sorted_out([kept("x", 10, is_latest=True)]) == []
    assert sorted_out([marker("n", 10, is_latest=True), marker("m", 5)]) == []


@pytest.mark.parametrize(
    "of_ledger",
    [
        row("x", 11, 40),
        row("x", 1000),
        replace(row("q", 11, 40), store_version="x"),
        row("x", 2, 3),  # the clocks differ
        replace(row("x", 11, 40), gone_at=at(100)),
    ],
    ids=["by its ETag", "current again", "by its name", "a clock ahead", "let go since"],
)
def test_what_the_ledger_knows_is_known(of_ledger: VersionRow) -> None:
    [found] = sorted_out([kept("y", 20, is_latest=True), kept("x", 10)], of_ledger)

    assert isinstance(found, Known)
    assert found.row == of_ledger


@pytest.mark.parametrize(
    "of_ledger",
    [
        replace(row("x", 201, 400), size=11),
        row("y", 221, 400),
        row("x", 110, 150),
        replace(row("x", 110, 150), gone_at=at(160)),
        replace(row("x", 201, 400), etag=None),
    ],
    ids=["another size", "another content", "left before", "let go before", "no ETag"],
)
def test_what_is_like_a_version_and_none_is_missed(of_ledger: VersionRow) -> None:
    found = sorted_out([kept("y", 220, is_latest=True), kept("x", 200)], of_ledger)

    assert missed(found) == [("x", at(200), at(220))]


def test_a_name_from_when_versioning_was_off_may_be_of_another_content_by_now() -> None:
    named = replace(row("x", 11, 400), store_version="null")
    found = replace(kept("x", 10), version_id="null")

    [known] = sorted_out([kept("y", 20, is_latest=True), found], named)
    [other] = sorted_out([kept("y", 20, is_latest=True), replace(found, token="etag-q")], named)

    assert isinstance(known, Known)
    assert isinstance(other, Missed)


def test_each_of_two_equal_contents_is_the_version_that_came_with_it() -> None:
    first, second = row("x", 11, 20), row("x", 31, 40)

    found = sorted_out(
        [kept("z", 40, is_latest=True), kept("x2", 30), kept("y", 20), kept("x1", 10)],
        second,
        row("y", 21, 30),
        first,
    )

    assert [each.row for each in found if isinstance(each, Known)][::2] == [first, second]


def test_a_version_gets_the_first_of_the_names_that_it_may_have() -> None:
    of_ledger, named = row("x", 11, 40), replace(row("y", 21, 40), store_version="y1")

    found = sorted_out(
        [kept("z", 50, is_latest=True), kept("y2", 25), kept("x2", 20), kept("x1", 10)],
        named,
        of_ledger,
    )

    assert [*unnamed(found)] == [(of_ledger.id, "x1")]


def test_what_had_left_before_the_mirror_began_is_not_its_business() -> None:
    old = [kept("z", 30, is_latest=True), kept("y", -10), kept("x", -20), kept("w", -30)]

    found = sorted_out(old)

    assert missed(found) == [("y", at(0), at(30))]


def test_times_follow_each_other_where_the_store_tells_whole_seconds() -> None:
    found = missed(sorted_out([kept(name, 10, is_latest=name == "z") for name in "zyxw"]))

    assert [name for name, *_ in found] == ["w", "x", "y"]
    times = [time for _, *span in found for time in span]
    assert times == sorted(times)
    assert all(came < left for _, came, left in found)


def test_no_time_is_later_than_now_or_than_what_the_ledger_saw_follow() -> None:
    ahead = [kept("z", 13, is_latest=True), kept("y", 12), kept("x", 11)]

    found = sort_out(ahead, [row("y", 5, 9)], since=START, now=at(9))

    [(_, came, left)] = missed(found)
    assert came < left <= at(5)


def test_what_came_after_a_version_is_later_though_the_store_tells_whole_seconds() -> None:
    seen = replace(row("x", 10, 20), created_at=at(10) + timedelta(seconds=0.7))

    found = sorted_out([kept(name, 10, is_latest=name == "z") for name in "zywx"], seen)

    times = [seen.created_at] + [time for _, *span in missed(found) for time in span]
    assert [name for name, *_ in missed(found)] == ["w", "y"]
    assert times == sorted(times)
    assert times[1] > seen.created_at
    assert times[-1] - times[0] < timedelta(seconds=1)


def test_a_content_that_came_back_puts_nothing_in_between_after_it() -> None:
    seen = row("x", 12, 20)

    found = sorted_out([kept("x2", 11.9, is_latest=True), kept("y", 11), kept("x1", 10)], seen)

    assert missed(found) == [("y", at(11), at(11.9))]


def test_what_is_put_again_much_later_does_not_come_when_it_was_first_seen() -> None:
    found = sorted_out(
        [kept("z", 300, is_latest=True), kept("x2", 240), kept("y", 100)], row("x", 10)
    )

    assert missed(found) == [("y", at(100), at(240))]


def test_of_a_content_that_was_put_twice_the_nearer_one_came_when_docferry_saw_it() -> None:
    twice = [kept("x2", 240), kept("y", 100), kept("x1", 12)]

    found = sorted_out([kept("z", 300, is_latest=True), *twice, kept("w", 5)], row("x", 10))

    assert missed(found) == [("w", at(5), at(10)), ("y", at(100), at(240))]


# By content.


def test_a_version_without_a_name_is_known_by_its_content() -> None:
    one = replace(row("x", 11, 40), etag=None)
    named = replace(one, store_version="x9")

    assert row_with(kept("x", 10), [one], one.sha256) == one
    assert row_with(kept("x", 10), [one], version("b").sha256) is None
    assert row_with(kept("x", 10), [named], one.sha256) is None
    assert row_with(kept("x", 100), [one], one.sha256) is None


def test_what_no_archive_has_is_lost_unless_it_is_current_or_let_go() -> None:
    displaced = row("x", 1, 2)

    assert is_lost(displaced)
    assert not is_lost(row("x", 1))
    assert not is_lost(replace(displaced, gone_at=at(3)))
    assert not is_lost(replace(displaced, archived_local=True))
    assert not is_lost(replace(displaced, archived_remote=True))
    assert not is_lost(replace(displaced, bytes_of=version("b").id))


def test_bytes_are_lent_by_a_version_that_has_them_in_the_bucket_and_keeps_them() -> None:
    lender = replace(row("x", 1, 2), archived_remote=True)

    assert is_lent([row("x", 1, 2), lender])
    assert not is_lent([])
    assert not is_lent([replace(lender, archived_remote=False, archived_local=True)])
    assert not is_lent([replace(lender, bytes_of=version("b").id)])
    assert not is_lent([replace(lender, gone_at=at(3))])
    assert not is_lent([replace(lender, left_at=None)])


STATE = FileState("token", "0" * 64, 1)


@pytest.mark.parametrize(
    "operation",
    [
        Download("a", STATE, None),
        KeepBoth("a", "b", STATE, STATE),
        DeleteLocal("a", "token"),
        Forget("a"),
        MarkSynced("a", "0" * 64, 1, "l", "r", is_new_content=True),
    ],
    ids=lambda operation: type(operation).__name__,
)
def test_some_operations_tell_that_others_did_something(operation: Operation) -> None:
    assert tells_of_others(operation)


@pytest.mark.parametrize(
    "operation",
    [
        MarkSynced("a", "0" * 64, 1, "l", "r", is_new_content=False),
        Upload("a", STATE, None),
        DeleteRemote("a", "token"),
    ],
    ids=lambda operation: type(operation).__name__,
)
def test_what_only_docferry_does_tells_of_nobody_else(operation: Operation) -> None:
    assert not tells_of_others(operation)
