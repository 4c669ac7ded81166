"""Threads of their own for what may take long: the others have theirs, whatever hangs."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial, wraps
from typing import ParamSpec, TypeVar

from anyio import CapacityLimiter
from anyio.lowlevel import RunVar
from anyio.to_thread import run_sync

_P = ParamSpec("_P")
_T = TypeVar("_T")


class Lane:
    """Some threads; who finds none free waits in line without one."""

    def __init__(self, name: str, threads: int) -> None:
        self._threads = threads
        self._limiter: RunVar[CapacityLimiter] = RunVar(f"lane {name}")  # one each event loop

    async def run(self, work: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
        return await run_sync(partial(work, *args, **kwargs), limiter=self._free())

    def _free(self) -> CapacityLimiter:
        try:
            return self._limiter.get()
        except LookupError:
            limiter = CapacityLimiter(self._threads)
            self._limiter.set(limiter)
            return limiter


#: What reads contents: a store, or a folder of another machine, may not answer for minutes. A
#: small content is whole in memory while it is read: so many are at a time.
CONTENTS = Lane("contents", 8)
#: What writes documents into folders.
UPLOADS = Lane("uploads", 8)
#: What waits for somebody else's server.
RECEIVERS = Lane("receivers", 4)


def apart(lane: Lane) -> Callable[[Callable[_P, _T]], Callable[_P, Awaitable[_T]]]:
    """Have a handler run in the threads of *lane*."""

    def decorate(handler: Callable[_P, _T]) -> Callable[_P, Awaitable[_T]]:
        @wraps(handler)
        async def run(*args: _P.args, **kwargs: _P.kwargs) -> _T:
            return await lane.run(handler, *args, **kwargs)

        return run

    return decorate
