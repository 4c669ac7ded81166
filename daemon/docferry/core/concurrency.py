"""
How many may ask a store at a time: fewer once it asks for less or answers far more slowly than
it is used to, then one more again and again (additive increase, multiplicative decrease).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from statistics import median

#: So many uses without another complaint make room for one more.
RAISE_AFTER = 20
#: Complaints that come so soon after a lowering are of what was under way before it.
SETTLE_S = 1.0
#: Slow is what takes so many times what is usual, and is felt.
_FAR_ABOVE = 4.0
_FELT_S = 0.25
#: A store that is slow by others' doing is still to be used: no fewer than this part of the most.
_LEAST_PART = 4

_WINDOW_S = 1.0
_TELLING = 10  # answers
#: What lasts becomes usual, in about so long; what is better at once, nearly.
_BECOMES_USUAL_S = 600.0
_BETTER = 0.25


@dataclass(frozen=True, slots=True)
class Allowance:
    """
    How many may work at a time.

    uses: without a complaint since *limit* was another one.
    lowered_s: when it was lowered last (monotonic).
    """

    limit: int
    most: int
    uses: int = 0
    lowered_s: float = -math.inf

    def refused(self, now_s: float) -> Allowance:
        """The store asked for less: half of it, once for all who heard so at the same time."""
        return self._lowered(max(1, self.limit // 2), now_s)

    def slowed(self, rise: float, now_s: float) -> Allowance:
        """The store takes *rise* times what is usual."""
        least = max(1, self.most // _LEAST_PART)
        eased = int(self.limit * max(0.5, _FAR_ABOVE / rise))
        return self._lowered(max(min(least, self.limit), min(eased, self.limit - 1)), now_s)

    def used(self) -> Allowance:
        """One use more went well."""
        if self.limit >= self.most:
            return self
        if self.uses + 1 < RAISE_AFTER:
            return Allowance(self.limit, self.most, self.uses + 1, self.lowered_s)
        return Allowance(self.limit + 1, self.most, 0, self.lowered_s)

    def _lowered(self, limit: int, now_s: float) -> Allowance:
        if now_s - self.lowered_s < SETTLE_S:
            return Allowance(self.limit, self.most, 0, self.lowered_s)
        return Allowance(limit, self.most, 0, now_s)


@dataclass(frozen=True, slots=True)
class Rise:
    """A store takes longer than it is used to. Seconds of the middle one of some answers."""

    usual_s: float
    took_s: float

    @property
    def times(self) -> float:
        return self.took_s / self.usual_s


@dataclass(slots=True)
class Usual:
    """
    What answers of one kind usually take. For one thread.

    Judged by the middle one of those that came within a second: a few slow ones say nothing.
    """

    usual_s: float | None = None
    _began_s: float = 0.0
    _told_s: float = 0.0
    _took_s: list[float] = field(default_factory=list)

    def took(self, took_s: float, now_s: float) -> Rise | None:
        """Hear of an answer; give by how much the last ones are too slow. None: they are not."""
        if not self._took_s:
            self._began_s = now_s
        self._took_s.append(took_s)
        if now_s - self._began_s < _WINDOW_S or len(self._took_s) < _TELLING:
            return None
        middle_s, self._took_s = median(self._took_s), []
        usual_s = middle_s if self.usual_s is None else self.usual_s
        self._learn(usual_s, middle_s, now_s)
        is_slow = middle_s > max(_FAR_ABOVE * usual_s, usual_s + _FELT_S)
        return Rise(usual_s, middle_s) if is_slow else None

    def _learn(self, usual_s: float, middle_s: float, now_s: float) -> None:
        passed_s = min(now_s - self._told_s, 10 * _WINDOW_S)
        part = _BETTER if middle_s < usual_s else 1 - math.exp(-passed_s / _BECOMES_USUAL_S)
        self.usual_s, self._told_s = usual_s + (middle_s - usual_s) * part, now_s
