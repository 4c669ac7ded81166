"""When an upload that was announced and never written down may be forgotten."""

from __future__ import annotations

from datetime import timedelta

from docferry.core.merge import Difference, Seen

#: An announcement must outlive the upload. A request is refused by S3 a quarter of an hour
#: after it was signed, so that what is not in the bucket by then will not be there; the
#: days are for stores that are not so strict, and for clocks that were wrong.
INTENT_LIFE = timedelta(days=7)


def is_spent(seen: Seen) -> bool:
    """
    Say whether an intent older than INTENT_LIFE has nothing to tell about this path.

    As long as the two sides are not as agreed, what the bucket holds may be that very
    upload; and of a path that cannot be seen nothing is known.
    """
    return isinstance(seen, Difference) and seen.is_settled
