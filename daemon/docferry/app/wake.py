"""
The wake-up: a command that has asked for something lets a running daemon hear of it at once.

A FIFO in the state directory. What comes through it is a hint and says nothing: what was
asked for is in the ledger, and a daemon that hears nothing finds it there at its next look.
"""

from __future__ import annotations

import os
import selectors
import stat
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from docferry.logs import get_logger

log = get_logger(__name__)

NAME = "wake"
#: Whoever writes without end wakes the daemon no more often.
AT_MOST_EVERY_S = 0.1
#: How often a command looks for its answer: first so often, later a tenth of what it has waited.
LOOK_EVERY_S = (0.02, 0.2)
_ALL = 1 << 20  # bytes: more than a FIFO holds
_FLAGS = os.O_NONBLOCK | os.O_NOFOLLOW | os.O_NOCTTY | os.O_CLOEXEC


def wake(state_dir: Path) -> None:
    """Let the daemon look now, if one runs; whatever is in the way of that does not matter."""
    with suppress(OSError):
        fd = os.open(state_dir / NAME, os.O_WRONLY | _FLAGS)  # ENXIO: nobody hears
        try:
            if stat.S_ISFIFO(os.fstat(fd).st_mode):  # else it is a stranger's file
                os.write(fd, b"\0")
        finally:
            os.close(fd)


def next_look_s(waited_s: float) -> float:
    """Say how long a command that has *waited_s* for its answer pauses until it looks again."""
    least_s, most_s = LOOK_EVERY_S
    return min(most_s, max(least_s, waited_s / 10))


class WakeUps:
    """
    Hears wake-ups, in a thread of its own, which costs nothing while none comes.

    Args:
        on_wake: Called soon after each; once for several that come together.
        every_s: The least time between two calls.
    """

    def __init__(
        self, state_dir: Path, on_wake: Callable[[], None], *, every_s: float = AT_MOST_EVERY_S
    ) -> None:
        self._path = state_dir / NAME
        self._on_wake = on_wake
        self._every_s = every_s
        self._fifo: int | None = None
        self._stop = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._thread = threading.Thread(target=self._run, name="wake-ups", daemon=True)

    def start(self) -> None:
        """Begin to hear; where the FIFO cannot be made, say so and do without."""
        try:
            self._fifo = _made(self._path)
        except OSError as error:
            log.warning("wake.failed", path=str(self._path), reason=error.strerror)
            return
        self._thread.start()

    def stop(self) -> None:
        """Hear nothing any more, and take the FIFO away."""
        os.eventfd_write(self._stop, 1)
        if self._fifo is not None:
            self._thread.join()
            _remove(self._path, self._fifo)
            os.close(self._fifo)
        os.close(self._stop)

    def _run(self) -> None:
        assert self._fifo is not None
        with selectors.DefaultSelector() as either, selectors.DefaultSelector() as stop:
            either.register(self._fifo, selectors.EVENT_READ)
            for selector in (either, stop):
                selector.register(self._stop, selectors.EVENT_READ)
            while self._stop not in {key.fd for key, _ in either.select()}:
                with suppress(BlockingIOError):
                    os.read(self._fifo, _ALL)  # first: what comes from now on is another
                self._on_wake()
                stop.select(self._every_s)


def _made(path: Path) -> int:
    """
    Make the FIFO and open it; what a killed daemon has left is as good.

    Raises:
        OSError: It cannot be made, or something else is there.
    """
    with suppress(FileExistsError):
        os.mkfifo(path, 0o600)
    # For writing too: else it would be at its end whenever a command has closed it.
    fd = os.open(path, os.O_RDWR | _FLAGS)
    try:
        if not stat.S_ISFIFO(os.fstat(fd).st_mode):
            raise FileExistsError(0, "something else is there, and stays")
        os.fchmod(fd, 0o600)
    except OSError:
        os.close(fd)
        raise
    return fd


def _remove(path: Path, fd: int) -> None:
    """Take away what *fd* is, not what somebody has put there since."""
    with suppress(OSError):
        if os.path.samestat(path.lstat(), os.fstat(fd)):
            path.unlink()
