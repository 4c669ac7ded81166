"""In how many parts a large content goes to a store, and how large each is."""

from __future__ import annotations

from docferry.errors import PermanentError

#: S3 takes so many parts, none larger, and copies objects up to this size in one request.
MAX_PARTS = 10_000
MAX_PART_BYTES = 5 * 1024**3
#: Parts are as large as they must be, in steps of this.
_STEP_BYTES = 1024**2


def part_bytes_for(size: int, least: int) -> int:
    """
    Give the size of parts in which a content fits: the last one alone may be smaller.

    Args:
        size: Of the content, in bytes.
        least: The size where there would not be too many; bytes.

    Raises:
        PermanentError: It is larger than any store takes.
    """
    needed = -(-size // MAX_PARTS)
    if needed > MAX_PART_BYTES:
        raise PermanentError(f"a file of {size} bytes is larger than S3 takes: divide it")
    if needed <= least:
        return least
    return min(MAX_PART_BYTES, -(-needed // _STEP_BYTES) * _STEP_BYTES)
