"""
What happened before somebody listened, written once for all who ask for it.

After a restart everybody who listened comes back at the same moment, and asks for the same.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from dataclasses import dataclass

from docferry.ledger import Ledger
from docferry.web.event_lines import Lines, lines_of
from docferry.web.lanes import Lane

#: One part ends where an id is divisible by it, so that those who began elsewhere share the next.
PART = 500
_KEPT = 40  # parts: more events than these the ledger does not keep either
#: A part is told again for so long: what it is about may be erased.
COUNTS_S = 10.0


@dataclass(frozen=True, slots=True)
class Passed:
    """
    Some events, in their order.

    last: The id of the last one; nothing between it and the first is left out.
    is_all: Nothing came after them, a moment ago.
    """

    lines: Lines
    last: int
    is_all: bool


class Past:
    """For event loops: one asks the ledger at a time, the others wait and have its answer."""

    def __init__(self, ledger: Ledger, *, counts_s: float = COUNTS_S) -> None:
        self._ledger = ledger
        self._counts_s = counts_s
        #: By what they come after, with when they were read.
        self._parts: OrderedDict[int, tuple[float, Passed]] = OrderedDict()
        self._lane = Lane("past", 1)

    async def after(self, cursor: int) -> Passed | None:
        """
        Give what came next after *cursor*.

        None: some of it is not kept any more, or *cursor* is of another ledger than this.
        """
        return await self._lane.run(self._after, cursor)

    def _after(self, cursor: int) -> Passed | None:
        read_s, known = self._parts.get(cursor, (0.0, None))
        if known is not None and time.monotonic() - read_s < self._counts_s:
            return known
        rows = self._ledger.events.after(cursor, PART - cursor % PART)
        if rows is None:
            return None
        last = rows[-1].id if rows else cursor
        found = Passed(lines_of(self._ledger, rows), last, is_all=last % PART != 0 or not rows)
        if not found.is_all:
            self._parts[cursor] = time.monotonic(), found
            if len(self._parts) > _KEPT:
                self._parts.popitem(last=False)
        return found
