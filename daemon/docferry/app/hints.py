"""
Hints of stores on their way to the loops: from whoever hears them, to the paths they are about.

The process that answers HTTP hands them over by a socket in the state directory. What does not fit
there is lost, and the next poll finds it. Queues are read in the daemon itself.
"""

from __future__ import annotations

import os
import selectors
import socket
import stat
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Protocol

from docferry.config import Config, MirrorConfig
from docferry.core.filters import Filter
from docferry.core.hinted import (
    MOST_BYTES,
    Budget,
    Told,
    datagrams,
    led,
    poll_in_s,
    polled,
    spend,
    told_in,
)
from docferry.core.notifications import Found, Hint, Nothing, Why
from docferry.engine.runs import Run
from docferry.logs import get_logger
from docferry.metrics import HINTS
from docferry.model import Key
from docferry.model import Path as MirrorPath

log = get_logger(__name__)

NAME = "hints"
#: Paths that may wait in a mirror, however they came there: beyond that a poll is cheaper.
MOST_WAITING = 2000
#: After so many datagrams a rest: who sends without end is not heard more often. Not after each,
#: for the kernel keeps as few as ten of them (net.unix.max_dgram_qlen).
_AT_ONCE = 64
_REST_S = 0.01
_UNKNOWN = "unknown"


# The sender's end.


def tell_daemon(state_dir: Path, source: str, found: Found, *, within_s: float = 0.0) -> bool:
    """
    Hand over what *source* told, if a daemon hears.

    Args:
        source: The NAME of a [store.NAME].
        within_s: How long to wait for room, with each datagram.

    Returns:
        Whether all of it was handed over.
    """
    try:
        with _address_in(state_dir) as address, _socket() as sender:
            sender.settimeout(within_s)
            for datagram in datagrams(source, found):
                sender.sendto(datagram, address)
    except OSError:  # nobody hears, or it is full
        return False
    return True


def tell_unconfirmed(source: str, found: Found) -> None:
    """
    Tell a person of a topic of SNS that waits to be confirmed.

    Nobody here opens the address: whoever may send a body could have docferry ask any server.
    """
    if isinstance(found, Nothing) and found.why is Why.UNCONFIRMED:
        log.warning(
            "hints.unconfirmed", source=source, topic=found.about, confirm_url=found.confirm_url
        )


# The daemon's end.


class Loop(Protocol):
    """What is asked of a mirror's loop."""

    @property
    def waiting(self) -> int: ...
    def mark(self, path: MirrorPath) -> None: ...
    def request(self, run: Run) -> None: ...


class Followed:
    """
    Lets loops look where hints lead. For any thread.

    Args:
        config: The one in force.
        loops: Those that run, by mirror.
        aliases: Names by which some keys of a mirror go here.
    """

    def __init__(
        self,
        config: Callable[[], Config],
        loops: Mapping[str, Loop],
        aliases: Callable[[str], Mapping[Key, MirrorPath]],
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._config = config
        self._loops = loops
        self._aliases = aliases
        self._now_s = now_s
        self._lock = threading.Lock()
        self._budgets: dict[str, Budget] = {}
        self._filters: dict[str, tuple[MirrorConfig, Filter]] = {}

    def __call__(self, source: str, store: str, found: Found) -> None:
        """Follow what *source* tells of the buckets of *store*."""
        if isinstance(found, Nothing):
            HINTS.labels(source, found.why).inc()
            return
        with self._lock:
            for outcome, count in self._follow(store, found).items():
                if count:
                    HINTS.labels(source, outcome).inc(count)

    def ask_owed(self) -> float | None:
        """
        Ask for the polls that are due for hints that were not followed.

        Returns:
            In how many seconds the next one is; None: there is none.
        """
        with self._lock:
            now_s = self._now_s()
            waits_s = [
                wait_s
                for name, budget in list(self._budgets.items())
                if (wait_s := self._poll_or_wait_s(name, budget, now_s)) is not None
            ]
        return min(waits_s, default=None)

    def _follow(self, store: str, hints: tuple[Hint, ...]) -> dict[str, int]:
        counts = {"followed": 0, "limited": 0, "elsewhere": 0}
        for name, loop in self._loops.items():
            mirror = self._config().mirrors.get(name)
            if mirror is None or mirror.store != store:
                continue
            leads = led(hints, mirror.bucket, mirror.prefix, self._aliases(name))
            paths = list(filter(self._filter_of(mirror).takes, leads.paths))
            granted = self._mark(name, loop, paths, leads.odd)
            counts["followed"] += granted
            counts["limited"] += len(paths) - granted + leads.odd
        counts["elsewhere"] = max(0, len(hints) - counts["followed"] - counts["limited"])
        return counts

    def _mark(self, name: str, loop: Loop, paths: list[MirrorPath], odd: int) -> int:
        room = MOST_WAITING - loop.waiting
        budget = self._budgets.get(name, Budget())
        self._budgets[name], granted = spend(budget, len(paths), room, self._now_s(), odd=odd)
        for path in paths[:granted]:
            loop.mark(path)
        return granted

    def _poll_or_wait_s(self, name: str, budget: Budget, now_s: float) -> float | None:
        wait_s = poll_in_s(budget, now_s)
        if wait_s != 0:
            return wait_s
        self._budgets[name] = polled(budget, now_s)
        if (loop := self._loops.get(name)) is not None:
            loop.request(Run.POLL)
        return None

    def _filter_of(self, mirror: MirrorConfig) -> Filter:
        found = self._filters.get(mirror.name)
        if found is None or found[0] is not mirror:
            found = self._filters[mirror.name] = mirror, Filter(mirror.include, mirror.exclude)
        return found[1]


class HintSocket:
    """
    Hears hints, in a thread of its own, which costs nothing while none come.

    Args:
        stores: The names of those that may be told of; what names others is counted, no more.
    """

    def __init__(
        self, state_dir: Path, follow: Followed, stores: Callable[[], Mapping[str, object]]
    ) -> None:
        self._state_dir = state_dir
        self._follow = follow
        self._stores = stores
        self._socket: socket.socket | None = None
        self._made: os.stat_result | None = None
        self._stop = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._thread = threading.Thread(target=self._run, name="hints", daemon=True)

    def start(self) -> None:
        """Begin to hear; where the socket cannot be made, say so and do without."""
        path = self._state_dir / NAME
        try:
            self._socket = _bound(self._state_dir)
            self._made = path.lstat()
        except OSError as error:
            reason = error.strerror or str(error)
            log.warning("hints.failed", source=str(path), reason=reason)
            return
        self._thread.start()

    def stop(self) -> None:
        """Hear nothing any more, and take the socket away."""
        os.eventfd_write(self._stop, 1)
        if self._thread.ident is not None:
            self._thread.join()
        if self._socket is not None:
            self._socket.close()
        if self._made is not None:
            _remove(self._state_dir / NAME, self._made)
        os.close(self._stop)

    def _run(self) -> None:
        assert self._socket is not None
        with selectors.DefaultSelector() as either, selectors.DefaultSelector() as stop:
            either.register(self._socket, selectors.EVENT_READ)
            for selector in (either, stop):
                selector.register(self._stop, selectors.EVENT_READ)
            taken = 0
            while self._stop not in {key.fd for key, _ in either.select(self._follow.ask_owed())}:
                for datagram in _waiting(self._socket):
                    self._take(told_in(datagram))
                    taken += 1
                if taken >= _AT_ONCE:
                    taken = 0
                    stop.select(_REST_S)

    def _take(self, told: Told | None) -> None:
        if told is None:
            HINTS.labels(_UNKNOWN, "strange").inc()
        elif told.source not in self._stores():
            HINTS.labels(_UNKNOWN, "elsewhere").inc()
        else:
            self._follow(told.source, told.source, told.found)


def _waiting(receiver: socket.socket) -> Iterator[bytes]:
    with suppress(BlockingIOError):
        for _ in range(_AT_ONCE):
            yield receiver.recv(MOST_BYTES)


def _bound(state_dir: Path) -> socket.socket:
    """
    Make the socket; what a killed daemon has left is in nobody's use, and goes.

    Raises:
        OSError: It cannot be made, or something else is there.
    """
    receiver = _socket()
    try:
        receiver.settimeout(0)
        os.fchmod(receiver.fileno(), 0o600)  # before: its file is made with these rights
        with _address_in(state_dir) as address:
            with suppress(FileNotFoundError):
                if stat.S_ISSOCK((state_dir / NAME).lstat().st_mode):
                    (state_dir / NAME).unlink()
            receiver.bind(address)
    except OSError:
        receiver.close()
        raise
    return receiver


def _socket() -> socket.socket:
    return socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)


@contextmanager
def _address_in(state_dir: Path) -> Iterator[str]:
    """Give the socket's address: by its folder, for unix(7) takes no path of over 107 bytes."""
    folder = os.open(state_dir, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{folder}/{NAME}"
    finally:
        os.close(folder)


def _remove(path: Path, made: os.stat_result) -> None:
    """Take away what was made, not what somebody has put there since."""
    with suppress(OSError):
        if os.path.samestat(path.lstat(), made):
            path.unlink()
