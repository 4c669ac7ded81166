"""A side does not answer, or a guard refuses: nothing travels until it is time to ask again."""

from __future__ import annotations

from dataclasses import replace

from docferry.core.outage import Pause, pause_after
from docferry.engine.timing import MACHINE, Timing

#: For a run that is to end: so many failures in a row are no passing trouble.
ENOUGH_ATTEMPTS = 4


class Outage:
    """How often in a row a mirror could not work. Its loop's own; reading is for any thread."""

    def __init__(self, timing: Timing = MACHINE) -> None:
        self._timing = timing
        self._pause: Pause | None = None

    @property
    def is_on(self) -> bool:
        return self._pause is not None

    @property
    def is_lasting(self) -> bool:
        pause = self._pause
        return pause is not None and pause.attempts >= ENOUGH_ATTEMPTS

    @property
    def wait_s(self) -> float:
        """Seconds until it is time to ask again; 0: it is, or all is well."""
        pause = self._pause
        return 0.0 if pause is None else max(0.0, pause.retry_s - self._timing.monotonic())

    def note(self) -> None:
        """Note one more failure, and when to ask again."""
        self._pause = pause_after(
            self._pause, now_s=self._timing.monotonic(), jitter=self._timing.jitter()
        )

    def ask_now(self) -> None:
        """Wait no longer: what was refused may be taken by now."""
        if self._pause is not None:
            self._pause = replace(self._pause, retry_s=self._timing.monotonic())

    def end(self) -> None:
        """Note that work goes on."""
        self._pause = None
