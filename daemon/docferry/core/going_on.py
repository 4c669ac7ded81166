"""When a large transfer that was cut off is gone on with, and when it begins anew."""

from __future__ import annotations

from docferry.errors import (
    DocferryError,
    FullError,
    TemporaryError,
    ThrottledError,
    UnreachableError,
)


def is_to_be_gone_on_with(
    error: BaseException | None, *, has_gone_on: bool, is_whole: bool = False
) -> bool:
    """
    Say whether what has come so far is of use to the next try.

    What fails and has come no further begins anew: it must not fail for ever.

    Args:
        error: What it ended with; None: with nothing, and it is not complete.
        has_gone_on: This try has added to it.
        is_whole: All of it had come, and that is what it failed at.
    """
    match error:
        case UnreachableError() | ThrottledError():  # nothing was said against what has come
            return True
        case _ if is_whole:
            return False
        case FullError():  # the room that it takes is what is missing
            return False
        case TemporaryError():
            return has_gone_on
        case DocferryError() | OSError() | None:
            return False
        case _:  # the process ends
            return not isinstance(error, Exception)
