"""
Who is connected, and who has to go where there are too many.

Silent is who has sent no whole request, or has had the answer: to end those costs nobody
anything. They go first, the longest silent before others, and of those who are most.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TypeAlias

#: A connection, by its number.
Number: TypeAlias = int


@dataclass(frozen=True, slots=True)
class Bounds:
    """
    So many may be connected.

    of_one: From one network that is not this machine.
    of_kind: From this machine by TCP; and from all other networks together. What is left is
        kept for the rest: neither can shut the other out, nor those of a unix socket.
    """

    most: int = 500
    of_one: int = 125
    of_kind: int = 400


@dataclass(frozen=True, slots=True)
class Whose:
    """*name*: a network, or a user of this machine; *kind*: from what kind of place they come."""

    name: str
    kind: str


#: The one behind which there may be many: a proxy.
THIS_MACHINE = "this machine"
ELSEWHERE = "elsewhere"
BY_SOCKET = "unix socket"


class Crowd:
    """Those who are connected. For one thread."""

    def __init__(self, bounds: Bounds) -> None:
        self._bounds = bounds
        self._all: dict[Number, Whose] = {}
        self._silent: dict[Number, None] = {}  # the longest silent first
        self._names: Counter[Whose] = Counter()
        self._kinds: Counter[str] = Counter()

    def enter(self, number: Number, whose: Whose) -> Number | None:
        """Let one more in; give which one has to go for it, maybe itself. None: there is room."""
        self.leave(number)  # nobody else has that number any more
        self._all[number] = whose
        self._names[whose] += 1
        self._kinds[whose.kind] += 1
        goes = self._too_many(whose, number)
        self._silent[number] = None
        if goes is not None:
            self.leave(goes)
        return goes

    def leave(self, number: Number) -> None:
        """Forget a connection that has ended, or is to; also one that is not known."""
        whose = self._all.pop(number, None)
        if whose is None:
            return
        self._silent.pop(number, None)
        self._kinds[whose.kind] -= 1
        self._names[whose] -= 1
        if not self._names[whose]:  # or it would grow with each network that ever came
            del self._names[whose]

    def speaks(self, number: Number) -> None:
        """Note that a whole request has come."""
        self._silent.pop(number, None)

    def falls_silent(self, number: Number) -> None:
        """Note that it has had its answer."""
        if number in self._all and number not in self._silent:
            self._silent[number] = None

    def of(self, whose: Whose) -> int:
        """Say how many are connected of that network, or user."""
        return self._names[whose]

    def _too_many(self, whose: Whose, number: Number) -> Number | None:
        bounds = self._bounds
        of_one = bounds.of_kind if whose.kind == THIS_MACHINE else bounds.of_one
        if self._names[whose] > of_one:
            return self._least_missed(number, name=whose)
        if whose.kind != BY_SOCKET and self._kinds[whose.kind] > bounds.of_kind:
            return self._least_missed(number, kind=whose.kind)
        return self._least_missed(number) if len(self._all) > bounds.most else None

    def _least_missed(
        self, otherwise: Number, *, name: Whose | None = None, kind: str | None = None
    ) -> Number:
        """Give the longest silent of those who are most; nobody is silent: *otherwise*."""
        some = (
            one
            for one in self._silent
            if (name is None or self._all[one] == name)
            and (kind is None or self._all[one].kind == kind)
        )
        return max(some, key=lambda one: self._names[self._all[one]], default=otherwise)
