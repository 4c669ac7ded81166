"""Guards: what proves that a side is itself, and which deletions wait for a person."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from docferry.core.guards import (
    DELETION_WINDOW,
    Moved,
    Proof,
    Proven,
    Refused,
    Unmarked,
    counts_since,
    marker,
    marker_id,
    prove,
    refuse_deletions,
)
from docferry.model import Side

WHERE = ("/srv/docs", "bucket/docs on store")
BOTH = (Side.LOCAL, Side.REMOTE)


def judge(local: str | None, remote: str | None, known: str | None) -> Proof:
    return prove(local, remote, known, where=WHERE)


@pytest.mark.parametrize(
    ("local", "remote", "known", "expected"),
    [
        # The first time.
        (None, None, None, Unmarked(None, BOTH)),
        ("A", None, None, Unmarked("A", (Side.REMOTE,))),
        (None, "A", None, Unmarked("A", (Side.LOCAL,))),
        ("A", "A", None, Proven("A")),
        ("A", "B", None, Refused),
        # Later.
        ("A", "A", "A", Proven("A")),
        (None, None, "A", Refused),
        (None, "A", "A", Refused),
        ("A", None, "A", Refused),
        ("B", "A", "A", Refused),
        ("A", "B", "A", Refused),
        ("B", "B", "A", Refused),  # both moved on without us: another mirror's sides
        ("B", None, "A", Refused),
        (None, "B", "A", Refused),
        ("B", "C", "A", Refused),
    ],
)
def test_sides_prove_themselves(
    local: str | None, remote: str | None, known: str | None, expected: Proof | type[Refused]
) -> None:
    proof = judge(local, remote, known)

    assert isinstance(proof, Refused) if expected is Refused else proof == expected


@pytest.mark.parametrize(
    ("local", "remote", "known", "named"),
    [
        (
            None,
            "A",
            "A",
            "the local side /srv/docs has no marker .docferry/mirror.json. It is empty",
        ),
        (
            "A",
            None,
            "A",
            "bucket/docs on store has no marker .docferry/mirror.json. It was emptied",
        ),
        ("B", "A", "A", "the local side /srv/docs carries the marker of another mirror"),
        ("A", "B", "A", "the remote side bucket/docs on store carries the marker of another"),
        ("A", "B", None, "two different mirrors"),
    ],
)
def test_a_refusal_names_the_side_and_the_way_out(
    local: str | None, remote: str | None, known: str | None, named: str
) -> None:
    proof = judge(local, remote, known)

    assert isinstance(proof, Refused)
    assert named in proof.reason
    assert "or have both sides joined anew, which deletes nothing" in proof.reason


@pytest.mark.parametrize("found", [None, "B"])
def test_a_side_that_moved_is_told_where_it_was_and_what_to_correct(found: str | None) -> None:
    moved = {Side.REMOTE: Moved("s3://documents/office/", ("prefix",))}

    proof = prove("A", found, "A", where=WHERE, moved=moved)
    elsewhere = prove(found, "A", "A", where=WHERE, moved=moved)

    assert isinstance(proof, Refused)
    says = "Until now this mirror was s3://documents/office/: correct `prefix`, or have both"
    assert says in proof.reason
    assert "emptied" not in proof.reason
    assert isinstance(elsewhere, Refused)
    assert "s3://documents/office/" not in elsewhere.reason


def test_a_side_that_moved_and_is_itself_is_believed() -> None:
    moved = {Side.LOCAL: Moved("/srv/old", ("local",))}

    assert prove("A", "A", "A", where=WHERE, moved=moved) == Proven("A")


def deletions(
    lost: int,
    *,
    recent: int = 0,
    limit: int = 100,
    is_holding: bool = False,
    emptied: Side | None = None,
) -> str | None:
    return refuse_deletions(
        count=lost,
        lost=lost,
        gone_from=(Side.LOCAL,),
        recent=recent,
        limit=limit,
        is_holding=is_holding,
        emptied=emptied,
    )


@pytest.mark.parametrize(
    ("lost", "recent", "limit"),
    [(1, 0, 100), (100, 0, 100), (60, 40, 100), (0, 0, 0), (0, 100, 100)],
)
def test_a_few_deletions_travel(lost: int, recent: int, limit: int) -> None:
    assert deletions(lost, recent=recent, limit=limit) is None


@pytest.mark.parametrize(
    ("lost", "recent", "limit"), [(101, 0, 100), (1, 100, 100), (61, 40, 100), (1, 0, 0)]
)
def test_more_deletions_than_the_limit_wait(lost: int, recent: int, limit: int) -> None:
    reason = deletions(lost, recent=recent, limit=limit)

    assert reason is not None
    assert reason.startswith(f"{lost} file")
    assert ("1 file is gone" in reason) is (lost == 1)
    assert reason.endswith(f"delete_limit is {limit}")
    assert ("within ten minutes" in reason) is (recent > 0)


def test_while_some_are_held_every_further_deletion_waits() -> None:
    reason = deletions(1, is_holding=True)

    assert reason == (
        "1 file is gone from the folder and would be deleted in the bucket, and what was held "
        "before is not decided yet"
    )


@pytest.mark.parametrize(
    ("gone_from", "says"),
    [
        ((Side.LOCAL,), "gone from the folder and would be deleted in the bucket"),
        ((Side.REMOTE,), "gone from the bucket and would be deleted in the folder"),
        (tuple(Side), "gone from one side and would be deleted on the other"),
    ],
)
def test_a_reason_says_which_side_would_lose_what(gone_from: tuple[Side, ...], says: str) -> None:
    reason = refuse_deletions(
        count=150,
        lost=143,
        gone_from=gone_from,
        recent=0,
        limit=100,
        is_holding=False,
        emptied=None,
    )

    nowhere = "(143 of them nowhere else in the mirror)"
    assert reason == f"150 files are {says} {nowhere}; delete_limit is 100"


def test_a_hold_keeps_the_reason_it_was_opened_for() -> None:
    assert deletions(6, is_holding=True, limit=5) == deletions(6, limit=5)


def test_while_a_hold_is_open_what_counted_then_counts_on() -> None:
    opened = datetime(2026, 11, 26, 8, 0, tzinfo=UTC)
    now = opened + timedelta(hours=9)

    assert counts_since(now, None) == now - DELETION_WINDOW
    assert counts_since(now, opened) == opened - DELETION_WINDOW


@pytest.mark.parametrize(("side", "place"), [(Side.LOCAL, "folder"), (Side.REMOTE, "bucket")])
def test_a_side_without_any_file_deletes_nothing_however_few(side: Side, place: str) -> None:
    reason = deletions(1, emptied=side)

    assert reason is not None
    assert reason.startswith(f"the {place} holds no file any more: 1 file is gone")


def test_a_marker_is_read_as_it_was_written() -> None:
    assert marker_id(marker("01KAT0000000000000000000AA")) == "01KAT0000000000000000000AA"


def test_no_marker_has_no_id() -> None:
    assert marker_id(None) is None


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"\xff\xfe", b"[]", b"3", b"null", b'"id"', b'{"docferry": 1}', b"[" * 100_000],
)
def test_an_unreadable_marker_is_never_the_right_one(content: bytes) -> None:
    found = marker_id(content)

    assert found == f"unreadable marker of {len(content)} bytes"
    assert isinstance(judge(found, "A", "A"), Refused)
    assert isinstance(judge("A", found, "A"), Refused)
    assert isinstance(judge(found, "A", None), Refused)
