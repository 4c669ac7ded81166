"""What the handlers of requests share."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime

from docferry.app.arrivals import Owed
from docferry.app.authenticate import Authenticator
from docferry.app.drawings import Drawings
from docferry.app.faces import SILENT_S, Beat
from docferry.app.verify_runs import VerifyRuns
from docferry.app.wake import wake
from docferry.config import Config
from docferry.ledger import Ledger
from docferry.web.comparisons import Comparisons
from docferry.web.feed import Feed
from docferry.web.limits import Limits
from docferry.web.past import Past
from docferry.web.plans import Plans
from docferry.web.seats import Seats
from docferry.web.turns import Turns

#: At a time. Each has a piece of a content in memory, some of a store 4 MiB.
MOST_CONTENTS, MOST_UPLOADS = 64, 32


class Desk:
    """
    The configuration in force, the ledger, and the limits. For any thread.

    Args:
        now: The clock, for what is written down and for what expires.
        silent_s: What the daemon said counts for so long.
    """

    def __init__(
        self,
        config: Config,
        ledger: Ledger,
        beat: Beat,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        *,
        silent_s: float = SILENT_S,
    ) -> None:
        self._config = config
        self._beat = beat
        self._heard_s = time.monotonic()
        self._silent_s = silent_s
        self.ledger = ledger
        self.now = now
        self.authenticator = Authenticator(ledger, config.api_pepper)
        self.limits = Limits(config.api_rate)
        self.verify_runs = VerifyRuns()
        self.plans = Plans()
        self.comparisons = Comparisons()
        self.contents = Seats("downloads", MOST_CONTENTS, MOST_CONTENTS // 2)
        self.uploads = Seats("uploads", MOST_UPLOADS, MOST_UPLOADS // 2)
        self.turns = Turns()
        self.drawings = Drawings(config.state_dir / "drawings")
        self.owed = Owed()  #: rows of the audit about what was handed over
        self.is_ending = threading.Event()  #: what lasts (streams of events) ends now
        self.feed = Feed(ledger, self.is_ending)
        self.past = Past(ledger)

    @property
    def config(self) -> Config:
        """The configuration in force; a reload exchanges it."""
        return self._config

    @property
    def pepper(self) -> str | None:
        """What is hashed with API keys, and is not in the ledger; None: nothing is."""
        found = self._config.api_pepper
        return None if found is None else found.get_secret_value()

    @property
    def beat(self) -> Beat | None:
        """How the daemon is, as it said just now; None: it has said nothing for long."""
        return self._beat if time.monotonic() - self._heard_s < self._silent_s else None

    def hear(self, beat: Beat) -> None:
        """Take what the daemon says."""
        self._beat, self._heard_s = beat, time.monotonic()
        if beat.config is not None:
            self._take(beat.config)

    def _take(self, config: Config) -> None:
        if config.api_rate != self._config.api_rate:
            self.limits = Limits(config.api_rate)
        if config.api_pepper != self._config.api_pepper:
            self.authenticator = Authenticator(self.ledger, config.api_pepper)
        self._config = config

    def end(self) -> None:
        """Let what lasts end now."""
        self.is_ending.set()
        self.feed.end()

    def wake_daemon(self) -> None:
        """Let the daemon look at once for what was asked."""
        wake(self._config.state_dir)
