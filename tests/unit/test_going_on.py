"""What came of a large transfer is of use to the next try, but never for ever."""

from __future__ import annotations

import pytest

from docferry.core.going_on import is_to_be_gone_on_with
from docferry.errors import (
    FullError,
    PermanentError,
    StaleError,
    TemporaryError,
    ThrottledError,
    UnreachableError,
)


@pytest.mark.parametrize(
    ("error", "has_gone_on", "goes_on"),
    [
        (UnreachableError("gone"), False, True),
        (ThrottledError("slow down"), False, True),
        (TemporaryError("it broke off"), True, True),
        (TemporaryError("it broke off"), False, False),
        (FullError("no room"), True, False),
        (StaleError("another object"), True, False),
        (PermanentError("not allowed"), True, False),
        (OSError("no such file"), True, False),
        (ValueError("a bug"), True, False),
        (None, True, False),
        (KeyboardInterrupt(), False, True),
        (SystemExit(), False, True),
    ],
)
def test_the_next_try_goes_on_where_only_the_line_failed(
    error: BaseException | None, *, has_gone_on: bool, goes_on: bool
) -> None:
    assert is_to_be_gone_on_with(error, has_gone_on=has_gone_on) is goes_on


def test_what_came_whole_and_is_damaged_is_fetched_anew() -> None:
    damaged = TemporaryError("its SHA-256 is another")

    assert not is_to_be_gone_on_with(damaged, has_gone_on=True, is_whole=True)
