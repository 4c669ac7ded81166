"""Let through no more than a rate of something, smoothly, over all threads."""

from __future__ import annotations

import io
import threading
from collections.abc import Callable

from docferry.core.traffic import Queue
from docferry.storage.part_reader import PartReader

#: After a silence so much may pass at once.
_BURST_S = 0.1
#: Who waits looks so often whether the limit still stands.
_LOOK_AGAIN_S = 1.0
_PIECE_BYTES = 64 * 1024
_LEAST_PIECE_BYTES = 4096


class Pacer:
    """
    Lets through no more than a rate of something, over all threads, in the order they come.

    Args:
        rate: A second, as it is now; None: no limit.
        clock, wait: The time, and how it passes.
    """

    def __init__(
        self,
        rate: Callable[[], float | None],
        clock: Callable[[], float],
        wait: Callable[[float], object],
    ) -> None:
        self._rate = rate
        self._clock = clock
        self._wait = wait
        self._lock = threading.Lock()
        self._queue = Queue()

    @property
    def rate(self) -> float | None:
        return self._rate()

    def take(self, amount: float) -> None:
        """Wait until *amount* more may have passed."""
        rate = self._rate()
        if rate is None:
            return
        with self._lock:
            self._queue = self._queue.after(amount, rate, self._clock(), _BURST_S)
            free_s = self._queue.free_s
        while (left_s := free_s - self._clock()) > 0:
            self._wait(min(left_s, _LOOK_AGAIN_S))
            if self._rate() is None:  # lifted: nobody waits for what it was
                self._queue = Queue()
                return

    def piece_bytes(self) -> int:
        """Say how much is to pass at a time, for it to be smooth."""
        part = int((self._rate() or _PIECE_BYTES / _BURST_S) * _BURST_S)
        return max(_LEAST_PIECE_BYTES, min(_PIECE_BYTES, part))


class SlowBody:
    """A body that lets itself be read no faster than it may be sent."""

    def __init__(self, body: object, up: Pacer) -> None:
        self._body = body if isinstance(body, io.BytesIO | PartReader) else io.BytesIO(_plain(body))
        self._up = up

    def read(self, size: int = -1) -> bytes:
        most = self._up.piece_bytes()
        piece = self._body.read(most if size < 0 else min(size, most))
        self._up.take(len(piece))
        return piece

    def seek(self, offset: int, whence: int = 0) -> int:
        return self._body.seek(offset, whence)

    def tell(self) -> int:
        return self._body.tell()


def size_of(body: object) -> int:
    """Give how many bytes a body has that `SlowBody` takes; 0: none, or it is another kind."""
    if isinstance(body, io.BytesIO):
        return body.getbuffer().nbytes
    return len(body if isinstance(body, PartReader) else _plain(body))


def _plain(body: object) -> bytes | bytearray:
    return body if isinstance(body, bytes | bytearray) else b""
