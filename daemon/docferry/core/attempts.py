"""Which refused attempts are written down: one a minute for each address, not each of a flood."""

from __future__ import annotations

import ipaddress
from collections import OrderedDict, deque
from dataclasses import dataclass
from datetime import datetime, timedelta

EVERY = timedelta(minutes=1)
#: Within `EVERY`, of all addresses together: whoever has very many fills nothing, either.
MOST_ROWS = 30
MOST_SOURCES = 4096  #: that are remembered
_IPV6_NETWORK = 64  # bits: what one subscriber has at the least, and may change at will


@dataclass(frozen=True, slots=True)
class Told:
    """
    What a row says of how many there were.

    attempts: from there, since the last row about it, with this one.
    others: from addresses that had no row at all since the last row, as there were too many.
    """

    attempts: int
    others: int


@dataclass(slots=True)
class _Source:
    told_at: datetime
    untold: int = 0


class Attempts:
    """Counts refused attempts. For one thread at a time."""

    def __init__(self) -> None:
        self._sources: OrderedDict[str, _Source] = OrderedDict()  # the longest untold first
        self._rows: deque[datetime] = deque()
        self._others = 0

    def count(self, address: str, now: datetime) -> Told | None:
        """Take note of an attempt; give what is to be written down of it. None: nothing."""
        name = source_of(address)
        source = self._sources.get(name)
        if source is not None and _is_lately(source.told_at, now):
            source.untold += 1
            return None
        while self._rows and not _is_lately(self._rows[0], now):
            self._rows.popleft()
        if len(self._rows) >= MOST_ROWS:
            self._others += 1
            return None
        self._rows.append(now)
        told = Told(1 if source is None else source.untold + 1, self._others)
        self._others = 0
        self._remember(name, now)
        return told

    def _remember(self, name: str, now: datetime) -> None:
        self._sources[name] = _Source(now)
        self._sources.move_to_end(name)
        if len(self._sources) > MOST_SOURCES:
            self._sources.popitem(last=False)


def source_of(address: str) -> str:
    """Give whose *address* it is: of IPv6 its network. What is none, a socket's, is as it is."""
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(found, ipaddress.IPv6Address):
        if found.ipv4_mapped is not None:
            return str(found.ipv4_mapped)
        return str(ipaddress.ip_network((found, _IPV6_NETWORK), strict=False))
    return str(found)


def _is_lately(at: datetime, now: datetime) -> bool:
    return abs(now - at) < EVERY  # not, where the clock was put back: else silence until then
