"""What goes wrong between docferry and its store, and with its ledger."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

from docferry.errors import (
    DocferryError,
    StaleError,
    TemporaryError,
    ThrottledError,
    UnreachableError,
)
from docferry.model import Side

_REFUSALS = (
    UnreachableError("it times out"),
    ThrottledError("it asks for less"),
    TemporaryError("it says 500"),
)
#: What is said of what was done: that nobody answered; or that it cannot be, as it is done.
_LIES = (UnreachableError("its answer is lost"), StaleError("412: it was done by the first try"))


@dataclass
class Weather:
    """How often the next calls go wrong."""

    refuses: int = 0
    loses: int = 0
    refuses_notes: int = 0
    loses_notes: int = 0
    refusal: DocferryError = field(default=_REFUSALS[0])
    lie: DocferryError = field(default=_LIES[0])

    def refuse(self, number: int) -> None:
        self.refuses, self.refusal = 1 + number % 5, _REFUSALS[number % len(_REFUSALS)]

    def lose_answers(self, number: int) -> None:
        self.loses, self.lie = 1 + number % 3, _LIES[number % len(_LIES)]

    def refuse_notes(self, number: int) -> None:
        if number % 2:
            self.refuses_notes = 1 + number % 3
        else:
            self.loses_notes = 1

    def clear(self) -> None:
        self.refuses = self.loses = self.refuses_notes = self.loses_notes = 0

    def strike_side(self, side: Side, what: str, chance: random.Random) -> None:
        """Raise what a side answers to a step, if it is not as it should be."""
        if side is Side.LOCAL:
            return
        is_after = what.startswith("after")
        if is_after and self.loses:
            self.loses -= 1
            raise self.lie
        if not is_after and self.refuses and chance.random() < 0.7:
            self.refuses -= 1
            raise self.refusal

    def strike_note(self, what: str) -> None:
        if what == "before note" and self.refuses_notes:
            self.refuses_notes -= 1
            raise TemporaryError("the disk of the ledger is full")
        if what == "after note" and self.loses_notes:
            self.loses_notes -= 1
            raise TemporaryError("nobody knows whether that was written")
