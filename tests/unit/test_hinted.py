"""Where hints lead, and how much they may cause."""

from __future__ import annotations

import pytest

from docferry.core.hinted import (
    MARKS_AT_ONCE,
    MARKS_PER_S,
    MOST_BYTES,
    POLLS_EVERY_S,
    Budget,
    Led,
    Told,
    datagrams,
    led,
    poll_in_s,
    polled,
    spend,
    told_in,
)
from docferry.core.notifications import Hint, Nothing, Why

PLENTY = 10**6

LEADS = [
    ("a key below the prefix", "docs/a/b.txt", ["a/b.txt"], 0),
    ("another prefix", "documents/a", [], 0),
    ("the prefix itself", "docs/", [], 0),
    ("docferry's own", "docs/.docferry/versions/01", [], 0),
    ("docferry's own, spelled as a stranger would", "docs/.docferry", [], 0),
    ("a name like one of ours", "docs/.docferry.txt", [".docferry.txt"], 0),
    ("a key that goes by another name here", "docs/taken/x", ["%_~/taken/x"], 0),
    ("a way out", "docs/../etc/passwd", [], 1),
    ("a folder's own key", "docs/sub/", [], 1),
    ("a key with an empty name in it", "docs/a//b", [], 1),
    ("a control character", "docs/a\x07", [], 1),
]


@pytest.mark.parametrize(
    ("key", "paths", "odd"), [each[1:] for each in LEADS], ids=[each[0] for each in LEADS]
)
def test_a_hint_leads_to_the_paths_of_its_mirror(key: str, paths: list[str], odd: int) -> None:
    aliases = {"taken/x": "%_~/taken/x"}

    assert led([Hint("b", key)] * 2, "b", "docs/", aliases) == Led(paths, odd)


def test_a_hint_of_another_bucket_leads_nowhere() -> None:
    assert led([Hint("other", "docs/a")], "b", "docs/", {}) == Led([], 0)


def test_a_mirror_of_a_whole_bucket_takes_every_key() -> None:
    assert led([Hint("b", "docs/a"), Hint("b", "c")], "b", "", {}) == Led(["docs/a", "c"], 0)


# How much.


def test_a_few_hints_are_followed_and_no_poll_is_owed() -> None:
    budget, granted = spend(Budget(), 3, PLENTY, 0.0)

    assert (granted, poll_in_s(budget, 0.0)) == (3, None)


def test_what_a_flood_goes_beyond_is_left_to_one_poll() -> None:
    budget, granted = spend(Budget(), 10**6, PLENTY, 0.0)
    again, more = spend(budget, 10**6, PLENTY, 0.0)

    assert (granted, more) == (MARKS_AT_ONCE, 0)
    assert poll_in_s(again, 0.0) == 0.0
    assert poll_in_s(polled(again, 0.0), 0.0) is None


def test_after_a_poll_the_next_one_waits() -> None:
    spent, _ = spend(Budget(), 10**6, PLENTY, 0.0)
    budget, _ = spend(polled(spent, 0.0), 10**6, PLENTY, 1.0)

    assert poll_in_s(budget, 1.0) == POLLS_EVERY_S - 1.0
    assert poll_in_s(budget, POLLS_EVERY_S + 1.0) == 0.0


def test_with_time_hints_are_followed_again() -> None:
    spent, _ = spend(Budget(), 10**6, PLENTY, 0.0)

    _, granted = spend(spent, 10**6, PLENTY, 2.0)

    assert granted == 2 * MARKS_PER_S


def test_rest_saves_up_no_more_than_at_the_start() -> None:
    spent, _ = spend(Budget(), 10**6, PLENTY, 0.0)

    _, granted = spend(spent, 10**6, PLENTY, 10.0**6)

    assert granted == MARKS_AT_ONCE


@pytest.mark.parametrize("room", [0, -5])
def test_where_too_much_waits_already_no_hint_is_followed(room: int) -> None:
    budget, granted = spend(Budget(), 3, room, 0.0)

    assert (granted, poll_in_s(budget, 0.0)) == (0, 0.0)


def test_what_only_a_poll_can_follow_has_one_asked_for() -> None:
    budget, granted = spend(Budget(), 1, PLENTY, 0.0, odd=1)

    assert (granted, poll_in_s(budget, 0.0)) == (1, 0.0)


# From one process to the other.


def test_what_is_written_is_read() -> None:
    found = (Hint("b", "docs/a"), Hint("b", "ü/\0/%"))

    assert [told_in(each) for each in datagrams("main", found)] == [Told("main", found)]


def test_why_there_is_nothing_is_told_too() -> None:
    [sent] = datagrams("main", Nothing(Why.TEST))

    assert told_in(sent) == Told("main", Nothing(Why.TEST))


def test_many_hints_are_several_datagrams_none_too_large() -> None:
    found = tuple(Hint("b" * 63, f"{number}" + "ü" * 500) for number in range(1000))

    sent = list(datagrams("main", found))

    assert max(map(len, sent)) <= MOST_BYTES
    told = [told_in(each) for each in sent]
    assert tuple(hint for each in told if each for hint in each.found) == found  # type: ignore[union-attr]


STRANGE = [
    b"",
    b"\xff",
    b"{}",
    b"[]",
    b'["main"]',
    b'["main", "no reason"]',
    b'["main", [["b"]]]',
    b'["main", [["b", 1]]]',
    b'["main", [["b", "\\ud800"]]]',
    b'["main", [[]], 3]',
    b'[1, [["b", "k"]]]',
    b"[" * 10_000,
]


@pytest.mark.parametrize("sent", STRANGE)
def test_what_somebody_else_has_written_is_nothing(sent: bytes) -> None:
    assert told_in(sent) is None
