"""Count requests, for the daemon to tell Prometheus: see `app.api_figures`."""

from __future__ import annotations

import threading
import time
from bisect import bisect_left
from collections import Counter

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from docferry.app.api_figures import BOUNDS_S, ApiFigures
from docferry.app.meters import METERS

#: A method is a stranger's to write: of any other there is no series.
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_EVENTS = b"text/event-stream"


class Counted:
    """An application whose requests are counted. Figures may be asked for by any thread."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._lock = threading.Lock()
        self._requests = Counter[tuple[str, str]]()
        self._took = [0] * len(BOUNDS_S)
        self._took_s = 0.0
        self._listeners = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began_s, listens = time.monotonic(), False

        async def counting(message: Message) -> None:
            nonlocal listens
            if message["type"] == "http.response.start":
                listens = _is_of_events(message)
                self._begin(scope["method"], message["status"], time.monotonic() - began_s, listens)
            await send(message)

        try:
            await self._app(scope, receive, counting)
        finally:
            if listens:
                with self._lock:
                    self._listeners -= 1

    @property
    def figures(self) -> ApiFigures:
        with self._lock:
            requests, took = dict(self._requests), tuple(self._took)
            return ApiFigures(requests, took, self._took_s, self._listeners, METERS.counts())

    def _begin(self, method: str, status: int, took_s: float, listens: bool) -> None:  # noqa: FBT001
        known = method if method in _METHODS else "other"
        with self._lock:
            self._requests[known, f"{status // 100}xx"] += 1
            self._took[bisect_left(BOUNDS_S, took_s)] += 1
            self._took_s += took_s
            self._listeners += listens


def _is_of_events(message: Message) -> bool:
    return any(
        name.lower() == b"content-type" and value.startswith(_EVENTS)
        for name, value in message.get("headers", ())
    )
