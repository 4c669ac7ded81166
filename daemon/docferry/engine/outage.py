"""A side does not answer, or a guard refuses: nothing travels until it is time to ask again."""

from __future__ import annotations

import random
import time

from docferry.core.retry import delay_s

#: For a run that is to end: so many failures in a row are no passing trouble.
ENOUGH_ATTEMPTS = 4
#: A side that does not answer is asked again at least this often.
LONGEST_PAUSE_S = 60.0


class Outage:
    """How often in a row a mirror could not work. Its loop's own; reading is for any thread."""

    def __init__(self) -> None:
        self._attempts = 0
        self._retry_s = 0.0  # monotonic

    @property
    def is_on(self) -> bool:
        return self._attempts > 0

    @property
    def is_lasting(self) -> bool:
        return self._attempts >= ENOUGH_ATTEMPTS

    @property
    def wait_s(self) -> float:
        """Seconds until it is time to ask again; 0: it is, or all is well."""
        return max(0.0, self._retry_s - time.monotonic()) if self.is_on else 0.0

    def note(self) -> None:
        """Note one more failure, and when to ask again."""
        self._attempts += 1
        wait_s = min(LONGEST_PAUSE_S, delay_s(self._attempts, jitter=random.random()))
        self._retry_s = time.monotonic() + wait_s

    def end(self) -> None:
        """Note that work goes on."""
        self._attempts = 0
