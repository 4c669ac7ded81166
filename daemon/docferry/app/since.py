"""Since when somebody wants to see what came: a time, or something that came then."""

from __future__ import annotations

from datetime import UTC, datetime

from docferry.core.ulids import first_of, time_of
from docferry.core.when import FORMS, moment
from docferry.errors import UserError
from docferry.model import Ulid


def since_of(text: str, now: datetime) -> tuple[Ulid, datetime]:
    """
    Read a ULID, or a time, as both: whatever is later than the one is so by the other.

    Without a zone of its own a time is in UTC.

    Raises:
        UserError: It is neither.
    """
    at = time_of(text.upper())
    if at is not None:
        return text.upper(), at
    at = moment(text, now, UTC)
    if at is None:
        raise UserError(f"{text!r} is neither a ULID nor a time: {FORMS}")
    return first_of(at), at
