"""Threads of their own for what may take long: the others have theirs, whatever hangs."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial, wraps
from http import HTTPStatus
from typing import ParamSpec, TypeVar

from anyio import CapacityLimiter
from anyio.lowlevel import RunVar
from anyio.to_thread import run_sync

from docferry.web.problems import ProblemError
from docferry.web.turns import NoTurnError, until_s

_P = ParamSpec("_P")
_T = TypeVar("_T")

#: Besides those that run: whoever comes then is told to come again.
MOST_WAITING = 32
_AGAIN_S = 5


@dataclass(slots=True)
class _Line:
    """Those of one event loop."""

    limiter: CapacityLimiter
    begun: int = 0  # they run, or wait to


class Lane:
    """Some threads; who finds none free waits in line without one."""

    def __init__(self, name: str, threads: int) -> None:
        self._name = name
        self._threads = threads
        self._line: RunVar[_Line] = RunVar(f"lane {name}")  # one each event loop

    async def begin(self, work: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
        """
        Run what nothing has been said about yet: it can be refused.

        Who has gone meanwhile stays in line: where a folder hangs it would have no end.

        Raises:
            ProblemError: 503, the line is too long.
        """
        line = self._own()
        if line.begun >= self._threads + MOST_WAITING:
            raise ProblemError(
                HTTPStatus.SERVICE_UNAVAILABLE,
                "too-many-at-once",
                f"{MOST_WAITING} wait for {self._name} already: again in {_AGAIN_S} s",
                headers={"Retry-After": str(_AGAIN_S)},
            )
        line.begun += 1
        try:
            return await self.run(work, *args, **kwargs)
        finally:
            line.begun -= 1

    async def run(self, work: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
        """Run a part of what has begun."""
        return await run_sync(partial(work, *args, **kwargs), limiter=self._own().limiter)

    def _own(self) -> _Line:
        try:
            return self._line.get()
        except LookupError:
            line = _Line(CapacityLimiter(self._threads))
            self._line.set(line)
            return line


#: What reads contents: a store, or a folder of another machine, may not answer for minutes. A
#: small content is whole in memory while it is read: so many are at a time.
CONTENTS = Lane("contents", 8)
#: What writes documents into folders.
UPLOADS = Lane("uploads", 8)
#: What waits for somebody else's server.
RECEIVERS = Lane("receivers", 4)


def apart(lane: Lane) -> Callable[[Callable[_P, _T]], Callable[_P, Awaitable[_T]]]:
    """
    Have a handler run in the threads of *lane*; 503 where too many wait for them.

    It begins anew where it finds that it has to wait for its turn: until then it changes nothing.
    """

    def decorate(handler: Callable[_P, _T]) -> Callable[_P, Awaitable[_T]]:
        @wraps(handler)
        async def run(*args: _P.args, **kwargs: _P.kwargs) -> _T:
            due_s = until_s()
            while True:
                try:
                    return await lane.begin(handler, *args, **kwargs)
                except NoTurnError as no:
                    await no.turns.wait(no.mirror, due_s)

        return run

    return decorate
