"""
What happens, shared by all who listen: one thread looks into the ledger while anybody does.

Nothing is missed: whoever listens from now on gets all that comes after what the ledger held
a moment before.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http import HTTPStatus

from docferry.ledger import Ledger
from docferry.logs import get_logger
from docferry.web.event_lines import Lines, lines_of
from docferry.web.problems import ProblemError

log = get_logger(__name__)

LOOK_EVERY_S = 0.2
MOST_LISTENERS = 200
#: Proxies end connections on which nothing comes; and a key may have been revoked meanwhile.
BEAT_EVERY_S = 10.0
#: Of one look; what is more comes with the next one, at once.
AT_ONCE = 500
#: Events that wait for one listener: whoever is slower has missed some.
_WAITING = 2000


class MissedError(Exception):
    """A listener was too slow to be given everything."""


class Listener:
    """One who listens, in the event loop of the request."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._queue: asyncio.Queue[Lines | None] = asyncio.Queue()  # None: some are missed
        self._waiting = 0
        self._has_missed = False

    def put(self, found: Lines) -> None:
        """For the thread that looks."""
        self._loop.call_soon_threadsafe(self._put, found)

    def miss(self) -> None:
        """For the thread that looks: there was more than can be told."""
        self._loop.call_soon_threadsafe(self._put, None)

    async def get(self, within_s: float) -> Lines:
        """
        Give what came next; nothing: none came.

        Raises:
            MissedError: It was too slow.
        """
        try:
            found = await asyncio.wait_for(self._queue.get(), within_s)
        except TimeoutError:
            return Lines()
        if found is None:
            raise MissedError
        self._waiting -= len(found)
        return found

    def _put(self, found: Lines | None) -> None:
        if self._has_missed:
            return
        if found is None or self._waiting + len(found) > _WAITING:
            self._has_missed = True
            self._queue.put_nowait(None)
            return
        self._waiting += len(found)
        self._queue.put_nowait(found)


class Feed:
    """
    Looks for events while anybody listens. Thread-safe.

    Args:
        is_ending: Set when no more are to be looked for.
        most: So many may listen.
        beat_s: After so long without an event something else is said to each.
    """

    def __init__(
        self,
        ledger: Ledger,
        is_ending: threading.Event,
        *,
        most: int = MOST_LISTENERS,
        beat_s: float = BEAT_EVERY_S,
    ) -> None:
        self._most = most
        self._most_of_one = max(1, most // 2)
        self.beat_s = beat_s
        self._ledger = ledger
        self._is_ending = is_ending
        self._lock = threading.Lock()
        self._listeners: dict[Listener, str] = {}  # with who they are
        self._cursor = 0
        self._is_looking = False
        self._thread: threading.Thread | None = None

    def require_room(self, who: str) -> None:
        """
        Raises:
            ProblemError: Too many listen already, or *who* does too often.
        """
        with self._lock:
            names = list(self._listeners.values())
        for count, most in ((len(names), self._most), (names.count(who), self._most_of_one)):
            if count >= most:
                raise ProblemError(
                    HTTPStatus.SERVICE_UNAVAILABLE,
                    "too-many-listeners",
                    f"{most} listen already",
                    headers={"Retry-After": "60"},
                )

    @contextmanager
    def listening(self, who: str) -> Iterator[Listener]:
        """Listen, as *who*, until the block ends."""
        listener = Listener()
        with self._lock:
            self._listeners[listener] = who
        try:
            yield listener
        finally:
            with self._lock:
                del self._listeners[listener]

    def look(self) -> None:
        """Begin to look, if nobody does; from now on nothing is missed. May wait for the ledger."""
        with self._lock:
            if self._is_looking:
                return
            self._cursor = self._ledger.events.last()
            self._is_looking = True
            self._thread = threading.Thread(target=self._run, name="events", daemon=True)
            self._thread.start()

    def end(self) -> None:
        """Let nobody listen any more: it is ending."""
        with self._lock:
            for listener in self._listeners:
                listener.miss()

    def join(self) -> None:
        """Wait until nobody looks any more: it is ending."""
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        failure = ""
        while not self._is_ending.wait(LOOK_EVERY_S):
            with self._lock:
                listeners = list(self._listeners)
                if not listeners:
                    self._is_looking = False
                    return
            try:
                self._give(listeners)
                failure = ""
            except Exception as error:  # one round: whoever listens would else wait for ever
                if str(error) != failure:
                    log.exception("events.failed")
                failure = str(error)

    def _give(self, listeners: Sequence[Listener]) -> None:
        while rows := self._ledger.events.after(self._cursor, AT_ONCE):
            found = lines_of(self._ledger, rows)
            for listener in listeners:
                listener.put(found)
            self._cursor = rows[-1].id
        if rows is None:  # more at once than are kept
            for listener in listeners:
                listener.miss()
            self._cursor = self._ledger.events.last()
