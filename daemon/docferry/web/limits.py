"""How many requests are answered, and how fast keys may be guessed."""

from __future__ import annotations

import ipaddress
import math
import time
from http import HTTPStatus

from limits import RateLimitItem, RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import SlidingWindowCounterRateLimiter

from docferry.web.problems import ProblemError

#: Wrong keys of one address within a minute; then it waits, with right ones too.
FAILURES_A_MINUTE = 10


class Limits:
    """
    In the memory of this process. Thread-safe.

    Args:
        a_minute: Requests of one key, of one user of this machine, and of one address from which
            they come without.
    """

    def __init__(self, a_minute: int) -> None:
        self._counter = SlidingWindowCounterRateLimiter(MemoryStorage())
        self._requests = RateLimitItemPerMinute(a_minute, namespace="requests")
        self._failures = RateLimitItemPerMinute(FAILURES_A_MINUTE, namespace="failures")

    def count(self, who: str) -> None:
        """
        Raises:
            ProblemError: 429, they have asked too often.
        """
        if not self._counter.hit(self._requests, who):
            raise self._too_many(self._requests, who, "too many requests")

    def count_stranger(self, address: str) -> None:
        """
        Count a request from *address* that is refused, for nobody knows whose it is.

        Raises:
            ProblemError: 429, too many came from there.
        """
        self.count(f"address {network_of(address)}")

    def require_patience(self, address: str, of: str = "API keys") -> None:
        """
        Args:
            of: What is guessed there; each is counted apart.

        Raises:
            ProblemError: 429, too many wrong ones came from there.
        """
        who = f"{of} {network_of(address)}"
        if not self._counter.test(self._failures, who):
            raise self._too_many(self._failures, who, "too many wrong keys from this address")

    def count_failure(self, address: str, of: str = "API keys") -> None:
        """Note that a wrong one came from there."""
        self._counter.hit(self._failures, f"{of} {network_of(address)}")

    def _too_many(self, item: RateLimitItem, who: str, what: str) -> ProblemError:
        reset_s = self._counter.get_window_stats(item, who).reset_time - time.time()
        wait_s = max(1, math.ceil(reset_s))
        return ProblemError(
            HTTPStatus.TOO_MANY_REQUESTS,
            "too-many-requests",
            f"{what}: again in {wait_s} s",
            headers={"Retry-After": str(wait_s)},
        )


def network_of(address: str) -> str:
    """Give what one stranger can ask from: an IPv4 address, but 2**64 addresses of IPv6."""
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address  # a unix socket
    if isinstance(found, ipaddress.IPv4Address):
        return str(found)
    if found.ipv4_mapped is not None:  # as it comes where one socket serves both
        return str(found.ipv4_mapped)
    return str(ipaddress.IPv6Network((found, 64), strict=False))
