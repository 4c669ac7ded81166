"""Hash what is read, and write or send it meanwhile."""

from __future__ import annotations

import hashlib
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Literal


class HashAside:
    """
    Hashes parts in a thread of its own; it holds one of them at a time.

    A context manager. To hash a large content takes about as long as to write it, and
    neither needs the interpreter.
    """

    def __init__(self, algorithm: Literal["sha256", "md5"]) -> None:
        self._digest = hashlib.new(algorithm, usedforsecurity=False)
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="hash")
        self._last: Future[None] | None = None

    def update(self, part: bytes) -> None:
        """Take the next part; waits until the one before is hashed."""
        self._wait()
        self._last = self._pool.submit(self._digest.update, part)

    def hexdigest(self) -> str:
        self._wait()
        return self._digest.hexdigest()

    def __enter__(self) -> HashAside:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._pool.shutdown()

    def _wait(self) -> None:
        if self._last is not None:
            self._last.result()
