"""What runs now, by its name: it comes and goes while others look."""

from __future__ import annotations

from collections.abc import ItemsView, Iterator, KeysView, Mapping, ValuesView
from typing import TypeVar

T = TypeVar("T")


class Running(Mapping[str, T]):
    """
    For one thread that changes it, and any that read it.

    Who goes through it sees what was there when it began. A dictionary would raise RuntimeError.
    """

    def __init__(self) -> None:
        self._parts: dict[str, T] = {}

    def put(self, name: str, part: T) -> None:
        self._parts = {**self._parts, name: part}

    def take(self, name: str) -> T:
        """Give the part of that name, which is there no more."""
        part = self._parts[name]
        self._parts = {other: one for other, one in self._parts.items() if other != name}
        return part

    def __getitem__(self, name: str) -> T:
        return self._parts[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._parts)

    def __len__(self) -> int:
        return len(self._parts)

    def keys(self) -> KeysView[str]:
        return self._parts.keys()

    def values(self) -> ValuesView[T]:
        return self._parts.values()

    def items(self) -> ItemsView[str, T]:
        return self._parts.items()
