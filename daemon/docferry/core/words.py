"""Numbers the way one says them."""

from __future__ import annotations


def counted(number: int, noun: str) -> str:
    """Give "1 file", "2 files"."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
