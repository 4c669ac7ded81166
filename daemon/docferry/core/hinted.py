"""
What hints lead to: the paths of mirrors, and no more work than is good.

Whoever may send hints may send any: so each mirror follows only so many a second, and what goes
beyond that is left to one poll, which finds everything. A hint more or less changes nothing but
when a change is seen.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from docferry.core.notifications import Found, Hint, Nothing, Why
from docferry.core.paths import is_reserved, path_of
from docferry.model import Key, Path

#: Looks that hints may cause: so many a second for long, and so many at once. A look takes about
#: a millisecond of the store, and a run of so many is what the loop does at a time.
MARKS_PER_S = 100.0
MARKS_AT_ONCE = 1000.0
#: A poll of a million objects takes a minute: so far apart are those that hints ask for.
POLLS_EVERY_S = 30.0

#: Of a datagram. One with a single hint has at most six times the bytes of its key.
MOST_BYTES = 16 * 1024


@dataclass(frozen=True, slots=True)
class Told:
    """What came from a source: in one datagram, or in one message of a queue."""

    source: str
    found: Found


def datagrams(source: str, found: Found) -> Iterator[bytes]:
    """Write what *source* told for another process of docferry: several hints a datagram."""
    if isinstance(found, Nothing):
        yield _written(source, found.why)
        return
    group: list[list[str]] = []
    size = 0
    for hint in found:
        one = [hint.bucket, hint.key]
        more = len(json.dumps(one)) + 2
        if group and size + more > MOST_BYTES - 1024:
            yield _written(source, group)
            group, size = [], 0
        group.append(one)
        size += more
    yield _written(source, group)


def told_in(datagram: bytes) -> Told | None:
    """Read what `datagrams` wrote; None: somebody else did."""
    try:
        match json.loads(datagram):
            case [str() as source, str() as why]:
                return Told(source, Nothing(Why(why)))
            case [str() as source, list() as pairs]:
                return Told(source, tuple(_hint(*pair) for pair in pairs))
            case _:
                return None
    except (ValueError, TypeError, RecursionError):
        return None


def _written(source: str, what: object) -> bytes:
    return json.dumps([source, what]).encode()


def _hint(bucket: object, key: object) -> Hint:
    if not isinstance(bucket, str) or not isinstance(key, str):
        raise TypeError("no hint")
    key.encode()  # raises UnicodeEncodeError
    return Hint(bucket, key)


@dataclass(frozen=True, slots=True)
class Led:
    """
    Where hints lead in one mirror.

    paths: to be looked at, each once.
    odd: keys that are to be found by a poll. What a store makes of "..", "//" or a control
        character in a request is its own affair: SeaweedFS answers 400 to a look at `a/../b`, which
        would block the mirror. Only keys that a listing has shown are looked at.
    """

    paths: list[Path]
    odd: int


def led(hints: Sequence[Hint], bucket: str, prefix: str, aliases: Mapping[Key, Path]) -> Led:
    """
    Say where *hints* lead in the mirror of *bucket* and *prefix*.

    Args:
        prefix: "" or "a/b/".
        aliases: Names by which some keys go here.
    """
    keys = dict.fromkeys(
        hint.key.removeprefix(prefix)
        for hint in hints
        if hint.bucket == bucket and hint.key.startswith(prefix)
    )
    ours = [key for key in keys if key and not is_reserved(path_of(key))]
    plain = [key for key in ours if key in aliases or path_of(key) == key]
    return Led([aliases.get(key) or key for key in plain], len(ours) - len(plain))


@dataclass(frozen=True, slots=True)
class Budget:
    """How much hints may still cause in one mirror. Times are monotonic seconds."""

    marks: float = MARKS_AT_ONCE
    at_s: float = -math.inf
    polled_s: float = -math.inf  #: when a poll was asked for
    owes_poll: bool = False  #: since then some hints were not followed


def spend(
    budget: Budget, wanted: int, room: int, now_s: float, *, odd: int = 0
) -> tuple[Budget, int]:
    """
    Say how many of *wanted* looks may be asked for; for the others a poll is owed.

    Args:
        room: More would be too many to wait in the mirror, whatever the budget.
        odd: Hints that only a poll can follow.
    """
    passed_s = now_s - budget.at_s
    marks = min(MARKS_AT_ONCE, budget.marks + passed_s * MARKS_PER_S)
    granted = max(0, min(wanted, room, int(marks)))
    owes_poll = budget.owes_poll or granted < wanted or odd > 0
    return Budget(marks - granted, now_s, budget.polled_s, owes_poll), granted


def poll_in_s(budget: Budget, now_s: float) -> float | None:
    """Say in how many seconds a poll is to be asked for; None: none is owed."""
    return max(0.0, budget.polled_s + POLLS_EVERY_S - now_s) if budget.owes_poll else None


def polled(budget: Budget, now_s: float) -> Budget:
    """Note that a poll was asked for."""
    return replace(budget, polled_s=now_s, owes_poll=False)
