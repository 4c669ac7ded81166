"""What whoever waits for a command is told while it works: for whom it waits, how far it is."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

from docferry.config import Config

#: A person who sees nothing for so long begins to wonder.
WAIT_S = 5.0


class Onlooker:
    """
    Thread-safe.

    Args:
        say: Tells a person, once of each that is waited for.
        count: Takes how many entries of a mirror were looked at so far.
        after_s: So long nothing is said.
    """

    def __init__(
        self,
        say: Callable[[str], None] = lambda text: None,
        count: Callable[[str, int], None] = lambda mirror, entries: None,
        *,
        after_s: float = WAIT_S,
    ) -> None:
        self._say = say
        self.count = count
        self._after_s = after_s
        self._said: set[str] = set()
        self._lock = threading.Lock()

    @contextmanager
    def waiting(self, whom: str) -> Iterator[Callable[[], None]]:
        """
        Say that *whom* is waited for, if the block takes too long.

        Gives what is to be called whenever something has come: then the time begins anew.
        """
        wait = _Wait()
        watcher = threading.Thread(
            target=self._watch, args=(whom, wait), name="onlooker", daemon=True
        )
        watcher.start()
        try:
            yield wait.heard
        finally:
            wait.is_over.set()
            watcher.join()

    def _watch(self, whom: str, wait: _Wait) -> None:
        while not wait.is_over.wait(max(0.0, wait.began_s + self._after_s - time.monotonic())):
            if time.monotonic() - wait.began_s >= self._after_s:
                self._say_once(whom)
                return

    def _say_once(self, whom: str) -> None:
        with self._lock:
            is_new = whom not in self._said
            self._said.add(whom)
        if is_new:
            self._say(f"waiting for {whom}, {self._after_s:.0f} s by now")


class _Wait:
    def __init__(self) -> None:
        self.began_s = time.monotonic()
        self.is_over = threading.Event()

    def heard(self) -> None:
        self.began_s = time.monotonic()


def store_of(config: Config, mirror: str) -> str:
    """Name the store of *mirror* as a person knows it."""
    name = config.mirrors[mirror].store
    url = config.stores[name].endpoint_url
    return f"the store {name} ({urlsplit(url).netloc if url else 'AWS'})"
