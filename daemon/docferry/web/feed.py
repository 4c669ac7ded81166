"""
What happens, shared by all who listen: one thread looks into the ledger while anybody does.

Nothing is missed: whoever listens from now on gets all that comes after what the ledger held
a moment before.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import contextmanager
from enum import StrEnum
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
_AT_A_TIME, _BETWEEN_S = 5, 0.005  # listeners that are told
#: Events that wait for one listener: whoever is slower has missed some.
_WAITING = 2000


class Over(StrEnum):
    """Why a listener is told nothing more."""

    MISSED = "missed"  # there was more than it could be told
    ENDED = "ended"  # its key does not count any more, or all ends


class OverError(Exception):
    """A listener is told nothing more."""

    def __init__(self, why: Over) -> None:
        super().__init__(why)
        self.why = why


class Listener:
    """One who listens, in the event loop of the request."""

    def __init__(self, credential: Hashable, still_counts: Callable[[], bool]) -> None:
        self.credential = credential
        self.still_counts = still_counts
        self._loop = asyncio.get_running_loop()
        self._queue: asyncio.Queue[Lines | Over] = asyncio.Queue()
        self._waiting = 0
        self._is_over = False

    def put(self, found: Lines | Over) -> None:
        """For other threads."""
        self._loop.call_soon_threadsafe(self._put, found)

    async def get(self, within_s: float) -> Lines:
        """
        Give what came next; nothing: none came.

        Raises:
            OverError: Nothing comes any more.
        """
        try:
            found = await asyncio.wait_for(self._queue.get(), within_s)
        except TimeoutError:
            return Lines()
        if isinstance(found, Over):
            raise OverError(found)
        self._waiting -= len(found)
        return found

    def _put(self, found: Lines | Over) -> None:
        if self._is_over:
            return
        if isinstance(found, Lines):
            self._waiting += len(found)
            found = Over.MISSED if self._waiting > _WAITING else found
        self._is_over = isinstance(found, Over)
        self._queue.put_nowait(found)


class Feed:
    """
    Looks for events while anybody listens. Thread-safe.

    Args:
        is_ending: Set when no more are to be looked for.
        most: So many may listen.
        beat_s: After so long without an event something else is said to each; and so often it
            is asked whether their keys still count.
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
        self._lock = threading.Lock()  # event loops wait for it: never while the ledger is asked
        self._beginning = threading.Lock()  # one begins to look at a time; before the other one
        self._listeners: dict[Listener, str] = {}  # with who they are
        self._cursor = 0
        self._asked_s = 0.0  # when it was asked whether keys still count
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
    def listening(
        self, who: str, credential: Hashable, still_counts: Callable[[], bool]
    ) -> Iterator[Listener]:
        """
        Listen, as *who*, until the block ends.

        Args:
            credential: By it they were let in: what holds for one who has it holds for all.
            still_counts: Says whether it would let them in again. May wait for the ledger.
        """
        listener = Listener(credential, still_counts)
        with self._lock:
            self._listeners[listener] = who
            if self._is_ending.is_set():  # the others have been told
                listener.put(Over.ENDED)
        try:
            yield listener
        finally:
            with self._lock:
                del self._listeners[listener]

    def look(self) -> None:
        """Begin to look, if nobody does; from now on nothing is missed. May wait for the ledger."""
        with self._beginning:
            with self._lock:
                if self._is_looking:
                    return
            last = self._ledger.events.last()
            thread = threading.Thread(target=self._run, name="events", daemon=True)
            with self._lock:  # it cannot find that nobody listens before it is known to look
                self._cursor = last
                thread.start()  # or, where none can be had, whoever comes next tries again
                self._thread, self._is_looking = thread, True

    def end(self) -> None:
        """Let nobody listen any more: it is ending."""
        with self._lock:
            for listener in self._listeners:
                listener.put(Over.ENDED)

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
                self._ask(listeners)
                failure = ""
            except Exception as error:  # one round: whoever listens would else wait for ever
                if str(error) != failure:
                    log.exception("events.failed")
                failure = str(error)

    def _give(self, listeners: Sequence[Listener]) -> None:
        """
        Tell what has come since.

        While much happens, there is always more: it waits for the next look, or this thread
        would take the time of those that answer.
        """
        while True:
            rows = self._ledger.events.after(self._cursor, AT_ONCE)
            if rows is None:  # more at once than are kept
                self._cursor = self._ledger.events.last()
                _put_all(listeners, Over.MISSED)
            elif rows:
                self._cursor = rows[-1].id
                _put_all(listeners, lines_of(self._ledger, rows))
            if rows is None or len(rows) < AT_ONCE:
                return

    def _ask(self, listeners: Sequence[Listener]) -> None:
        """End those who would not be let in again: asked once for all that have one credential."""
        if time.monotonic() < self._asked_s + self.beat_s:
            return
        self._asked_s = time.monotonic()
        one_of = {listener.credential: listener for listener in listeners}
        refused = {which for which, listener in one_of.items() if not listener.still_counts()}
        _put_all([one for one in listeners if one.credential in refused], Over.ENDED)


def _put_all(listeners: Sequence[Listener], found: Lines | Over) -> None:
    """Tell each of them; a few at a time, so that requests are answered in between."""
    for number, listener in enumerate(listeners):
        if number and number % _AT_A_TIME == 0:
            time.sleep(_BETWEEN_S)
        listener.put(found)
