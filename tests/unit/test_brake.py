"""What may travel of what looks suspicious, and what waits for a person."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from docferry.core.brake import (
    CHANGE_WINDOW,
    TOO_MANY,
    Change,
    ChangeLimits,
    Lately,
    is_counted,
    victims_of,
    why_held,
    why_not,
)
from docferry.model import Side

NOW = datetime(2026, 11, 27, 12, 0, tzinfo=UTC)
LIMITS = ChangeLimits(suspicious=3)
PLAIN = Change("a.txt", Side.LOCAL, "t", "a.txt", "V1")
SUSPICIOUS = replace(PLAIN, why="it is no txt any more")
NEWCOMER = Change("a.txt.locked", Side.LOCAL, "t", "a.txt", "V1", "it looks encrypted")
LONG_AGO = NOW - CHANGE_WINDOW - timedelta(seconds=1)


@pytest.mark.parametrize(
    ("change", "lately", "limits", "why"),
    [
        (PLAIN, Lately(), LIMITS, None),
        (PLAIN, Lately(suspicious=99, overwrites=10_000), LIMITS, None),
        (SUSPICIOUS, Lately(), LIMITS, None),
        (SUSPICIOUS, Lately(suspicious=2), LIMITS, None),
        (SUSPICIOUS, Lately(suspicious=3), LIMITS, "it is no txt any more"),
        (SUSPICIOUS, Lately(), ChangeLimits(0), "it is no txt any more"),
        (NEWCOMER, Lately(suspicious=3), LIMITS, "it looks encrypted"),
        # A hold is open: nothing suspicious travels any more, however late it comes.
        (SUSPICIOUS, Lately(held_at=LONG_AGO), LIMITS, "it is no txt any more"),
        (NEWCOMER, Lately(held_at=LONG_AGO), LIMITS, "it looks encrypted"),
        # What overwrites waits with a burst, and no longer.
        (PLAIN, Lately(held_at=NOW), LIMITS, ""),
        (PLAIN, Lately(held_at=LONG_AGO), LIMITS, None),
        (replace(NEWCOMER, why=None), Lately(held_at=NOW), LIMITS, None),
        # Overwrites of any kind, where somebody wants that.
        (PLAIN, Lately(overwrites=9), ChangeLimits(3, 10), None),
        (
            PLAIN,
            Lately(overwrites=10),
            ChangeLimits(3, 10),
            "more files were overwritten than change_limit",
        ),
        (replace(NEWCOMER, why=None), Lately(overwrites=10), ChangeLimits(3, 10), None),
    ],
)
def test_a_change_travels_or_waits(
    change: Change, lately: Lately, limits: ChangeLimits, why: str | None
) -> None:
    found = why_not(change, lately, limits, NOW)

    if why:
        assert found is not None
        assert found.startswith(why)
    else:
        assert found == why


@pytest.mark.parametrize(
    ("change", "limits", "is_it"),
    [
        (PLAIN, LIMITS, False),
        (PLAIN, ChangeLimits(3, 10), True),
        (SUSPICIOUS, LIMITS, True),
        (NEWCOMER, LIMITS, True),
        (replace(NEWCOMER, why=None), ChangeLimits(3, 10), False),
    ],
)
def test_only_what_counts_is_written_down(
    change: Change, limits: ChangeLimits, *, is_it: bool
) -> None:
    assert is_counted(change, limits) is is_it


@pytest.mark.parametrize(
    ("newcomer", "victims"),
    [
        ("a/b.docx.locked", ["a/b.docx"]),
        ("a/b.locked", ["a/b"]),
        ("a/.locked", []),
        ("a.b/c", []),
        ("plan", []),
    ],
)
def test_a_newcomer_is_named_after_what_it_takes_the_place_of(
    newcomer: str, victims: list[str]
) -> None:
    assert [*victims_of(newcomer)] == victims


def test_a_hold_of_changes_says_what_is_held_where_and_what_came_before_it() -> None:
    example = ("a.txt", "it is no txt any more")

    assert why_held([(Side.LOCAL, 1), (Side.REMOTE, 0)], 0, 0, example) == (
        "1 file in the folder changed as if by an encrypting program (a.txt: it is no txt any more)"
    )
    assert why_held([(Side.LOCAL, 980), (Side.REMOTE, 2)], 20, 1, example) == (
        "980 files in the folder and 2 files in the bucket changed as if by an encrypting program "
        "(a.txt: it is no txt any more); 20 changes of this kind had travelled before; 1 deletion "
        "waits with them"
    )


def test_a_hold_by_change_limit_alone_speaks_of_no_encrypting_program() -> None:
    example = ("a.txt", f"{TOO_MANY}, which is 10")

    assert why_held([(Side.LOCAL, 28), (Side.REMOTE, 0)], 0, 0, example) == (
        "28 files in the folder changed: more files were overwritten than change_limit, which is 10"
    )
