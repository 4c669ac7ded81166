"""Merge three generated trees. A process of its own: nothing else is in its memory."""

from __future__ import annotations

import sys
from collections.abc import Iterator

from docferry.core.merge import merge
from docferry.core.paths import path_of
from docferry.model import Entry, FileState, SyncedState

_ONE_DIFFERS_IN = 1000


def main(count: int) -> None:
    """Merge three trees of *count* paths of which a few differ."""
    found = sum(1 for _ in merge(_local(count), _remote(count), _synced(count)))
    expected = len(range(0, count, _ONE_DIFFERS_IN))
    if found != expected:
        raise SystemExit(f"the merge found {found} differences, not {expected}")


def _local(count: int) -> Iterator[Entry]:
    for number in range(count):
        edited = "edited-" if number % _ONE_DIFFERS_IN == 0 else ""
        yield _path(number), FileState(f"{edited}64-{number}-{number}", None, 64, number)


def _remote(count: int) -> Iterator[Entry]:
    for number in range(count):
        yield path_of(_path(number)), FileState(_etag(number), None, 64)


def _synced(count: int) -> Iterator[tuple[str, SyncedState]]:
    for number in range(count):
        token = f"64-{number}-{number}"
        yield (
            _path(number),
            SyncedState(f"{number:064x}", token, _etag(number), f"{number:026}", 64),
        )


def _path(number: int) -> str:
    return f"{number // 500:06}/document {number:09}.txt"


def _etag(number: int) -> str:
    return f"{number:032x}"


if __name__ == "__main__":
    main(int(sys.argv[1]))
