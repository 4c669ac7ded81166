"""When a disk has no room any more for what is to be taken in, and when it has it again."""

from __future__ import annotations

from dataclasses import dataclass

#: Of a small disk no more than this part is kept free, whatever is configured.
_PART = 4
#: Taken in again with so much more than the reserve: else each file that goes lets one in.
_MARGIN = 10


@dataclass(frozen=True, slots=True)
class Disk:
    """A file system, as it is now."""

    device: int
    free: int  #: bytes that docferry's user may still write
    size: int  #: bytes


def reserve_of(disk: Disk, configured: int) -> int:
    """Say how many bytes of *disk* are to stay free."""
    return min(configured, disk.size // _PART)


def is_short(disk: Disk, reserve: int, *, was_short: bool) -> bool:
    """Say whether nothing is to be taken in, however small."""
    return disk.free < reserve + (reserve // _MARGIN if was_short else 0)


def fits(disk: Disk, reserve: int, size: int, promised: int) -> bool:
    """Say whether *size* bytes may come in besides the *promised* ones that are under way."""
    return disk.free - promised - size >= reserve
