"""What looks after the past of each mirror: its chores, and when they are done."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from functools import partial

from docferry.app.sides import Sides
from docferry.engine.bring_up import BringUp
from docferry.engine.keeper import Chore, Keeper
from docferry.engine.timers import Timers
from docferry.ledger import Ledger
from docferry.model import RequestKind

#: How often each chore is done, in seconds, besides when something happens that calls for it.
EVERY_S = {"bring-up": 3600.0}


class Keepers:
    """The keepers of all mirrors."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._keepers: dict[str, Keeper] = {}

    def add(self, sides: Sides, is_ready: Callable[[], bool]) -> None:
        """
        Make the keeper of one mirror.

        Args:
            is_ready: Whether its sides have proven themselves and answer.
        """
        name = sides.options.name
        chores: list[Chore] = [
            BringUp(name, sides.local, sides.remote, self._ledger, sides.contents),
        ]
        self._keepers[name] = Keeper(name, chores, is_ready)

    def start(self, timers: Timers, on_exit: ExitStack, time_left_s: Callable[[], float]) -> None:
        """Start them, with their timers; *on_exit* stops them."""
        for mirror, keeper in self._keepers.items():
            for chore, every_s in EVERY_S.items():
                timers.every(every_s, f"{chore}-{mirror}", partial(keeper.poke, chore))
            keeper.start()
            on_exit.callback(_stop, keeper, time_left_s)

    def poke(self, mirror: str, chore: str) -> None:
        """Let a chore be done soon."""
        self._keepers[mirror].poke(chore)

    def asked(self, mirror: str, kind: RequestKind) -> None:
        """Do what was asked for of a whole mirror."""
        self.poke(mirror, kind.value)

    def run_all(self) -> None:
        """Do every chore once, now."""
        for keeper in self._keepers.values():
            keeper.run_all()


def _stop(keeper: Keeper, time_left_s: Callable[[], float]) -> None:
    keeper.stop(time_left_s())
