"""Say what it takes to bring a tree back to what it was."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

from docferry.model import Path, Ulid, VersionRow


@dataclass(frozen=True, slots=True)
class PutBack:
    """The path is to hold *version* again; now it holds *instead_of*, or nothing."""

    path: Path
    version: VersionRow
    instead_of: Ulid | None


@dataclass(frozen=True, slots=True)
class TakeAway:
    """The path held nothing then; now it holds *version*."""

    path: Path
    version: Ulid


Step: TypeAlias = PutBack | TakeAway


def rewind(then: Iterable[VersionRow], now: Iterable[VersionRow]) -> Iterator[Step]:
    """
    Yield what makes the tree of *now* that of *then*; both come in the order of the paths.

    A path that holds the same content is left as it is, under whichever version.
    """
    olds, news = iter(then), iter(now)
    old, new = next(olds, None), next(news, None)
    while old is not None or new is not None:
        if new is None or (old is not None and old.path < new.path):
            assert old is not None
            yield PutBack(old.path, old, instead_of=None)
            old = next(olds, None)
        elif old is None or new.path < old.path:
            yield TakeAway(new.path, new.id)
            new = next(news, None)
        else:
            if old.sha256 != new.sha256:
                yield PutBack(old.path, old, instead_of=new.id)
            old, new = next(olds, None), next(news, None)
