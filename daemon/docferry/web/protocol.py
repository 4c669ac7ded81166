"""HTTP/1.1 as uvicorn speaks it, with what it lacks: who connects, and an end for the silent."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

from docferry.web import peers

#: From the connection, or the last answer, to the end of the headers.
HEADERS_WITHIN_S = 15.0


#: In the state of a request: what is remembered as long as its connection lasts.
CONNECTION = "connection"


class Http(H11Protocol):
    """
    Names who has connected to a unix socket as the client, and ends who sends no request.

    uvicorn waits for headers for ever: each such connection would hold a place.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._headers_due: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        # Each request has it in its state: what is found out about who connected is so for all.
        self.app_state = self.app_state | {CONNECTION: {}}
        super().connection_made(transport)
        connection = transport.get_extra_info("socket")
        if connection is not None and connection.family == socket.AF_UNIX:
            self.client = (f"{peers.UNIX}{peers.of_unix(connection).uid}", 0)
        self._await_headers()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self.cycle is not None and not self.cycle.response_complete:
            self._stop_awaiting()
        elif self._headers_due is None:
            self._await_headers()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_awaiting()
        super().connection_lost(exc)

    def _await_headers(self) -> None:
        self._headers_due = self.loop.call_later(HEADERS_WITHIN_S, self.transport.close)

    def _stop_awaiting(self) -> None:
        if self._headers_due is not None:
            self._headers_due.cancel()
            self._headers_due = None
