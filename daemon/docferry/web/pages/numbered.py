"""Lists of what has a number, the newest first, page by page."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated, TypeAlias, TypeVar

from fastapi import Query

PAGE = 100

BeforeNumber: TypeAlias = Annotated[int | None, Query(alias="before", ge=1, le=2**53)]
_Row = TypeVar("_Row")


def newest_of(
    rows: Sequence[_Row], before: int | None, number_of: Callable[[_Row], int]
) -> tuple[list[_Row], int | None]:
    """
    Give a page of *rows*, and the last number on it: None, if there is no more.

    Args:
        before: The last number of the page before; None: this is the first.
    """
    left = [one for one in rows if before is None or number_of(one) < before]
    left.sort(key=number_of, reverse=True)
    shown = left[:PAGE]
    return shown, number_of(shown[-1]) if len(left) > PAGE else None
