"""A Range header, by RFC 9110, 14.1.2: what of a content is given for it."""

from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from docferry.web.headers import Part, Unsatisfiable, part_of

SIZES = st.integers(0, 40)
#: Around the ends of small contents, and beyond what any machine counts to.
POSITIONS = st.integers(0, 45) | st.integers(0, 10**60)


def given_of(header: str, size: int) -> range | None:
    """Give which bytes are given; None: 416."""
    try:
        part = part_of(header, size)
    except Unsatisfiable:
        return None
    return range(size) if part is None else range(part.start, part.stop)


@given(first=POSITIONS, size=SIZES)
def test_from_a_position_on_all_of_the_rest_is_given_or_there_is_none(
    first: int, size: int
) -> None:
    expected = range(first, size) if first < size else None

    assert given_of(f"bytes={first}-", size) == expected


@given(first=POSITIONS, last=POSITIONS, size=SIZES)
def test_of_two_positions_both_are_in_it_as_far_as_there_is_anything(
    first: int, last: int, size: int
) -> None:
    assume(first <= last)
    expected = range(first, min(last + 1, size)) if first < size else None

    assert given_of(f"bytes={first}-{last}", size) == expected


@given(first=POSITIONS, last=POSITIONS, size=SIZES)
def test_what_ends_before_it_begins_is_no_range_and_all_is_given(
    first: int, last: int, size: int
) -> None:
    assume(last < first)

    assert part_of(f"bytes={first}-{last}", size) is None


@given(length=POSITIONS, size=SIZES)
def test_the_last_bytes_are_given_as_far_as_there_are_any(length: int, size: int) -> None:
    expected = range(max(0, size - length), size) if length else None

    assert given_of(f"bytes=-{length}", size) == expected


@given(header=st.text(st.characters(max_codepoint=255), max_size=20), size=SIZES)
def test_whatever_is_sent_a_part_lies_within_the_content(header: str, size: int) -> None:
    for text in (header, f"bytes={header}"):
        try:
            part = part_of(text, size)
        except Unsatisfiable:
            continue
        if part is not None:
            assert 0 <= part.start < part.stop <= size


@pytest.mark.parametrize(
    "header", [None, "", "bytes", "bytes=", "bytes=-", "bytes=a-b", "lines=0-1", "bytes=0-1,3-4"]
)
def test_what_is_no_range_and_what_are_several_give_all(header: str | None) -> None:
    assert part_of(header, 10) is None


def test_a_range_is_named_in_any_case_and_may_have_space_around_it() -> None:
    assert part_of("Bytes= 2-3 ", 10) == Part(2, 4)


@pytest.mark.parametrize("header", [f"bytes={'9' * 5000}-", f"bytes={'0' * 5000}7-"])
def test_of_however_many_digits_a_range_is_read(header: str) -> None:
    assert given_of(header, 5) is None
    assert given_of(header.replace("=", "=0-").removesuffix("-"), 5) == range(5)
