"""When a transfer that was announced, or begun, and never written down may be forgotten."""

from __future__ import annotations

from datetime import datetime, timedelta

from docferry.core.merge import Difference, Seen

#: An announcement must outlive the upload. A request is refused by S3 a quarter of an hour
#: after it was signed, so that what is not in the bucket by then will not be there; the
#: days are for stores that are not so strict, and for clocks that were wrong.
INTENT_LIFE = timedelta(days=7)
#: What was cut off and is not gone on with in this time costs its owner room for nothing.
TRANSFER_LIFE = timedelta(days=7)


def is_spent(seen: Seen) -> bool:
    """
    Say whether an intent older than INTENT_LIFE has nothing to tell about this path.

    As long as the two sides are not as agreed, what the bucket holds may be that very
    upload; and of a path that cannot be seen nothing is known.
    """
    return isinstance(seen, Difference) and seen.is_settled


def is_lately_begun(begun_at: datetime, now: datetime) -> bool:
    """Say whether a transfer that was cut off may still be gone on with, for all its age says."""
    return now - begun_at < TRANSFER_LIFE


def is_still_to_go_up(seen: Seen, size: int) -> bool:
    """Say whether a path may still call for the upload, of so many bytes, that was cut off."""
    if not isinstance(seen, Difference):
        return True  # of what cannot be seen nothing is known
    return not seen.is_settled and seen.local is not None and seen.local.size == size


def is_still_to_come_down(seen: Seen, size: int) -> bool:
    """Say whether a path may still call for the download, of so many bytes, that was cut off."""
    if not isinstance(seen, Difference):
        return True
    return not seen.is_settled and seen.remote is not None and seen.remote.size == size
