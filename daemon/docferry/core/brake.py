"""
Refuse what looks like many files at once being spoilt. Changes travel only past this guard.

An encrypting program, or a mad script, overwrites a folder file by file; each of these changes
alone is one that a person may make. So those that look suspicious are counted over ten minutes,
and beyond a limit they are held, with whatever overwrites files meanwhile.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from docferry.core.words import counted
from docferry.model import Path, Side, Token, Ulid

#: Changes within this time count together: they come one by one.
CHANGE_WINDOW = timedelta(minutes=10)
#: What is said of overwrites beyond change_limit begins so: they may look like anything.
TOO_MANY = "more files were overwritten than change_limit"
_PLACES = {Side.LOCAL: "the folder", Side.REMOTE: "the bucket"}


@dataclass(frozen=True, slots=True)
class Change:
    """
    A change that is about to travel.

    side: where it was made; token: of what that side holds now.
    victim: the path that suffers by it: its own, or that which a newcomer takes the place of.
    version: what both sides agreed on at *victim*; None: nothing is known to suffer.
    why: what is suspicious about it, for a person; None: nothing is.
    """

    path: Path
    side: Side
    token: Token
    victim: Path
    version: Ulid | None
    why: str | None = None

    @property
    def overwrites(self) -> bool:
        return self.victim == self.path and self.version is not None


@dataclass(frozen=True, slots=True)
class ChangeLimits:
    """What may travel within CHANGE_WINDOW without a person."""

    suspicious: int
    overwrites: int | None = None  #: of any kind; None: however many


@dataclass(frozen=True, slots=True)
class Lately:
    """
    What has travelled within CHANGE_WINDOW, and whether a hold of changes is open.

    suspicious: how many files suffered by suspicious changes.
    overwrites: how many files were overwritten at all, if that is counted.
    held_at: when the last suspicious change of the same side was held; None: none is.
    """

    suspicious: int = 0
    overwrites: int = 0
    held_at: datetime | None = None


def counts_from(now: datetime) -> datetime:
    """Give the time from which changes count as recent."""
    return now - CHANGE_WINDOW


def is_counted(change: Change, limits: ChangeLimits) -> bool:
    """Say whether it is written down that *change* travels."""
    return change.why is not None or (change.overwrites and limits.overwrites is not None)


def why_not(change: Change, lately: Lately, limits: ChangeLimits, now: datetime) -> str | None:
    """
    Say why *change* must wait for a person; None: it may travel. "": because of others.

    While a burst goes on, all that overwrites waits: who encrypts does not stop at what is
    recognised. What is new travels: it overwrites nothing.
    """
    if change.why is not None and (lately.held_at is not None or _is_full(lately, limits)):
        return change.why
    if not change.overwrites:
        return None
    if limits.overwrites is not None and lately.overwrites >= limits.overwrites:
        return f"{TOO_MANY}, which is {limits.overwrites}"
    is_burst = lately.held_at is not None and lately.held_at > counts_from(now)
    return "" if is_burst else None


def _is_full(lately: Lately, limits: ChangeLimits) -> bool:
    return lately.suspicious >= limits.suspicious


def why_held(
    held: Sequence[tuple[Side, int]], travelled: int, deletions: int, example: tuple[Path, str]
) -> str:
    """
    Say what a hold of changes is about, for a person.

    Args:
        held: How many changes made on which side wait in it.
        travelled: Those that had travelled before, and would come back with it.
        deletions: Those that wait with them.
        example: One of its paths, and what is suspicious there, if that is so of any.
    """
    sides = [f"{counted(count, 'file')} in {_PLACES[side]}" for side, count in held if count]
    path, why = example
    words = f"{' and '.join(sides)} changed"
    if why.startswith(TOO_MANY):
        words += f": {why}"
    else:
        words += f" as if by an encrypting program ({path}: {why})"
    if travelled:
        words += f"; {counted(travelled, 'change')} of this kind had travelled before"
    if deletions:
        words += f"; {counted(deletions, 'deletion')} {_wait(deletions)} with them"
    return words


def _wait(count: int) -> str:
    return "waits" if count == 1 else "wait"


def victims_of(newcomer: Path) -> Iterator[Path]:
    """Yield the path that a newcomer's name was made from, if its last ending was put there."""
    folder, slash, name = newcomer.rpartition("/")
    stem, _, _ = name.rpartition(".")
    if stem:
        yield folder + slash + stem
